"""What answers and silences of each kind of provider mean, over real connections."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from digest.delivery import outbox, sending, settling
from digest.delivery.due import planning
from digest.delivery.esp import local_outbox, providers, smtp
from digest.delivery.feedback import events, evidence, intake
from digest.delivery.mails import messages
from digest.editions import building
from digest.models import Delivery
from digest.records import Result
from subscriptions.models import Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_listing, make_paper
from tests.servers import LocalServer
from tests.smtp import sink

DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
NOWHERE = "http://papers.invalid/"


@pytest.fixture(autouse=True)
def _fresh_connections():
    sending.content.rendered_edition.cache_clear()
    providers.connection.cache_clear()
    yield
    providers.connection.cache_clear()


class Endpoint(LocalServer):
    """Answers each POST with the next of `answers` (status, body); after the last one with silence."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []
        self.headers = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_): ...

            def do_POST(self):
                endpoint.headers.append(self.headers)
                endpoint.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                if not endpoint.answers:
                    time.sleep(3)
                    self.close_connection = True
                    return
                status, body = endpoint.answers.pop(0)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

        super().__init__(Handler)


def message():
    made = mail.EmailMessage("Hello", "A text.", "digest@papers.example.org", ["ada@example.org"])
    made.tags = ["digest"]
    return made


def offer(name):
    return providers.offer(providers.PROVIDERS[name], message())


def use_ses(settings, url):
    settings.EMAIL_TIMEOUT = 1
    settings.ANYMAIL = settings.ANYMAIL | {
        "AMAZON_SES_CLIENT_PARAMS": {
            "endpoint_url": url, "region_name": "eu-west-1",
            "aws_access_key_id": "key", "aws_secret_access_key": "secret",
        }
    }  # fmt: skip


def test_ses_silence_is_uncertain_and_boto_does_not_offer_again(settings):
    with Endpoint() as endpoint:
        use_ses(settings, endpoint.url)
        assert offer("amazon_ses").result is Result.UNCERTAIN
        assert len(endpoint.bodies) == 1


@pytest.mark.parametrize(
    ("status", "code", "result", "is_down"),
    [
        (400, "MessageRejected", Result.FAILED, False),
        (400, "TooManyRequestsException", Result.DEFERRED, True),
        (400, "AccountSuspendedException", Result.DEFERRED, True),
        (403, "InvalidClientTokenId", Result.DEFERRED, True),
        (500, "InternalFailure", Result.UNCERTAIN, False),
    ],
)
def test_ses_refusal_means_what_its_code_says(settings, status, code, result, is_down):
    with Endpoint((status, {"__type": code, "code": code, "message": "no"})) as endpoint:
        use_ses(settings, endpoint.url)
        answer = offer("amazon_ses")
    assert (answer.result, answer.is_provider_down) == (result, is_down)


def test_ses_that_says_yes_in_a_way_nobody_reads_is_uncertain(settings):
    with Endpoint((200, {"Message": "fine"})) as endpoint:
        use_ses(settings, endpoint.url)
        assert offer("amazon_ses").result is Result.UNCERTAIN


def test_ses_that_answers_no_connection_took_nothing(settings):
    use_ses(settings, "http://127.0.0.1:9")
    answer = offer("amazon_ses")
    assert (answer.result, answer.is_provider_down) == (Result.DEFERRED, True)


def test_ses_without_any_credentials_took_nothing(settings, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    answer = offer("amazon_ses")
    assert (answer.result, answer.is_provider_down) == (Result.DEFERRED, True)


def test_host_without_an_address_took_nothing(settings):
    settings.ANYMAIL = settings.ANYMAIL | {
        "POSTMARK_SERVER_TOKEN": "t",
        "POSTMARK_API_URL": NOWHERE,
    }
    answer = offer("postmark")
    assert (answer.result, answer.is_provider_down) == (Result.DEFERRED, True)


def test_provider_without_its_settings_took_nothing():
    answer = offer("mailgun")
    assert (answer.result, answer.is_provider_down) == (Result.DEFERRED, True)


def test_tracking_is_switched_off_where_it_can_be(settings):
    """EMAIL_STANDARDS 7; and a rewritten link would show a reader's token to others."""
    sent = {"ErrorCode": 0, "Message": "OK", "MessageID": "1", "SubmittedAt": "", "To": ""}
    with Endpoint((200, sent)) as endpoint:
        use_postmark(settings, endpoint)
        offer("postmark")
        body = json.loads(endpoint.bodies[0])
    assert (body["TrackOpens"], body["TrackLinks"]) == (False, "None")


def use_postmark(settings, endpoint):
    settings.EMAIL_PROVIDERS = ["postmark"]
    settings.ANYMAIL = settings.ANYMAIL | {
        "POSTMARK_SERVER_TOKEN": "token", "POSTMARK_API_URL": f"{endpoint.url}/",
    }  # fmt: skip


@pytest.fixture
def readers(db):
    make_listing(make_paper(upvotes=3), DAY)
    building.build(DAY)
    people = [make_subscriber(next_digest_at=NOW) for _ in range(3)]
    planning.plan(NOW)
    return people


def states():
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_event_of_one_message_says_nothing_of_the_next_ones(settings, readers):
    """Postmark takes a message a call: the first is taken, then it asks for patience."""
    sent = {"ErrorCode": 0, "Message": "OK", "MessageID": "1", "SubmittedAt": "", "To": ""}
    with Endpoint((200, sent), (429, {"Message": "slow down"})) as endpoint:
        use_postmark(settings, endpoint)
        claims = outbox.claim(timezone.now(), size=10)
        first = {"delivery": str(next(iter(claims[0].readers)))}
        sending.send(claims, [providers.PROVIDERS["postmark"]])
        assert json.loads(endpoint.bodies[0])["Metadata"] == first
        report = {"provider": "postmark", "event_id": "e", "type": "delivered", "metadata": first}
        intake.store([intake.Report(**report)])
        events.apply_pending()
    assert states() == ["sent", "pending", "pending"]


def test_digests_go_by_the_stream_of_postmark_that_is_set(settings, readers):
    sent = {"ErrorCode": 0, "Message": "OK", "MessageID": "1", "SubmittedAt": "", "To": ""}
    settings.POSTMARK_MESSAGE_STREAM = "digests"
    with Endpoint((200, sent)) as endpoint:
        use_postmark(settings, endpoint)
        sending.send(outbox.claim(timezone.now(), size=1), [providers.PROVIDERS["postmark"]])
        offer("postmark")
        digest, single = map(json.loads, endpoint.bodies)
    assert digest["MessageStream"] == "digests"
    assert "MessageStream" not in single


def use_resend(settings, endpoint):
    settings.EMAIL_PROVIDERS = ["resend"]
    settings.ANYMAIL = settings.ANYMAIL | {
        "RESEND_API_KEY": "key", "RESEND_API_URL": f"{endpoint.url}/",
    }  # fmt: skip


def test_provider_that_takes_keys_is_asked_again_in_the_same_words(settings, readers):
    taken = (200, {"id": "1"})
    with Endpoint((500, {}), taken, taken, taken) as endpoint:
        use_resend(settings, endpoint)
        sending.send_pending()
        assert states() == ["uncertain", "sent", "sent"]
        later = timezone.now() + timedelta(minutes=2)
        evidence.settle(later)
        sending.send_pending()
        assert states() == ["sent"] * 3
        keys = [headers["Idempotency-Key"] for headers in endpoint.headers]
        assert keys[0] == keys[3]
        assert len(set(keys)) == 3
        assert endpoint.bodies[0] == endpoint.bodies[3]


def test_what_one_provider_may_have_taken_is_never_offered_to_another(settings, readers):
    local_outbox.maildir().clear()
    with Endpoint((500, {})) as endpoint:
        use_resend(settings, endpoint)
        sending.send_pending()
        first = Delivery.objects.filter(state="uncertain").first()
        Delivery.objects.exclude(pk=first.pk).update(state="sent")
        evidence.settle(timezone.now() + timedelta(minutes=2))
        settings.EMAIL_PROVIDERS = ["outbox"]
        sending.send_pending()
        assert states().count("pending") == 1
        assert not list(local_outbox.maildir().iterkeys())


def test_settings_that_are_missing_leave_all_pending_for_the_next_provider(settings, readers):
    settings.EMAIL_PROVIDERS = ["mailgun", "outbox"]
    sending.send_pending()
    assert states() == ["sent"] * 3
    assert set(Delivery.objects.values_list("provider", flat=True)) == {"outbox"}


@pytest.fixture
def inbox(settings):
    """It hangs up on whoever rests for half a second."""
    with sink(settings, timeout=0.5) as handler:
        yield handler


def test_smtp_server_that_hung_up_in_between_loses_no_message(inbox):
    assert offer("smtp").result is Result.SENT
    time.sleep(smtp.REST + 0.2)
    assert offer("smtp").result is Result.SENT
    assert len(inbox.taken) == 2


def test_smtp_connection_that_works_is_kept(inbox):
    for _ in range(3):
        offer("smtp")
    assert len(inbox.sessions) == 1


def test_hard_bounce_at_the_door_suppresses_at_once(inbox, readers):
    """EMAIL_STANDARDS 3."""
    inbox.refuse[readers[1].email] = "550 5.1.1 no such user"
    sending.send_pending()
    assert states() == ["sent", "failed", "sent"]
    assert Suppression.objects.get().address_hash == readers[1].address_hash


def test_full_mailbox_is_no_hard_bounce(inbox, readers):
    inbox.refuse[readers[1].email] = "552 5.2.2 mailbox full"
    sending.send_pending()
    assert not Suppression.objects.exists()


def test_mistake_of_ours_in_the_middle_of_a_call_leaves_only_that_call_in_doubt(
    settings, readers, monkeypatch
):
    settings.EMAIL_PROVIDERS = ["outbox"]
    calls = iter([None, ZeroDivisionError()])

    def broken(link, messages):
        if error := next(calls):
            raise error
        return real(link, messages)

    real = local_outbox.EmailBackend.send_messages
    monkeypatch.setattr(local_outbox.EmailBackend, "send_messages", broken)
    with pytest.raises(ZeroDivisionError):
        sending.send_pending()
    assert states() == ["sent", "uncertain", "pending"]


def test_mistake_of_ours_before_any_call_leaves_all_pending(settings, readers):
    """boto takes an address that is none for a mistake in the program."""
    use_ses(settings, "nowhere")
    settings.EMAIL_PROVIDERS = ["amazon_ses"]
    with pytest.raises(ValueError, match="endpoint"):
        sending.send_pending()
    assert states() == ["pending"] * 3


def test_mistake_of_ours_after_a_provider_was_down_leaves_all_pending(
    settings, readers, monkeypatch
):
    settings.EMAIL_PROVIDERS = ["mailgun", "outbox"]
    monkeypatch.setattr(messages, "single_message", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sending.send_pending()
    assert states() == ["pending"] * 3


def broken_record(monkeypatch, times):
    real, left = outbox.record, iter(range(times))

    def record(claims, outcomes):
        if next(left, None) is not None:
            raise OperationalError("the server is shutting down")
        real(claims, outcomes)

    monkeypatch.setattr(outbox, "record", record)
    monkeypatch.setattr(sending.time, "sleep", lambda _: None)


@pytest.mark.django_db(transaction=True)
def test_what_is_known_waits_for_a_database_that_is_away(inbox, readers, monkeypatch):
    broken_record(monkeypatch, times=3)
    sending.send_pending()
    assert len(inbox.taken) == 3
    assert states() == ["sent"] * 3


def test_record_that_fails_for_good_gives_nothing_back_that_was_offered(
    inbox, readers, monkeypatch, settings
):
    broken_record(monkeypatch, times=99)
    monkeypatch.setattr(sending, "PATIENCE", 0)
    with pytest.raises(OperationalError):
        sending.send_pending()
    assert not outbox.claim(timezone.now() + timedelta(days=1), size=10)
    settling.find_stale(timezone.now() + timedelta(seconds=settings.UNCERTAIN_AFTER + 1))
    assert states() == ["uncertain"] * 3


def test_server_that_hangs_up_on_one_reader_leaves_no_other_in_doubt(inbox, readers):
    inbox.refuse[readers[0].email] = "421 4.3.2 try again later"
    sending.send_pending()
    assert states() == ["pending", "sent", "sent"]
