"""Every change at the desk leaves an entry in the log, which leads to what was changed, and none
holds an address."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import RequestFactory
from django.urls import get_resolver, reverse

from digest.delivery.watching import watch
from digest.models import Batch, Edition
from subscriptions.models import Subscriber, Suppression, Topic
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch, make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
TODAY = datetime.now(UTC).date()
LOOKS = {
    "topic_trial", "digest_in_doubt", "edition_coming", "edition_proof", "edition_proof_mail",
    "edition_expected", "subscriptions_subscriber_search", "subscriptions_suppression_search",
}  # fmt: skip
"""Pages of our own that change nothing."""


@pytest.fixture(autouse=True)
def desk(settings):
    """One of everything that can be changed."""
    settings.EMAIL_PROVIDERS = ["outbox", "smtp"]
    cache.clear()
    topic = make_topic("gardening")
    paper = make_paper(title="Tomatoes at night", arxiv_id="2611.00001", topics=[topic])
    make_edition(TODAY - timedelta(days=9), [make_paper()])
    make_listing(paper, TODAY)
    make_batch([make_subscriber("ada@example.org")])
    User.objects.filter(username="admin").update(email="op@example.org")


def pk(found):
    rows = found if hasattr(found, "filter") else found._default_manager
    return rows.order_by("pk").values_list("pk", flat=True)[0]


def address(name, *args):
    return reverse(f"admin:{name}", args=args)


def posts():
    """What is posted to each of our own pages, by the name of the page."""
    edition, day = pk(Edition), f"{TODAY:%Y-%m-%d}"
    draft = {"version": "0", "note": "Read these."}
    return {
        "provider_pause": (address("provider_pause", "smtp"), {"because": "x"}),
        "provider_resume": (address("provider_resume", "smtp"), {}),
        "provider_move": (address("provider_move", "smtp"), {"to": "up"}),
        "provider_order": (address("provider_order"), {}),
        "provider_back": (address("provider_back", "smtp"), {}),
        "digest_settle": (address("digest_settle"), _doubtful()),
        "topic_correct": (
            address("topic_correct", pk(Topic.objects.filter(slug="gardening"))),
            {"paper": "2611.00001", "is_about": "no"},
        ),
        "edition_hold": (address("edition_hold", edition), {"because": "x"}),
        "edition_release": _about_a_hold("edition_release", ago=8),
        "edition_drop": _about_a_hold("edition_drop", ago=7),
        "edition_draft": (address("edition_draft", "daily", day), draft),
        "edition_proof_test": (address("edition_proof_test", "daily", day), {}),
        "reader_act": (address("reader_act", pk(Subscriber)), {"act": "suppress"}),
    }


def _about_a_hold(name, *, ago):
    edition = make_edition(TODAY - timedelta(days=ago), [make_paper(arxiv_id=f"2611.0001{ago}")])
    now = datetime.now(UTC)
    watch.hold(edition, because="x", now=now)
    return address(name, edition.pk), {"held_at": now.isoformat()}


def _doubtful():
    batch = Batch.objects.get(state="uncertain")
    return {"way": "drop", "edition": batch.edition_id, "shown": batch.pk}


def logged(client, target, fields):
    before = LogEntry.objects.count()
    answer = client.post(target, fields, follow=True)
    assert answer.status_code == 200, target
    return LogEntry.objects.count() - before


def own_pages():
    """The names of the desk's pages that Django does not have for every table."""
    names = {key for key in get_resolver().namespace_dict["admin"][1].reverse_dict if key}
    usual = ("_changelist", "_add", "_change", "_delete", "_history", "_autocomplete")
    return {
        name
        for name in names
        if isinstance(name, str)
        and not name.endswith(usual)
        and name.startswith(("provider", "digest", "topic", "edition", "reader", "subscription"))
    }


def test_every_page_of_our_own_is_known_to_change_something_or_nothing():
    assert own_pages() == LOOKS | set(posts())


def test_every_change_on_a_page_of_our_own_is_logged(admin_client):
    for name, (target, fields) in posts().items():
        assert logged(admin_client, target, fields) >= 1, name


def test_every_action_on_readers_is_logged_without_an_address(admin_client):
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="admin")
    actions = set(admin.site._registry[Subscriber].get_actions(request)) - {"delete_selected"}
    assert actions
    for action in sorted(actions, key=lambda name: name == "erase"):
        fields = {"action": action, "_selected_action": [pk(Subscriber)]}
        assert logged(admin_client, address("subscriptions_subscriber_changelist"), fields) == 1
    for entry in LogEntry.objects.all():
        assert "@" not in f"{entry.object_repr} {entry.change_message}"


def test_no_other_list_has_actions_but_to_delete():
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    for model, model_admin in admin.site._registry.items():
        if model is not Subscriber:
            assert set(model_admin.get_actions(request)) <= {"delete_selected"}, model


def test_deleting_is_logged_without_an_address(admin_client):
    reader = Subscriber.objects.get()
    row = Suppression.objects.create(address_hash=reader.address_hash, reason="manual")
    for target in (
        address("subscriptions_suppression_delete", row.pk),
        address("subscriptions_topic_delete", pk(Topic.objects.filter(slug="gardening"))),
    ):
        assert logged(admin_client, target, {"post": "yes"}) == 1
    assert not LogEntry.objects.filter(object_repr__contains="@").exists()


def page_of_log(client, **asked):
    return client.get(address("admin_logentry_changelist"), asked).content.decode()


def links(client):
    found = re.findall(r'href="([^"]+)">[a-z ]+ “', page_of_log(client))
    return [html.unescape(link) for link in found]


def test_entries_lead_to_pages_that_are_there(admin_client):
    for name, (target, fields) in posts().items():
        assert logged(admin_client, target, fields) >= 1, name
    found = links(admin_client)
    assert len(found) == LogEntry.objects.count()
    for link in set(found):
        assert admin_client.get(link).status_code == 200, link


def test_entry_about_what_is_gone_is_no_link(admin_client):
    topic = Topic.objects.get(slug="gardening")
    admin_client.post(address("topic_correct", topic.pk), {"paper": "2611.00001", "is_about": "no"})
    assert links(admin_client) == [address("subscriptions_topic_change", topic.pk)]
    Topic.objects.filter(pk=topic.pk).delete()
    assert links(admin_client) == []
    assert "topic “" in page_of_log(admin_client)


def test_entry_about_a_draft_leads_to_the_edition_that_it_became(admin_client):
    target, fields = posts()["edition_draft"]
    admin_client.post(target, fields)
    assert links(admin_client) == [target]
    edition = make_edition(TODAY, [make_paper(arxiv_id="2611.00008")])
    assert links(admin_client) == [address("digest_edition_change", edition.pk)]


def test_log_asks_no_more_with_more_entries(admin_client, django_assert_max_num_queries):
    for number in range(30):
        topic = make_topic(f"topic-{number}")
        admin_client.post(
            address("topic_correct", topic.pk), {"paper": "2611.00001", "is_about": "no"}
        )
    with django_assert_max_num_queries(12):
        assert len(links(admin_client)) == 30


def test_person_is_in_the_log_by_number_where_the_name_is_an_address(admin_client):
    fields = {
        "username": "eve@example.org", "email": "eve@example.org", "role": "editor",
        "usable_password": "true", "password1": "long-and-odd-1", "password2": "long-and-odd-1",
    }  # fmt: skip
    # One says that they are there, the other which role they got.
    assert logged(admin_client, address("auth_user_add"), fields) == 2
    eve = User.objects.get(username="eve@example.org")
    names = LogEntry.objects.order_by("-pk").values_list("object_repr", flat=True)[:2]
    assert list(names) == [f"user {eve.pk}"] * 2
