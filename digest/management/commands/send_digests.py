"""`manage.py send_digests`: plans and sends what is due."""

import argparse
import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.delivery import circuit, ledger, planning, sending, settling
from digest.errors import DigestError
from digest.management import arguments
from digest.models import Edition
from digest.tasks import wake_senders

LONGEST_PAUSE = 5.0


def _refuse_held(made: planning.Plan) -> None:
    held = Edition.objects.filter(pk__in=[e.pk for e in made.editions], held_at__isnull=False)
    if edition := held.first():
        raise CommandError(
            f"Edition {edition.name} is held: {edition.held_because}. Type: release_edition"
        )


def _why_not() -> str:
    """What keeps the rest from being sent now, in a line; "" where nothing does."""
    ways = sending.ways_out()
    if circuit.available(ways):
        return ""
    if not ways:
        return "No provider takes digests now: all are paused. Type: resume_provider. Waiting …"
    return "No provider takes digests now: all rest, or have had their number of today. Waiting …"


class Command(BaseCommand):
    help = "Plans and queues every digest that is due and not yet sent."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--date", type=arguments.day, help="send this edition (the newest closed one)"
        )
        parser.add_argument(
            "--now", type=arguments.moment, help="who is due at this time (ISO 8601; now)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say how many would go to whom; send none"
        )
        parser.add_argument(
            "--wait", action="store_true", help="send here too; end when all are settled"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        now = options["now"] or timezone.now()
        try:
            made = planning.plan(
                now,
                batch_size=sending.batch_size(),
                day=options["date"],
                is_dry_run=options["dry_run"],
                page_planned=wake_senders,
            )
            if options["wait"] and not options["dry_run"]:
                self._wait(made)
        except DigestError as error:
            raise CommandError(str(error)) from error
        if not options["dry_run"] and not options["wait"]:
            wake_senders()
        self.stdout.write(self._report(made, options))

    def _report(self, made: planning.Plan, options: dict[str, Any]) -> str:
        if options["wait"] and not options["dry_run"]:
            ledgers = [ledger.of_edition(edition) for edition in made.editions]
            if options["json"]:
                found = [entry.as_json() for entry in ledgers]
                return json.dumps(found[0] if len(found) == 1 else found)
            return "\n".join(map(str, ledgers)) or "No edition is closed yet; nothing to send."
        names = [edition.name for edition in made.editions]
        topics = dict(made.topics.most_common())
        hours = dict(sorted(made.hours.items()))
        if options["json"]:
            states = dict(made.states)
            counted = {"to_send": made.to_send, "states": states, "topics": topics, "hours": hours}
            return json.dumps({"editions": names, **counted})
        verb = "would go" if options["dry_run"] else "are queued"
        lines = [f"{made.to_send} digests {verb}, of {', '.join(names) or 'no edition'}"]
        lines += [
            f"  not sent, {name}: {n}" for name, n in made.states.items() if name != "pending"
        ]
        lines += [f"  topic {name}: {n}" for name, n in topics.items()]
        lines += [f"  hour {name}: {n}" for name, n in hours.items()]
        return "\n".join(lines)

    def _wait(self, made: planning.Plan) -> None:
        """Works as a sender, and waits for what other workers hold, until all is settled."""
        pause, told = 0.1, ""
        while True:
            offered = sending.send_pending()
            if all(ledger.is_settled(edition) for edition in made.editions):
                return
            _refuse_held(made)
            if (why := _why_not()) and why != told:
                self.stderr.write(told := why)
            settling.find_stale(timezone.now())
            pause = 0.1 if offered else min(pause * 2, LONGEST_PAUSE)
            time.sleep(pause)
