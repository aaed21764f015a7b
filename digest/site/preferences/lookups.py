"""What the page asks while somebody types: a keyword's count, and authors and organisations of a
beginning."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from digest.papers import organizations as known_organizations
from digest.papers.authors import suggest
from subscriptions import limits
from subscriptions.errors import ChoiceError
from subscriptions.services import check_keyword

from . import counting
from .recent import recent


@require_safe
def count(request: HttpRequest) -> HttpResponse:
    """`{"text": "matches 12 papers of the last 30 days"}` for `?q=`; 400 where it can't be read."""
    if limits.client_looks_up_too_much(request):
        return _too_many()
    keyword = " ".join(request.GET.get("q", "").split())
    try:
        check_keyword(keyword)
        found = counting.count(keyword, recent())
    except ChoiceError as error:
        return _answer({"text": str(error)}, status=400)
    return _answer({"text": counting.in_words(found)})


@require_safe
def authors(request: HttpRequest) -> HttpResponse:
    """`{"authors": [{"name": …, "papers": …}]}` for the beginning in `?q=`, best known first."""
    if limits.client_looks_up_too_much(request):
        return _too_many()
    found = suggest(request.GET.get("q", "")[:200])
    return _answer({"authors": [{"name": each.name, "papers": each.papers} for each in found]})


@require_safe
def organizations(request: HttpRequest) -> HttpResponse:
    """`{"organizations": [{"name": …, "papers": …}]}` for the beginning of a word in `?q=`, those
    with the most papers first."""
    if limits.client_looks_up_too_much(request):
        return _too_many()
    found = known_organizations.suggest(request.GET.get("q", "")[:200])
    return _answer(
        {"organizations": [{"name": each.name, "papers": each.papers} for each in found]}
    )


def _too_many() -> HttpResponse:
    response = _answer({"text": _("Too many questions for now. Please wait a minute.")}, status=429)
    response["Retry-After"] = "60"
    return response


def _answer(said: dict[str, object], *, status: int = 200) -> JsonResponse:
    response = JsonResponse(said, status=status, json_dumps_params={"ensure_ascii": False})
    # What somebody types is their own.
    response["Cache-Control"] = "private, max-age=60" if status == 200 else "no-store"  # noqa: PLR2004
    response["X-Robots-Tag"] = "noindex"
    return response
