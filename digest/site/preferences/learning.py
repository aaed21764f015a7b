"""The choice that digests learn from the paper pages that a reader opens: what is agreed to, and what
follows in this browser."""

from django.http import HttpResponse

from digest.editions import opened
from digest.site import taste
from subscriptions import choices
from subscriptions.models import Subscriber
from subscriptions.records import Preferences
from subscriptions.views import opened_cookie


def agreed(subscriber: Subscriber, chosen: Preferences) -> str:
    """The words beside the box that the reader just ticked; "" where they did not."""
    if subscriber.learns or not chosen.learns:
        return ""
    return f"{choices.LABELS['learns']}. {choices.LEARNS_HINT} "


def settle(response: HttpResponse, subscriber: Subscriber) -> None:
    """Afterwards this browser says what its reader opens, if they allow that; else it does not, and
    what they opened before is forgotten."""
    if subscriber.learns:
        opened_cookie.keep(response, subscriber)
        return
    opened_cookie.drop(response)
    if opened.forget(subscriber.pk):
        taste.wake(subscriber.pk)
