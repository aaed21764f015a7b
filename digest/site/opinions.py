"""“More like this” and “less like this”: what the links of a digest open, and the button behind."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from digest.models import Opinion, Paper
from subscriptions import selectors, tokens
from subscriptions.errors import TokenError

from . import taste
from .digests import private

Verdict = Opinion.Verdict


@csrf_exempt  # the token in the address is the secret; no cookie is read or set
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def opinion(request: HttpRequest, token: str, verdict: str, arxiv_id: str) -> HttpResponse:
    """GET asks and changes nothing, as scanners open links; a POST keeps the reader's newest word,
    or takes it back."""
    try:
        public_id, _edition_id = tokens.read_digest(token)
    except TokenError as error:
        raise Http404 from error
    subscriber = selectors.subscriber_with(public_id)
    if subscriber is None:
        raise Http404
    paper = get_object_or_404(Paper, arxiv_id=arxiv_id)
    said = ""
    if request.method == "POST" and "undo" in request.POST:
        Opinion.objects.filter(subscriber=subscriber, paper=paper).delete()
        said = _("Taken back. It counts neither way.")
    elif request.method == "POST":
        Opinion.objects.update_or_create(
            subscriber=subscriber, paper=paper, defaults={"verdict": verdict}
        )
        said = {
            Verdict.MORE: _("Noted: more like this."),
            Verdict.LESS: _("Noted: less like this."),
        }[Verdict(verdict)]
    if request.method == "POST":
        taste.wake(subscriber.pk)
    context = {
        "paper": paper,
        "verdict": verdict,
        "said": said,
        "is_kept": Opinion.objects.filter(
            subscriber=subscriber, paper=paper, verdict=verdict
        ).exists(),
    }
    return private(render(request, "web/site/opinion.html", context))
