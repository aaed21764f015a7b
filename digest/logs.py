"""What lines of a log have in common, whoever writes them: values bound around them, and a mask.

Below everything else, and of the standard library only, since every room and the settings use it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import date
from types import MappingProxyType

# A password may have an @ of its own: the last one before the path ends the login.
_LOGIN = re.compile(r"(?<=://)[^\s/]{1,300}@")
# Bounded, so that a long text without spaces is walked once and not once from each of its letters.
_ADDRESS = re.compile(
    r"""(?:"[^"\n]{1,64}"|(?:[^\s@<>"'(),;:\\\[\]{}|=/&?]|(?<=\w)'(?=\w)){1,128}?)(?:@|%40)(?:[\w-]{1,63}\.){1,9}[\w-]{2,63}"""
)
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{43,}")
"""Our shortest link has 43 letters (`subscriptions/tokens.py`)."""

_LEAST_SECRET = 12
"""Letters; what is shorter may be any word."""
_secrets: list[str] = []

Values = Mapping[str, object]
_NOTHING: Values = MappingProxyType({})
_bound: ContextVar[Values] = ContextVar("bound", default=_NOTHING)


def bind(**values: object) -> Token[Values]:
    """Afterwards every record of this thread carries the values, until `unbind` of what is returned."""
    return _bound.set({**_bound.get(), **values})


def unbind(token: Token[Values]) -> None:
    """Afterwards the records carry what they did before that `bind`."""
    _bound.reset(token)


@contextmanager
def bound(**values: object) -> Iterator[None]:
    """Every record inside carries the values, such as the ids of an edition and a batch."""
    token = bind(**values)
    try:
        yield
    finally:
        unbind(token)


def clear() -> None:
    """Afterwards records carry nothing, as at the end of a request."""
    _bound.set(_NOTHING)


def values() -> Values:
    """What is bound here and now."""
    return _bound.get()


def hide(secrets: Iterable[str]) -> None:
    """Afterwards these are masked wherever they stand, the longest first."""
    _secrets[:] = sorted({s for s in secrets if len(s) >= _LEAST_SECRET}, key=len, reverse=True)


def masked(text: str) -> str:
    """The text without mail addresses, the tokens of our links, logins in URLs, and what `hide` got."""
    for secret in _secrets:
        text = text.replace(secret, "[secret]")
    if "://" in text:
        text = _LOGIN.sub("[login]@", text)
    if "@" in text or "%40" in text:
        text = _ADDRESS.sub("[address]", text)
    return _TOKEN.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    """Of 43 random letters some are small and some are not; names in code are of one kind."""
    word = found[0]
    return word if word.islower() or word.isupper() or word.isdigit() else "[token]"


def all_masked(value: object) -> object:
    """The value, which may be nested, with every text in it masked; other objects become texts."""
    match value:
        case str():
            return masked(value)
        case None | bool() | int() | float() | date():
            return value
        case Mapping():
            return {masked(str(key)): all_masked(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [all_masked(each) for each in value]
        case _:
            return masked(str(value))
