"""Whether the time of an answer tells what we know of an address: each form that takes one is posted for
addresses of all states in turn, by chance, against gunicorn, PostgreSQL and Redis.

AUC is how often the slower of two answers, one of them for an unknown address, is told right by its time
alone: 0.5 is a coin. `make bench` ends with 1 where a form tells more than MOST.
"""

import http.client
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import redis
from scipy.stats import mannwhitneyu

from tests.bench.installation import Installation, installation
from tests.flows.processes import free_port, wait_for

HEADINGS = ("form", "address", "median ms", "p95 ms", "p of Mann-Whitney's U", "AUC")
TRIES = 300
SIZE = f"{TRIES} addresses of each state"
MOST = 0.6
UNKNOWN = "unknown"
STATES = (UNKNOWN, "pending", "active", "unsubscribed", "bounced", "erased")
FORMS = {"sign-up": "/subscribe/", "API": "/api/v1/subscribe", "preferences": "/preferences/"}
failures: list[str] = []
"""The forms that told something, and of what."""


def run(*, subscribers: int) -> Iterator[tuple[str, ...]]:
    """A row for each form and state; `subscribers` is of no matter."""
    with installation(TRUSTED_PROXIES="1") as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.python("tests.bench.timing")
        port = _start_web(made)
        for form in FORMS:
            # Each form begins with what the site may be asked in an hour.
            with redis.Redis(port=made.redis_port) as client:
                client.flushall()
            yield from _rows(form, _times(port, form))
    for failure in failures:
        print(failure, file=sys.stderr)


def address(form: str, state: str, number: int) -> str:
    # A domain has a limit of its own; and the length of no state's name is in the time.
    return f"reader.{STATES.index(state)}@{form.lower()}{number}.example.org"


def _times(port: int, form: str) -> dict[str, list[float]]:
    """Milliseconds of each answer."""
    by_chance = random.Random(form)
    asked = [(state, number) for state in STATES for number in range(TRIES)]
    by_chance.shuffle(asked)
    found: dict[str, list[float]] = {state: [] for state in STATES}
    for at, (state, number) in enumerate(asked):
        took = _post(
            port, form, address(form, state, number), client=f"10.{at // 250}.{at % 250}.7"
        )
        # Gunicorn has loaded everything by then.
        if at >= 2 * len(STATES):
            found[state].append(took)
    return found


def _post(port: int, form: str, email: str, *, client: str) -> float:
    """By a client who never asked before, over a connection that stands."""
    is_api = form == "API"
    body = json.dumps({"email": email}) if is_api else urlencode({"email": email})
    kind = "application/json" if is_api else "application/x-www-form-urlencoded"
    headers = {
        "Host": "papers.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": client,
        "Content-Type": kind, "Connection": "close",
    }  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    try:
        began = time.perf_counter()
        connection.request("POST", FORMS[form], body, headers)
        answer = connection.getresponse()
        answer.read()
        took = 1000 * (time.perf_counter() - began)
    finally:
        connection.close()
    if answer.status not in (http.client.OK, http.client.ACCEPTED):
        raise RuntimeError(f"{form} answered {answer.status}")
    return took


def _rows(form: str, times: dict[str, list[float]]) -> Iterator[tuple[str, ...]]:
    for state, took in times.items():
        figures = f"{statistics.median(took):.1f}", f"{statistics.quantiles(took, n=20)[-1]:.1f}"
        if state == UNKNOWN:
            yield form, state, *figures, "", ""
            continue
        test = mannwhitneyu(took, times[UNKNOWN])
        share = test.statistic / (len(took) * len(times[UNKNOWN]))
        # Faster tells as much as slower.
        told = max(share, 1 - share)
        if told > MOST:
            failures.append(f"{form}: the time tells {state} from {UNKNOWN} (AUC {told:.2f})")
        yield form, state, *figures, f"{test.pvalue:.2f}", f"{told:.2f}"


def _start_web(made: Installation) -> int:
    port = free_port()
    made.start(
        "web", str(Path(sys.executable).with_name("gunicorn")), "config.wsgi",
        f"--bind=127.0.0.1:{port}", "--worker-class=gthread", "--workers=2", "--threads=8",
        "--worker-tmp-dir=/dev/shm", "--no-control-socket", "--log-level=warning",
    )  # fmt: skip
    wait_for(lambda: _is_up(port), what="the pages")
    return port


def _is_up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def seed() -> None:
    """Readers of each state for each form, in a process with the installation's settings."""
    from subscriptions import services  # noqa: PLC0415  after the settings
    from subscriptions.models import Subscriber, Suppression  # noqa: PLC0415
    from tests.builders import make_subscriber  # noqa: PLC0415

    state_of = {"bounced": Subscriber.State.ACTIVE} | {
        each.value: each for each in Subscriber.State
    }
    for form in FORMS:
        for state in STATES[1:]:
            for number in range(TRIES):
                email = address(form, state, number)
                if state == "erased":
                    services.suppress_address(email, Suppression.Reason.ERASED)
                    continue
                subscriber = make_subscriber(email, state=state_of[state])
                if state == "bounced":
                    services.suppress(subscriber, Suppression.Reason.BOUNCED)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    seed()
