"""Every page of the desk, asked for and posted to by an editor, by support, and by somebody who comes in and
has no right: the tables say who is let through. A new page needs a line here."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver, reverse

from config import desk as config_desk
from digest.admin import refused
from digest.models import Batch, Delivery, Edition, Event, Fetch, Notice, Paper
from subscriptions import logbook, roles
from subscriptions.models import ConsentRecord, LeaveReason, Subscriber, Suppression, Topic
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch, make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
TODAY = datetime.now(UTC).date()
WHO = ["editor", "support", "nobody"]

# What each may do with the rows of a table: look (v), add (a), change (c), delete (d).
TABLES = {
    "admin_logentry": {"editor": "", "support": ""},
    "auth_group": {"editor": "", "support": ""},
    "auth_user": {"editor": "", "support": ""},
    "digest_batch": {"editor": "v", "support": "v"},
    "digest_delivery": {"editor": "", "support": "v"},
    "digest_edition": {"editor": "v", "support": "v"},
    "digest_event": {"editor": "", "support": "v"},
    "digest_fetch": {"editor": "v", "support": ""},
    "digest_notice": {"editor": "v", "support": "v"},
    "digest_paper": {"editor": "vac", "support": "v"},
    "digest_providerplan": {"editor": "v", "support": ""},
    "subscriptions_consentrecord": {"editor": "", "support": "v"},
    "subscriptions_leavereason": {"editor": "v", "support": "v"},
    "subscriptions_subscriber": {"editor": "", "support": "v"},
    "subscriptions_suppression": {"editor": "", "support": "vad"},
    "subscriptions_topic": {"editor": "vacd", "support": "v"},
}
# The letter that each page of a table asks for, to look at it and to post to it.
LETTERS = {
    "changelist": "vv",
    "add": "aa",
    "change": "vc",
    "delete": "dd",
    "history": "vv",
}
E, S, BOTH, NONE = {"editor"}, {"support"}, {"editor", "support"}, set()
POSTED_ONLY = "posted only"
# Our own pages: who may look, and who may post.
OWN = {
    "edition_coming": (BOTH, BOTH),
    "edition_draft": (BOTH, E),
    "edition_drop": (E, E),
    "edition_expected": (BOTH, BOTH),
    "edition_hold": (E, E),
    "edition_proof": (BOTH, S),
    "edition_proof_mail": (BOTH, BOTH),
    "edition_proof_test": (POSTED_ONLY, E),
    "edition_release": (E, E),
    "digest_in_doubt": (BOTH, BOTH),
    "digest_settle": (POSTED_ONLY, NONE),
    "provider_back": (POSTED_ONLY, NONE),
    "provider_move": (POSTED_ONLY, NONE),
    "provider_order": (POSTED_ONLY, NONE),
    "provider_pause": (NONE, NONE),
    "provider_resume": (POSTED_ONLY, NONE),
    "reader_act": (POSTED_ONLY, S),
    "subscriptions_subscriber_search": (POSTED_ONLY, S),
    "subscriptions_suppression_search": (POSTED_ONLY, S),
    "topic_correct": (POSTED_ONLY, E),
    "topic_trial": (BOTH, BOTH),
    "auth_user_password_change": (NONE, NONE),
    "auth_user_second_factor": (NONE, NONE),
}
FOR_ALL = {
    "app_list", "autocomplete", "index", "jsi18n", "login", "logout", "password_change",
    "password_change_done", "search", "view_on_site",
}  # fmt: skip
"""The site's own, which ask for the rights of what they show, or are about oneself."""
# 404: there is nothing in the digest of who follows no topic.
LET_THROUGH, NOT_ALLOWED = {200, 302, 404}, 405


@pytest.fixture(autouse=True)
def desk(settings):
    """One of everything."""
    settings.EMAIL_PROVIDERS = ["outbox", "smtp"]
    settings.POSTAL_ADDRESS = ""
    cache.clear()
    User.objects.create_user("olga", is_staff=True)
    make_topic("gardening")
    make_edition(TODAY - timedelta(days=9), [make_paper()])
    make_listing(Paper.objects.get(), TODAY)
    reader = make_subscriber("ada@example.org")
    make_batch([reader])
    now = datetime.now(UTC)
    Event.objects.create(provider="smtp", event_id="1", type="bounced", received_at=now)
    Fetch.objects.create(source="arxiv", day=TODAY, started_at=now)
    Notice.objects.create(kind="late", created_at=now)
    ConsentRecord.objects.create(subscriber=reader, action="confirmed")
    LeaveReason.objects.create(reason="other", said_on=TODAY)
    Suppression.objects.create(address_hash="0" * 64, reason="manual")
    logbook.note(reader, "Something")
    yield
    cache.clear()


MODELS = {
    "admin_logentry": LogEntry, "auth_group": Group, "digest_batch": Batch,
    "digest_delivery": Delivery, "digest_edition": Edition, "digest_event": Event, "digest_fetch": Fetch,
    "digest_notice": Notice, "digest_paper": Paper, "subscriptions_consentrecord": ConsentRecord,
    "subscriptions_leavereason": LeaveReason, "subscriptions_subscriber": Subscriber,
    "subscriptions_suppression": Suppression, "subscriptions_topic": Topic,
}  # fmt: skip


def pk(table):
    if table == "digest_providerplan":
        return "smtp"
    if table == "auth_user":
        return User.objects.get(username="olga").pk
    return MODELS[table].objects.order_by("pk").first().pk


def values(name):
    """What stands in the address of a page."""
    day = f"{TODAY:%Y-%m-%d}"
    return {
        "object_id": pk(name.rpartition("_")[0]) if table_of(name) else "",
        "id": pk("auth_user"),
        "edition_id": pk("digest_edition"),
        "topic_id": pk("subscriptions_topic"),
        "pk": pk("subscriptions_subscriber"),
        "name": "smtp",
        "frequency": "daily",
        "day": day,
    }


def posted(name):
    """What is posted; nothing, where the page is to say what is missing."""
    fields = {
        "digest_settle": {"way": "drop", "edition": pk("digest_edition"), "shown": ""},
        "reader_act": {"act": "link"},
        "topic_correct": {"paper": "none"},
        "edition_draft": {"version": "0", "note": ""},
        "edition_hold": {"because": ""},
    }
    return fields.get(name, {})


def names():
    found = get_resolver().namespace_dict["admin"][1].reverse_dict
    return sorted({name for name in found if isinstance(name, str)} - FOR_ALL)


def table_of(name):
    table, _, page = name.rpartition("_")
    return table if table in TABLES and page in LETTERS else ""


def address(name):
    found = get_resolver().namespace_dict["admin"][1].reverse_dict
    wanted = found.getlist(name)[0][0][0][1]
    have = values(name)
    return reverse(f"admin:{name}", kwargs={key: have[key] for key in wanted})


def may(who, name):
    """Whether they may look, and post; None where one can only post."""
    if table := table_of(name):
        letters = TABLES[table].get(who, "")
        return [letter in letters for letter in LETTERS[name.rpartition("_")[2]]]
    looking, posting = OWN[name]
    return [None if looking is POSTED_ONLY else who in looking, who in posting]


def signed_in(who):
    user = User.objects.create_user(f"a-{who}", f"{who}@example.org", "x", is_staff=True)
    if who != "nobody":
        roles.give(user, roles.Role(who))
    client = Client()
    client.force_login(user)
    return client


def read(status):
    """Whether one was let through; None where nobody is, a number for what should not be."""
    known = {NOT_ALLOWED: None, 403: False} | dict.fromkeys(LET_THROUGH, True)
    return known.get(status, status)


def test_every_page_of_the_desk_stands_in_a_table():
    missing = [name for name in names() if not table_of(name) and name not in OWN]
    assert missing == [], "Say in OWN who may see and post to it."
    assert set(OWN) <= set(names())


@pytest.mark.parametrize("who", WHO)
def test_each_is_let_through_where_the_tables_say(who):
    client = signed_in(who)
    found = {}
    for name in names():
        looked = client.get(address(name), posted(name)).status_code
        sent = client.post(address(name), posted(name)).status_code
        found[name] = [read(looked), read(sent)]
    assert found == {name: may(who, name) for name in names()}


def test_who_has_no_right_is_let_in_nowhere():
    assert not any(True in may("nobody", name) for name in names())


def test_page_of_a_refusal_knows_the_right_of_each_page_of_our_own():
    assert set(refused._OWN) == set(OWN) - {"auth_user_password_change"}


@pytest.mark.parametrize("who", WHO)
def test_search_of_the_desk_finds_nothing_that_one_may_not_see(who):
    client = signed_in(who)
    answer = client.get(reverse("admin:search"), {"s": "ada"})
    assert answer.status_code == 200
    assert b"ada@example.org" not in answer.content


def test_stranger_is_asked_to_sign_in_everywhere():
    client = Client()
    for name in names():
        for answer in (client.get(address(name)), client.post(address(name), posted(name))):
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/admin/login/"), name


def words(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_refusal_says_what_it_takes_and_whom_to_ask():
    roles.give(User.objects.get(username="olga"), roles.Role.OWNER)
    client = signed_in("support")
    answer = client.post(address("edition_hold"), {"because": "x"})
    said = words(answer)
    assert answer.status_code == 403
    assert (
        "It takes the right “can change edition”, which comes with the role editor or owner."
        in said
    )
    assert "You are support." in said
    assert f"under {_where_operators_are()}. Ask: olga." in said
    assert "Daily Papers" in said


def test_refusal_tells_erasing_from_other_buttons():
    client = signed_in("support")
    fields = {"act": "erase", "word": "erase"}
    said = words(client.post(address("reader_act"), fields))
    assert "the right “can delete subscriber”, which comes with the role owner." in said


def test_refused_search_is_told_the_right_to_look():
    said = words(signed_in("editor").post(address("subscriptions_subscriber_search"), {}))
    assert "the right “can view subscriber”, which comes with the role owner or support." in said


def test_who_has_no_role_is_told_so():
    said = words(signed_in("nobody").get(address("digest_edition_changelist")))
    assert "You have no role." in said


def test_page_that_is_not_there_is_in_the_look_of_the_desk():
    answer = signed_in("editor").get("/admin/digest/edition/coming/daily/1990-01-01/")
    assert answer.status_code == 404
    assert "There is no such page" in words(answer)
    assert "To the dashboard" in words(answer)


def test_stranger_gets_the_answers_of_the_site():
    answer = Client().get("/no/such/page/")
    assert answer.status_code == 404
    assert b"To the dashboard" not in answer.content


def test_form_that_is_too_old_says_what_to_do():
    user = User.objects.create_superuser("root", "root@example.org", "x")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    answer = client.post(address("edition_hold"), {"because": "x"})
    assert answer.status_code == 403
    assert "This form is too old" in words(answer)
    assert not Edition.objects.filter(held_at__isnull=False).exists()


def test_browser_that_keeps_no_cookies_is_told_so_and_nothing_of_who_works_there():
    roles.give(User.objects.get(username="olga"), roles.Role.OWNER)
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"})
    assert answer.status_code == 403
    assert "a browser that keeps no cookies" in words(answer)
    assert "olga" not in words(answer)


def _where_operators_are():
    """`Staff, Operators`, as the menu has it."""
    [found] = [
        f"{group['title']}, {item['title']}"
        for group in config_desk.THEME["SIDEBAR"]["navigation"]
        for item in group["items"]
        if str(item["link"]) == reverse("admin:auth_user_changelist")
    ]
    return found


def logging_in(**fields):
    client = Client()
    return client.post("/admin/login/?next=/admin/", fields)


def alerts(answer):
    page = answer.content.decode()
    found = re.findall(r'class="errornote[^>]*>(.*?)</(?:div|p)>', page, re.DOTALL)
    return [words_of(part) for part in found]


def words_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def test_wrong_password_is_one_line():
    User.objects.create_user("ada", password="right-one-1", is_staff=True)
    found = alerts(logging_in(username="ada", password="wrong"))
    assert found == ["Name and password do not fit together. Capital letters count in both."]


def test_who_is_no_operator_is_told_once_the_password_is_right():
    User.objects.create_user("ada", password="right-one-1")
    [said] = alerts(logging_in(username="ada", password="right-one-1"))
    assert said.startswith("You have no role at this desk")
    assert said.endswith(f"under {_where_operators_are()}.")
    [said] = alerts(logging_in(username="ada", password="wrong"))
    assert said.startswith("Name and password do not fit")


def test_whose_role_was_taken_away_is_told_so_where_they_are_asked_to_sign_in():
    client = signed_in("editor")
    User.objects.update(is_staff=False)
    answer = client.get("/admin/digest/edition/", follow=True)
    [said] = alerts(answer)
    assert said.startswith("You are signed in as a-editor, and have no role at this desk.")
