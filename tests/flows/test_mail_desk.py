"""The operator looks after the mail, in Chromium: pauses a provider, settles a doubtful batch, finds a
delivery, and writes a topic while its preview follows."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import expect

from digest.delivery.esp import plans
from digest.models import Delivery, ProviderPlan
from subscriptions import roles
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch, make_paper
from tests.pages import browsing

pytestmark = [pytest.mark.flow, pytest.mark.django_db(transaction=True)]
WIDTHS = {"desktop": 1280, "phone": 390, "small phone": 320}
PAGES = {
    "providers": "/admin/digest/providerplan/",
    "pause": "/admin/digest/providerplan/smtp/pause/",
    "in doubt": "/admin/digest/batch/in-doubt/",
    "deliveries": "/admin/digest/delivery/",
    "notices": "/admin/digest/notice/",
    "log": "/admin/admin/logentry/",
}


@pytest.fixture(autouse=True)
def _with_two_providers(browser_beside_database, settings):
    settings.EMAIL_PROVIDERS = ["smtp", "outbox"]


@pytest.fixture
def doubtful():
    batch = make_batch([make_subscriber() for _ in range(3)], provider="smtp")
    Delivery.objects.update(provider="smtp", detail="connection lost after DATA")
    return batch


@pytest.fixture
def browser(chromium):
    with browsing.launched(chromium) as launched:
        yield launched


@pytest.fixture
def open_desk(browser, live_server):
    """The desk as its owner sees it; at the end nothing had gone wrong."""
    problems, contexts = [], []

    def opened(**options):
        roles.ensure()
        user = User.objects.create_user("ada")
        roles.give(user, roles.Role.OWNER)
        client = Client()
        client.force_login(user)
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
        context = browser.new_context(base_url=live_server.url, reduced_motion="reduce", **options)
        contexts.append(context)
        context.add_cookies([session | {"url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        problems.append(browsing.watch(page, live_server.url))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == [[]]


def test_provider_is_paused_reordered_changed_and_resumed(open_desk):
    page = open_desk()
    page.goto("/admin/digest/providerplan/")
    page.get_by_role("link", name="Pause smtp").click()
    page.get_by_role("button", name="Pause smtp").click()
    expect(page.get_by_text("Say why, in a few words.")).to_be_visible()
    page.get_by_label("Why").fill("their relay loses mail")
    page.get_by_role("button", name="Pause smtp").click()
    expect(page.get_by_text("by ada: their relay loses mail")).to_be_visible()
    plans.forget()
    assert [way.name for way in plans.in_use()] == ["outbox"]

    page.get_by_role("link", name="Pause outbox").click()
    expect(page.get_by_role("alert")).to_contain_text("no digest goes out until one is resumed")
    page.get_by_role("link", name="Leave it").click()

    page.get_by_role("button", name="Ask smtp later").click()
    expect(page.locator("#content-main h2").first).to_contain_text("1 outbox")
    page.get_by_role("link", name="Change rate, cap and warm-up of smtp").click()
    page.get_by_label("Messages a second").fill("20")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("changed here; the setting says: unlimited")).to_be_visible()
    page.get_by_role("button", name="smtp back to the settings").click()
    expect(page.get_by_text("changed here; the setting")).to_have_count(0)

    page.get_by_role("button", name="Resume smtp").click()
    expect(page.get_by_text("smtp: resumed.")).to_be_visible()
    assert ProviderPlan.objects.get(name="smtp").paused_at is None
    page.goto("/admin/admin/logentry/")
    expect(page.get_by_text("paused, because: their relay loses mail")).to_be_visible()


def test_doubtful_batch_is_settled_by_one_press_and_a_word_of_warning(open_desk, doubtful):
    page = open_desk()
    page.goto("/admin/digest/batch/in-doubt/")
    expect(page.get_by_text("connection lost after DATA")).to_be_visible()
    page.get_by_label(f"Send batch {doubtful.pk} again").click()
    expect(page.get_by_text("gets a second one")).to_be_visible()
    page.get_by_label(f"Give up batch {doubtful.pk}").click()
    expect(page.get_by_text("gets nothing of this edition")).to_be_visible()
    # One is open at a time: there is one button that can be pressed.
    expect(page.get_by_text("gets a second one")).to_be_hidden()
    assert set(doubtful.deliveries.values_list("state", flat=True)) == {"uncertain"}
    page.get_by_role("button", name="Give up 3 readers").click()
    expect(page.get_by_text("3 deliveries are given up.")).to_be_visible()
    expect(page.get_by_text("Nothing is in doubt.")).to_be_visible()
    assert set(doubtful.deliveries.values_list("state", flat=True)) == {"failed"}
    assert LogEntry.objects.filter(change_message__contains="3 deliveries").count() == 1


def test_delivery_is_found_by_its_edition_and_opened(open_desk, doubtful):
    page = open_desk()
    page.goto("/admin/digest/delivery/")
    page.get_by_label("Edition").select_option("Aug 20, 2026")
    page.get_by_label("State").select_option("Uncertain")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="What the provider told of it")).to_be_visible()
    expect(page.get_by_text("connection lost after DATA")).to_be_visible()


def test_preview_of_a_topic_follows_what_is_written(open_desk):
    make_paper(title="Tomatoes at night")
    topic = make_topic("gardening")
    page = open_desk()
    page.goto(f"/admin/subscriptions/topic/{topic.pk}/change/")
    trial = page.locator("#trial")
    expect(trial).to_contain_text("Takes 0 of the newest 1 papers")
    page.get_by_label("Phrases").fill("tomato\nleek")
    expect(trial).to_contain_text("Takes 1 of the newest 1 papers")
    expect(trial).to_contain_text("leek: no paper of the newest 1 has it")
    trial.get_by_role("button", name="Not about it: Tomatoes at night").click()
    expect(page.get_by_text("Noted for “Tomatoes at night”.")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_fault_of_accessibility_and_fit(open_desk, doubtful, scheme, width):
    topic = make_topic("gardening", phrases=["tomato"])
    plans.pause("smtp", because="x")
    page = open_desk(color_scheme=scheme, viewport={"width": width, "height": 900})
    faults = []
    for name, address in PAGES.items() | {
        ("topic", f"/admin/subscriptions/topic/{topic.pk}/change/"),
        ("delivery", f"/admin/digest/delivery/{doubtful.deliveries.first().pk}/change/"),
    }:
        page.goto(address)
        if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
            faults.append(f"{name} is too wide")
        # What the theme itself brings around the page is not ours.
        found = browsing.accessibility(page)
        faults += [f"{name}: {each}" for each in found if "mail-" in each or "topic-" in each]
    assert faults == []


def test_links_and_menu_of_record_pages_are_read_well_in_the_dark(open_desk, doubtful):
    paper, topic = make_paper(title="Tomatoes at night"), make_topic("gardening")
    page = open_desk(color_scheme="dark", viewport={"width": 1280, "height": 900})
    faults = []
    for address in (
        f"/admin/digest/delivery/{doubtful.deliveries.first().pk}/change/",
        f"/admin/digest/batch/{doubtful.pk}/change/",
        f"/admin/digest/edition/{doubtful.edition_id}/change/",
        f"/admin/digest/paper/{paper.pk}/change/",
        f"/admin/subscriptions/topic/{topic.pk}/change/",
        f"/admin/auth/user/{User.objects.get().pk}/change/",
    ):
        page.goto(address)
        expect(page.locator("html.dark")).to_have_count(1)
        found = browsing.accessibility(page, only=("color-contrast", "link-in-text-block"))
        faults += [f"{address}: {each}" for each in found]
    assert faults == []
