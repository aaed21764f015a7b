"""The preference centre's form: what it shows, refuses, keeps unsaved and saves."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from lxml import html as lxml_html

from digest.editions import reasons
from digest.papers import authors
from digest.records import TODAY
from subscriptions import selectors, services, tokens
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


def page(response):
    return lxml_html.document_fromstring(response.content)


def words(response):
    return " ".join(page(response).text_content().split())


def link(reader):
    return reverse("site:preferences", args=[tokens.make_preferences(reader)])


def everything():
    """All that a page could change."""
    return [
        list(Subscriber.objects.order_by("pk").values()),
        TransactionalMessage.objects.count(),
        Suppression.objects.count(),
    ]


def fresh(subscriber):
    return Subscriber.objects.get(pk=subscriber.pk)


CHOICES = {
    "frequency": "weekdays",
    "hour": "7",
    "timezone": "Europe/Berlin",
    "length": "8",
    "pause": "0",
}


def checked(response, name):
    return page(response).xpath(f"//input[@name='{name}'][@checked]/@value")


def number(response, name):
    return page(response).xpath(f"//input[@name='{name}']/@value")


def hidden(response, name):
    return page(response).xpath(f"//input[@type='hidden'][@name='{name}']/@value")


def test_preferences_page_shows_what_holds(client):
    reader = make_subscriber(
        "ada@example.org",
        topics=[make_topic("theory")],
        keywords=("tool calling",),
        authors=("Yejin Choi",),
        organizations=("VISIONx @ NYU",),
        dial=3,
        trending=True,
        timezone="Europe/Berlin",
    )
    response = client.get(link(reader))
    assert "Next digest: Friday, August 21, 07:00 Berlin time · at most 8 papers" in words(response)
    assert checked(response, "topics") == ["theory"]
    assert hidden(response, "keywords") == ["tool calling"]
    assert hidden(response, "authors") == ["Yejin Choi"]
    assert hidden(response, "organizations") == ["VISIONx @ NYU"]
    assert checked(response, "dial") == ["3"]
    assert checked(response, "trending") == ["1"]
    assert checked(response, "frequency") == ["weekdays"]
    assert number(response, "length") == ["8"]
    assert checked(response, "pause") == ["0"]
    assert page(response).xpath("//select[@name='hour']/option[@selected]/text()") == ["07:00"]
    zone = page(response).xpath("//select[@name='timezone']//option[@selected]/@value")
    assert zone == ["Europe/Berlin"]


def test_looking_at_preferences_changes_nothing(client):
    reader = make_subscriber()
    before = everything()
    client.get(link(reader))
    assert everything() == before


def test_saving_preferences(client):
    reader = make_subscriber(next_digest_at=NOW + timedelta(hours=19))
    chosen = {
        "frequency": "daily",
        "hour": "9",
        "timezone": "Asia/Tokyo",
        "length": "16",
        "pause": "7",
        "topics": [make_topic("theory").slug],
        "keywords": ["tool calling"],
        "keyword": " world   models ",
        "author": "Yejin Choi",
        "organization": " Google  DeepMind ",
        "dial": "0",
        "trending": "1",
        "save": "1",
    }
    response = client.post(link(reader), chosen)
    assert response.status_code == 200
    assert "Saved. Your next digest comes on Thursday, August 27, at 09:00." in words(response)
    held = selectors.preferences_of(fresh(reader))
    assert held.selection.topics == ("theory",)
    assert held.selection.keywords == ("tool calling", "world models")
    assert held.selection.authors == ("Yejin Choi",)
    assert held.selection.organizations == ("Google DeepMind",)
    assert held.selection.dial == 0
    assert held.selection.trending
    assert (held.selection.length, held.rhythm.timezone) == (16, "Asia/Tokyo")
    assert held.paused_until == date(2026, 8, 27)


def test_section_5_page_hands_out_no_younger_link_than_its_own(client):
    path = link(make_subscriber())
    with time_machine.travel(NOW + timedelta(days=6), tick=False):
        answers = [
            client.get(path),
            client.post(path, CHOICES | {"save": "1"}),
            client.post(path, CHOICES | {"save": "1", "hour": "24"}),
            client.post(path, CHOICES | {"add": "keyword"}),
            client.post(path, {"resume": "1"}),
        ]
    actions = [page(each).xpath("//form[contains(@action, '/send/')]/@action") for each in answers]
    assert actions == [[f"/digests/send/{path.split('/')[2]}/"]] * 5


def test_preferences_of_a_suppressed_address_promise_nothing(client):
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.BOUNCED)
    shown = client.get(link(reader))
    saved = client.post(link(reader), CHOICES | {"save": "1"})
    for response in (shown, saved):
        assert "We may not mail this address any more: it bounced" in words(response)
        assert "ext digest" not in words(response)
        assert not page(response).xpath("//form[contains(@action, '/send/')]")


def test_preferences_page_says_all_that_is_kept(client):
    kept = "a dated record of what you agreed to, and which mails we sent you. That is all."
    assert kept in words(client.get(link(make_subscriber())))


def test_refused_save_has_its_headings_in_order(client):
    refused = CHOICES | {"timezone": "Mars/Base", "save": "1"}
    response = client.post(link(make_subscriber()), refused)
    levels = [int(each.tag[1]) for each in page(response).iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert max(levels) == 2


def test_add_and_remove_keep_unsaved_choices_and_save_nothing(client):
    reader = make_subscriber()
    before = everything()
    unsaved = CHOICES | {
        "topics": [make_topic("theory").slug],
        "length": "4",
        "keywords": ["old", "gone"],
        "keyword": "new",
        "remove_keyword": "gone",
    }
    response = client.post(link(reader), unsaved)
    assert hidden(response, "keywords") == ["old", "new"]
    assert checked(response, "topics") == ["theory"]
    assert number(response, "length") == ["4"]
    assert "Not saved yet" in words(response)
    assert everything() == before


@pytest.mark.parametrize("button", ["add", "save"])
def test_name_that_can_not_be_one_is_shown_with_its_error(client, button):
    typed = CHOICES | {"author": "Yejin Choi!", button: "author"}
    response = client.post(link(make_subscriber()), typed)
    (field,) = page(response).xpath("//input[@name='author']")
    assert field.get("value") == "Yejin Choi!"
    (error,) = page(response).xpath(f"//*[@id='{field.get('aria-describedby')}']/text()")
    assert error == "A name can’t contain “!”. Please check it."


def test_topic_that_is_no_more_keeps_nothing_from_being_saved(client):
    reader = make_subscriber()
    typed = CHOICES | {"topics": ["agents", "gone-since"], "save": "1"}
    assert client.post(link(reader), typed).status_code == 200
    assert [topic.slug for topic in reader.topics.all()] == ["agents"]


def test_refused_save_names_the_field_of_a_choice(client):
    typed = CHOICES | {"hour": "25", "length": "endless", "save": "1"}
    response = client.post(link(make_subscriber()), typed)
    for anchor, label in (("hour", "Time of day"), ("length", "At most this many papers")):
        (found,) = page(response).xpath(f"//*[@role='alert']//a[@href='#{anchor}']/text()")
        assert found == label
        assert page(response).xpath(f"//*[@id='{anchor}']")


@pytest.mark.parametrize("length", ["", "0", "41", "2.5", "many", "9" * 400])
def test_refused_number_says_what_is_taken(client, length):
    response = client.post(link(make_subscriber()), CHOICES | {"length": length, "save": "1"})
    assert response.status_code == 400
    (line,) = page(response).xpath("//*[@id='length-error']/text()")
    assert line == "Please give a whole number from 1 to 40."


def test_refused_save_says_which_field(client):
    wrong = {"author": "x" * 81, "keyword": "y" * 201, "organization": "z" * 81, "dial": "5"}
    typed = CHOICES | wrong | {"save": "1"}
    response = client.post(link(make_subscriber()), typed)
    assert response.status_code == 400
    links = page(response).xpath("//*[@role='alert']//a/@href")
    assert set(links) == {"#keyword", "#author", "#organization", "#dial"}
    assert all(page(response).xpath(f"//*[@id='{each[1:]}']") for each in links)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timezone": "Mars/Base"},
        {"hour": "24"},
        {"frequency": "hourly"},
        {"length": "endless"},
        {"pause": "-1"},
        {"keywords": ["x" * 201]},
        {"keyword": "a\u202eb"},
        {"keyword": "vision AND"},
        {"keywords": ["(vision"]},
        {"categories": ["cs.CL; DROP"]},
        {"categories": [f"cs.A{letter}{more}" for letter in "ABCDEFGH" for more in "ABCDEFGH"]},
        {"weekday": "8", "frequency": "weekly"},
        {"length": "41"},
        {"length": "0"},
        {"least_votes": "-1"},
        {"least_votes": "9" * 30},
        {"dial": "5"},
        {"dial": "-1"},
        {"dial": "more"},
        {"organization": "a\u202eb"},
        {"organizations": ["x" * 81]},
        {"organizations": [f"lab {number}" for number in range(51)]},
        {"format": "pdf"},
        {"language": "tlh"},
        {"pause": "until"},
        {"pause": "until", "paused_until": "someday"},
        {"pause": "until", "paused_until": "9999-12-31"},
        {"keyword": "a\0b"},
    ],
)
def test_choice_that_is_not_on_offer_is_refused(client, wrong):
    reader = make_subscriber()
    before = everything()
    response = client.post(link(reader), CHOICES | wrong | {"save": "1"})
    assert response.status_code == 400
    assert "Not saved yet" in words(response)
    assert everything() == before


def test_pause_that_holds_is_kept_by_saving(client):
    reader = make_subscriber(paused_until=date(2026, 9, 3))
    response = client.get(link(reader))
    assert "Paused until Thursday, September 3" in words(response)
    assert checked(response, "pause") == ["until"]
    assert number(response, "paused_until") == ["2026-09-03"]
    held = {"pause": "until", "paused_until": "2026-09-03"}
    client.post(link(reader), CHOICES | held | {"save": "1"})
    assert fresh(reader).paused_until == date(2026, 9, 3)


def test_start_again_now(client):
    reader = make_subscriber(paused_until=date(2026, 9, 3))
    response = client.post(link(reader), {"resume": "1"})
    assert "Your next digest comes on Friday, August 21, at 07:00." in words(response)
    assert fresh(reader).paused_until is None


def test_preferences_of_who_left_say_so(client):
    reader = make_subscriber(state="unsubscribed", confirmed_at=NOW)
    response = client.get(link(reader))
    assert "You are unsubscribed" in words(response)
    saved = client.post(link(reader), CHOICES | {"save": "1"})
    assert "Saved." in words(saved)
    assert fresh(reader).state == "unsubscribed"


def test_zone_that_is_not_in_the_list_is_kept(client):
    reader = make_subscriber(timezone="Etc/GMT+3")
    response = client.get(link(reader))
    assert page(response).xpath("//option[@selected]/text()")[2:3] == ["Etc/GMT+3"]


def test_page_takes_the_same_queries_for_any_number_of_choices(client, django_assert_num_queries):
    few = make_subscriber(topics=[make_topic()], keywords=("x",))
    many = make_subscriber(
        topics=[make_topic() for _ in range(9)], keywords=tuple(f"w{n}" for n in range(30))
    )
    with django_assert_num_queries(10):
        client.get(link(few))
    with django_assert_num_queries(10):
        client.get(link(many))


def test_preferences_page_leads_to_data_and_erasure(client):
    response = client.get(link(make_subscriber()))
    (download,) = page(response).xpath("//a[text()='Download as JSON']/@href")
    (erase,) = page(response).xpath("//a[text()='Erase everything…']/@href")
    assert client.get(download).status_code == 200
    assert client.get(erase).status_code == 200


def save(client, reader, **chosen):
    response = client.post(link(reader), CHOICES | chosen | {"save": "1"})
    assert response.status_code == 200
    return selectors.preferences_of(fresh(reader))


@pytest.mark.parametrize(
    ("frequency", "weekday", "stored"),
    [
        ("weekly", "1", "weekly"),
        ("weekly", "4", "weekly-4"),
        ("weekly", "", "weekly"),
        ("monthly", "4", "monthly"),
        ("daily", "4", "daily"),
    ],
)
def test_rhythm_is_a_frequency_and_for_weeks_a_day(client, frequency, weekday, stored):
    reader = make_subscriber()
    held = save(client, reader, frequency=frequency, weekday=weekday)
    assert held.rhythm.frequency == stored
    shown = client.get(link(reader))
    assert checked(shown, "frequency") == [frequency]


def test_chosen_day_of_the_week_is_shown_again(client):
    response = client.get(link(make_subscriber(frequency="weekly-4")))
    assert page(response).xpath("//select[@name='weekday']/option[@selected]/text()") == [
        "Thursday"
    ]


def test_votes_format_language_and_categories_are_saved(client):
    reader = make_subscriber()
    held = save(
        client, reader, least_votes="12", format="text", language="de", categories=["cs.CL"]
    ).selection
    assert (held.least_votes, held.format, held.language) == (12, "text", "de")
    assert held.categories == ("cs.CL",)
    assert fresh(reader).selection_key == held.key


def test_categories_that_are_fetched_can_be_picked_before_there_are_papers_in_them(
    client, settings
):
    settings.PAPER_SOURCES, settings.ARXIV_CATEGORIES = ["hugging_face", "arxiv"], ["cs.RO"]
    reader = make_subscriber()
    save(client, reader, categories=["math.ST"])
    offered = page(client.get(link(reader))).xpath("//input[@name='categories']")
    assert [(box.get("value"), "checked" in box.attrib) for box in offered] == [
        ("cs.RO", False), ("math.ST", True),
    ]  # fmt: skip


def test_what_the_form_leaves_out_stays_as_it_was(client):
    reader = make_subscriber(format="text", language="fr")
    held = save(client, reader).selection
    assert (held.format, held.language) == ("text", "fr")


def test_language_is_only_asked_where_there_are_several(client, settings):
    settings.LANGUAGES = [("en", "English")]
    response = client.get(link(make_subscriber()))
    assert not page(response).xpath("//select[@name='language']")


def test_pause_until_a_day(client):
    held = save(client, make_subscriber(), pause="until", paused_until="2026-12-24")
    assert held.paused_until == date(2026, 12, 24)


def test_day_that_was_typed_counts_without_its_button(client):
    held = save(client, make_subscriber(), pause="0", paused_until="2026-12-24")
    assert held.paused_until == date(2026, 12, 24)


def test_not_paused_ends_a_pause_whose_day_still_stands_there(client):
    reader = make_subscriber(paused_until=date(2026, 9, 3))
    assert save(client, reader, pause="0", paused_until="2026-09-03").paused_until is None


def test_pause_until_a_day_that_is_over_is_none(client):
    held = save(client, make_subscriber(), pause="until", paused_until="2026-08-20")
    assert held.paused_until is None


def test_keyword_from_before_there_were_queries_keeps_nothing_from_being_saved(client):
    reader = make_subscriber(keywords=("vision (and more",))
    held = save(client, reader, keywords=["vision (and more"], hour="9")
    assert held.selection.keywords == ("vision (and more",)


def test_first_button_is_the_one_that_enter_presses(client):
    response = client.get(link(make_subscriber()))
    buttons = page(response).xpath("//form[@id='preferences']//button/@name")
    assert buttons[0] == "enter"


def test_enter_in_the_keyword_field_adds_it_and_saves_nothing(client):
    reader = make_subscriber()
    before = everything()
    response = client.post(link(reader), CHOICES | {"keyword": "world models", "enter": "1"})
    assert hidden(response, "keywords") == ["world models"]
    assert page(response).xpath("//input[@autofocus]/@name") == ["keyword"]
    assert everything() == before


def test_enter_elsewhere_saves(client):
    reader = make_subscriber()
    response = client.post(link(reader), CHOICES | {"length": "5", "enter": "1"})
    assert "Saved." in words(response)
    assert fresh(reader).length == 5


def test_keyword_that_can_not_be_read_is_shown_with_its_error(client):
    typed = CHOICES | {"keyword": "(vision", "add": "keyword"}
    response = client.post(link(make_subscriber()), typed)
    assert response.status_code == 400
    assert number(response, "keyword") == ["(vision"]
    assert page(response).xpath("//*[@id='keyword-error']/text()") == [
        "A parenthesis is not closed."
    ]


def test_find_lists_authors_to_add_and_keeps_what_was_typed(client):
    authors.count(["Yejin Choi", "Eunsol Choi", "Ada Lovelace"])
    authors.count(["Eunsol Choi"])
    typed = CHOICES | {"author": "choi", "find": "author"}
    response = client.post(link(make_subscriber()), typed)
    found = page(response).xpath("//button[@name='add_author']/@value")
    assert found == ["Eunsol Choi", "Yejin Choi"]
    assert number(response, "author") == ["choi"]
    assert hidden(response, "authors") == []


def test_add_beside_a_found_author_adds_that_one(client):
    typed = CHOICES | {"author": "cho", "add_author": "Yejin Choi"}
    response = client.post(link(make_subscriber()), typed)
    assert hidden(response, "authors") == ["Yejin Choi"]
    assert number(response, "author") == [""]


@pytest.mark.parametrize("button", ["add", "save"])
def test_organization_that_can_not_be_one_is_shown_with_its_error(client, button):
    typed = CHOICES | {"organization": "Lab\u202e", button: "organization"}
    response = client.post(link(make_subscriber()), typed)
    assert response.status_code == 400
    (field,) = page(response).xpath("//input[@name='organization']")
    assert (field.get("value"), field.get("aria-invalid")) == ("Lab\u202e", "true")
    assert field.get("aria-describedby").split() == ["organization-error", "organization-hint"]
    (error,) = page(response).xpath("//*[@id='organization-error']/text()")
    assert error == "A name can’t contain hidden letters. Please type it."


def test_organizations_are_added_and_removed_and_nothing_is_saved(client):
    reader = make_subscriber()
    before = everything()
    unsaved = {
        "organizations": ["MIT", "Gone"],
        "organization": "VISIONx @ NYU (2)",
        "remove_organization": "Gone",
    }
    response = client.post(link(reader), CHOICES | unsaved)
    assert hidden(response, "organizations") == ["MIT", "VISIONx @ NYU (2)"]
    assert everything() == before


def test_enter_in_the_organization_field_adds_it_and_stays_there(client):
    typed = CHOICES | {"organization": "EPFL", "enter": "1"}
    response = client.post(link(make_subscriber()), typed)
    assert hidden(response, "organizations") == ["EPFL"]
    assert page(response).xpath("//input[@autofocus]/@name") == ["organization"]


def test_find_lists_organizations_with_their_papers_and_keeps_what_was_typed(client):
    for name in ("EPFL", "Google", "Google DeepMind", "Google DeepMind"):
        make_paper(organization=name)
    typed = CHOICES | {"organization": "goog", "author": "Yejin Choi", "find": "organization"}
    response = client.post(link(make_subscriber()), typed)
    buttons = page(response).xpath("//button[@name='add_organization']")
    shown = [(each.get("value"), " ".join(each.text_content().split())) for each in buttons]
    assert shown == [
        ("Google DeepMind", "Google DeepMind 2 papers"),
        ("Google", "Google 1 paper"),
    ]
    assert number(response, "organization") == ["goog"]
    assert hidden(response, "authors") == ["Yejin Choi"]
    assert not page(response).xpath("//button[@name='add_author']")


def test_add_beside_a_found_organization_adds_that_one(client):
    typed = CHOICES | {"organization": "goog", "add_organization": "Google DeepMind"}
    response = client.post(link(make_subscriber()), typed)
    assert hidden(response, "organizations") == ["Google DeepMind"]
    assert number(response, "organization") == [""]


def test_dial_says_what_each_step_means(client):
    response = client.get(link(make_subscriber()))
    steps = page(response).xpath("//input[@name='dial']")
    assert [step.get("value") for step in steps] == ["0", "1", "2", "3", "4"]
    assert checked(response, "dial") == ["2"]
    said = [
        page(response).xpath(f"//*[@id='{step.get('aria-describedby')}']")[0].text_content()
        for step in steps
    ]
    assert said[0].startswith("Popular: The most voted papers of the day, whatever they are about")
    assert said[2].startswith("Balanced: Your papers, by how well they fit and how many vote")
    assert said[4] == "Personal: Only what you follow, the closest to it first."


def test_dial_that_the_form_leaves_out_stays(client):
    assert save(client, make_subscriber(dial=4)).selection.dial == 4


def test_dial_is_shown_as_it_was_turned_until_it_is_saved(client):
    reader = make_subscriber()
    response = client.post(link(reader), CHOICES | {"dial": "0", "add": "keyword"})
    assert checked(response, "dial") == ["0"]
    assert fresh(reader).dial == 2


def test_every_reason_leads_to_a_place_of_the_page(client, settings):
    settings.ARXIV_CATEGORIES, settings.PAPER_SOURCES = ["cs.CL"], ["arxiv"]
    topic = make_topic("theory")
    wanted = [
        reasons.author("A"), reasons.keyword("b"), reasons.organization("C"),
        reasons.topic("theory", topic.name), reasons.category("cs.CL"), reasons.different(),
        reasons.voted(0, 9, TODAY),
    ]  # fmt: skip
    response = client.get(link(make_subscriber()))
    for anchor in (*(each.anchor for each in wanted), "topics", "categories", "votes"):
        assert len(page(response).xpath(f"//*[@id='{anchor}']")) == 1


def test_no_two_places_of_the_page_have_one_id(client):
    ids = page(client.get(link(make_subscriber()))).xpath("//@id")
    assert len(ids) == len(set(ids))


def test_topics_stand_under_their_headings(client):
    response = client.get(link(make_subscriber()))
    (group,) = page(response).xpath("//fieldset[legend='Vision and sound']")
    assert "computer-vision" in group.xpath(".//input/@value")


def test_topic_of_no_group_stands_under_others(client):
    make_topic("gardening")
    response = client.get(link(make_subscriber()))
    (group,) = page(response).xpath("//fieldset[legend='Other topics']")
    assert group.xpath(".//input/@value") == ["gardening"]


def test_next_digest_stands_in_the_bar_that_stays(client):
    response = client.get(link(make_subscriber()))
    (bar,) = page(response).xpath("//div[contains(@class, 'savebar')]")
    assert "Next digest: Friday, August 21, 07:00" in " ".join(bar.text_content().split())


def test_keyword_of_a_search_waits_for_the_link_to_be_opened(client):
    reader = make_subscriber()
    asked = client.get("/preferences/", {"keyword": "speculative “decoding”"})
    assert "ready to be added" in asked.content.decode()
    opened = client.get(link(reader)).content.decode()
    assert 'value="speculative “decoding”"' in opened
    assert "speculative" not in client.get(link(reader)).content.decode()


@pytest.mark.parametrize("keyword", ["x" * 300, "a\0b", "\u202ekey", ""])
def test_what_no_keyword_can_be_is_not_remembered(client, keyword):
    response = client.get("/preferences/", {"keyword": keyword})
    assert response.status_code == 200
    assert not response.cookies
