"""What calls run into, written as words, in their order or by chance."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from .records import Fault

_LONG = "60"
_NAMED: dict[str, Callable[[str], Fault]] = {
    "ok": lambda _: Fault(status=200, accepts=True),
    "slow": lambda seconds: Fault(status=200, accepts=True, stall=float(seconds or 1)),
    "refused": lambda seconds: Fault(down_for=float(seconds or 1)),
    "reset-before": lambda _: Fault(resets=True),
    "reset-after": lambda _: Fault(resets=True, accepts=True),
    "cut-before": lambda _: Fault(),
    "cut-after": lambda _: Fault(accepts=True),
    "timeout-before": lambda seconds: Fault(stall=float(seconds or _LONG)),
    "timeout-after": lambda seconds: Fault(accepts=True, stall=float(seconds or _LONG)),
    "half": lambda _: Fault(rejects_half=True),
    "bad": lambda address: Fault(bad_address=address),
    "not-json": lambda _: Fault(status=200, accepts=True, body="<html>Thank you.</html>"),
    "truncated": lambda _: Fault(status=200, accepts=True, is_truncated=True),
}
_WORD = re.compile(
    r"(?P<name>[a-z0-9-]+)(:(?P<value>[^*=]+))?(\*(?P<times>\d+)|=(?P<share>[\d.]+))?"
)


@dataclass(frozen=True)
class Chances:
    """Faults by chance: the n-th call of a seed always runs into the same one, or into none."""

    shares: tuple[tuple[Fault, float], ...] = ()
    seed: int = 0

    def of(self, number: int) -> Fault | None:
        point = random.Random(f"{self.seed}:{number}").random()
        for fault, share in self.shares:
            point -= share
            if point < 0:
                return fault
        return None


def named(name: str, value: str = "") -> Fault:
    """The fault of that name; a status may end in `-after`: the call was taken all the same.

    The value is its seconds: of waiting, or, for a status, of Retry-After; for `bad`, an address.
    """
    if name in _NAMED:
        return _NAMED[name](value)
    status, _, rest = name.partition("-")
    if not re.fullmatch(r"[345]\d\d", status) or rest not in ("", "after"):
        raise ValueError(f"{name} is no fault; a status, status-after, {', '.join(_NAMED)}")
    return Fault(status=int(status), retry_after=value, accepts=rest == "after")


def scenario(words: str) -> tuple[list[Fault], Chances]:
    """The faults that the words stand for.

    A bare word is one call's fault, in the order of the words (`429:2 ok*3 reset-after`); with a
    share it befalls any call that has none by script (`seed=7 500=0.05 timeout-after:2=0.01`).
    """
    script: list[Fault] = []
    shares: list[tuple[Fault, float]] = []
    seed = 0
    for word in re.split(r"[\s,]+", words.strip()) if words.strip() else ():
        found = _WORD.fullmatch(word)
        if found is None:
            raise ValueError(f"{word} is not like name:value, name*times or name=share")
        if found["name"] == "seed":
            seed = int(found["share"])
        elif found["share"]:
            shares.append((named(found["name"], found["value"] or ""), float(found["share"])))
        else:
            fault = named(found["name"], found["value"] or "")
            script += [fault] * int(found["times"] or 1)
    if any(fault.bad_address for fault, _ in shares) or sum(share for _, share in shares) > 1:
        raise ValueError("shares are of calls, and at most 1 together")
    return script, Chances(tuple(shares), seed)
