"""What a bounce says about an address: whether it is dead, busy, or only will not take our mail."""

import re

_HARD = frozenset({"bounced", "invalid"})
_CODE = re.compile(r"(?<![\d.])[45]\.(\d{1,3})\.(\d{1,3})(?![\d.])")
"""An enhanced status code (RFC 3463): class, subject, detail."""
_POLICY = 7
_AUTHENTICATION = frozenset({*range(20, 33), 509, 515})
"""Details of x.7.x by which RFC 7372, Gmail and Microsoft say that SPF, DKIM or DMARC failed."""


def is_policy(description: str) -> bool:
    """The reader's server has something against the mail or its sender (x.7.x), so that nothing
    is known about the address."""
    return bool(_policies(description))


def is_unauthenticated(description: str) -> bool:
    """It says that the sender's domain is set up wrongly (EMAIL_STANDARDS section 3)."""
    return not _AUTHENTICATION.isdisjoint(_policies(description))


def _policies(description: str) -> set[int]:
    codes = _CODE.findall(description)
    return {int(detail) for subject, detail in codes if int(subject) == _POLICY}


def is_hard(kind: str, reject_reason: str, description: str) -> bool:
    """There is no such mailbox: it is never mailed again."""
    is_refusal = kind in ("bounced", "rejected") and reject_reason in _HARD
    return is_refusal and not is_policy(description)


def is_soft(kind: str, reject_reason: str, description: str) -> bool:
    """The mailbox did not take it this time, such as a full one."""
    is_refusal = kind == "deferred" or (kind == "bounced" and reject_reason not in _HARD)
    return is_refusal and not is_policy(description)
