"""Who comes in the busiest hour, for locust: each kind of request as often as `load.NORMAL` says, times as
many as asked for, each from an address of its own."""

import json
import os
import random
from base64 import b64encode
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, task

from tests.bench.events import mailgun
from tests.bench.load import NORMAL, OURS, PEOPLE, TIMES

PAGES = ("/", "/trending/", "/topics/", "/search/", "/subscribe/", "/feeds/daily.atom")
WORDS = "learning data transformer diffusion robot graph speech vision retrieval memory".split()  # noqa: SIM905  as words
_KNOWN: dict[str, Iterator[str]] = {
    name: cycle(found) for name, found in json.loads(Path(os.environ["CROWD_KNOWN"]).read_text()).items()
}  # fmt: skip
_numbers = count(os.getpid() * 1_000_000)


def people(kind: str) -> dict[str, Any]:
    """How many of one kind there are, and how often each comes."""
    number = PEOPLE[kind]
    return {
        "fixed_count": number,
        "wait_time": constant_throughput(TIMES * NORMAL[kind] / number),
    }


class Person(FastHttpUser):
    """Asks for what its kind asks for."""

    abstract = True
    network_timeout = connection_timeout = 30

    def ask(self, method: str, path: str, name: str, **options: Any) -> None:
        headers = {
            "Host": "papers.example.org", "X-Forwarded-Proto": "https", "Accept-Encoding": "gzip",
            "X-Forwarded-For": ".".join(str(random.randint(1, 250)) for _ in range(4)),
        } | options.pop("headers", {})  # fmt: skip
        with self.client.request(
            method, path, name=name, headers=headers, allow_redirects=False, catch_response=True,
            **options,
        ) as answer:  # fmt: skip
            status = answer.status_code
            if 200 <= status < 400:
                answer.success()
            else:
                answer.failure(f"{status} {path}")
        if status == 0 or status >= 500:
            self.environment.events.request.fire(
                request_type=method, name=f"{name}{OURS}", response_time=0, response_length=0,
                exception=None, context={},
            )  # fmt: skip


class Pages(Person):
    locals().update(people("pages"))

    @task
    def page(self) -> None:
        self.ask("GET", random.choice(PAGES), "pages and feeds")


class Papers(Person):
    locals().update(people("papers"))

    @task
    def paper(self) -> None:
        self.ask("GET", f"/papers/{next(_KNOWN['papers'])}/", "papers, each time another")


class Searches(Person):
    locals().update(people("searches"))

    @task
    def search(self) -> None:
        words = f"{random.choice(WORDS)}+{random.choice(WORDS)}+OR+{next(_numbers) % 1000}"
        self.ask("GET", f"/search/?q={words}", "searches, each time another")


class Programs(Person):
    locals().update(people("api"))

    @task
    def api(self) -> None:
        self.ask("GET", random.choice(("/api/v1/papers", "/api/v1/topics")), "the API")


class SignUps(Person):
    locals().update(people("sign-ups"))

    @task
    def sign_up(self) -> None:
        self.ask(
            "POST", "/subscribe/", "sign-ups", data={"email": f"new{next(_numbers)}@example.net"}
        )


class Confirms(Person):
    locals().update(people("confirms"))

    @task
    def confirm(self) -> None:
        self.ask("POST", f"/confirm/{next(_KNOWN['confirm'])}/", "confirmations")


class Preferences(Person):
    locals().update(people("preferences"))

    @task
    def preferences(self) -> None:
        self.ask("GET", f"/preferences/{next(_KNOWN['preferences'])}/", "preferences")


class Leaving(Person):
    locals().update(people("unsubscribes"))

    @task
    def leave(self) -> None:
        body = {"List-Unsubscribe": "One-Click"}
        link = f"/unsubscribe/{next(_KNOWN['unsubscribe'])}/"
        self.ask("POST", link, "one-click unsubscribes", data=body)


class Providers(Person):
    locals().update(people("webhooks"))

    @task
    def report(self) -> None:
        body = mailgun(next(_numbers) % 100_000).partition(b"\r\n\r\n")[2]
        secret = b64encode(b"user:word").decode()
        told = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        self.ask("POST", "/webhooks/mailgun/tracking/", "webhooks", data=body, headers=told)
