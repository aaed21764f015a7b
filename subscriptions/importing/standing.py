"""What rows of other services, and of our own export, say of who may be mailed: a status, or columns
that are a yes or a no."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from .headings import plain

_STATUS = {"status", "state", "subscriberstatus", "memberstatus", "subscriptionstatus"}
_HINTS = {"type", "result", "event"}
"""May be a status, and may be anything: only a refusal counts."""
_WISH = {
    "subscribed", "subscribedtoemails", "subscribedtonewsletter", "active", "enabled", "mailable",
    "optin", "optedin", "optintoemail", "optedintoemail", "marketingconsent", "acceptsmarketing",
    "acceptsemailmarketing", "acceptsemails", "wantsemail", "wantsmail",
}  # fmt: skip
"""Ghost has the second."""
_REFUSAL = {
    "unsubscribe", "unsubscribed", "unsub", "unsubscribes", "unsubscription", "unsubscribedfromall",
    "unsubscribedfromallemail", "left", "optout", "optedout", "optedoutofemail", "emaildisabled",
    "disabled", "inactive", "deactivated", "blacklisted", "blocklisted", "blacklist", "blocklist",
    "blocked", "banned", "suppressed", "suppression", "bounce", "bounced", "hardbounce",
    "hardbounced", "hardbounces", "complaint", "complaints", "complained", "spam", "spamcomplaint",
    "spamcomplaints", "spamreport", "spamreported", "abuse", "deleted", "removed", "erased",
    "cleaned", "clean", "invalid", "undeliverable", "donotemail", "donotmail", "donotcontact",
    "donotsend", "nomail", "noemail", "unsubcampaigntitle", "cleancampaigntitle",
}  # fmt: skip
"""The last two, and `clean`, are Mailchimp's."""
_ACTIVE = {
    "", "active", "enabled", "subscribed", "confirmed", "verified", "optedin", "optin",
    "doubleoptin", "singleoptin",
}  # fmt: skip
_PENDING = {"pending", "unconfirmed", "unactivated", "notconfirmed", "awaitingconfirmation"}
_YES = {"", "true", "yes", "1", "y", "t", "on", "ja", "oui", "si", "x"}
_NO = {"", "false", "no", "0", "n", "f", "off", "nein", "non", "never", "none", "null", "na"}
_DATE = re.compile(r"\d{4}\D|\d{1,2}\D\d{1,2}\D\d{2,4}|\d{4}$|\d{8,14}$")
"""How a date begins, however it is written; or the seconds since 1970."""
_BEFORE = re.compile(r"^(?:is|has|was|email|mail|contact|subscriber|member)(?=.)")
_AFTER = re.compile(r"(?<=.)(?:at|on|date|time|datetime|timestamp|reason|count)$")


class Standing(Enum):
    """What a row says of its reader."""

    WELCOME = "welcome"
    UNCONFIRMED = "unconfirmed"
    """Was asked to confirm there, and did not so far."""
    REFUSED = "refused"
    """Left, bounced or is blocked there; so is whatever a status says that we don't know."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Where a row says who may be mailed."""

    status: tuple[int, ...]
    hints: tuple[int, ...]
    wishes: tuple[int, ...]
    refusals: tuple[int, ...]


def signs(headings: Sequence[str]) -> Signs:
    """The columns that say it; all others are passed over."""
    names = [_forms(plain(name)) for name in headings]

    def all_of(known: set[str]) -> tuple[int, ...]:
        return tuple(place for place, forms in enumerate(names) if forms & known)

    return Signs(all_of(_STATUS), all_of(_HINTS), all_of(_WISH), all_of(_REFUSAL))


def read_as_signs(headings: Sequence[str]) -> list[str]:
    """The names of these columns, for whoever must know what was understood."""
    where = signs(headings)
    places = {*where.status, *where.hints, *where.wishes, *where.refusals}
    return [headings[place] for place in sorted(places)]


def _forms(name: str) -> set[str]:
    """`isunsubscribed` and `unsubscribedtime` are `unsubscribed`, too."""
    after = _BEFORE.sub("", name)
    return {name, after, _AFTER.sub("", name), _AFTER.sub("", after)}


def standing_of(cells: Sequence[str], where: Signs) -> Standing:
    """Whether the reader wanted mail, and got it, where the row comes from."""

    def said(places: Sequence[int]) -> set[str]:
        return {cells[place].strip().casefold() for place in places if place < len(cells)}

    status = {plain(word) for word in said(where.status)}
    hints = {plain(word) for word in said(where.hints)}
    if (
        not status <= _ACTIVE | _PENDING
        or hints & (_REFUSAL - {"clean"})
        or not all(map(_is_yes, said(where.wishes)))
        or not {plain(word) for word in said(where.refusals)} <= _NO
    ):
        return Standing.REFUSED
    return Standing.UNCONFIRMED if (status | hints) & _PENDING else Standing.WELCOME


def _is_yes(word: str) -> bool:
    return plain(word) in _YES | _ACTIVE or bool(_DATE.match(word))
