"""`manage.py first_edition`: gives a new installation something to read."""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from digest.editions import building
from digest.models import Edition, Listing
from digest.papers import fetching, sample

LOOK_BACK_DAYS = 5


class Command(BaseCommand):
    help = (
        "Fetches today's papers, or the latest day's where today has none yet, and closes the first "
        "edition at once; loads the shipped sample edition where no source can be reached. Once an "
        "edition of fetched papers is closed it only fetches."
    )

    def handle(self, *_: Any, **_options: Any) -> None:
        self._close_first(timezone.now().date())
        fetching.fetch_trending()

    def _close_first(self, today: date) -> None:
        if Edition.objects.filter(is_sample=False, paper_count__gt=0).exists():
            outcomes = fetching.fetch(today, source_names=settings.PAPER_SOURCES)
            errors = "; ".join(outcome.error for outcome in outcomes.values() if outcome.error)
            said = (
                f"Not all papers could be fetched: {errors}." if errors else "Papers are fetched."
            )
            self.stdout.write(f"{said} The editions that were closed stay as they are.")
            return
        day = self._latest_day(today)
        if day is not None:
            edition = building.build(day)
            self.stdout.write(f"The first edition is {edition.name}: {edition.paper_count} papers.")
            return
        edition = building.build(sample.load())
        self.stdout.write(
            "Today's papers could not be fetched, so this is the sample edition that ships with "
            f"Daily Papers: {edition.paper_count} papers. The next try is at :15."
        )

    def _latest_day(self, today: date) -> date | None:
        """The newest day with papers; the first source says which, the others complete it."""
        leading, *others = settings.PAPER_SOURCES
        found = today
        for day in (today - timedelta(days=age) for age in range(LOOK_BACK_DAYS)):
            outcome = fetching.fetch(day, source_names=[leading])[leading]
            if Listing.objects.filter(listed_on=day, source=leading).exists():
                found = day
                break
            if outcome.error:
                break
        fetching.fetch(found, source_names=others)
        fetched = Listing.objects.exclude(source=Listing.SAMPLE).order_by("-listed_on")
        return fetched.values_list("listed_on", flat=True).first()
