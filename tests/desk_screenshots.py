"""The pictures of the operator's desk: some hundred readers, a send, and a month of made-up figures."""

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.flows.processes import Installation

READERS = 400
PASSWORD = "a-long-password-of-the-operator"
DESKTOP = {"width": 1280, "height": 1100}
PHONE = {"width": 390, "height": 1000}
DOOR = {"width": 480, "height": 860}
_FIGURES = """
from datetime import date
from datetime import timedelta
from django.db.models import F, QuerySet
from digest.models import DayCount, DayFigure
from subscriptions import append_only
from subscriptions.models import ConsentRecord
rows = {rows}
# They came long ago.
append_only.lift()
QuerySet(ConsentRecord).update(at=F("at") - timedelta(days=90))
append_only.put_up()
DayFigure.objects.filter(kind="imported").delete()
DayCount.objects.all().delete()
DayCount.objects.bulk_create(
    [DayCount(day=date.fromisoformat(d), provider="mailgun", messages=n + n // 250)
     for d, k, _, n in rows if k == "delivered"],
)
DayFigure.objects.bulk_create(
    [DayFigure(day=date.fromisoformat(d), kind=k, about=a, number=n) for d, k, a, n in rows],
    update_conflicts=True, unique_fields=["day", "kind", "about"], update_fields=["number"],
)
"""
_WEEK = """
from django.utils import timezone
from digest.admin import edition_draft
from digest.editions import editing
from digest.editions.editing import Change
from digest.models import Listing, Paper
week = edition_draft.coming(timezone.now())[-1].day
papers = list(Paper.objects.order_by("-upvotes")[:7])
Listing.objects.bulk_create(
    [Listing(paper=paper, source="hugging_face", listed_on=week) for paper in papers]
)
done = [Change("pin", papers[3].arxiv_id), Change("move", papers[5].arxiv_id, 3),
        Change("leave_out", papers[6].arxiv_id)]
for version, change in enumerate(done):
    note = "Good morning. One paper stands first this week: read it slowly."
    editing.change("weekly", week, version=version, note=note, paper=change)
"""


def prepare(installation: Installation) -> None:
    """Afterwards there is an operator, and something to see."""
    readers = installation.folder / "readers.csv"
    lines = [f"reader{number}@example.org,agents" for number in range(READERS)]
    readers.write_text("\n".join(["email,topics", *lines]))
    installation.manage("import_subscribers", str(readers), "--confirmed", "--consent=a list")
    installation.manage("send_digests", "--now=2030-01-01T12:00:00Z", "--yes", "--wait")
    installation.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    who = ("--username=operator", "--email=operator@example.org")
    installation.manage("createsuperuser", "--noinput", *who)
    installation.manage("shell", "-c", _FIGURES.format(rows=_month()))
    installation.manage("shell", "-c", _WEEK)


def _month() -> list[tuple[str, str, str, int]]:
    """How a list grows that is doing well."""
    chance, today, rows = random.Random(6), datetime.now(UTC).date(), []
    active = READERS
    for ago in range(30):
        day = (today - timedelta(days=ago)).isoformat()
        signed_up = chance.randint(8, 24)
        confirmed, left = round(signed_up * chance.uniform(0.6, 0.9)), chance.randint(0, 4)
        sent = active if ago % 7 not in (0, 6) else 0
        rows += [
            (day, "signed_up", "", signed_up), (day, "confirmed", "", confirmed),
            (day, "unsubscribed", "", left), (day, "active", "", active),
            (day, "delivered", "mailgun", sent - sent // 250),
            (day, "bounced", "mailgun", sent // 250),
        ]  # fmt: skip
        active -= confirmed - left
    return [row for row in rows if row[3] > 0]


def signed_in(browser: Browser, installation: Installation, size: dict, scheme: str) -> Page:
    context = browser.new_context(
        base_url=installation.url, viewport=size, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto("/admin/")
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state("networkidle")
    return page


def shoot(browser: Browser, installation: Installation, folder: Path) -> None:
    """The dashboard, a reader, an edition that is to come, and the set-up of a second factor."""
    page = signed_in(browser, installation, DESKTOP, "light")
    # The page looks again by itself.
    page.get_by_text(re.compile(rf"of {READERS // 100}\d\d, 100%")).wait_for(timeout=120_000)
    page.locator("#desk-live:not(:has(.desk-bad))").wait_for(timeout=120_000)
    page.screenshot(path=folder / "desk-dashboard.png")
    page.goto("/admin/subscriptions/subscriber/")
    page.locator("#searchbar").fill("reader7@example.org")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="reader7@example.org").first.click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / "desk-reader.png")
    page.goto("/admin/digest/edition/coming/")
    page.get_by_role("link", name=re.compile("Week")).click()
    page.get_by_text("Good morning.").wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / "desk-edition.png")
    page.get_by_role("link", name="See the proof").click()
    page.get_by_role("link", name="Dark", exact=True).click()
    page.frame_locator("iframe").get_by_role("heading", level=2).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / "desk-proof.png")
    page.set_viewport_size(DOOR)
    page.goto("/admin/second-factor/set-up/")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / "desk-second-factor.png")
    page.context.close()
    page = signed_in(browser, installation, PHONE, "dark")
    page.screenshot(path=folder / "desk-phone-dark.png")
    page.context.close()
