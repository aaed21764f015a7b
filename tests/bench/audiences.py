"""Readers who each follow something else: nobody shares a body, so nothing is done for many at once."""

import json
import time

from tests.bench.installation import DAY, NOW, Installation, installation

MOST = 20_000
"""Readers of a measurement; the rate does not depend on how many there are."""


def run(*, subscribers: int) -> list[tuple[str, str, str]]:
    """Rows of what, readers a second and core, and the ratio to the loop that others use."""
    readers = min(subscribers, MOST)
    rows = []
    with installation() as made:
        address = made.start_esp("--mode", "counts")
        made.environment |= {
            "MAILGUN_API_URL": f"{address}/v3",
            "POSTMARK_API_URL": f"{address}/",
            "POSTMARK_SERVER_TOKEN": "token",
            "EMAIL_PROVIDERS": "mailgun",
        }
        made.python("tests.bench.installation", str(readers), str(readers))
        naive = float(made.python("tests.bench.naive"))
        rows.append(("the naive loop (baseline)", f"{naive:,.1f}/s", "1 x"))
        planned = _planned(made)
        rows.append(
            (f"planning, papers picked for each of {readers:,}", f"{readers / planned:,.0f}/s", "")
        )
        for provider in ("mailgun", "postmark", "smtp"):
            rate = _rate(made, provider, readers)
            rows.append((f"one worker, by {provider}", f"{rate:,.0f}/s", f"{rate / naive:,.0f} x"))
    return rows


def _planned(made: Installation) -> float:
    return float(made.python("tests.bench.steps", "plan", str(DAY), NOW.isoformat()))


def _rate(made: Installation, provider: str, readers: int) -> float:
    """Of processor time of the one sender."""
    made.environment["EMAIL_PROVIDERS"] = provider
    if provider == "smtp":
        made.environment["SMTP_URL"] = f"smtp://127.0.0.1:{made.start_sink()}"
    made.python("tests.bench.steps", "again")
    started = time.perf_counter()
    found = json.loads(made.python("tests.bench.steps", "send", str(min(readers, 4000))))
    assert found["sent"] > 0, found
    print(provider, found, time.perf_counter() - started)
    return found["sent"] / found["cpu"]
