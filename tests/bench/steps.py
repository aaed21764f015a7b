"""`python -m tests.bench.steps STEP`: one step of a send, alone, in a process of its own.

`plan DAY NOW` prints the seconds; `send READERS` what this one sender did and used; `again` makes
everything that was sent wait once more; `unplan` makes everybody due as before planning.
"""

import json
import os
import resource
import sys
import time
from datetime import UTC, date, datetime


def plan(day: str, now: str) -> str:
    from digest.delivery import sending  # noqa: PLC0415
    from digest.delivery.due import planning  # noqa: PLC0415  after the settings

    started = time.perf_counter()
    planning.plan(
        datetime.fromisoformat(now),
        day=date.fromisoformat(day),
        batch_size=sending.batch_size(),
    )
    return str(time.perf_counter() - started)


def send(readers: str) -> str:
    from django.utils import timezone  # noqa: PLC0415

    from digest.delivery import outbox, sending  # noqa: PLC0415
    from digest.delivery.esp import circuit, pacing  # noqa: PLC0415
    from digest.models import Delivery  # noqa: PLC0415

    wall, used, offered = time.perf_counter(), time.process_time(), 0
    ways = sending.ways_out()
    while offered < int(readers):
        size = pacing.room(circuit.available(ways)[0])
        claims = outbox.claim(timezone.now(), size=size, most_batches=sending.MOST_BATCHES)
        if not claims:
            break
        offered += sum(len(claim.readers) for claim in claims)
        sending.send(claims, ways)
    return json.dumps(
        {
            "sent": Delivery.objects.filter(state="sent").count(),
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - used,
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
    )


def again() -> str:
    from digest.models import Batch, Delivery  # noqa: PLC0415

    Delivery.objects.filter(state="sent").update(state="pending")
    Batch.objects.exclude(state="open").update(state="open", attempts=0)
    return ""


def unplan() -> str:
    from django.db import connection  # noqa: PLC0415

    from digest.models import Edition  # noqa: PLC0415
    from subscriptions.models import Slot  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE digest_event, digest_delivery, digest_batch")
    Edition.objects.update(due_count=0, batch_count=0)
    Slot.objects.update(next_digest_at=datetime(2026, 8, 21, 7, tzinfo=UTC))
    return ""


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    step, *arguments = sys.argv[1:]
    print({"plan": plan, "send": send, "again": again, "unplan": unplan}[step](*arguments))
