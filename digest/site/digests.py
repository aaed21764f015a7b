"""A digest in the browser, and "send me today's digest now"."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from digest.delivery.due import requested
from digest.delivery.mails import content, rendering
from digest.models import Delivery, Edition
from digest.tasks import wake_senders
from subscriptions import selectors, tokens
from subscriptions.errors import TokenError, TokenExpiredError
from subscriptions.models import Subscriber

# The mail's own styles are inline; nothing else may load or run.
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def private(response: HttpResponse) -> HttpResponse:
    """The response, whose address is a secret: not passed on, not indexed."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


@require_safe
@never_cache
def view(request: HttpRequest, token: str) -> HttpResponse:
    """The digest as it was mailed. Where digests of the edition are not kept any more
    (KEEP_DELIVERIES_DAYS), a page that leads to it."""
    try:
        public_id, edition_id = tokens.read_digest(token)
    except TokenError as error:
        raise Http404 from error
    delivery = (
        Delivery.objects.filter(edition_id=edition_id, subscriber__public_id=public_id)
        .select_related("subscriber", "audience")
        .first()
    )
    if delivery is None and (gone := _forgotten(edition_id)):
        context = {"edition": gone, "url": f"/papers/{gone.name}/"}
        return private(render(request, "web/site/digest_gone.html", context, status=410))
    if delivery is None or delivery.subscriber is None or delivery.audience is None:
        raise Http404
    if not delivery.audience.cards:
        raise Http404
    addressee = selectors.addressees([delivery.subscriber.pk])[delivery.subscriber.pk]
    (reader,) = content.readers_of(
        {delivery.pk: addressee},
        edition_id=edition_id,
        now=timezone.now(),
        language=delivery.audience.language,
    )
    body = content.body_of(delivery.audience, is_for_browser=True)
    html, _ = body.filled(rendering.values_of(reader))
    response = HttpResponse(html)
    response["Content-Security-Policy"] = f"{MAIL_POLICY}; frame-ancestors 'none'"
    return private(response)


def _forgotten(edition_id: int) -> Edition | None:
    """The edition, where its digests are not kept any more."""
    return Edition.objects.filter(pk=edition_id, forgetting_at__isnull=False).first()


@csrf_exempt  # the token in the address is the secret; no cookie is read or set
@require_POST
@never_cache
def send_now(request: HttpRequest, token: str) -> HttpResponse:
    """Queues the newest edition for the reader who holds this preferences link."""
    try:
        subscriber = selectors.subscriber_of(tokens.read_preferences(token))
    except TokenExpiredError:
        # The preferences page says so, and can mail a new link.
        return private(HttpResponseRedirect(reverse("site:preferences", args=[token])))
    except TokenError as error:
        raise Http404 from error
    if subscriber.state != Subscriber.State.ACTIVE:
        raise Http404
    delivery = requested.plan(subscriber)
    if delivery is not None and delivery.state == Delivery.State.PENDING:
        wake_senders()
    context = {"delivery": delivery, "token": token, "states": Delivery.State}
    return private(render(request, "web/site/send_now.html", context))
