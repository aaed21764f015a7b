"""Where the sessions of the desk are (`SESSION_ENGINE`): Django's own in the database, asked for by keys alone
that can be one of ours."""

import re

from django.contrib.sessions.backends import db

_KEY = re.compile(r"[a-z0-9]{8,40}")


class SessionStore(db.SessionStore):
    """Its name has to stay: Django salts the signature of what it keeps with it."""

    def _validate_session_key(self, key: str | None) -> bool:
        # Django undoes escapes in cookies, so that a key may have a NUL, at which PostgreSQL fails.
        return bool(key and _KEY.fullmatch(key))
