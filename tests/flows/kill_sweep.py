"""Run as a process: kills each stage with SIGKILL before each of its statements in turn.

After every kill the stage is run once more, as the next tick would, and everything it should have
done must be there once. Prints JSON: how many kills each stage got, and what was wrong after them.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402  after the settings
from django.db import connection  # noqa: E402

from digest.delivery import ledger, sending, settling  # noqa: E402
from digest.delivery.due import planning  # noqa: E402
from digest.editions import building  # noqa: E402
from digest.models import (  # noqa: E402
    Audience,
    Batch,
    Delivery,
    Edition,
    EditionPaper,
    Fetch,
    Listing,
    Paper,
    PaperTopic,
)
from digest.papers import fetching  # noqa: E402
from subscriptions import messages, services  # noqa: E402
from subscriptions.models import Subscriber, Topic, TransactionalMessage  # noqa: E402
from subscriptions.records import Evidence  # noqa: E402
from tests.builders import make_subscriber  # noqa: E402
from tests.esp import FakeEsp  # noqa: E402
from tests.upstream import FakeUpstream  # noqa: E402

DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
MOST_KILLS = 200


class Killer:
    """Lets so many statements through, then kills its own process."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return execute(sql, params, many, context)


def in_a_child(work: Callable[[], object], *, kill_after: int | None = None) -> int:
    """The exit status of a child process that does the work; -9 when it was killed."""
    connection.close()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with ExitStack() as stack:
                if kill_after is not None:
                    stack.enter_context(connection.execute_wrapper(Killer(kill_after)))
                work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def clean() -> None:
    for model in (Delivery, Batch, Audience, EditionPaper, Edition, Fetch, Paper, Subscriber):
        model.objects.all().delete()


def fetch() -> None:
    fetching.fetch(DAY, source_names=["hugging_face"])


def fetched() -> Any:
    return (
        sorted(Paper.objects.values_list("arxiv_id", "title", "upvotes", "summary")),
        sorted(Listing.objects.values_list("paper__arxiv_id", "source")),
        sorted(PaperTopic.objects.values_list("paper__arxiv_id", "topic__slug")),
    )


def build() -> None:
    building.build(DAY)


def built() -> Any:
    places = EditionPaper.objects.values_list("rank", "paper__arxiv_id", "upvotes")
    return sorted(places), list(Edition.objects.values_list("date", "paper_count"))


def readers() -> None:
    topics = list(Topic.objects.filter(slug__in=("agents", "robotics")).order_by("slug"))
    for number in range(6):
        make_subscriber(f"reader{number}@example.org", topics=topics[: number % 3])


def plan() -> None:
    planning.plan(NOW, day=DAY)


def planned() -> Any:
    deliveries = Delivery.objects.values_list("subscriber__email", "state", "reason")
    slots = Subscriber.objects.values_list("email", "slot__next_digest_at__date")
    return sorted(deliveries), sorted(map(str, slots))


def sweep(
    stage: Callable[[], None], prepare: Callable[[], None], check: Callable[[], list[str]]
) -> dict[str, Any]:
    """Kills the stage before its first statement, its second, … until it comes through."""
    wrong = []
    for number in range(MOST_KILLS):
        prepare()
        if in_a_child(stage, kill_after=number) == 0:
            return {"kills": number, "wrong": wrong}
        wrong += [f"before statement {number + 1}: {problem}" for problem in check()]
    raise AssertionError("the stage never came through")


def same_as_undisturbed(
    stage: Callable[[], None], prepare: Callable[[], None], state: Callable[[], Any]
) -> Callable[[], list[str]]:
    prepare()
    stage()
    wanted = state()
    assert any(wanted)

    def check() -> list[str]:
        stage()
        once = state()
        stage()
        problems = [] if once == wanted else [f"{once} is not {wanted}"]
        return problems + ([] if state() == once else ["a second run changed something"])

    return check


def check_sending(esp: FakeEsp) -> Callable[[], list[str]]:
    def check() -> list[str]:
        sending.send_pending()
        settling.find_stale(NOW + timedelta(days=365))
        # What was claimed and surely not offered is open again.
        sending.send_pending()
        copies = {address: len(got) for address, got in esp.inbox.items()}
        problems = [f"{address} got {n} copies" for address, n in copies.items() if n > 1]
        for email, state in Delivery.objects.values_list("subscriber__email", "state"):
            if state == "sent" and copies.get(email, 0) != 1:
                problems.append(f"{email} is sent but got {copies.get(email, 0)}")
            if state not in ("sent", "uncertain"):
                problems.append(f"{email} is {state}")
        # What an operator who looked at the provider's log would do.
        got = [address for address, n in copies.items() if n]
        doubtful = Delivery.objects.filter(state="uncertain")
        settling.drop(doubtful.filter(subscriber__email__in=got))
        settling.release(doubtful)
        sending.send_pending()
        copies = {address: len(got) for address, got in esp.inbox.items()}
        if sorted(copies.values()) != [1] * 6:
            problems.append(f"in the end: {copies}")
        if not ledger.of_edition(Edition.objects.get()).is_balanced:
            problems.append("the ledger does not add up")
        return problems

    return check


def check_messages(esp: FakeEsp) -> Callable[[], list[str]]:
    def check() -> list[str]:
        messages.send_pending(until=NOW + timedelta(days=365))
        copies = {address: len(got) for address, got in esp.inbox.items()}
        problems = [f"{address} got {n} confirm mails" for address, n in copies.items() if n > 1]
        open_rows = TransactionalMessage.objects.exclude(state__in=["sent", "claimed"])
        if open_rows.exists() or TransactionalMessage.objects.filter(state="claimed").count() > 1:
            problems.append("messages are neither sent nor in doubt")
        return problems

    return check


def main() -> None:
    found: dict[str, Any] = {}
    with FakeUpstream() as upstream, FakeEsp() as esp:
        settings.HUGGING_FACE_URL = upstream.url
        settings.EMAIL_PROVIDERS = ["mailgun"]
        settings.ANYMAIL |= {"MAILGUN_API_KEY": "key", "MAILGUN_API_URL": esp.url}
        settings.ANYMAIL |= {"MAILGUN_SENDER_DOMAIN": "papers.example.org"}

        found["fetch"] = sweep(fetch, clean, same_as_undisturbed(fetch, clean, fetched))

        def papers() -> None:
            clean()
            fetch()

        found["build"] = sweep(build, papers, same_as_undisturbed(build, papers, built))

        def edition_and_readers() -> None:
            papers()
            build()
            readers()

        found["plan"] = sweep(
            plan, edition_and_readers, same_as_undisturbed(plan, edition_and_readers, planned)
        )

        def pending() -> None:
            edition_and_readers()
            plan()
            esp.inbox.clear()

        found["send"] = sweep(sending.send_pending, pending, check_sending(esp))

        def asked() -> None:
            clean()
            for number in range(3):
                services.subscribe(f"reader{number}@example.org", evidence=Evidence())
            esp.inbox.clear()

        found["confirm mails"] = sweep(
            lambda: messages.send_pending(until=NOW + timedelta(days=365)),
            asked,
            check_messages(esp),
        )
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
