"""What commands and the desk's door write into its log, beside what the admin writes there itself: who did
it, what they did, and to what. No address of mail gets in."""

import getpass
import os
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q
from django.utils import timezone

from .addresses import IN_TEXT

BY_COMMAND = "command, by "
"""How the names of those begin who type commands: a form takes no such name, with its comma."""
STRANGER = "somebody, not signed in"
"""Who failed to sign in; with a comma, too."""
SIGN_IN = 4
"""The flag of what happened at the door, beside Django's for what was added, changed and deleted."""
FROM = " · from "
"""What stands before the network, in what happened at the door."""
MOST_STRANGERS = 200
"""Entries of strangers by names that nobody has, in an hour at most: a flood of them must not fill the
database, nor hide what is about an operator, of which the lock-out lets no more come than it counts."""
LONGEST = 500
"""Characters of a text whose old and new words are kept."""


def note(about: Model | type[Model], what: str, *, is_new: bool = False) -> None:
    """Afterwards the log has what a command did to a row, or, where it is about no single one, to a
    table."""
    _write(_typist(), about, what, flag=ADDITION if is_new else CHANGE)


def note_change(about: Model, what: str, *, by: User) -> None:
    """Afterwards the log has what an operator changed that Django's own entry does not say."""
    _write(by, about, what, flag=CHANGE)


def note_sign_in(
    about: User | type[User], what: str, *, by: User | None = None, network: str = ""
) -> None:
    """Afterwards the log has what happened at the door to an operator, or, where nobody has the name, to
    none, and from which network, where it has an address; `by` somebody who is in, or a stranger, of
    whom MOST_STRANGERS an hour are noted by such names."""
    if by is None and about is User and _has_had_enough():
        return
    who = by or _nobody_that_signs_in(STRANGER)
    _write(who, about, f"{what}{FROM}{network}" if network else what, flag=SIGN_IN)


def _has_had_enough() -> bool:
    rows = LogEntry.objects.filter(user__username=STRANGER, object_id=None).order_by("-pk")
    times = list(rows.values_list("action_time", flat=True)[MOST_STRANGERS - 1 : MOST_STRANGERS])
    return bool(times) and times[0] > timezone.now() - timedelta(hours=1)


def _write(who: User, about: Model | type[Model], what: str, *, flag: int) -> None:
    row = about if isinstance(about, Model) else None
    LogEntry.objects.create(
        user=who,
        content_type=ContentType.objects.get_for_model(about),
        object_id=None if row is None else str(row.pk),
        object_repr="" if row is None else name_of(row),
        action_flag=flag,
        change_message=without_addresses(what),
    )


def acts_on(row: Model) -> list[dict[str, Any]]:
    """What operators did to a row and when, the oldest first; not who they are, as that is their data."""
    about = ContentType.objects.get_for_model(row)
    entries = LogEntry.objects.filter(content_type=about, object_id=str(row.pk)).order_by("pk")
    return [
        {
            "at": entry.action_time,
            "act": entry.get_change_message() or entry.get_action_flag_display(),
        }
        for entry in entries
    ]


def without_people() -> Q:
    """Users that are no people: who types commands, and strangers at the door."""
    return Q(username__startswith=BY_COMMAND) | Q(username=STRANGER)


def name_of(row: Model) -> str:
    """What the log calls a row: its name, or, where that is an address, its number."""
    name, kind = str(row), ContentType.objects.get_for_model(row)
    return f"{kind.name} {row.pk}" if "@" in name else name[:200]


def without_addresses(text: str) -> str:
    """The text, with a word where an address of mail was."""
    return IN_TEXT.sub("(an address)", text)


def shortened(text: str) -> str:
    """A text as the log keeps it, so that one can see what was changed."""
    text = without_addresses(" ".join(text.split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def forget(limit: datetime) -> int:
    """Afterwards nothing is kept of what operators did before; how many entries went."""
    return LogEntry.objects.filter(action_time__lt=limit).delete()[0]


def end_sessions() -> None:
    """Afterwards no session of an operator is kept that is over."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def _typist() -> User:
    """Who is logged in on the machine, as a user who can't sign in anywhere."""
    return _nobody_that_signs_in(f"{BY_COMMAND}{_name()}"[:150])


def _nobody_that_signs_in(name: str) -> User:
    fields = {"password": make_password(None), "is_active": False}
    return User.objects.get_or_create(username=name, defaults=fields)[0]


def _name() -> str:
    try:
        # Names of a directory may be addresses.
        return getpass.getuser().partition("@")[0]
    except (OSError, KeyError):
        # In a container nobody need have a name.
        return f"user {os.getuid()}"
