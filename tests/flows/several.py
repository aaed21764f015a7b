"""`python -m tests.flows.several`: runs the commands on standard input, a line each, in one process.

Prints JSON: what each of them said. `everybody_is_due`, `send_a_part NUMBER` and `search WORDS` are
added to the commands of manage.py.
"""

import json
import os
import shlex
import sys
from datetime import timedelta
from io import StringIO

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402  after the settings
from django.utils import timezone  # noqa: E402

from digest.delivery import outbox, sending  # noqa: E402
from digest.papers import search  # noqa: E402
from digest.papers.search import query  # noqa: E402
from subscriptions.models import Slot  # noqa: E402


def everybody_is_due() -> str:
    return str(Slot.objects.update(next_digest_at=timezone.now() - timedelta(hours=1)))


def send_a_part(size: str) -> str:
    """One claim of so many readers goes out."""
    claims = outbox.claim(timezone.now(), size=int(size))
    sending.send(claims, sending.ways_out())
    return str(sum(len(claim.readers) for claim in claims))


def find(*words: str) -> str:
    return str(search.find(query.parse(" ".join(words))).total)


OURS = {"everybody_is_due": everybody_is_due, "send_a_part": send_a_part, "search": find}


def run(line: str) -> str:
    name, *arguments = shlex.split(line)
    if name in OURS:
        return OURS[name](*arguments)
    said = StringIO()
    call_command(name, *arguments, stdout=said)
    return said.getvalue()


if __name__ == "__main__":
    json.dump([run(line) for line in sys.stdin], sys.stdout)
