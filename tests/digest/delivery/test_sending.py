"""Sending: what readers really get, from each kind of provider, and what faults do."""

import email
import threading
from datetime import UTC, date, datetime, timedelta
from email import policy

import pytest
from django.db import connection
from django.utils import timezone

from digest.delivery import outbox, sending, settling
from digest.delivery.due import planning
from digest.delivery.esp import local_outbox, providers
from digest.delivery.mails import messages, rendering
from digest.editions import building
from digest.errors import BatchShapeError
from digest.models import Batch, Delivery
from subscriptions import services, tokens
from tests import smtp
from tests.builders import make_subscriber
from tests.digest.builders import make_listing, make_paper
from tests.esp import FakeEsp, Fault

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
State = Delivery.State


@pytest.fixture(autouse=True)
def _fresh_connections():
    sending.content.rendered_edition.cache_clear()
    providers.connection.cache_clear()
    yield
    for provider in providers.configured():
        providers.connection(provider.name).close()
    providers.connection.cache_clear()


@pytest.fixture
def esp():
    with FakeEsp() as running:
        yield running


@pytest.fixture(params=["mailgun", "brevo"])
def batch_provider(request, settings, esp):
    use(settings, esp, request.param)
    return request.param


@pytest.fixture
def mailgun(settings, esp):
    use(settings, esp, "mailgun")
    return esp


def use(settings, esp, *names):
    settings.EMAIL_PROVIDERS = list(names)
    settings.ANYMAIL = settings.ANYMAIL | {
        "MAILGUN_API_KEY": "key", "MAILGUN_SENDER_DOMAIN": "papers.example.org",
        "MAILGUN_API_URL": esp.url, "BREVO_API_KEY": "key", "BREVO_API_URL": esp.url + "/",
        "REQUESTS_TIMEOUT": 0.5,
    }  # fmt: skip


@pytest.fixture
def readers():
    for number in range(3):
        make_listing(
            make_paper(arxiv_id=f"2608.0000{number}", upvotes=number, title=f"Paper {number}"), DAY
        )
    building.build(DAY)
    people = [make_subscriber(next_digest_at=NOW - timedelta(hours=1)) for _ in range(4)]
    planning.plan(NOW)
    return people


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def test_each_reader_of_a_batch_gets_one_own_copy(batch_provider, esp, readers):
    sending.send_pending()
    assert states() == [State.SENT] * 4
    assert {address: len(copies) for address, copies in esp.inbox.items()} == {
        reader.email: 1 for reader in readers
    }


def test_no_reader_sees_another_address(batch_provider, esp, readers):
    """EMAIL_STANDARDS 1 and 9: one recipient per message."""
    sending.send_pending()
    for address, (copy,) in esp.inbox.items():
        assert copy.visible_to == [address]
        whole = copy.html + copy.text + copy.subject + str(copy.headers)
        assert not any(other in whole for other in esp.inbox)


def test_each_reader_of_a_batch_has_their_own_links(batch_provider, esp, readers):
    """EMAIL_STANDARDS 2 and 9: List-Unsubscribe is unique per recipient, also in batches."""
    sending.send_pending()
    for reader in readers:
        (copy,) = esp.inbox[reader.email]
        link = (
            f"https://papers.example.org/unsubscribe/{tokens.make_unsubscribe(reader.public_id)}/"
        )
        assert copy.headers["List-Unsubscribe"] == f"<{link}>"
        assert copy.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert link in copy.html
        assert link in copy.text


def test_no_token_or_merge_field_survives(batch_provider, esp, readers):
    sending.send_pending()
    for (copy,) in esp.inbox.values():
        whole = copy.html + copy.text + copy.subject
        assert rendering._SIGN not in whole
        assert "%recipient" not in whole
        assert "{{" not in whole


def test_metadata_leads_back_to_the_delivery(batch_provider, esp, readers):
    sending.send_pending()
    for delivery in Delivery.objects.select_related("subscriber"):
        (copy,) = esp.inbox[delivery.subscriber.email]
        assert copy.metadata["delivery"] == str(delivery.pk)
        assert copy.metadata["batch"] == str(delivery.batch_id)


def test_call_with_a_part_of_the_batch_does_not_name_the_batch(batch_provider, esp, readers):
    """An event about one reader says nothing of readers whom another call was to reach."""
    esp.faults.append(Fault(bad_address=readers[0].email))
    sending.send_pending()
    assert {name for (copy,) in esp.inbox.values() for name in copy.metadata} == {"delivery"}


def test_merge_syntax_in_a_title_is_shown_not_filled(batch_provider, esp):
    title = "Leaks %recipient.manage% and {{params.manage}} {% x %}"
    make_listing(make_paper(title=title), DAY)
    building.build(DAY)
    make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    sending.send_pending()
    ((copy,),) = esp.inbox.values()
    for part in (copy.subject, copy.html, copy.text):
        plain = part.replace("\N{WORD JOINER}", "")
        assert "Leaks %recipient.manage% and {{params.manage}}" in " ".join(plain.split())


def test_message_id_is_the_same_on_every_try(mailgun, readers):
    """EMAIL_STANDARDS 2: one Message-ID per edition and recipient."""
    mailgun.faults.append(Fault(accepts=True))
    sending.send_pending()
    settling.release(Delivery.objects.all())
    sending.send_pending()
    for first, second in mailgun.inbox.values():
        assert first.headers["Message-Id"] == second.headers["Message-Id"]


def test_four_readers_are_one_call(batch_provider, esp, readers):
    sending.send_pending()
    assert [len(call.readers) for call in esp.calls] == [4]


def test_bad_address_is_found_by_halves_and_the_others_are_sent(mailgun, readers):
    mailgun.faults.append(Fault(bad_address=readers[1].email))
    sending.send_pending()
    assert states() == [State.FAILED, State.SENT, State.SENT, State.SENT]
    assert readers[1].email not in mailgun.inbox


def test_half_that_was_taken_is_recorded_before_the_next_is_offered(mailgun, readers):
    """A worker that dies in between leaves nobody in doubt of whom the provider has spoken."""
    mailgun.faults.append(Fault(bad_address=readers[3].email))
    broken = iter([None, None, ZeroDivisionError()])
    link = providers.connection("mailgun")
    real = link.send_messages

    def send_messages(messages):
        if error := next(broken):
            raise error
        return real(messages)

    link.send_messages = send_messages
    with pytest.raises(ZeroDivisionError):
        sending.send_pending()
    assert states() == [State.SENT] * 2 + [State.UNCERTAIN] * 2


def test_no_half_is_offered_once_the_provider_asks_for_patience(mailgun, readers):
    mailgun.faults.append(Fault(status=400))
    mailgun.faults.append(Fault(status=429))
    sending.send_pending()
    assert states() == [State.PENDING] * 4
    assert len(mailgun.calls) == 2


def test_batch_switches_tracking_off(mailgun, readers):
    """EMAIL_STANDARDS 7; and a rewritten link would show a reader's token to others."""
    sending.send_pending()
    assert mailgun.calls[0].tracking == {"o:tracking-clicks": "no", "o:tracking-opens": "no"}


def test_too_many_requests_waits_as_long_as_the_provider_says(mailgun, readers):
    mailgun.faults.append(Fault(status=429, retry_after="1200"))
    sending.send_pending()
    assert states() == [State.PENDING] * 4
    assert Batch.objects.get().retry_at > timezone.now() + timedelta(seconds=1190)
    assert not mailgun.inbox


@pytest.mark.parametrize("wait", ["999999999999999", "soon", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_odd_wait_is_one_of_ours(mailgun, readers, wait):
    mailgun.faults.append(Fault(status=429, retry_after=wait))
    sending.send_pending()
    assert states() == [State.PENDING] * 4
    assert Batch.objects.get().retry_at < timezone.now() + timedelta(days=2)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(accepts=True),
        Fault(),
        Fault(status=500),
        Fault(status=502, accepts=True),
        Fault(stall=1.0, accepts=True, status=200),
    ],
    ids=["reset after", "reset before", "500", "502 after", "time-out after"],
)
def test_silence_is_uncertain_and_never_sent_again_blindly(mailgun, readers, fault):
    """EMAIL_STANDARDS 9: connection lost or time-out is unknown."""
    mailgun.faults.append(fault)
    sending.send_pending()
    sending.send_pending()
    assert states() == [State.UNCERTAIN] * 4
    assert all(len(copies) <= 1 for copies in mailgun.inbox.values())


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_key_is_not_the_readers_fault(mailgun, readers, status):
    mailgun.faults.append(Fault(status=status))
    sending.send_pending()
    assert states() == [State.PENDING] * 4


def test_next_provider_takes_over_when_the_first_surely_took_nothing(settings, esp, readers):
    use(settings, esp, "mailgun", "brevo")
    settings.ANYMAIL = settings.ANYMAIL | {"MAILGUN_API_URL": "http://127.0.0.1:9/v3"}
    sending.send_pending()
    assert set(Delivery.objects.values_list("state", "provider")) == {(State.SENT, "brevo")}
    assert all(len(copies) == 1 for copies in esp.inbox.values())


def test_next_provider_is_not_asked_after_silence(settings, esp, readers):
    use(settings, esp, "mailgun", "brevo")
    esp.faults.append(Fault(accepts=True))
    sending.send_pending()
    assert set(Delivery.objects.values_list("state", "provider")) == {(State.UNCERTAIN, "mailgun")}


def test_batch_in_which_a_reader_lacks_a_header_is_refused():
    """EMAIL_STANDARDS 9: refuse a batch in which any reader lacks a header."""
    message = messages.DigestMessage(to=["ada@example.org", "alan@example.org"])
    message.merge_data = {"ada@example.org": {}, "alan@example.org": {}}
    message.merge_metadata = message.merge_data
    message.merge_headers = {
        "ada@example.org": {"List-Unsubscribe": "<https://x.example/>"},
        "Alan@example.org": {"List-Unsubscribe": "<https://x.example/>"},
    }
    with pytest.raises(BatchShapeError):
        messages.check_shape(message)


def test_error_of_our_own_gives_the_batch_back(mailgun, readers, monkeypatch):
    monkeypatch.setattr(sending.content, "body_of", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sending.send_pending()
    assert states() == [State.PENDING] * 4


@pytest.fixture
def sink(settings):
    with smtp.sink(settings) as handler:
        yield handler


def parsed(raw):
    return email.message_from_bytes(raw, policy=policy.default)


def test_smtp_sends_every_mail_over_one_connection(sink, readers):
    sending.send_pending()
    assert [len(recipients) for recipients, _ in sink.mails] == [1] * 4
    assert len(sink.sessions) == 1
    assert states() == [State.SENT] * 4


def test_headers_of_a_digest(sink, readers, settings):
    """EMAIL_STANDARDS 2: every header, exactly once."""
    settings.REPLY_TO = "editor@papers.example.org"
    settings.UNSUBSCRIBE_EMAIL = "unsub@papers.example.org"
    sending.send_pending()
    mail = parsed(sink.mails[0][1])
    token = tokens.make_unsubscribe(readers[0].public_id)
    assert dict(mail.items()) | {"Content-Type": "", "Date": "", "Message-ID": ""} == {
        "Content-Type": "", "MIME-Version": "1.0", "Date": "", "Message-ID": "",
        "Subject": "Paper 2, and 2 more papers",
        "From": "Daily Papers <digest@papers.example.org>",
        "To": readers[0].email,
        "Reply-To": "editor@papers.example.org",
        "List-Unsubscribe": f"<https://papers.example.org/unsubscribe/{token}/>, "
        f"<mailto:unsub+{token}@papers.example.org>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "Daily Papers <daily.papers.example.org>",
        "Feedback-ID": "2026-08-20:daily:digest:dailypapers",
        "Auto-Submitted": "auto-generated", "Precedence": "bulk",
    }  # fmt: skip
    assert mail["Message-ID"].endswith("@papers.example.org>")
    assert len(mail.keys()) == len(set(mail.keys()))


def test_bodies_are_text_first_then_html_in_quoted_printable(sink, readers):
    """EMAIL_STANDARDS 8: multipart/alternative; headers ASCII, lines at most 998 octets (2)."""
    make = sink.mails
    sending.send_pending()
    mail = parsed(make[0][1])
    assert mail.get_content_type() == "multipart/alternative"
    parts = list(mail.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        assert part.get_content_charset() == "utf-8"
    assert max(map(len, make[0][1].splitlines())) <= 998
    assert make[0][1].split(b"\r\n\r\n", 1)[0].isascii()


def test_smtp_refusal_of_one_reader_leaves_the_others(sink, readers):
    sink.refuse[readers[1].email] = "550 5.1.1 no such user"
    sending.send_pending()
    assert states() == [State.FAILED, State.SENT, State.SENT, State.SENT]


@pytest.mark.parametrize("reply", ["550 5.7.515 authentication", "421 4.7.0 slow down"])
def test_smtp_refusal_of_us_is_no_dead_address(sink, readers, reply):
    """EMAIL_STANDARDS 3: authentication failures are configuration errors."""
    sink.refuse["data"] = reply
    sending.send_pending()
    assert states() == [State.PENDING] * 4


def test_smtp_server_that_is_down_leaves_all_pending(settings, readers):
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.SMTP_URL = "smtp://127.0.0.1:9"
    sending.send_pending()
    assert states() == [State.PENDING] * 4


def test_local_outbox_keeps_whole_mails(readers, settings):
    box = local_outbox.maildir()
    box.clear()
    sending.send_pending()
    mails = [
        email.message_from_bytes(box.get_bytes(key), policy=policy.default)
        for key in box.iterkeys()
    ]
    assert sorted(mail["To"] for mail in mails) == sorted(reader.email for reader in readers)


def test_nothing_is_sent_to_whom_left_between_planning_and_sending(mailgun, readers):
    """EMAIL_STANDARDS 3: check the subscription again immediately before handing over."""
    services.unsubscribe(readers[0])
    sending.send_pending()
    assert readers[0].email not in mailgun.inbox
    assert states() == [State.SENT] * 3 + [State.SKIPPED]


def test_kill_in_a_call_leaves_later_batches_of_the_claim_out_of_doubt(
    readers, mailgun, monkeypatch, settings
):
    monkeypatch.setattr(sending, "WRITE_READERS", 2)
    outbox._split(Batch.objects.get(), 2)
    claims = outbox.claim(timezone.now(), size=10, most_batches=25)
    monkeypatch.setattr(providers, "offer", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        sending.send(claims, [providers.PROVIDERS["mailgun"]])
    settling.find_stale(timezone.now() + timedelta(seconds=settings.UNCERTAIN_AFTER + 1))
    assert states() == ["pending", "pending", "uncertain", "uncertain"]


def test_claim_that_was_not_offered_in_time_costs_no_attempt(readers, mailgun, settings):
    long_ago = timezone.now() - timedelta(seconds=settings.UNCERTAIN_AFTER)
    sending.send(outbox.claim(long_ago, size=10), [providers.PROVIDERS["mailgun"]])
    assert mailgun.accepted.total() == 0
    assert Batch.objects.get().attempts == 0


@pytest.mark.django_db(transaction=True)
def test_senders_at_once_send_each_reader_one_copy(settings, esp):
    use(settings, esp, "mailgun")
    settings.SEND_RATE = 0
    make_listing(make_paper(), DAY)
    building.build(DAY)
    for _ in range(40):
        make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    run_at_once(lambda: claim_and_send(3), times=4)
    assert states() == [State.SENT] * 40
    assert [len(copies) for copies in esp.inbox.values()] == [1] * 40


def claim_and_send(size):
    while claims := outbox.claim(timezone.now(), size=size):
        sending.send(claims, [providers.PROVIDERS["mailgun"]])


def run_at_once(work, *, times):
    failures = []

    def run():
        try:
            work()
        except Exception as error:  # shown by the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.django_db(transaction=True)
def test_planners_at_once_plan_each_reader_once():
    make_listing(make_paper(), DAY)
    building.build(DAY)
    for _ in range(20):
        make_subscriber(next_digest_at=NOW)
    run_at_once(lambda: planning.plan(NOW), times=4)
    assert Delivery.objects.count() == 20
