"""How fast digests leave by SMTP: a message for each reader, against a template and a pipeline."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate

from django.core.mail import EmailMultiAlternatives

from digest.delivery.esp import providers
from digest.delivery.esp.smtp import EmailBackend, Mail
from digest.delivery.mails import mime, rendering
from digest.records import Result
from tests.bench.rendering import EDITION, SITE, VALUES, paper, seconds_each

SENDER = "digest@papers.example.org"
COMMON = {"List-Id": "Daily Papers <daily.papers.example.org>", "Precedence": "bulk"}
BATCH = 500
PAPERS = 20


def body() -> rendering.Body:
    """A digest that is close to 60 KB on the wire."""
    papers = [paper(number) for number in range(PAPERS)]
    rendered = rendering.render(EDITION, papers, **SITE)
    return rendering.compose(
        rendered, [(entry.paper_id, "You follow Agents", "topic-agents") for entry in papers]
    )


def own_headers(number: int) -> dict[str, str]:
    return {
        "To": f"reader{number}@example.org",
        "Date": formatdate(),
        "Message-ID": f"<{number:032x}@papers.example.org>",
        "List-Unsubscribe": f"<https://papers.example.org/unsubscribe/{VALUES['unsubscribe']}/>",
    }


def common_message(subject: str) -> EmailMultiAlternatives:
    return EmailMultiAlternatives(subject, "", f"Daily Papers <{SENDER}>", headers=dict(COMMON))


def naive_message(digest: rendering.Body, number: int) -> EmailMultiAlternatives:
    """What Django makes of a digest for one reader."""
    html, text = digest.filled(VALUES)
    headers = own_headers(number)
    message = common_message(digest.subject)
    message.to = [headers.pop("To")]
    message.extra_headers |= headers
    message.body = text
    message.attach_alternative(html, "text/html")
    message.encoding = providers.quoted_printable()
    return message


@contextmanager
def sink_process() -> Iterator[int]:
    """The port of a sink in a process of its own, so that its work is not the sender's."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.smtp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        yield int(process.stdout.readline())
        process.stdin.close()
        # How many mails it took; every answer was looked at already.
        process.stdout.read()


def timed(work: Callable[[], int]) -> tuple[float, float]:
    """Wall seconds and processor seconds of this process, each by what `work` says it did."""
    wall, processor = time.perf_counter(), time.process_time()
    done = work()
    return (time.perf_counter() - wall) / done, (time.process_time() - processor) / done


def send_naively(backend: EmailBackend, digest: rendering.Body, count: int) -> int:
    backend.open()
    for number in range(count):
        backend.send_messages([naive_message(digest, number)])
    return count


def send_pipelined(backend: EmailBackend, template: mime.Template, count: int) -> int:
    for start in range(0, count, BATCH):
        mails = []
        for number in range(start, min(start + BATCH, count)):
            headers = own_headers(number)
            content = template.fill(headers=headers, values=VALUES)
            mails.append(Mail(number, SENDER, headers["To"], content))
        answers = backend.offer_many(mails)
        assert {answer.result for answer in answers.values()} == {Result.SENT}
    return count


def run(*, subscribers: int) -> list[tuple[str, str, str]]:
    """Rows of what, messages a second, and the ratio to Django's own way."""
    digest = body()
    template = mime.template_of(common_message(digest.subject), digest)
    content = template.fill(headers=own_headers(0), values=VALUES)
    with sink_process() as port:
        backend = EmailBackend(host="127.0.0.1", port=port, username="", password="")
        naive = timed(lambda: send_naively(backend, digest, min(300, subscribers)))
        send_pipelined(backend, template, BATCH)
        ours = timed(lambda: send_pipelined(backend, template, subscribers))
        backend.close()
    fill = seconds_each(lambda: template.fill(headers=own_headers(1), values=VALUES))
    once = seconds_each(lambda: mime.template_of(common_message(digest.subject), digest))
    size = f"{len(content) / 1000:.0f} KB"
    rows = [
        (f"Django's message and SMTP back end for each reader (baseline, {size})", *naive),
        ("encode the template, once a body", once, once),
        ("fill the template for a reader", fill, fill),
        ("template and pipelined pool, end to end", *ours),
    ]
    return [
        row
        for what, wall, processor in rows
        for row in (
            (what, f"{1 / wall:,.0f} /s", f"{naive[0] / wall:,.2g} x"),
            ("  by processor time of the sender", f"{1 / processor:,.0f} /s", f"{naive[1] / processor:,.2g} x"),
        )
    ]  # fmt: skip
