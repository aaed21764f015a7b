"""Tries a target for so many seconds, and cuts an input that it fails on down to the smallest."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hypothesis
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from .mutating import Mutator

_A_ROUND = 100
_MOST_CUTS = 2_000
Check = Callable[[Any], None]


@dataclass(slots=True)
class Tried:
    """How many inputs a target took, and the smallest one that it failed on, if any."""

    inputs: int = 0
    slowest: float = 0.0
    """Seconds for one input, but for the first, which loads what is needed."""
    crash: Any = None
    words: str = ""
    """Of the error."""

    def took(self, check: Check, given_input: Any) -> None:
        """One more input was tried; raises what the check raises."""
        started = time.perf_counter()
        self.inputs += 1
        check(given_input)
        if self.inputs > 1:
            self.slowest = max(self.slowest, time.perf_counter() - started)


def mutated(check: Check, mutator: Mutator, *, seconds: float) -> Tried:
    """What became of spoilt copies of real files."""
    tried = Tried()
    # The first ones are whole, and the very first takes the time to load what is needed.
    whole, ends_at = iter(mutator.seeds), 0.0
    data = next(whole)
    while not ends_at or time.monotonic() < ends_at:
        try:
            tried.took(check, data)
        except Exception as error:
            tried.crash, tried.words = smallest(check, data, type(error)), _words(error)
            break
        ends_at = ends_at or time.monotonic() + seconds
        data = next(whole, None) or mutator.next()
    return tried


def smallest(check: Check, data: bytes, kind: type[Exception]) -> bytes:
    """What is left of the input when no part of it can be left out without another end."""
    cuts, size = 0, max(len(data) // 2, 1)
    while size and cuts < _MOST_CUTS:
        start = 0
        while start < len(data) and cuts < _MOST_CUTS:
            shorter, cuts = data[:start] + data[start + size :], cuts + 1
            if _fails(check, shorter, kind):
                data = shorter
            else:
                start += size
        size //= 2
    return data


def _fails(check: Check, data: bytes, kind: type[Exception]) -> bool:
    try:
        check(data)
    except kind:
        return True
    except Exception:
        return False
    return False


def generated(check: Check, strategy: SearchStrategy[Any], *, seconds: float, number: int) -> Tried:
    """What became of inputs that Hypothesis made, which cuts them down itself."""
    tried, ends_at = Tried(), time.monotonic() + seconds
    while time.monotonic() < ends_at and tried.crash is None:
        number += 1
        _round(check, strategy, number, tried, ends_at)
    return tried


def _round(
    check: Check, strategy: SearchStrategy[Any], number: int, tried: Tried, ends_at: float
) -> None:
    last: list[Any] = []

    @hypothesis.seed(number)
    @quick(max_examples=_A_ROUND)
    @given(strategy)
    def attempt(value: Any) -> None:
        # The first one is tried however long a busy machine took to make it.
        if time.monotonic() < ends_at or last or not tried.inputs:
            last[:] = [value]
            tried.took(check, value)
            last.clear()

    try:
        attempt()
    except Exception as error:
        tried.crash, tried.words = last[0] if last else "?", _words(error)


@contextmanager
def undone() -> Iterator[None]:
    """Afterwards the database is as it was."""
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


def quick(**options: Any) -> settings:
    """Hypothesis without what needs a disk, a deadline or much patience."""
    return settings(
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        **options,
    )


def _words(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-4000:]
