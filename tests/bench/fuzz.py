"""How many inputs that nobody meant were tried, by which method, and on how many something failed.

Of each failure the smallest input is printed, and `make bench` ends with 1. The same number (`--seed`)
makes the same inputs; a longer run tries more of them.
"""

import logging
import sys
import time
import warnings
from collections.abc import Iterator

from django.db import connection
from hypothesis.stateful import get_state_machine_test

HEADINGS = ("target", "method", "inputs", "slowest", "failures")
SIZE = "inputs that nobody meant"
failures: list[str] = []
"""What failed, and on what."""


def run(*, subscribers: int, seconds: float, seed: int) -> Iterator[tuple[str, ...]]:
    """A row for each target, which gets so many seconds."""
    # They load models, and so come after the settings.
    from tests.fuzz import targets  # noqa: PLC0415

    warnings.simplefilter("ignore")
    # Of thousands of refusals nobody reads the lines.
    logging.disable()
    made = connection.creation.create_test_db(verbosity=0)
    try:
        for target in targets.targets():
            tried = target.trial(seconds, seed)
            if tried.crash is not None:
                failures.append(
                    f"{target.name} (seed {seed}): {tried.crash!r:.2000}\n{tried.words}"
                )
            count = str(int(tried.crash is not None))
            row = (f"{tried.inputs:,}", f"{tried.slowest * 1000:,.0f} ms", count)
            yield target.name, target.method, *row
        yield _lives(seconds, seed)
    finally:
        logging.disable(logging.NOTSET)
        connection.creation.destroy_test_db(made, verbosity=0)
    print(f"seed {seed}, {seconds:g} s each")
    for failure in failures:
        print(failure, file=sys.stderr)


def _lives(seconds: float, seed: int) -> tuple[str, ...]:
    import hypothesis  # noqa: PLC0415

    from tests.fuzz.deliveries import Life  # noqa: PLC0415
    from tests.fuzz.running import quick  # noqa: PLC0415

    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and not failures:
        seed += 1
        lives = get_state_machine_test(Life, settings=quick(max_examples=10))
        try:
            hypothesis.seed(seed)(lives)()
        except Exception as error:
            notes = "\n".join(getattr(error, "__notes__", []))
            failures.append(f"deliveries (seed {seed}): {error!r}\n{notes}")
            return "life of deliveries", "state machine", f"{Life.steps:,} steps", "", "1"
    return "life of deliveries", "state machine", f"{Life.steps:,} steps", "", "0"
