"""Changing the address: asked for by the reader, agreed to by the owner of the new one."""

import math
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.urls import reverse
from lxml import html as lxml_html

from subscriptions import addresses, emails, forms, messages, selectors, services, tokens
from subscriptions.errors import AddressError, RefusedError, TokenError
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
NEW = "new@example.net"
Kind = TransactionalMessage.Kind


@pytest.fixture(autouse=True)
def _fresh(settings):
    cache.clear()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with time_machine.travel(NOW, tick=False):
        yield


def words(response):
    text = lxml_html.document_fromstring(response.content).text_content()
    return " ".join(text.split())


def ask_path(reader):
    return reverse("subscriptions:ask_address", args=[tokens.make_preferences(reader)])


def asked(client, reader, address=NEW):
    return client.post(ask_path(reader), {"email": address})


def send():
    """The mails that a worker sends now, newest last."""
    messages.send_pending(until=datetime(2027, 1, 1, tzinfo=UTC))
    return mail.outbox


def link_in(message):
    return re.search(r"https://papers\.example\.org(/\S+)", message.body)[1]


def fresh(subscriber):
    return Subscriber.objects.get(pk=subscriber.pk)


def test_new_address_gets_a_mail_and_until_it_is_used_nothing_changes(client):
    reader = make_subscriber("ada@example.org")
    response = asked(client, reader)
    assert "Look into the new inbox" in words(response)
    (sent,) = send()
    assert sent.to == [NEW]
    assert sent.subject == "Confirm your new address for Daily Papers"
    assert fresh(reader).email == "ada@example.org"
    assert TransactionalMessage.objects.get().address == ""


def test_mail_to_the_new_address_names_not_the_old_one(client):
    asked(client, make_subscriber("ada@example.org"))
    (sent,) = send()
    whole = sent.message().as_string()
    assert "example.org" not in whole.replace("papers.example.org", "")


def test_looking_at_the_link_changes_nothing(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    path = link_in(send()[0])
    before = list(Subscriber.objects.values())
    for _ in range(3):
        assert "Use this address?" in words(client.get(path))
        client.head(path)
    assert list(Subscriber.objects.values()) == before


def test_pressing_the_button_moves_the_reader_with_all_they_chose(client):
    reader = make_subscriber(
        "ada@example.org", topics=[make_topic("theory")], keywords=("x",), soft_bounces=2
    )
    chosen, version = selectors.preferences_of(reader), reader.token_version
    asked(client, reader)
    response = client.post(link_in(send()[0]))
    assert "The digest goes to n•••@example.net from now on." in words(response)
    moved = fresh(reader)
    assert (moved.email, moved.new_email, moved.soft_bounces) == (NEW, "", 0)
    assert moved.address_hash == addresses.hash_of(NEW)
    assert moved.token_version == version + 1
    assert selectors.preferences_of(moved) == chosen
    assert moved.consent_records.get(action="changed").text.endswith("[Use this address]")


def test_older_links_are_dead_and_the_page_has_one_that_works(client):
    reader = make_subscriber("ada@example.org")
    old = reverse("site:preferences", args=[tokens.make_preferences(reader)])
    asked(client, reader)
    response = client.post(link_in(send()[0]))
    assert client.get(old).status_code == 410
    found = lxml_html.document_fromstring(response.content)
    (path,) = found.xpath("//a[contains(@class, 'button')]/@href")
    assert client.get(path).status_code == 200


def test_old_address_is_told(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    client.post(link_in(send()[0]))
    told = send()[-1]
    assert told.to == ["ada@example.org"]
    assert "your digest goes to n•••@example.net from now on" in told.body
    assert link_in(told).startswith("/unsubscribe/")
    assert not TransactionalMessage.objects.exclude(address="").exists()


def test_suppressed_old_address_is_not_told(client):
    reader = make_subscriber("ada@example.org")
    services.suppress(reader, Suppression.Reason.BOUNCED)
    asked(client, reader)
    client.post(link_in(send()[0]))
    assert len(send()) == 1
    assert fresh(reader) in selectors.mailable_subscribers()


def test_second_press_says_the_same_and_leads_to_no_private_link(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    path = link_in(send()[0])
    client.post(path)
    for again in (client.post(path), client.get(path)):
        assert "Your address is changed" in words(again)
        assert b'href="/preferences/"' in again.content
    assert fresh(reader).consent_records.filter(action="changed").count() == 1
    assert TransactionalMessage.objects.filter(kind=Kind.ADDRESS_CHANGED).count() == 1


def test_link_expires_after_three_days(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    path = link_in(send()[0])
    with time_machine.travel(NOW + timedelta(hours=73), tick=False):
        assert client.post(path).status_code == 410
    assert fresh(reader).email == "ada@example.org"


def test_link_of_an_older_wish_is_dead(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    path = link_in(send()[0])
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        asked(client, reader, "other@example.net")
        assert client.post(path).status_code == 410
    assert fresh(reader).email == "ada@example.org"


@pytest.mark.parametrize("token", ["x", "A" * 59, "é", "A" * 3000])
def test_forged_link_is_not_found(client, token):
    assert client.post(reverse("subscriptions:address", args=[token])).status_code == 404


def test_answer_is_the_same_for_every_address(client, settings):
    settings.SIGNUP_RATE_ADDRESS = "99/d"
    reader = make_subscriber("ada@example.org")
    make_subscriber("taken@example.net")
    make_subscriber("left@example.net", state="unsubscribed", confirmed_at=NOW)
    make_subscriber("pending@example.net", state="pending")
    services.suppress(make_subscriber("bounced@example.net"), Suppression.Reason.BOUNCED)
    names = ["new", "taken", "left", "pending", "bounced"]
    answers = [asked(client, reader, f"{name}@example.net") for name in names]
    answers.append(asked(client, reader, "ada@example.org"))
    assert {(each.status_code, each.content) for each in answers} == {(200, answers[0].content)}


def test_tries_are_counted_alike_for_known_and_unknown_addresses(client):
    make_subscriber("taken@example.net")
    for address in ("taken@example.net", NEW):
        reader = make_subscriber()
        codes = [asked(client, reader, address).status_code for _ in range(4)]
        cache.clear()
        assert codes == [200, 200, 200, 429]


def test_what_is_no_address_counts_for_its_client(client, settings):
    settings.SIGNUP_RATE_CLIENT = "2/h"
    codes = [asked(client, make_subscriber(), "x").status_code for _ in range(3)]
    assert codes == [400, 400, 429]


def test_what_is_refused_is_not_held(client, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    path = ask_path(make_subscriber())
    client.post(path, {"email": "x", "stamp": forms.make_stamp()})
    with time_machine.travel(NOW + timedelta(days=8), tick=False):
        late = client.post(path, {"email": NEW, "stamp": forms.make_stamp()})
    assert (late.status_code, max(slept) < 0.1) == (410, True)


def test_reader_who_asked_too_often_is_told_when_to_come_back(client):
    reader = make_subscriber()
    *_, told = [asked(client, reader, f"{number}@example.net") for number in range(4)]
    seconds = int(told["Retry-After"])
    # When its day began differs from reader to reader.
    (number, unit) = re.search(r"Please try again in (\d+) (minute|hour)s?\.", words(told)).groups()
    assert int(number) == math.ceil(seconds / {"minute": 60, "hour": 3600}[unit])
    with time_machine.travel(NOW + timedelta(seconds=seconds), tick=False):
        assert asked(client, reader).status_code == 200


def test_one_address_is_not_asked_by_many_readers(client):
    codes = [asked(client, make_subscriber()).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]


def test_owner_of_a_taken_address_is_told_that_they_are_subscribed(client):
    reader, other = make_subscriber("ada@example.org"), make_subscriber("taken@example.net")
    asked(client, reader, "taken@example.net")
    row = TransactionalMessage.objects.get()
    assert (row.subscriber, row.kind) == (other, Kind.ALREADY_SUBSCRIBED)
    assert fresh(reader).new_email == ""


def test_owner_of_an_address_that_left_gets_its_preferences(client):
    other = make_subscriber("left@example.net", state="unsubscribed", confirmed_at=NOW)
    asked(client, make_subscriber("ada@example.org"), "left@example.net")
    row = TransactionalMessage.objects.get()
    assert (row.subscriber, row.kind) == (other, Kind.PREFERENCES)


def test_who_never_confirmed_there_gives_way(client):
    reader = make_subscriber("ada@example.org")
    make_subscriber(NEW, state="pending")
    asked(client, reader)
    assert client.post(link_in(send()[0])).status_code == 200
    assert list(Subscriber.objects.values_list("email", flat=True)) == [NEW]


def test_address_that_was_taken_meanwhile_is_refused(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    path = link_in(send()[0])
    make_subscriber(NEW)
    response = client.post(path)
    assert response.status_code == 409
    assert "Daily Papers goes to this address already. Nothing was changed." in words(response)
    assert fresh(reader).email == "ada@example.org"


def test_address_that_was_suppressed_meanwhile_is_refused(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    path = link_in(send()[0])
    services.suppress_address(NEW, Suppression.Reason.COMPLAINED)
    assert client.post(path).status_code == 409


def test_address_in_other_capitals_is_the_same(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader, "ADA@example.org")
    assert not TransactionalMessage.objects.exists()


def test_dead_new_address_is_suppressed_and_the_old_one_is_not(client, monkeypatch):
    def refuse(_message):
        raise RefusedError("550 no such user", is_dead_address=True)

    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    monkeypatch.setattr(emails, "send", refuse)
    messages.send_pending(until=datetime(2027, 1, 1, tzinfo=UTC))
    assert selectors.is_suppressed(NEW)
    assert not selectors.is_suppressed("ada@example.org")


def test_bounce_of_a_mail_to_another_address_is_nothing_against_the_reader(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    row = TransactionalMessage.objects.get()
    assert selectors.subscribers_of_messages([row.pk]) == {}


def test_mail_of_an_older_wish_is_not_sent(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    Subscriber.objects.update(new_email="other@example.net")
    assert send() == []
    assert TransactionalMessage.objects.get().state == "failed"


def test_who_never_confirmed_has_no_address_to_change(client):
    assert client.get(ask_path(make_subscriber(state="pending"))).status_code == 404


@pytest.mark.parametrize("address", ["", "x", "a@b\r\nBcc: c@example.org", "a@" + "x" * 900])
def test_what_is_no_address_is_refused(client, address):
    response = asked(client, make_subscriber(), address)
    assert response.status_code == 400
    assert not TransactionalMessage.objects.exists()


def test_changing_twice_at_once_changes_once():
    reader = make_subscriber("ada@example.org", new_email=NEW)
    digest = tokens.read_address(tokens.make_address(reader))[1]
    assert services.change_address(reader, digest)
    assert not services.change_address(reader, digest)


def test_change_of_who_was_erased_is_refused():
    reader = make_subscriber("ada@example.org", new_email=NEW)
    digest = tokens.read_address(tokens.make_address(reader))[1]
    Subscriber.objects.all().delete()
    with pytest.raises(TokenError):
        services.change_address(reader, digest)


def test_form_of_an_address_is_checked_by_the_service_too():
    with pytest.raises(AddressError):
        services.request_address_change(make_subscriber(), "no address")


def test_address_that_nobody_confirmed_is_forgotten_when_its_link_is_dead(client):
    reader = make_subscriber("ada@example.org")
    asked(client, reader)
    services.purge(NOW + timedelta(days=30))
    assert fresh(reader).new_email == NEW
    send()
    services.purge(NOW + timedelta(hours=71))
    assert fresh(reader).new_email == NEW
    services.purge(NOW + timedelta(hours=73))
    assert fresh(reader).new_email == ""
