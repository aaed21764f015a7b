"""A digest in the browser, and the one that is asked for now."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.template.loader import render_to_string
from django.utils import timezone
from lxml import html

from digest.delivery import sending
from digest.delivery.due import planning
from digest.delivery.mails import rendering
from digest.models import Audience, Delivery
from subscriptions import services, tokens
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from tests.builders import know_browser, make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def subscriber():
    return make_subscriber("ada@example.org")


@pytest.fixture
def edition():
    return make_edition(DAY, [make_paper(title="The lead paper", upvotes=9), make_paper()])


@pytest.fixture
def sent(subscriber, edition, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    planning.plan(timezone.now())
    sending.send_pending()
    return Delivery.objects.get()


def send_now(client, subscriber, token=None):
    return client.post(f"/digests/send/{token or tokens.make_preferences(subscriber)}/")


def view(client, delivery):
    token = tokens.make_digest(delivery.subscriber.public_id, delivery.edition_id)
    return client.get(f"/digests/{token}/")


def test_digest_is_shown_as_it_was_mailed(client, sent):
    response = view(client, sent)
    assert response.status_code == 200
    body = response.content.decode()
    assert "The lead paper" in body
    assert rendering._SIGN not in body
    assert f"/unsubscribe/{tokens.make_unsubscribe(sent.subscriber.public_id)}/" in body


def test_digest_page_runs_and_loads_nothing(client, sent):
    response = view(client, sent)
    assert response["Content-Security-Policy"].startswith("default-src 'none'")
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex"
    assert "no-store" in response["Cache-Control"]


def test_digest_in_the_browser_leads_to_no_preferences_but_to_a_new_link(client, sent):
    body = view(client, sent).content.decode()
    assert "/preferences/" not in body
    path = f"/digests/manage/{tokens.make_manage(sent.subscriber.public_id)}/"
    assert path in body
    client.post(path, {"renew": "1"})
    assert TransactionalMessage.objects.get().kind == "preferences"


def test_next_digest_in_the_readers_browser_is_the_next_one_from_now(client, sent):
    Delivery.objects.update(sent_at=NOW - timedelta(days=60))
    know_browser(client, sent.subscriber)
    assert "Monday, August 24, 07:00" in view(client, sent).content.decode()


def test_when_the_next_digest_comes_is_told_in_no_other_browser(client, sent):
    body = view(client, sent).content.decode()
    assert "Next digest: at the time that was chosen." in body
    assert "07:00" not in body
    Subscriber.objects.update(language="de")
    Audience.objects.update(language="de")
    assert "zur gewählten Zeit" in view(client, sent).content.decode()


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "..", "é"])
def test_forged_digest_link_is_404(client, token):
    assert client.get(f"/digests/{token}/").status_code == 404


def test_erased_readers_digest_is_gone(client, sent):
    token = tokens.make_digest(sent.subscriber.public_id, sent.edition_id)
    Subscriber.objects.all().delete()
    assert client.get(f"/digests/{token}/").status_code == 404


def test_asked_for_digest_is_queued_once_however_often_asked(client, subscriber, edition):
    for _ in range(3):
        assert "On its way" in send_now(client, subscriber).content.decode()
    assert Delivery.objects.count() == 1


def test_asked_for_digest_that_was_sent_says_so(client, sent):
    assert "It is in your inbox" in send_now(client, sent.subscriber).content.decode()


def test_before_the_first_edition_it_says_so(client, subscriber):
    assert "No edition yet" in send_now(client, subscriber).content.decode()
    assert not Delivery.objects.exists()


def test_nothing_on_the_readers_topics_is_said(client, edition):
    reader = make_subscriber(topics=[make_topic("robotics")])
    body = send_now(client, reader).content.decode()
    assert "Nothing on your topics today" in body


@pytest.mark.parametrize(
    ("row", "heading"),
    [
        ({"state": "skipped", "reason": "nothing_new"}, "Nothing on your topics today"),
        ({"state": "suppressed"}, "We may not mail this address any more"),
        ({"state": "uncertain"}, "It may be in your inbox"),
        ({"state": "failed", "reason": "refused"}, "We could not send it"),
        ({"state": "pending"}, "On its way"),
        ({"state": "sent"}, "It is in your inbox"),
    ],
)
def test_page_says_what_became_of_the_digest(row, heading):
    context = {"delivery": Delivery(**row), "states": Delivery.State}
    found = html.fromstring(render_to_string("web/site/send_now.html", context | {"token": "x"}))
    assert found.findtext(".//h1") == heading


def test_asked_at_a_suppressed_address_it_says_so(client, subscriber, edition):
    services.suppress(subscriber, Suppression.Reason.BOUNCED)
    assert "We may not mail this address any more" in send_now(client, subscriber).content.decode()


def test_get_sends_nothing(client, subscriber, edition):
    token = tokens.make_preferences(subscriber)
    assert client.get(f"/digests/send/{token}/").status_code == 405
    assert not Delivery.objects.exists()


def test_expired_link_leads_to_a_new_one(client, subscriber, edition):
    token = tokens.make_preferences(subscriber, at=NOW - timedelta(days=8))
    response = send_now(client, subscriber, token)
    assert (response.status_code, response["Location"]) == (302, f"/preferences/{token}/")
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("purpose", ["make_unsubscribe", "make_digest", "make_confirm"])
def test_links_for_other_purposes_send_nothing(client, subscriber, edition, purpose):
    made = {
        "make_unsubscribe": lambda: tokens.make_unsubscribe(subscriber.public_id),
        "make_digest": lambda: tokens.make_digest(subscriber.public_id, edition.pk),
        "make_confirm": lambda: tokens.make_confirm(subscriber),
    }[purpose]()
    assert send_now(client, subscriber, made).status_code == 404
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("state", ["pending", "unsubscribed"])
def test_who_is_not_active_gets_nothing(client, edition, state):
    reader = make_subscriber(state=state)
    assert send_now(client, reader).status_code == 404
    assert not Delivery.objects.exists()
