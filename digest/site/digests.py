"""A digest in the browser, and "send me today's digest now"."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, override
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
from subscriptions.views import known_cookie

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
    """The digest as it was mailed; when the next one comes is told in a browser that is known as the
    reader's. Where digests of the edition are not kept any more
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
    values = rendering.values_of(reader)
    if not known_cookie.is_of(request, delivery.subscriber):
        # When it comes is the reader's choice, and may have changed since the mail was passed on.
        with override(delivery.audience.language):
            values["next_digest"] = gettext("at the time that was chosen")
    html, _ = content.body_of(delivery.audience, is_for_browser=True).filled(values)
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
