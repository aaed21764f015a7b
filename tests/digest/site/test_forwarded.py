"""A digest in other hands, and the browsers in which its links open more. EMAIL_STANDARDS 4 and 5."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone
from lxml import html as lxml_html

from digest.delivery.due import planning
from digest.delivery.mails import content, rendering
from digest.models import Delivery, Opinion
from subscriptions import selectors, services, tokens
from subscriptions.models import Subscriber, TransactionalMessage
from subscriptions.views import known_cookie
from tests.builders import know_browser, make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
SITE = "https://papers.example.org"
ONWARD = "onward"


@pytest.fixture(autouse=True)
def clock():
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def reader():
    topic = make_topic("theory", name="Theory of everything")
    return make_subscriber("ada@example.org", topics=[topic], keywords=("bounds",), hour=7)


@pytest.fixture
def paper():
    return make_paper(title="On bounds", topics=[make_topic("theory")])


@pytest.fixture
def links(reader, paper):
    """Every link to us in the reader's digest, in its HTML and its text."""
    make_edition(DAY, [paper])
    planning.plan(timezone.now())
    delivery = Delivery.objects.get()
    (mine,) = content.readers_of(
        selectors.addressees([reader.pk]), edition_id=delivery.edition_id, now=NOW
    )
    mail = " ".join(content.body_of(delivery.audience).filled(rendering.values_of(mine)))
    found = {each.removeprefix(SITE) for each in re.findall(rf"{SITE}/[^\s\"<>#]*", mail)}
    return sorted(found)


def manage(reader):
    return reverse("site:manage", args=[tokens.make_manage(reader.public_id)])


def preferences(reader):
    return reverse("site:preferences", args=[tokens.make_preferences(reader)])


def opinion(reader, paper, verdict="more"):
    return f"/digests/{tokens.make_digest(reader.public_id, 1)}/{verdict}/{paper.arxiv_id}/"


def leave(reader):
    return reverse("subscriptions:unsubscribe", args=[tokens.make_unsubscribe(reader.public_id)])


def words(response):
    return " ".join(lxml_html.document_fromstring(response.content).text_content().split())


def chosen():
    """What a reader chose and said."""
    return [
        list(Subscriber.objects.values()),
        list(Subscriber.objects.values("topics", "keywords")),
        list(Opinion.objects.values()),
    ]


def kinds():
    return list(TransactionalMessage.objects.values_list("kind", flat=True))


BUTTONS = [
    {},
    {"undo": "1"},
    {"instead": "daily"},
    {"instead": "weekly"},
    {"instead": "pause-14"},
    {"instead": "resume"},
    {"save": "1", "topics": "agents"},
    {"browser": "keep"},
    {"remove": "1", "forget": "1"},
    {"renew": "1"},
]


@pytest.mark.parametrize("pressed", BUTTONS, ids=str)
def test_finder_changes_nothing_by_any_button_of_any_link(client, links, pressed):
    before = chosen()
    for link in links:
        # What asks for nothing else unsubscribes, which is what is left to a finder.
        if "/unsubscribe/" not in link or {"undo", "instead", "renew"} & pressed.keys():
            client.post(link, pressed)
    assert chosen() == before


def test_digest_has_no_link_that_opens_the_preferences(links):
    views = {resolve(link).view_name for link in links}
    assert views == {
        "site:manage", "site:opinion", "site:digest", "site:day", "site:paper",
        "subscriptions:unsubscribe",
    }  # fmt: skip


def test_scanner_that_opens_all_links_gets_no_cookie_and_changes_nothing(client, links):
    before = chosen()
    for link in links * 3:
        response = client.get(link)
        assert (response.status_code, dict(response.cookies)) == (200, {})
    assert chosen() == before
    assert kinds() == []


def test_finder_is_shown_nothing_that_the_reader_chose(client, reader, links, paper):
    Opinion.objects.create(subscriber=reader, paper=paper, verdict="more")
    for link in links:
        if "/manage/" in link or "/more/" in link:
            said = words(client.get(link))
            assert "a•••@example.org" in said
            for secret in ("ada@", "Theory of everything", "07:00", "Undo", "Save preferences"):
                assert secret not in said


def test_finder_may_undo_their_own_unsubscribing_only(client, reader):
    page = client.post(leave(reader), {"List-Unsubscribe": "One-Click", "button": "unsubscribe"})
    (mark,) = lxml_html.document_fromstring(page.content).xpath("//button[@name='undo']/@value")
    said = words(client.post(leave(reader), {"undo": mark}))
    assert "You are subscribed again." in said
    assert "07:00" not in said
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        services.unsubscribe(reader)
        for undo in (mark, "1", ""):
            assert client.post(leave(reader), {"undo": undo}).status_code == 403
    assert Subscriber.objects.get().state == "unsubscribed"


def test_finder_who_comes_after_the_reader_left_is_given_no_undo(client, reader):
    services.unsubscribe(reader)
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        for page in (client.get(leave(reader)), client.post(leave(reader))):
            assert b'name="undo"' not in page.content
            assert b'name="mark"' not in page.content


@pytest.mark.parametrize("state", ["active", "unsubscribed"])
def test_link_is_mailed_once_however_often_it_is_asked_for(client, state, paper):
    reader = make_subscriber("ada@example.org", state=state, confirmed_at=NOW)
    for path in (manage(reader), opinion(reader, paper), leave(reader)) * 2:
        response = client.post(path, {"renew": "1"})
        assert response.status_code == 200
        assert "Look into your inbox" in words(response)
    assert kinds() == ["preferences"]


def test_client_that_asks_too_often_is_held_up(client, reader, settings):
    settings.SIGNUP_RATE_CLIENT = "2/h"
    answers = [client.post(manage(reader), {"renew": "1"}).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


@pytest.mark.parametrize("method", ["get", "post"])
def test_link_of_who_was_erased_leads_nowhere(client, reader, method):
    path = manage(reader)
    services.erase(reader)
    assert getattr(client, method)(path, {"renew": "1"}).status_code == 404


def test_fresh_link_makes_the_browser_known(client, reader, paper):
    client.get(preferences(reader))
    response = client.get(manage(reader))
    assert response.status_code == 302
    assert response["Location"].startswith("/preferences/")
    assert client.get(response["Location"]).status_code == 200
    assert client.post(opinion(reader, paper)).status_code == 200
    assert Opinion.objects.get().verdict == "more"


def test_confirming_makes_the_browser_known_once(client):
    reader = make_subscriber(state="pending")
    path = reverse("subscriptions:confirm", args=[tokens.make_confirm(reader)])
    assert not client.get(path).cookies
    assert client.post(path).cookies
    # Whoever comes by the used link is not its reader for sure.
    client.cookies.clear()
    assert not client.post(path).cookies


def test_cookie_goes_only_where_it_is_read_and_to_no_script(client, reader, settings):
    settings.SESSION_COOKIE_SECURE = True
    cookies = client.get(preferences(reader)).cookies
    assert {name: each["path"] for name, each in cookies.items()} == {
        "known_confirm": "/confirm/",
        "known_digests": "/digests/",
        "known_preferences": "/preferences/",
        "known_unsubscribe": "/unsubscribe/",
    }
    for each in cookies.values():
        assert (each["httponly"], each["secure"], each["samesite"]) == (True, True, "Lax")
        assert each["max-age"] == 180 * 86_400


def test_known_browser_is_not_known_anew_at_each_visit(client, reader):
    assert client.get(preferences(reader)).cookies
    assert not client.get(preferences(reader)).cookies


def test_browser_is_not_known_once_older_links_are_dead(client, reader, paper):
    know_browser(client, reader)
    Subscriber.objects.update(token_version=reader.token_version + 1)
    assert client.get(manage(reader)).status_code == 200
    assert client.post(opinion(reader, paper)).status_code == 403
    assert not Opinion.objects.exists()


def test_browser_is_not_known_for_ever(client, reader, paper):
    know_browser(client, reader)
    with time_machine.travel(NOW + timedelta(days=181), tick=False):
        assert client.get(manage(reader)).status_code == 200
        assert client.post(opinion(reader, paper)).status_code == 403
    assert not Opinion.objects.exists()


@pytest.mark.parametrize("purpose", ["make_preferences", "make_opened", "make_erase", "make_feed"])
def test_no_other_token_makes_a_browser_known(client, reader, paper, purpose):
    for room in known_cookie.ROOMS:
        client.cookies[known_cookie.name_in(room)] = getattr(tokens, purpose)(reader)
    assert client.post(opinion(reader, paper)).status_code == 403


def test_browser_of_one_reader_is_not_that_of_another(client, reader, paper):
    know_browser(client, make_subscriber())
    assert client.get(manage(reader)).status_code == 200
    assert client.post(opinion(reader, paper)).status_code == 403
    assert client.post(leave(reader), {"instead": "pause-14"}).status_code == 403


def test_forgotten_browser_is_not_led_in_a_circle(client, reader, paper):
    client.post(preferences(reader), {"browser": "forget"})
    client.post(opinion(reader, paper), {"renew": "1"})
    assert ONWARD in client.cookies
    assert client.get(preferences(reader)).status_code == 200


def test_reader_ends_all_links_and_browsers_but_this_one(client, reader):
    other, old = Client(), preferences(reader)
    for each in (client, other):
        each.get(old)
    feed = reverse("site:own_feed", args=[tokens.make_feed(reader), "atom"])
    assert client.get(feed).status_code == 200
    answer = client.post(old, {"browser": "end"}, follow=True)
    assert "All other links and browsers of yours are forgotten." in answer.content.decode()
    assert client.get(manage(reader)).status_code == 302
    assert other.get(manage(reader)).status_code == 200
    assert other.get(old).status_code == 410
    assert client.get(feed).status_code == 404


def test_forgotten_browser_stays_so_though_the_link_is_opened_again(client, reader):
    client.get(preferences(reader))
    client.post(preferences(reader), {"browser": "forget"})
    client.get(preferences(reader))
    assert client.get(manage(reader)).status_code == 200
    client.post(preferences(reader), {"browser": "keep"})
    assert client.get(manage(reader)).status_code == 302


@pytest.mark.parametrize("goodbye", ["unsubscribe", "erase"])
def test_who_leaves_leaves_no_cookie(client, reader, goodbye):
    client.get(preferences(reader))
    if goodbye == "erase":
        client.post(reverse("subscriptions:my_data", args=[tokens.make_erase(reader)]))
    else:
        client.post(leave(reader), {"List-Unsubscribe": "One-Click", "button": "unsubscribe"})
    assert {cookie.value for cookie in client.cookies.values()} == {""}


def test_fresh_link_leads_on_to_the_opinion(client, reader, paper):
    path = opinion(reader, paper, "save")
    client.post(path, {"renew": "1"})
    assert client.cookies[ONWARD]["path"] == "/preferences/"
    assert client.cookies[ONWARD]["httponly"]
    response = client.get(preferences(reader))
    assert (response.status_code, response["Location"]) == (302, path)
    assert client.post(path).status_code == 200
    assert Opinion.objects.get().is_saved
    assert client.get(preferences(reader)).status_code == 200


def test_nothing_else_is_led_on_to(client, reader, paper):
    other = opinion(make_subscriber(), paper)
    mine = opinion(reader, paper)
    for path in (
        f"//evil.example{mine}", f"https://evil.example{mine}", f"\\\\evil.example{mine}",
        "/admin/", manage(reader), leave(reader), other, "", "/", "\0", "é", mine[:-1], "x" * 4000,
    ):  # fmt: skip
        client.cookies[ONWARD] = path
        assert client.get(preferences(reader)).status_code == 200, path


def test_who_left_comes_back_by_the_preferences_alone(client, reader):
    services.unsubscribe(reader)
    assert b'name="undo"' in client.get(preferences(reader)).content
    client.post(preferences(reader), {"undo": "1"})
    assert Subscriber.objects.get().state == "active"


def test_link_that_older_digests_carry_asks_for_a_fresh_one(client, reader):
    old = reverse("site:preferences", args=[tokens._dated("preferences", reader)])
    page = client.get(old)
    assert (page.status_code, dict(page.cookies)) == (410, {})
    assert client.post(old, {"renew": "1"}).status_code == 200
    assert kinds() == ["preferences"]
