"""The operator helps a reader, in Chromium: finds, looks, suppresses, sends, downloads, erases."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from digest.delivery.due import planning
from digest.models import Delivery, Event
from subscriptions import roles, selectors, services
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper
from tests.pages import browsing

pytestmark = [
    pytest.mark.flow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("browser_beside_database"),
]
WIDTHS = {"desktop": 1280, "phone": 390, "small phone": 320}


@pytest.fixture
def reader():
    agents = make_topic("agents", name="Agents and tool use")
    day = timezone.now().date() - timedelta(days=1)
    make_edition(day, [make_paper(title="Tools that plan", topics=[agents])])
    found = make_subscriber("ada@example.org", topics=[agents], keywords=("world models",))
    planning.plan(timezone.now(), day=day)
    Delivery.objects.update(state="sent", sent_at=timezone.now(), provider="mailgun")
    Event.objects.create(
        provider="mailgun", event_id="1", type="delivered", delivery=Delivery.objects.get()
    )
    make_subscriber("waits@example.org", state="pending")
    services.request_link_for(found)
    make_subscriber("eve@example.org")
    return found


@pytest.fixture
def browser(chromium):
    with browsing.launched(chromium) as launched:
        yield launched


@pytest.fixture
def log_in(browser, live_server):
    """Opens the desk as somebody with this role; at the end nothing had gone wrong."""
    problems, contexts = [], []

    def opened(role, **options):
        roles.ensure()
        user = User.objects.create_user(role.value)
        roles.give(user, role)
        client = Client()
        client.force_login(user)
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
        context = browser.new_context(
            base_url=live_server.url, reduced_motion="reduce", accept_downloads=True, **options
        )
        contexts.append(context)
        context.add_cookies([session | {"url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        problems.append(browsing.watch(page, live_server.url))
        page.goto("/admin/subscriptions/subscriber/")
        expect(page.get_by_role("link", name="ada@example.org")).to_be_visible()
        return page

    yield opened
    for context in contexts:
        context.close()
    lost = [each for found in problems for each in found if "download" not in each]
    assert [each for each in lost if not each.endswith("/act/")] == []


def find(page, text):
    search = page.get_by_role("textbox", name="Search")
    search.fill(text)
    search.press("Enter")
    page.wait_for_url(re.compile(r"\?q="))
    assert "@" not in page.url
    expect(search).to_have_value(text)


def test_reader_is_found_helped_and_erased(log_in, reader):
    page = log_in(roles.Role.OWNER)
    find(page, "ADA@exam")
    expect(page.get_by_role("link", name="eve@example.org")).to_have_count(0)
    page.get_by_role("link", name="ada@example.org").click()
    page.go_back()
    expect(page.get_by_role("link", name="eve@example.org")).to_have_count(0)
    page.get_by_role("link", name="ada@example.org").click()
    expect(page.locator(".reader-address")).to_contain_text("ada@example.org active")
    expect(page.locator("#deliveries")).to_contain_text("You follow Agents and tool use")
    expect(page.locator("#deliveries")).to_contain_text("Taken by mailgun")

    page.get_by_text("Never mail this address…").click()
    page.get_by_role("button", name="Never mail this address", exact=True).click()
    expect(page.get_by_text("Nothing will be mailed to this address.")).to_be_visible()
    assert selectors.is_suppressed("ada@example.org")

    page.get_by_text("Let it be mailed again…").click()
    page.get_by_role("button", name="Let it be mailed again", exact=True).click()
    expect(page.get_by_text("may be mailed again; the reader is active")).to_be_visible()
    assert not selectors.is_suppressed("ada@example.org")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download what is held").click()
    held = json.loads(Path(download.value.path()).read_text())
    assert held["email"] == "ada@example.org"

    page.get_by_text("Erase everything…").click()
    page.get_by_label("Type “erase” to go on").fill("erase")
    page.get_by_role("button", name="Erase everything", exact=True).click()
    expect(page.get_by_text("Everything about this reader is erased.")).to_be_visible()
    assert not Subscriber.objects.filter(pk=reader.pk).exists()
    find(page, "ada@example.org")
    expect(page.get_by_text("asked to be erased")).to_be_visible()
    assert LogEntry.objects.filter(object_repr=f"subscriber {reader.pk}").count() == 4


def test_support_sends_the_confirmation_again_and_a_link_within_limits(log_in, reader):
    page = log_in(roles.Role.SUPPORT)
    find(page, "waits@")
    page.get_by_role("link", name="waits@example.org").click()
    page.get_by_role("button", name="Send the confirmation mail again").click()
    expect(page.get_by_text("A confirmation mail is on its way.")).to_be_visible()
    assert TransactionalMessage.objects.filter(kind="confirm").count() == 1
    page.get_by_role("button", name="Send the confirmation mail again").click()
    expect(page.get_by_text("Not sent: one went to this address")).to_be_visible()
    expect(page.get_by_text("Erase everything")).to_have_count(0)
    page.goto(f"/admin/subscriptions/subscriber/{reader.pk}/change/")
    page.get_by_text("Unsubscribe…").click()
    page.get_by_role("button", name="Unsubscribe", exact=True).click()
    expect(page.locator(".reader-address")).to_contain_text("unsubscribed")
    assert Subscriber.objects.get(pk=reader.pk).state == "unsubscribed"


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_fault_of_accessibility_and_fits(log_in, reader, scheme, width):
    page = log_in(roles.Role.OWNER, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(f"/admin/subscriptions/subscriber/{reader.pk}/change/")
    for each in page.locator("details").all():
        each.evaluate("details => details.open = true")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    # What the theme itself brings around the page is not ours.
    faults = [
        fault for fault in browsing.accessibility(page) if "reader" in fault or "desk" in fault
    ]
    assert faults == []


def test_whole_hash_of_a_suppression_fits_on_a_phone(log_in, reader):
    services.suppress_address("gone@example.org", Suppression.Reason.MANUAL)
    page = log_in(roles.Role.OWNER, viewport={"width": WIDTHS["small phone"], "height": 900})
    row = Suppression.objects.latest("pk")
    page.goto(f"/admin/subscriptions/suppression/{row.pk}/change/")
    expect(page.get_by_text(row.address_hash)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
