"""Words that were searched for at the desk, which may be addresses: the session keeps them for an hour, by a
mark that may stand in a URL."""

import re
import secrets
import time
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

MOST_KEPT = 10
KEPT_FOR = 60 * 60
"""Seconds."""
MOST_LETTERS = 2000
_KEY = "desk_searches"
_MARK = re.compile(r"[\w-]{16}")


def keep(session: SessionBase, text: str) -> str:
    """Afterwards the session has the text; returns the mark that it is found by."""
    mark = secrets.token_urlsafe(12)
    kept = _fresh(session) | {mark: [text[:MOST_LETTERS], time.time()]}
    session[_KEY] = dict(list(kept.items())[-MOST_KEPT:])
    return mark


def text_of(session: SessionBase, mark: str) -> str | None:
    """What was searched for; None for what is over, or never was."""
    found = _fresh(session).get(mark) if _MARK.fullmatch(mark) else None
    return found[0] if found else None


def forget() -> None:
    """Afterwards no session has words of more than an hour ago, whether it is used again or not. Only
    who works at the desk has one, so there are few."""
    for row in Session.objects.iterator():
        session = row.get_decoded()
        if _KEY in session and len(fresh := _not_over(session[_KEY])) < len(session[_KEY]):
            data = SessionStore().encode(session | {_KEY: fresh})
            # Its end stays: saving the session would put it off. One that is used meanwhile is left
            # to whoever uses it, and to the next night.
            same = Session.objects.filter(pk=row.pk, session_data=row.session_data)
            same.update(session_data=data)


def _fresh(session: SessionBase) -> dict[str, Any]:
    """Those that are not over; afterwards the session has no others."""
    kept = session.get(_KEY, {})
    fresh = _not_over(kept)
    if len(fresh) < len(kept):
        session[_KEY] = fresh
    return fresh


def _not_over(kept: dict[str, Any]) -> dict[str, Any]:
    return {mark: each for mark, each in kept.items() if each[1] > time.time() - KEPT_FOR}
