"""`manage.py build_edition`: closes an edition."""

import argparse
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.formats import date_format

from digest.editions import building, drafts
from digest.management import arguments, asking, printing
from digest.models import Edition


def _ask(day: date, frequency: str, *, is_meant: bool) -> None:
    """Whether an edition is to be closed that would not be closed by itself now."""
    start = building.first_day(day, frequency)
    edition = Edition(frequency=frequency, date=start)
    if Edition.objects.filter(frequency=frequency, date=start).exists():
        return
    now, name = timezone.now(), f"The {frequency} edition {edition.name}"
    closes_at = building.closes_at(edition.last_day)
    if now < closes_at:
        asking.agree(
            f"{name} is open until {date_format(closes_at, 'DATETIME_FORMAT')}: closed now, it goes "
            "without what comes until then, and is never opened again.",
            is_meant=is_meant,
        )
    elif closes_at < now - timedelta(days=building.CATCH_UP_DAYS):
        number = len(building.contents(edition, drafts.of(edition)).papers)
        asking.agree(
            f"{name} is long past: closed now, it has {number} papers, and is never opened again.",
            is_meant=is_meant,
        )


class Command(BaseCommand):
    help = (
        "Closes the edition of a date at once: ranks its papers. Closing it again changes nothing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--date", type=arguments.day, help="the day, as YYYY-MM-DD (yesterday, in UTC)"
        )
        parser.add_argument(
            "--frequency",
            choices=Edition.Frequency.values,
            default=Edition.Frequency.DAILY,
            help="daily, or weekly: the ISO week that holds the date",
        )
        asking.add_yes(parser)
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        today = timezone.now().date()
        day = options["date"] or today - timedelta(days=1)
        if day > today:
            raise CommandError(f"{day} has not begun; its edition can't be closed yet.")
        _ask(day, options["frequency"], is_meant=options["yes"])
        edition = building.build(day, frequency=options["frequency"])
        papers = f"{edition.paper_count} papers" if edition.paper_count else "empty, not sent"
        printing.tell(
            self.stdout,
            f"{edition.frequency} edition {edition.name}: {papers}",
            data={
                "edition": edition.name,
                "frequency": edition.frequency,
                "papers": edition.paper_count,
            },
            is_json=options["json"],
        )
