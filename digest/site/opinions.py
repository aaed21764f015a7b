"""“More like this” and “less like this”: what the links of a digest open, and the button behind."""

from http import HTTPStatus

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from digest.editions import taste as learned
from digest.models import Opinion, Paper
from subscriptions import selectors, tokens
from subscriptions.errors import TokenError
from subscriptions.models import Subscriber
from subscriptions.views import common, known_cookie

from . import managing, taste
from .digests import private

Verdict = Opinion.Verdict
SAVE = "save"
"""The word in the address of a link that keeps a paper for later."""


@csrf_exempt  # the cookie by which the browser is known comes with no other site's POST
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def opinion(request: HttpRequest, token: str, verdict: str, arxiv_id: str) -> HttpResponse:
    """GET asks and changes nothing, as scanners open links; a POST keeps the reader's newest word,
    or takes it back, in a browser that is known as theirs. Digests are passed on: any other browser
    is told no more than the paper, and a fresh link goes to the reader at one press."""
    try:
        public_id, _edition_id = tokens.read_digest(token)
    except TokenError as error:
        raise Http404 from error
    subscriber = selectors.subscriber_with(public_id)
    if subscriber is None:
        raise Http404
    paper = get_object_or_404(Paper, arxiv_id=arxiv_id)
    if not known_cookie.is_of(request, subscriber):
        return private(_asked_first(request, subscriber, paper, verdict))
    said = ""
    if request.method == "POST":
        said = (
            _taken_back(subscriber, paper, verdict)
            if "undo" in request.POST
            else _kept(subscriber, paper, verdict)
        )
        taste.wake(subscriber.pk)
    context = {
        "paper": paper,
        "verdict": verdict,
        "said": said,
        "is_kept": _mine(subscriber, paper).filter(_says(verdict)).exists(),
    }
    return private(render(request, "web/site/opinion.html", context))


def _asked_first(
    request: HttpRequest, subscriber: Subscriber, paper: Paper, verdict: str
) -> HttpResponse:
    page = "web/site/opinion_link.html"
    response = common.fresh_link(request, subscriber, page, paper=paper, verdict=verdict)
    if request.method == "POST" and response.status_code == HTTPStatus.OK:
        managing.come_back(response, request.path)
    return response


def _mine(subscriber: Subscriber, paper: Paper) -> QuerySet[Opinion]:
    return Opinion.objects.filter(subscriber=subscriber, paper=paper)


def _says(verdict: str) -> Q:
    return Q(is_saved=True) if verdict == SAVE else Q(verdict=verdict)


def _kept(subscriber: Subscriber, paper: Paper, verdict: str) -> str:
    """Keeps the word beside what else was said of the paper; returns what is said of that."""
    said = {"is_saved": True} if verdict == SAVE else {"verdict": verdict}
    Opinion.objects.update_or_create(
        subscriber=subscriber, paper=paper, defaults={**said, "opened_at": None}
    )
    return {
        Verdict.MORE: _("Noted: more like this."),
        Verdict.LESS: _("Noted: less like this."),
        SAVE: _("Saved for later."),
    }[verdict]


def _taken_back(subscriber: Subscriber, paper: Paper, verdict: str) -> str:
    mine = _mine(subscriber, paper)
    learned.outdate(mine)
    if verdict == SAVE:
        mine.filter(verdict="").delete()
        mine.update(is_saved=False, said_at=timezone.now())
        return _("Not saved any more.")
    mine.filter(is_saved=False).delete()
    mine.update(verdict="", said_at=timezone.now())
    return _("Taken back. It counts neither way.")
