"""An installation that has something of everything that /metrics tells."""

from datetime import date

from django.utils import timezone

from digest.delivery import notices
from digest.delivery.watching import signs
from digest.models import Circuit, DayCount, DayFigure, Edition, EditionCount, Event, Fetch
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

DAY = date(2026, 8, 20)


def keep_some(settings) -> Edition:
    """Afterwards each metric has a value; returns the edition of DAY, which some are about."""
    settings.EMAIL_PROVIDERS = ["mailgun", "smtp"]
    settings.SEND_RATES = {"mailgun": 100.0}
    now = timezone.now()
    settings.WARM_UP = {"smtp": (now.date(), 500, 1.5)}
    edition = Edition.objects.create(frequency="daily", date=DAY, paper_count=25, due_count=12)
    EditionCount.objects.create(edition=edition, state="sent", number=10)
    EditionCount.objects.create(edition=edition, state="skipped", reason="paused", number=2)
    make_batch([make_subscriber("ada@example.org")], deliveries="pending", offered_at=None)
    Circuit.objects.create(name="mailgun", open_until=now, detail="ada@example.org")
    DayCount.objects.create(provider="mailgun", day=now.date(), messages=7)
    figures = [("delivered", "mailgun"), ("active", ""), ("pending", ""), ("signed_up", "")]
    for kind, about in figures:
        DayFigure.objects.create(day=now.date(), kind=kind, about=about, number=3)
    Event.objects.create(provider="mailgun", event_id="e1", type="delivered")
    for name, error in (("hugging_face", ""), ("arxiv", "HTTP 503")):
        Fetch.objects.create(
            source=name, day=DAY, started_at=now, finished_at=now, new=3, bad=1, error=error
        )
    notices.stand("late", {"1": notices.Trouble(what="Late.", mend="Wait.")}, now=now)
    signs.note(signs.BEAT_SEEN, now)
    return edition
