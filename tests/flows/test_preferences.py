"""The preference centre in Chromium: with a script and without, by keyboard, in the dark, on a phone."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect, sync_playwright

from digest.delivery.due import planning
from digest.models import Delivery, Opinion, Paper
from digest.papers import authors
from subscriptions import tokens
from subscriptions.models import Subscriber
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = [
    pytest.mark.flow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("browser_beside_database"),
]
WIDTHS = {"desktop": 1280, "phone": 390, "small phone": 320}


@pytest.fixture
def reader():
    theory = make_topic("theory", name="Theory and optimization")
    day = timezone.now().date() - timedelta(days=1)
    paper = make_paper(title="On bounds", upvotes=9, topics=[theory], categories=["cs.LG"])
    make_edition(day, [paper, make_paper(title="A robot that folds", categories=["cs.RO"])])
    make_paper(organization="Google DeepMind")
    authors.count(["Yejin Choi", "Eunsol Choi"])
    found = make_subscriber(
        "ada@example.org", next_digest_at=timezone.now() + timedelta(days=1), keywords=("folds",)
    )
    Opinion.objects.create(subscriber=found, paper=paper, verdict="more")
    return found


@pytest.fixture
def browser(chromium):
    with sync_playwright() as driver:
        launched = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield launched
        launched.close()


@pytest.fixture
def visit(browser, live_server):
    """Opens a path in a new window; at the end no window had an error."""
    problems, contexts = [], []

    def opened(path, **options):
        context = browser.new_context(base_url=live_server.url, timezone_id="Asia/Tokyo", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: said.type == "error" and problems.append(said.text))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def path_of(reader):
    return f"/preferences/{tokens.make_preferences(reader)}/"


def fresh(reader):
    return Subscriber.objects.get(pk=reader.pk)


def titles(page):
    return page.locator(".preview__title a")


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_choices_are_previewed_and_saved(visit, reader, has_script):
    page = visit(path_of(reader), java_script_enabled=has_script)
    page.get_by_label("Theory and optimization").check()
    page.get_by_label("Once a month").check()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(titles(page)).to_have_text(["On bounds", "A robot that folds"])
    expect(page.locator(".preview__when")).to_contain_text("your next digest comes on")
    page.get_by_role("button", name="See it as a mail").click()
    mail = page.frame_locator("iframe")
    expect(mail.get_by_role("link", name="A robot that folds")).to_be_visible()
    assert fresh(reader).frequency == "weekdays"
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".notice")).to_contain_text("Saved. Your next digest comes on")
    assert fresh(reader).frequency == "monthly"
    assert [topic.slug for topic in fresh(reader).topics.all()] == ["theory"]


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_reason_leads_to_where_it_is_tuned_and_the_preview_follows(visit, reader, has_script):
    page = visit(path_of(reader), java_script_enabled=has_script)
    page.get_by_label("Theory and optimization").check()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(titles(page)).to_have_text(["On bounds", "A robot that folds"])
    page.get_by_role("link", name="Your keyword: folds").click()
    expect(page.locator("#keywords")).to_be_in_viewport()
    page.get_by_role("button", name="Remove keyword folds").click()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(titles(page)).to_have_text(["On bounds", "A robot that folds"])
    expect(page.locator(".preview .reason")).to_have_text(
        ["You follow Theory and optimization", "A little different"]
    )
    page.get_by_role("link", name="A little different").click()
    expect(page.locator("#dial")).to_be_in_viewport()
    page.get_by_label("Personal", exact=True).check()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(titles(page)).to_have_text(["On bounds"])


def digest_of(reader):
    planning.plan(timezone.now() + timedelta(days=1))
    return f"/digests/{tokens.make_digest(reader.public_id, Delivery.objects.get().edition_id)}/"


def test_reason_of_a_mail_leads_to_the_place_in_the_preferences(visit, reader):
    page = visit(path_of(reader))
    page.goto(digest_of(reader))
    link = page.get_by_role("link", name="Your keyword: folds").get_attribute("href")
    page.goto(urlsplit(link).path + "#keywords")
    expect(page.locator("#keywords")).to_be_in_viewport()
    assert page.url.endswith("/#keywords")


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_opinion_goes_by_a_fresh_link_in_a_new_browser_and_at_once_from_then_on(
    visit, reader, has_script
):
    reader.opinions.all().delete()
    page = visit(digest_of(reader), java_script_enabled=has_script)
    less, more = (
        urlsplit(page.get_by_role("link", name=name).first.get_attribute("href")).path
        for name in ("Less like this", "More like this")
    )
    page.goto(less)
    page.get_by_role("button", name="Mail a fresh link to a•••@example.org").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your inbox")
    assert not reader.opinions.exists()
    page.goto(path_of(reader))
    page.get_by_role("button", name="Less like this").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.goto(more)
    page.get_by_role("button", name="More like this").click()
    assert reader.opinions.get().verdict == "more"


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_forgotten_browser_asks_for_a_fresh_link(visit, reader, has_script):
    page = visit(path_of(reader), java_script_enabled=has_script)
    page.get_by_role("button", name="Forget this browser").click()
    expect(page.get_by_text("This browser is forgotten.")).to_be_visible()
    page.goto(path_of(reader))
    page.goto(manage_of(reader))
    page.get_by_role("button", name="Mail a fresh link").click()
    assert page.context.cookies(page.url) == []


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_words_are_added_by_keyboard_alone_and_unsaved_choices_stay(visit, reader, has_script):
    page = visit(path_of(reader), java_script_enabled=has_script)
    page.get_by_label("Every day", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("Add a keyword").focus()
    page.keyboard.type("world models OR agents")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove keyword world models OR agents")).to_be_visible()
    expect(page.get_by_label("Add a keyword")).to_be_focused()
    page.get_by_label("Add an author").focus()
    page.keyboard.type("choi")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Eunsol Choi").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove author Eunsol Choi")).to_be_visible()
    expect(page.get_by_label("Every day", exact=True)).to_be_checked()
    page.get_by_role("spinbutton", name="At most this many papers").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("Saved.")
    assert fresh(reader).keywords.filter(text="world models OR agents").exists()
    assert fresh(reader).authors.filter(name="Eunsol Choi").exists()


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_organization_and_dial_are_chosen_by_keyboard_alone(visit, reader, has_script):
    page = visit(path_of(reader), java_script_enabled=has_script)
    page.get_by_label("Add an organisation").focus()
    page.keyboard.type("deep")
    page.get_by_role("button", name="Find organisations").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Google DeepMind 1 paper").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove organisation Google DeepMind")).to_be_visible()
    page.get_by_role("radio", name="Balanced").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Only what you follow, the closest to it first.")).to_be_visible()
    expect(page.get_by_text("Your papers, by how well they fit and how many vote")).to_be_hidden()
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".notice")).to_contain_text("Saved.")
    assert fresh(reader).dial == 4
    assert fresh(reader).organizations.filter(name="Google DeepMind").exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("place", ["topic-theory", "category-cs.RO", "organizations", "dial"])
def test_place_that_a_reason_leads_to_is_marked_and_in_sight(visit, reader, place, width, scheme):
    size = {"width": width, "height": 800}
    page = visit(f"{path_of(reader)}#{place}", viewport=size, color_scheme=scheme)
    marked = page.locator(f"[id='{place}']")
    expect(marked).to_be_in_viewport(ratio=1)
    bar = page.locator(".savebar").bounding_box()
    box = marked.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= bar["y"]
    shape = "place => getComputedStyle(place).boxShadow + getComputedStyle(place, '::before').width"
    assert marked.evaluate(shape) != page.locator("#authors").evaluate(shape)
    assert Axe().run(page).response["violations"] == []


def test_script_counts_what_is_typed_and_suggests_names(visit, reader):
    page = visit(path_of(reader))
    page.get_by_label("Add a keyword").press_sequentially("bounds OR robot")
    expect(page.locator("#keyword-count")).to_have_text("matches 2 papers of the last 30 days")
    page.get_by_label("Add an author").press_sequentially("choi")
    expect(page.locator("#known-authors option")).to_have_count(2)
    page.get_by_label("Add an organisation").press_sequentially("deep")
    expect(page.locator("#known-organizations option")).to_have_count(1)


def test_script_refreshes_the_preview_in_place(visit, reader):
    page = visit(path_of(reader))
    page.get_by_role("button", name="Show the papers").click()
    expect(titles(page)).to_have_text(["A robot that folds", "On bounds"])
    page.get_by_role("spinbutton", name="At most this many papers").fill("1")
    page.get_by_role("spinbutton", name="At most this many papers").blur()
    expect(titles(page)).to_have_text(["A robot that folds"])
    assert fresh(reader).length == 8


def test_script_offers_the_zone_of_the_browser(visit, reader):
    page = visit(path_of(reader))
    expect(page.get_by_text("Your browser says Asia/Tokyo.")).to_be_visible()
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".next")).to_contain_text("Tokyo time")


def test_day_is_asked_only_where_it_counts(visit, reader):
    page = visit(path_of(reader), java_script_enabled=False)
    expect(page.get_by_label("Once a week, on")).to_be_hidden()
    page.get_by_label("Once a week", exact=True).check()
    page.get_by_label("Once a week, on").select_option("Thursday")
    page.get_by_label("Until a day").check()
    page.get_by_label("Mail starts again on").fill(
        (timezone.now() + timedelta(days=40)).date().isoformat()
    )
    page.get_by_role("button", name="Save preferences").click()
    expect(page.get_by_text("Paused until").first).to_be_visible()
    assert fresh(reader).frequency == "weekly-4"


def test_opened_papers_are_told_of_only_by_the_browser_that_was_asked_to(visit, reader):
    papers = [f"/papers/{paper.arxiv_id}/" for paper in Paper.objects.filter(opinions=None)]
    page, elsewhere, told = visit(path_of(reader)), visit("/"), []
    for each in (page, elsewhere):
        each.on("request", lambda request: "/opened/" in request.url and told.append(request))
    choose = page.get_by_label("Learn from the paper pages that I open")
    choose.check()
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".notice")).to_contain_text("Saved.")
    page.wait_for_load_state()
    elsewhere.goto(papers[0], wait_until="networkidle")
    assert told == []
    page.goto(papers[0], wait_until="networkidle")
    page.goto(papers[1], wait_until="networkidle")
    assert [request.post_data for request in told] == [f"paper={path[8:-1]}" for path in papers]
    assert reader.opinions.opened().count() == 2
    page.goto(path_of(reader))
    choose.uncheck()
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".notice")).to_contain_text("Saved.")
    page.wait_for_load_state()
    page.goto(papers[0], wait_until="networkidle")
    assert len(told) == 2
    assert not reader.opinions.opened().exists()


def test_leaving_is_one_press_with_a_reason_if_one_likes_and_an_undo(visit, reader):
    page = visit(path_of(reader))
    page.get_by_role("link", name="Unsubscribe", exact=True).click()
    page.get_by_role("button", name="Once a week instead").click()
    page.get_by_role("button", name="Undo").click()
    assert fresh(reader).frequency == "weekdays"
    page.goto(page.url)
    page.get_by_role("button", name="Unsubscribe", exact=True).click()
    assert fresh(reader).state == "unsubscribed"
    page.get_by_label("Too many mails").check()
    page.get_by_role("button", name="Tell").click()
    expect(page.get_by_text("It was noted without your address.")).to_be_visible()
    page.get_by_role("button", name="Undo, keep me subscribed").click()
    assert fresh(reader).state == "active"


def test_address_is_changed_by_the_owner_of_the_new_one(visit, reader):
    page = visit(path_of(reader), java_script_enabled=False)
    page.get_by_role("link", name="Change your address").click()
    page.get_by_label("Email address").fill("new@example.net")
    page.get_by_role("button", name="Change address").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into the new inbox")
    assert fresh(reader).email == "ada@example.org"
    for _ in range(3):
        page.goto(f"/address/{tokens.make_address(fresh(reader))}/")
    page.get_by_role("button", name="Use this address").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your address is changed")
    page.get_by_role("link", name="Your preferences").first.click()
    expect(page.get_by_text("For n•••@example.net.")).to_be_visible()


def manage_of(reader):
    return f"/digests/manage/{tokens.make_manage(reader.public_id)}/"


def pages_of_strangers(reader):
    """What the links of a digest show in a browser that is not known."""
    paper = Paper.objects.earliest("pk").arxiv_id
    return [
        manage_of(reader),
        f"/digests/{tokens.make_digest(reader.public_id, 1)}/more/{paper}/",
        f"/unsubscribe/{tokens.make_unsubscribe(reader.public_id)}/",
    ]


def pages_of(reader):
    reader.new_email = "new@example.net"
    Subscriber.objects.filter(pk=reader.pk).update(new_email=reader.new_email)
    return [
        path_of(reader),
        f"{path_of(reader)}digests/",
        f"{path_of(reader)}opinions/",
        f"{path_of(reader)}address/",
        f"/address/{tokens.make_address(reader)}/",
        f"/unsubscribe/{tokens.make_unsubscribe(reader.public_id)}/",
    ]


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_fault_of_accessibility_and_fit(visit, reader, scheme, width):
    addresses = pages_of(reader)
    page = visit(addresses[0], color_scheme=scheme, viewport={"width": width, "height": 800})
    page.get_by_role("button", name="Show the papers").click()
    expect(titles(page).first).to_be_visible()
    faults = {addresses[0]: faults_of(page)}
    for address in addresses[1:]:
        page.goto(address)
        faults[address] = faults_of(page)
    page.context.clear_cookies()
    for address in pages_of_strangers(reader):
        page.goto(address)
        faults[f"{address} of a stranger"] = faults_of(page)
    assert {address: found for address, found in faults.items() if found} == {}


def faults_of(page):
    found = Axe().run(page).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    lines = [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
    return lines + ([("wide", wide)] if wide > 0 else [])
