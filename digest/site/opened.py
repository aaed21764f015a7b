"""A paper's page tells that it was opened, in a browser whose reader wants digests to learn from it."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from digest.editions import opened as recording
from subscriptions import limits
from subscriptions.views import common, opened_cookie


@csrf_exempt  # the origin is checked here, and no page sets a CSRF cookie
@require_POST
@never_cache
def opened(request: HttpRequest) -> HttpResponse:
    """Keeps that the `paper` was opened; one answer for all, whatever came of it.

    Pages are the same for everybody, so they say it apart from being fetched.
    """
    paper = request.POST.get("paper", "")
    reader = opened_cookie.reader_of(request) if common.is_from_our_pages(request) else None
    if (
        reader
        and paper.isprintable()
        and not limits.reader_opens_too_much(request, reader.public_id)
    ):
        recording.record(reader, paper)
    return HttpResponse(status=204)
