"""`manage.py send_digests`: plans and sends what is due."""

import argparse
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Group
from rich.markup import escape
from rich.progress import Progress, TaskID

from digest.delivery import ledger, outbox, sending, settling
from digest.delivery.due import planning
from digest.errors import DigestError
from digest.management import arguments, asking, printing, why
from digest.models import Edition
from digest.tasks import wake_senders

LONGEST_PAUSE = 5.0
LOOK_UP = timedelta(seconds=1)
"""How long it sends before it tells how far it is."""


def _refuse_held(made: planning.Plan) -> None:
    held = Edition.objects.filter(pk__in=[e.pk for e in made.editions], held_at__isnull=False)
    if edition := held.first():
        raise CommandError(
            f"Edition {edition.name} is held: {edition.held_because}. Type: release_edition"
        )


def _total(bar: Progress, task: TaskID) -> float:
    return bar.tasks[task].total or 0


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
        asking.add_yes(parser)
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        now = asking.agree_to_time(
            options["now"],
            is_meant=options["yes"] or options["dry_run"],
            does="who is due until then is sent to now, and gets nothing more before that time.",
        )
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
        if options["wait"] and not options["dry_run"]:
            self._tell_ledgers(made, is_json=options["json"])
            if not made.to_send and (reason := why.not_sent(made, now)):
                self.stderr.write(reason)
        else:
            self._tell_plan(made, options, why.not_sent(made, now))

    def _tell_ledgers(self, made: planning.Plan, *, is_json: bool) -> None:
        ledgers = [ledger.of_edition(edition) for edition in made.editions]
        found = [entry.as_json() for entry in ledgers]
        printing.tell(
            self.stdout,
            "\n".join(map(str, ledgers)) or "No edition is closed yet; nothing to send.",
            data=found[0] if len(found) == 1 else found,
            is_json=is_json,
            shown=Group(*map(printing.ledger_table, ledgers)) if ledgers else None,
        )

    def _tell_plan(self, made: planning.Plan, options: dict[str, Any], reason: str) -> None:
        names = [edition.name for edition in made.editions]
        topics = dict(made.topics.most_common())
        hours = dict(sorted(made.hours.items()))
        verb = "would go" if options["dry_run"] else "are queued"
        said = f"{made.to_send} digests {verb}, of {', '.join(names) or 'no edition'}"
        skipped = {name: n for name, n in made.states.items() if name != "pending"}
        groups = {"not sent,": skipped, "topic": topics, "hour": hours}
        lines = [
            f"  {kind} {name}: {n}" for kind, each in groups.items() for name, n in each.items()
        ]
        rows = [
            (kind.rstrip(","), escape(str(name)), f"{n:,}")
            for kind, each in groups.items()
            for name, n in each.items()
        ]
        printing.tell(
            self.stdout,
            "\n".join([said, *lines, *filter(None, [reason])]),
            data={
                "editions": names,
                "to_send": made.to_send,
                "states": dict(made.states),
                "topics": topics,
                "hours": hours,
                "why_not": reason,
            },
            is_json=options["json"],
            # The sentence above, since a title is no wider than its table.
            shown=Group(
                escape(said),
                printing.table(rows, columns=("", "", "digests#")),
                *([escape(reason)] if reason else []),
            )
            if rows
            else None,
        )

    def _wait(self, made: planning.Plan) -> None:
        """Works as a sender, and waits for what other workers hold, until all is settled."""
        with printing.progress(self.stderr) as bar:
            task = bar.add_task("Digests", total=outbox.pending(timezone.now()))
            self._send(made, lambda left: bar.update(task, completed=_total(bar, task) - left))

    def _send(self, made: planning.Plan, tell_left: Callable[[int], None]) -> None:
        pause, told = 0.1, ""
        while True:
            offered = sending.send_pending(until=timezone.now() + LOOK_UP)
            tell_left(outbox.pending(timezone.now()))
            if all(ledger.is_settled(edition) for edition in made.editions):
                return
            _refuse_held(made)
            if (reason := why.no_provider(timezone.now())) and reason != told:
                told = reason
                self.stderr.write(f"No provider takes digests now: {reason}. Waiting …")
            settling.find_stale(timezone.now())
            pause = 0.1 if offered else min(pause * 2, LONGEST_PAUSE)
            time.sleep(pause)
