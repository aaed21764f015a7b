"""Webhooks: the ESPs' events in, verified, stored before the answer."""

import hashlib
import hmac
import itertools
import json
import time
from datetime import timedelta

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.celery import app
from digest import receivers
from digest.delivery import notices
from digest.delivery.feedback import events, refusals
from digest.models import Batch, Delivery, Event, Notice
from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db
MAILGUN = "/webhooks/mailgun/tracking/"
MAILJET = "/webhooks/mailjet/tracking/"
AUTH = {"HTTP_AUTHORIZATION": "Basic dXNlcjp3b3Jk"}
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.ANYMAIL = settings.ANYMAIL | {
        "MAILGUN_WEBHOOK_SIGNING_KEY": "signing-key",
        "WEBHOOK_SECRET": ["user:word"],
    }


@pytest.fixture
def batch():
    """Two readers' deliveries, of which nobody knows whether the provider took them."""
    return make_batch([make_subscriber(), make_subscriber()])


def payload(batch, *, name="delivered", token=None, key="signing-key", **fields):
    stamp, token = str(int(time.time())), token or f"{next(_numbers):050}"
    signature = hmac.new(key.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
    delivery = batch.deliveries.earliest("pk")
    return {
        "signature": {"timestamp": stamp, "token": token, "signature": signature},
        "event-data": {
            "event": name,
            "timestamp": time.time(),
            "recipient": delivery.subscriber.email,
            "user-variables": {"delivery": str(delivery.pk), "batch": str(batch.pk)},
            "message": {"headers": {"message-id": "1@mailgun"}},
        }
        | fields,
    }


def post(client, data, url=MAILGUN, **extra):
    return client.post(url, json.dumps(data), content_type="application/json", **AUTH | extra)


def states():
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_event_is_stored_before_the_answer_and_applied_after(client, batch):
    assert post(client, payload(batch)).status_code == 200
    assert states() == ["uncertain", "uncertain"]
    events.apply_pending()
    assert states() == ["sent", "sent"]


def test_event_of_a_call_with_one_reader_settles_only_that_one(client, batch):
    own = {"delivery": str(batch.deliveries.earliest("pk").pk)}
    post(client, payload(batch, **{"user-variables": own}))
    events.apply_pending()
    assert states() == ["sent", "uncertain"]


def test_click_that_a_provider_reports_is_taken_and_not_kept(client, batch):
    url = "https://papers.example.org/preferences/a-token/"
    for name in ("clicked", "opened"):
        assert post(client, payload(batch, name=name, url=url)).status_code == 200
    assert not Event.objects.exists()


def test_repeated_event_is_recorded_once(client, batch):
    for _ in range(3):
        assert post(client, payload(batch, token="t" * 50)).status_code == 200
    assert Event.objects.count() == 1


def test_permanent_failure_suppresses_the_address(client, batch):
    post(client, payload(batch, name="failed", severity="permanent", reason="bounce"))
    events.apply_pending()
    assert Suppression.objects.get().reason == "bounced"


def test_temporary_failure_is_counted_and_does_not(client, batch):
    post(client, payload(batch, name="failed", severity="temporary", reason="generic"))
    events.apply_pending()
    assert not Suppression.objects.exists()
    assert sorted(Subscriber.objects.values_list("soft_bounces", flat=True)) == [0, 1]


def test_address_in_the_words_of_a_mail_server_is_not_kept(client, batch):
    """Events outlive the erasure of their reader."""
    words = "550 5.1.1 <ada@example.org>: unknown"
    status = {"description": words, "message": words, "code": 550}
    fields = {"severity": "permanent", "reason": "bounce", "delivery-status": status}
    post(client, payload(batch, name="failed", **fields))
    assert Event.objects.get().description == "550 5.1.1 <an address>: unknown"


def mailjet(batch, kind="sent", **fields):
    """What Mailjet posts: many events in one call."""
    return [
        {
            "event": kind,
            "time": 1_787_300_000 + number,
            "MessageID": number,
            "email": "ada@example.org",
            "Payload": json.dumps({"delivery": str(row.pk), "batch": str(batch.pk)}),
        }
        | fields
        for number, row in enumerate(batch.deliveries.all())
    ]


def test_events_of_one_call_are_one_insert_and_nothing_is_looked_up(
    client, django_assert_num_queries
):
    batch = make_batch([make_subscriber() for _ in range(30)])
    calls = mailjet(batch)
    with django_assert_num_queries(1) as queries:
        assert post(client, calls, MAILJET).status_code == 200
    assert "INSERT" in queries[0]["sql"]
    assert Event.objects.count() == 30


def test_call_without_events_is_answered_well(client):
    assert post(client, [], MAILJET).status_code == 200
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_call_that_can_not_be_stored_is_an_error_so_that_it_comes_again(client, batch, settings):
    client.raise_request_exception = False
    body = payload(batch)
    with connection.execute_wrapper(_no_inserts):
        assert post(client, body).status_code == 500
    assert not Event.objects.exists()
    assert post(client, body).status_code == 200
    assert Event.objects.count() == 1


def _no_inserts(execute, sql, params, many, context):
    if sql.startswith("INSERT"):
        raise connection.Database.OperationalError("disk full")
    return execute(sql, params, many, context)


def test_broken_call_stores_none_of_its_events(client, batch):
    client.raise_request_exception = False
    assert post(client, [*mailjet(batch), {"no": "event"}], MAILJET).status_code == 400
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"[1]", b"null", b'{"event-data": 1}', b"[" * 9999]
)
def test_body_that_can_not_be_read_is_refused_and_no_error_of_ours(client, body):
    for url in (MAILGUN, MAILJET):
        answer = client.post(url, body, content_type="application/json", **AUTH)
        assert answer.status_code in {200, 400}
    assert not Event.objects.exists()


def bounce(esp, raw, reason="bounced"):
    """What Anymail makes of a bounce, as far as the receiver looks at it."""
    name = esp.lower().replace(" ", "_")
    row = make_batch([make_subscriber()], deliveries="sent", provider=name).deliveries.get()
    event = AnymailTrackingEvent(
        event_type="bounced",
        event_id=str(next(_numbers)),
        reject_reason=reason,
        metadata={"delivery": row.pk},
        esp_event=raw,
    )
    tracking.send(sender=None, event=event, esp_name=esp)
    return Event.objects.latest("pk")


SOFT = [
    ("Amazon SES", {"bounce": {"bounceType": "Transient"}}),
    ("Amazon SES", {"bounce": {"bounceType": "Undetermined"}}),
    ("Brevo", {"event": "soft_bounce"}),
    ("MailerSend", {"type": "activity.soft_bounced"}),
    ("Mailjet", {"hard_bounce": False}),
    ("Postmark", {"Type": "SoftBounce"}),
    ("Resend", {"data": {"bounce": {"type": "Transient"}}}),
    ("SendGrid", {"type": "blocked"}),
]
HARD = [
    ("Amazon SES", {"bounce": {"bounceType": "Permanent"}}),
    ("Brevo", {"event": "hard_bounce"}),
    ("Postmark", {"Type": "HardBounce"}),
    ("SendGrid", {"type": "bounce"}),
    ("Mailgun", {}),
]


@pytest.mark.parametrize(("esp", "raw"), SOFT)
def test_bounce_that_the_esp_calls_soft_is_soft_whatever_anymail_says(esp, raw):
    assert bounce(esp, raw).type == "deferred"
    events.apply_pending()
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(("esp", "raw"), HARD)
def test_bounce_that_the_esp_calls_hard_is_hard(esp, raw):
    assert bounce(esp, raw).type == "bounced"
    events.apply_pending()
    assert Suppression.objects.exists()


def test_sendgrid_says_hard_where_anymail_gives_no_reason():
    bounce("SendGrid", {"type": "bounce"}, reason=None)
    events.apply_pending()
    assert Suppression.objects.exists()


def test_many_calls_wake_a_worker_once_a_second(client, batch, monkeypatch):
    monkeypatch.setattr(receivers, "_waker", receivers._Waker())
    name = "digest.tasks.apply_events"
    queue = app.amqp.router.route({}, name)["queue"].name
    with app.connection_for_read() as broker:
        messages = broker.SimpleQueue(queue)
        messages.clear()
        for _ in range(5):
            post(client, payload(batch))
        assert messages.get(timeout=1).headers["task"] == name
        assert messages.qsize() == 0


@pytest.fixture
def _by_the_short_way(settings):
    settings.MIDDLEWARE = ["digest.receivers.short_way", "csp.middleware.CSPMiddleware"]


@pytest.mark.usefixtures("_by_the_short_way")
def test_short_way_stores_events_and_leaves_out_what_pages_need(client, batch):
    answer = post(client, payload(batch))
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "0")
    assert "Content-Security-Policy" not in answer.headers
    assert Event.objects.count() == 1


@pytest.mark.usefixtures("_by_the_short_way")
def test_short_way_refuses_what_is_not_signed(client, batch):
    assert post(client, payload(batch, key="another")).status_code == 400


@pytest.mark.usefixtures("_by_the_short_way")
def test_pages_go_the_long_way(client):
    assert "Content-Security-Policy" in client.get("/").headers


def test_webhook_of_a_provider_that_is_not_set_up_is_not_found(client, settings):
    settings.ANYMAIL = {}
    assert client.post(MAILGUN, "{}", content_type="application/json").status_code == 404


def test_bad_signature_changes_nothing(client, batch):
    """EMAIL_STANDARDS 9: refused calls get 400."""
    assert post(client, payload(batch, key="another")).status_code == 400
    assert not Event.objects.exists()


def test_missing_secret_changes_nothing(client, batch):
    answer = post(client, payload(batch), HTTP_AUTHORIZATION="Basic eDp5")
    assert answer.status_code == 400
    assert not Event.objects.exists()


@pytest.fixture
def refused(client, settings):
    """Posts what is refused, and says what the operator is told."""
    settings.EMAIL_PROVIDERS = ["mailgun", "mailjet"]
    keys = dict.fromkeys(("MAILGUN_API_KEY", "MAILJET_API_KEY", "MAILJET_SECRET_KEY"), "x")
    settings.ANYMAIL = settings.ANYMAIL | keys
    cache.clear()
    for name in settings.EMAIL_PROVIDERS:
        given = {"provider": name, "offered_at": timezone.now(), "deliveries": "sent"}
        make_batch([make_subscriber()], **given)

    def post_all(number, data, url=MAILGUN, **extra):
        statuses = {post(client, data, url, **extra).status_code for _ in range(number)}
        refusals.check(timezone.now())
        told = notices.open_notices().filter(kind="webhook_refused").order_by("pk")
        return statuses, [(each.key, each.what, each.mend) for each in told]

    yield post_all
    cache.clear()


def test_wrong_key_is_told_once_with_the_setting_that_names_it(refused, batch, client):
    forged = payload(batch, key="another")
    assert refused(refusals.FEWEST - 1, forged) == ({400}, [])
    for _ in range(3):
        _, told = refused(1, forged)
    [(name, what, mend)] = told
    assert name == "mailgun"
    assert "Calls of mailgun's webhook are refused (HTTP 400), " in what
    assert "WEBHOOK_SECRET" in mend
    assert "MAILGUN_WEBHOOK_SIGNING_KEY" in mend
    assert Notice.objects.filter(kind="webhook_refused").count() == 1


def test_wrong_password_in_the_address_is_told(refused, batch):
    _, [(name, _, mend)] = refused(
        refusals.FEWEST, mailjet(batch), url=MAILJET, HTTP_AUTHORIZATION="Basic YTpi"
    )
    assert (name, "WEBHOOK_SECRET" in mend) == ("mailjet", True)


def test_address_that_is_not_quite_right_is_told_with_the_right_one(refused, batch):
    statuses, [(name, _, mend)] = refused(refusals.FEWEST, payload(batch), url="/webhooks/mailgun/")
    assert (statuses, name) == ({404}, "mailgun")
    assert "/webhooks/mailgun/tracking/" in mend


def test_calls_in_pieces_without_their_length_are_told(refused, batch):
    pieces = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    statuses, [(name, _, mend)] = refused(refusals.FEWEST, payload(batch), **pieces)
    assert (statuses, name) == ({411}, "mailgun")
    assert "have the proxy pass on whole requests" in mend


def test_stranger_beside_a_webhook_that_works_is_no_news(refused, batch, client):
    assert post(client, payload(batch)).status_code == 200
    assert refused(20, payload(batch, key="another")) == ({400}, [])


def test_refusals_end_when_events_are_taken(refused, batch, client):
    _, told = refused(refusals.FEWEST, payload(batch, key="another"))
    later = timezone.now() + timedelta(minutes=10)
    post(client, payload(batch))
    refusals.check(later)
    assert (len(told), notices.open_notices().count()) == (1, 0)


def test_flood_of_refused_calls_writes_no_row(refused, batch, client):
    with CaptureQueriesContext(connection) as queries:
        for _ in range(30):
            post(client, payload(batch, key="another"))
            client.post("/webhooks/nobody/tracking/", {})
    assert [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE"))] == []
    assert refusals.counted("mailgun", timezone.now()).number == 30
    assert refusals.counted("nobody", timezone.now()) is None


def test_strangers_are_no_news_where_the_provider_has_nothing_to_tell(refused, batch):
    Batch.objects.update(offered_at=timezone.now() - timedelta(days=4))
    assert refused(30, payload(batch, key="another")) == ({400}, [])


def test_strangers_are_no_news_beside_how_much_a_provider_would_tell(refused, batch):
    Batch.objects.update(size=5000)
    assert refused(49, payload(batch, key="another")) == ({400}, [])
    assert len(refused(1, payload(batch, key="another"))[1]) == 1


def test_provider_that_is_not_used_is_not_told_of(refused, batch, settings):
    settings.EMAIL_PROVIDERS = ["mailjet"]
    assert refused(refusals.FEWEST, payload(batch, key="another"))[1] == []
