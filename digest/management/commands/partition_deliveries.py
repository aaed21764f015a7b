"""`manage.py partition_deliveries`: divides the outbox of a large installation into months."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from digest.delivery import partitions
from digest.delivery.keeping import partitioning
from digest.errors import DigestError
from digest.management import arguments, asking
from digest.models import Delivery
from subscriptions import logbook


class Command(BaseCommand):
    help = (
        "Divides the table of deliveries into partitions by month (PostgreSQL), or, where it is "
        "divided, makes those of the months to come."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--undo", action="store_true", help="make one table of the partitions again"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print the SQL and what it would do; do nothing"
        )
        parser.add_argument(
            "--now", type=arguments.moment, help="make those of the months after this time (now)"
        )

        asking.add_yes(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError(
                "Partitions need PostgreSQL; on SQLite deliveries stay in one table."
            )
        try:
            self._handle(options)
        except DigestError as error:
            raise CommandError(str(error)) from error

    def _handle(self, options: dict[str, Any]) -> None:
        now = asking.agree_to_time(
            options["now"],
            is_meant=options["yes"] or options["dry_run"] or options["undo"],
            does="partitions are made for months that are far away.",
        )
        is_partitioned = partitions.is_partitioned()
        if options["undo"] and not is_partitioned:
            self.stdout.write("The table of deliveries is not partitioned; nothing to undo.")
            return
        if is_partitioned and not options["undo"]:
            self._make_ahead(now, is_dry_run=options["dry_run"])
            return
        work = partitioning.to_undo() if options["undo"] else partitioning.to_divide(now)
        if options["dry_run"]:
            self._explain(work)
            return
        partitioning.refuse_while_sending()
        partitioning.run(work)
        done = (
            "Made one table of the partitions" if options["undo"] else "Divided the table by month"
        )
        logbook.note(Delivery, done)
        self._show()

    def _make_ahead(self, now: Any, *, is_dry_run: bool) -> None:
        made = partitions.to_make(now) if is_dry_run else partitions.make_ahead(now)
        for each in made:
            self.stdout.write(f"{each};" if is_dry_run else f"made {each}")
        if made and not is_dry_run:
            logbook.note(Delivery, f"Made partitions ahead: {', '.join(made)}")
        self._show()

    def _explain(self, work: partitioning.Work) -> None:
        self.stdout.write(str(work))
        self.stderr.write(
            f"Nothing was changed. Up to BEGIN everything goes on meanwhile; then the table is held "
            f"for a moment{f' and {work.rows_to_move:,} rows are moved' if work.rows_to_move else ''}."
        )

    def _show(self) -> None:
        ranges = partitions.all_ranges()
        if not ranges:
            self.stdout.write("Deliveries are in one table.")
        for each in ranges:
            first = "the first" if each.first is None else each.first
            self.stdout.write(f"{each.name}: editions {first} to {(each.after or 0) - 1}")
        if number := partitions.overflow():
            self.stdout.write(f"{partitions.DEFAULT}: {number} deliveries, for none of these")
