"""A bombing of the sign-up, 10,000 times from 200 networks: of one victim, and of 10,000; over HTTP, 32 at
once, against gunicorn as in deploy/, Redis and PostgreSQL, with honest readers in between. How many mails to
strangers wait to be sent afterwards, and who of the honest got through.

One client would take nine minutes for a flood, since every answer waits 50 ms. More mails than
docs/sign-up.md says, or an honest reader who got none, and `make bench` ends with 1.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.bench.installation import installation

HEADINGS = ("flood", "tries", "refused", "time", "mails to strangers", "stated", "honest, got one")
SIZE = "10,000 sign-ups from 200 networks"
SIGN_UPS, BOTS, AT_ONCE = 10_000, 200, 32
FLOODS = {"of_one": "one victim, in 10,000 forms of the address", "of_many": "10,000 victims"}
failures: list[str] = []


def run(*, subscribers: int) -> Iterator[tuple[str, ...]]:
    """A row for each flood; `subscribers` is of no matter."""
    for flood, name in FLOODS.items():
        with installation(TRUSTED_PROXIES="1") as made:
            made.manage("collectstatic", "--noinput", "-v0")
            port = made.start_web()
            told = json.loads(made.python("tests.bench.signup", flood, str(port)))
        if told["strangers"] > told["stated"]:
            failures.append(f"{name}: {told['strangers']} mails, stated are {told['stated']}")
        if told["through"] < told["honest"]:
            failures.append(f"{name}: {told['through']} of {told['honest']} honest got through")
        if told["odd"]:
            failures.append(f"{name}: answers of {told['odd']}")
        share = told["through"] / told["honest"]
        yield (
            name, f"{told['tries']:,}", f"{told['refused']:,}", f"{told['seconds']:.0f} s",
            str(told["strangers"]), f"{told['stated']} at most",
            f"{told['through']} of {told['honest']} ({share:.0%})",
        )  # fmt: skip


def play(flood: str, port: int) -> dict[str, object]:
    """What came of it. Runs with the installation's settings, which the links need."""
    from subscriptions.models import TransactionalMessage  # noqa: PLC0415  after the settings
    from tests import bombing  # noqa: PLC0415

    started_at, started = time.time(), time.perf_counter()
    wishes = list(getattr(bombing, flood)(SIGN_UPS, BOTS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = list(pool.map(lambda wish: _sign_up(port, wish), wishes))
    outcome = bombing.Outcome()
    for wish, status in zip(wishes, statuses, strict=True):
        outcome.note(wish, status)
    mails = TransactionalMessage.objects.filter(kind="confirm")
    honest = mails.filter(subscriber__email__startswith="honest")
    return {
        "tries": outcome.tries,
        "refused": outcome.refused,
        "seconds": time.perf_counter() - started,
        "strangers": mails.count() - honest.count(),
        "stated": 1 if flood == "of_one" else _stated(started_at),
        "honest": outcome.honest,
        "through": honest.values("subscriber").distinct().count(),
        "odd": sorted(outcome.statuses - {bombing.OK, bombing.TOO_MANY}),
    }


def _stated(started_at: float) -> int:
    """As docs/sign-up.md says, and once more for each network whose hour ended meanwhile: its windows
    are of the clock."""
    from tests import bombing  # noqa: PLC0415

    confirmed = sum(map(bombing.confirms, map(bombing.honest, range(SIGN_UPS // 100))))
    ended = sum(_hour_ended(client, started_at) for client in bombing.clients(BOTS))
    return bombing.stated_most(networks=BOTS, confirmed=confirmed) + ended


def _hour_ended(client: str, started_at: float) -> bool:
    """Whether the hour of the client's network, which begins where django-ratelimit puts it, did."""
    from django_ratelimit import core  # noqa: PLC0415

    from subscriptions import limits  # noqa: PLC0415

    window = core._get_window(limits._network(client), 3600)
    return bool(window - 3600 > started_at)


def _sign_up(port: int, wish: object) -> int:
    """The status; an honest reader who confirms has done so afterwards."""
    from tests import bombing  # noqa: PLC0415

    assert isinstance(wish, bombing.SignUp)
    status = _post(port, "/subscribe/", {"email": wish.email}, wish.client)
    if wish.is_honest and status == bombing.OK and bombing.confirms(wish):
        confirmed = _post(port, _confirm_link(wish.email), {}, wish.client)
        if confirmed != bombing.OK:
            raise RuntimeError(f"{confirmed} for a link to confirm")
    return status


def _confirm_link(email: str) -> str:
    from django.db import connection  # noqa: PLC0415

    from subscriptions import tokens  # noqa: PLC0415
    from subscriptions.models import Subscriber  # noqa: PLC0415

    try:
        return f"/confirm/{tokens.make_confirm(Subscriber.objects.get(email=email))}/"
    finally:
        connection.close()


def _post(port: int, path: str, body: dict[str, str], client: str) -> int:
    """As the proxy passes it on from a client who claims to be somebody else."""
    headers = {
        "Host": "papers.example.org", "X-Forwarded-Proto": "https", "Connection": "close",
        "X-Forwarded-For": f"192.0.2.1, {client}",
        "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, urlencode(body), headers)
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(json.dumps(play(sys.argv[1], int(sys.argv[2]))))
