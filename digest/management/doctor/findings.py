"""How a check says what it found, and what all checks are told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from digest.records import Finding, Verdict

SECONDS = 8
"""How long one call of a check waits for its answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator asked for."""

    resolver: str = ""
    """HOST:PORT of a name server; "" for those of this machine."""
    selectors: tuple[str, ...] = ()
    """Names of DKIM keys, in the place of those that the providers are known for."""


Findings = Iterator[Finding]
Check = Callable[[Asked], Findings]
Say = Callable[..., Finding]


def saying(name: str) -> tuple[Say, Say, Say, Say]:
    """For the check of this name: four functions that make a finding, from good to none."""
    ok, warn, fail, skipped = (partial(Finding, name, state) for state in Verdict)
    return ok, warn, fail, skipped
