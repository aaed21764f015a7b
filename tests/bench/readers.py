"""The desk's readers, where there are as many as asked for: pages of the list, searches, a reader's page;
and 100,000 rows in, in again, and all of them out.

Pages are made in one process of the installation's own, and timed with everything but the network.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator

import psycopg
from django.http import HttpResponse

from tests.bench.installation import Installation, installation

HEADINGS = ("what", "figure", "the most")
ROWS = 100_000
HUNDREDTH = 100
"""Of the readers has left."""
PAGES = 40


def run(*, subscribers: int) -> Iterator[tuple[str, ...]]:
    """Rows of the table."""
    with installation() as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.python("tests.bench.installation", str(subscribers), "500")
        with psycopg.connect(made.environment["DATABASE_URL"], autocommit=True) as database:
            database.execute(
                "UPDATE subscriptions_subscriber SET state = 'unsubscribed', slot_id = NULL "
                "WHERE id %% %s = 0",
                [HUNDREDTH],
            )
            database.execute("VACUUM ANALYZE subscriptions_subscriber")
        for name, seconds in json.loads(made.python("tests.bench.readers", str(subscribers))):
            median, most = statistics.median(seconds), max(seconds)
            yield name, f"{1000 * median:,.1f} ms", f"{1000 * most:,.1f} ms"
        yield from _import(made)


def _import(made: Installation) -> Iterator[tuple[str, ...]]:
    file, out = made.folder / "rows.csv", made.folder / "out.csv"
    with file.open("w") as rows:
        rows.write("email,topics,frequency,timezone,hour\n")
        for number in range(ROWS):
            zone = ("UTC", "Europe/Berlin", "Asia/Tokyo")[number % 3]
            rows.write(f"new{number}@host{number % 2000}.example,agents;robotics,daily,{zone},7\n")
    for name, arguments in (
        (f"import of {ROWS:,} rows", ["import_subscribers", str(file)]),
        ("the same file again", ["import_subscribers", str(file)]),
        ("export of all", ["export_subscribers", "--output", str(out)]),
    ):
        started = time.perf_counter()
        made.manage(*arguments)
        yield name, f"{time.perf_counter() - started:,.1f} s", ""


def pages(readers: int) -> list[tuple[str, list[float]]]:
    """What is looked at, and the seconds of each time; with the installation's settings."""
    from django.contrib.auth.models import User  # noqa: PLC0415  after the settings
    from django.test import Client  # noqa: PLC0415

    from subscriptions.models import Subscriber  # noqa: PLC0415

    client = Client(headers={"x-forwarded-proto": "https", "host": "papers.example.org"})
    client.force_login(User.objects.create_superuser("bench"))
    first = Subscriber.objects.order_by("pk").values_list("pk", flat=True)[0]
    numbers = [1 + each * (readers // PAGES) for each in range(PAGES)]
    addresses = [f"reader{number}@example{number % 1000}.org" for number in numbers]
    page = "/admin/subscriptions/subscriber/"

    def timed(paths: list[str], has: str, *, searching: bool = False) -> list[float]:
        def ask(what: str) -> HttpResponse:
            # A search is posted, and its list is where that leads to.
            if searching:
                return client.post(f"{page}search/", {"text": what}, follow=True)
            return client.get(what)

        seconds = []
        ask(paths[0])
        for path in paths:
            started = time.perf_counter()
            response = ask(path)
            seconds.append(time.perf_counter() - started)
            assert response.status_code == 200, (path, response.status_code)
            assert has in response.content.decode(), path
        return seconds

    def searched(words: list[str], has: str) -> list[float]:
        return timed(words, has, searching=True)

    return [
        ("a search for nobody, the baseline", searched(["nobody"] * PAGES, "0 readers")),
        ("the list", timed([page] * PAGES, "more than 10,000")),
        ("search by whole address", searched(addresses, "1 reader")),
        ("search by its beginning", searched([each[:8] for each in addresses], "@example")),
        ("search by one letter", searched(["r"] * PAGES, "200 readers")),
        ("those who left", timed([f"{page}?state__exact=unsubscribed"] * PAGES, "unsubscribed")),
        ("those who are suppressed", timed([f"{page}?suppressed=any"] * PAGES, "reader")),
        (
            "a reader's page",
            timed([f"{page}{first + each - 1}/change/" for each in numbers], "Consent history"),
        ),
    ]


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(json.dumps(pages(int(sys.argv[1]))))
