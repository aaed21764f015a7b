"""How a reader stands, in words that an operator can read out to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format

from subscriptions import selectors
from subscriptions.models import Subscriber, Suppression
from subscriptions.records import Selection

_OFTEN = {
    "daily": "every day",
    "weekdays": "every weekday",
    "weekly": "on Mondays",
    "weekly-2": "on Tuesdays",
    "weekly-3": "on Wednesdays",
    "weekly-4": "on Thursdays",
    "weekly-5": "on Fridays",
    "weekly-6": "on Saturdays",
    "weekly-7": "on Sundays",
    "monthly": "on the first of the month",
}
_BECAUSE = {
    Suppression.Reason.BOUNCED: "a mail to it bounced for good",
    Suppression.Reason.COMPLAINED: "a mail was marked as spam",
    Suppression.Reason.ERASED: "its owner asked to be erased",
    Suppression.Reason.MANUAL: "an operator set it",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One word for it, and what it means."""

    word: str
    tone: str
    """`success`, `warning`, `danger` or `info`."""
    meaning: str


def of(subscriber: Subscriber, suppressions: Sequence[Suppression]) -> Standing:
    """Of the reader, and of the rows that keep the address from being mailed."""
    if suppressions:
        first = min(suppressions, key=lambda row: row.created_at)
        return Standing(
            "suppressed",
            "danger",
            f"Nothing is mailed to this address since {since(first)}: {because(first)}. "
            f"Without that they would be {subscriber.state}.",
        )
    if subscriber.state == Subscriber.State.PENDING:
        return Standing("pending", "warning", _pending(subscriber))
    if subscriber.state == Subscriber.State.UNSUBSCRIBED:
        at = subscriber.unsubscribed_at
        left = f" on {_day(at.date())}" if at else ""
        return Standing("unsubscribed", "warning", f"Left{left}. No digest is sent to them.")
    now = timezone.now()
    word = "paused" if selectors.is_paused(subscriber, now) else "active"
    return Standing(word, "info" if word == "paused" else "success", _active(subscriber, now))


def because(suppression: Suppression) -> str:
    """Why an address is never mailed."""
    return _BECAUSE[Suppression.Reason(suppression.reason)]


def since(suppression: Suppression) -> str:
    """Since which day."""
    return _day(suppression.created_at.date())


def _pending(subscriber: Subscriber) -> str:
    days = settings.KEEP_UNCONFIRMED_DAYS
    return (
        f"Signed up on {_day(subscriber.created_at.date())} and has not confirmed the address: no "
        f"digest is sent. A sign-up is forgotten {days} days after its last confirmation mail."
    )


def _active(subscriber: Subscriber, now: datetime) -> str:
    local = selectors.next_digest_at(subscriber, now).astimezone(ZoneInfo(subscriber.timezone))
    pause = ""
    if selectors.is_paused(subscriber, now) and subscriber.paused_until:
        pause = f"Paused until {_day(subscriber.paused_until)}. "
    return (
        f"{pause}Gets a digest {rhythm(subscriber)}; "
        f"the next on {local:%A}, {_day(local.date())}, at {local:%H:%M %Z}."
    )


def rhythm(subscriber: Subscriber) -> str:
    """`every weekday at 07:00 (Europe/Berlin)`."""
    often = _OFTEN[subscriber.frequency]
    return f"{often} at {subscriber.hour:02}:00 ({subscriber.timezone})"


def followed(selection: Selection) -> list[tuple[str, str]]:
    """What they chose, row by row; nothing for what is as it was at the sign-up."""
    plain = Selection()
    rows = [
        ("Topics", ", ".join(selection.topics)),
        ("arXiv categories", ", ".join(selection.categories)),
        ("Keywords", " · ".join(selection.keywords)),
        ("Authors", ", ".join(selection.authors)),
        ("Organisations", ", ".join(selection.organizations)),
        ("Papers in a digest", f"{selection.length} at most"),
        ("Least votes", str(selection.least_votes) if selection.least_votes else ""),
        ("Dial", _dial(selection) if selection.dial != plain.dial else ""),
        ("Popular means", "rising fast" if selection.trending else ""),
        ("Learned", "from their opinions" if selection.taste else ""),
        ("Format", "plain text" if selection.format == "text" else ""),
        ("Language", selection.language),
    ]
    return [row for row in rows if row[1]]


def _dial(selection: Selection) -> str:
    return f"{selection.dial} of 4, from popular to personal"


def _day(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
