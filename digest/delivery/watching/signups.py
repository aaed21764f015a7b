"""Tells the operator of sign-ups that hardly anybody confirms: strangers are being signed up, or the
mails that ask do not arrive."""

from datetime import datetime

from digest.delivery import notices
from digest.delivery.notices import Trouble
from subscriptions import breaker


def check_sign_ups(now: datetime) -> None:
    """The breaker of sign-ups is open; it closes by itself, and the notice ends."""
    standing = breaker.standing(now)
    found = {}
    if standing.is_open:
        found[""] = Trouble(
            what=f"Of the last {standing.asked} people who were asked to confirm a sign-up only "
            f"{standing.confirmed} did; sign-ups are limited strictly until more do.",
            mend="Does somebody sign up strangers, or do confirmation mails not arrive? Look at the "
            "consent records' addresses, and try a sign-up of your own. Type: manage.py doctor",
            link="/admin/subscriptions/consentrecord/?action__exact=signed_up",
        )
    notices.stand("sign_ups", found, now=now)
