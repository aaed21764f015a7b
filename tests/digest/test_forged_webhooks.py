"""What anybody can send to a webhook: nothing comes of it, and it costs little. EMAIL_STANDARDS 9."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from anymail.signals import tracking
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from django.core.cache import cache
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from svix.webhooks import Webhook

from digest import receivers
from digest.delivery.feedback import events, refusals, signing
from digest.models import Delivery, Event
from subscriptions.models import ConsentRecord, Subscriber, Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_batch
from tests.esp import Events
from tests.esp.events import Event as Told
from tests.esp.events import path_of, request_of
from tests.esp.records import Copy

pytestmark = [
    pytest.mark.django_db,
    # Said at every call of SendGrid's.
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning"),
]
SECRET, KEY = "hooks:a-word", "signing-key"
AUTH = {"Authorization": f"Basic {base64.b64encode(SECRET.encode()).decode()}"}
SVIX = "whsec_" + base64.b64encode(b"k" * 24).decode()
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOUSE = ("mailgun", "brevo", "postmark", "amazon_ses")
JSON = "application/json"


def public(key):
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    settings.ANYMAIL = settings.ANYMAIL | {
        "WEBHOOK_SECRET": [SECRET],
        "MAILGUN_WEBHOOK_SIGNING_KEY": KEY,
        "MAILERSEND_SIGNING_SECRET": KEY,
        "RESEND_SIGNING_SECRET": SVIX,
        "POSTAL_WEBHOOK_KEY": public(RSA_KEY),
        "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": public(EC_KEY),
        "UNISENDER_GO_API_KEY": KEY,
    }
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def reader():
    return make_subscriber("ada@example.org")


@pytest.fixture
def row(reader):
    return make_batch([reader], deliveries="sent").deliveries.get()


def everything():
    """All that an event could change, once it was applied."""
    events.apply_pending()
    return [
        list(each.objects.order_by("pk").values())
        for each in (Subscriber, Delivery, Suppression, ConsentRecord)
    ]


def house_call(row, name, *, kind="complained", at=None, event_id="0123456789abcdef" * 3, key=KEY):
    """A call as the provider makes it: path, headers, body."""
    copy = Copy(
        to="ada@example.org", visible_to=[], subject="S", html="", text="", headers={},
        metadata={"delivery": str(row.pk)}, tags=["digest"], provider=name,
        message_id="<m@example.org>", sender="digest@papers.example.org",
    )  # fmt: skip
    told = Told(kind, copy, at or time.time(), event_id)
    headers, body = request_of(told, Events("http://127.0.0.1:1", secret=SECRET, signing_key=key))
    return path_of(told), headers, body


def post(client, path, headers, body):
    headers = dict(headers)
    kind = headers.pop("Content-Type", JSON)
    return client.generic("POST", path, body, content_type=kind, headers=headers).status_code


# --- Signatures --------------------------------------------------------------------------------


def signed(name, body, *, at=None, good=True):
    """Headers with which the provider would sign the body, or a stranger with a key of their own."""
    stamp = str(int(at or time.time()))
    match name:
        case "mailersend":
            key = KEY if good else "another"
            mac = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            return {"Signature": mac}
        case "resend":
            secret = SVIX if good else "whsec_" + base64.b64encode(b"x" * 24).decode()
            moment = datetime.fromtimestamp(int(stamp), tz=UTC)
            signature = Webhook(secret).sign("msg_1", moment, body.decode())
            return {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": signature}
        case "sendgrid":
            key = EC_KEY if good else ec.generate_private_key(ec.SECP256R1())
            signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
            prefix = "X-Twilio-Email-Event-Webhook"
            return {
                f"{prefix}-Signature": base64.b64encode(signature).decode(),
                f"{prefix}-Timestamp": stamp,
            }
        case "postal":
            key = (
                RSA_KEY if good else rsa.generate_private_key(public_exponent=65537, key_size=2048)
            )
            signature = key.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  as Postal does
            return {"X-Postal-Signature": base64.b64encode(signature).decode()}


def complaint(name, row):
    """A provider's body that says that the reader complained."""
    metadata = {"delivery": str(row.pk)}
    now = int(time.time())
    body = {
        "mailersend": {
            "type": "activity.spam_complaint",
            "data": {"id": "e1", "type": "spam_complaint", "email": {"message": {"id": "m"},
                     "recipient": {"email": "ada@example.org"}, "tags": []}},
        },
        "resend": {
            "type": "email.complained", "created_at": "2026-11-30T04:00:00Z",
            "data": {"email_id": "m", "to": ["ada@example.org"],
                     "headers": [{"name": "X-Metadata", "value": json.dumps(metadata)}]},
        },
        "sendgrid": [{"event": "spamreport", "timestamp": now, "sg_event_id": "e1",
                      "email": "ada@example.org", "delivery": str(row.pk)}],
        "postal": {"timestamp": now, "uuid": "e1", "payload": {"status": "HardFail",
                   "details": "no", "message": {"id": 1, "to": "ada@example.org"}}},
    }[name]  # fmt: skip
    return json.dumps(body).encode()


SIGNED = ["mailersend", "resend", "sendgrid", "postal"]


@pytest.mark.parametrize("name", SIGNED)
def test_call_that_its_provider_signed_is_taken(client, row, name):
    body = complaint(name, row)
    path = f"/webhooks/{name}/tracking/"
    assert post(client, path, AUTH | signed(name, body), body) == 200
    assert Event.objects.count() == 1


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("fault", ["wrong key", "none", "other body", "no secret", "wrong secret"])
def test_call_without_signature_or_secret_is_refused(client, row, name, fault):
    body = complaint(name, row)
    headers = AUTH | signed(name, body, good=fault != "wrong key")
    match fault:
        case "none":
            headers = AUTH
        case "other body":
            body = body.replace(b"ada@", b"eve@")
        case "no secret":
            del headers["Authorization"]
        case "wrong secret":
            headers["Authorization"] = "Basic eDp5"
    before = everything()
    assert 400 <= post(client, f"/webhooks/{name}/tracking/", headers, body) < 500
    assert everything() == before
    assert not Event.objects.exists()


@pytest.mark.parametrize("days", [-8, 3])
@pytest.mark.parametrize("name", ["mailgun", "sendgrid", "resend"])
def test_call_that_was_signed_at_another_time_is_refused(client, row, name, days):
    at = time.time() + timedelta(days=days).total_seconds()
    if name == "mailgun":
        path, headers, body = house_call(row, name, at=at)
    else:
        body = complaint(name, row)
        path, headers = f"/webhooks/{name}/tracking/", AUTH | signed(name, body, at=at)
    assert post(client, path, headers, body) == 400
    assert not Event.objects.exists()


@pytest.mark.parametrize("name", HOUSE)
@pytest.mark.parametrize(
    "secret", ["", "Basic eDp5", "Basic", "Basic \0", "Bearer x", "Basic w6k="]
)
def test_call_without_the_secret_is_refused(client, row, name, secret):
    path, headers, body = house_call(row, name)
    before = everything()
    headers["Authorization"] = secret
    assert post(client, path, headers, body) in (400, 401)
    assert everything() == before


def test_old_signature_does_not_sign_another_body(client, row):
    """Mailgun signs a time and a token, and not what is told."""
    path, headers, body = house_call(row, "mailgun", kind="delivered")
    assert post(client, path, headers, body) == 200
    before = everything()
    changed = json.loads(body)
    changed["event-data"]["event"] = "complained"
    assert post(client, path, headers, json.dumps(changed).encode()) == 200
    assert everything() == before
    assert Event.objects.get().type == "delivered"


# --- Replay, and mail of others -------------------------------------------------------------------


@pytest.mark.parametrize("name", HOUSE)
@pytest.mark.parametrize("kind", ["delivered", "bounced_hard", "complained"])
def test_call_that_is_replayed_changes_nothing_more(client, reader, name, kind):
    row = make_batch([reader], deliveries="sent", provider=name).deliveries.get()
    path, headers, body = house_call(row, name, kind=kind)
    assert post(client, path, headers, body) == 200
    after = everything()
    for _ in range(3):
        assert post(client, path, headers, body) == 200
    assert everything() == after
    assert Event.objects.count() == 1


@pytest.mark.parametrize("name", HOUSE[1:])
@pytest.mark.parametrize("kind", ["bounced_hard", "complained"])
def test_genuine_call_has_no_say_over_the_mail_of_another_provider(client, row, name, kind):
    path, headers, body = house_call(row, name, kind=kind)
    before = everything()
    assert post(client, path, headers, body) == 200
    assert everything() == before


@pytest.mark.parametrize("number", ["0", "-1", "999999999999999999", "9" * 40, "x", "", "1.0", "٣"])
def test_event_of_a_delivery_that_is_not_there_changes_nothing(client, row, number):
    path, headers, body = house_call(row, "mailgun")
    told = json.loads(body)
    told["event-data"]["user-variables"] = dict.fromkeys(("delivery", "batch", "message"), number)
    before = everything()
    assert post(client, path, headers, json.dumps(told).encode()) == 200
    assert everything() == before


# --- Bodies that nobody can read ---------------------------------------------------------------

BODIES = {
    "nothing": b"",
    "no json": b"{",
    "number": b"1",
    "huge number": b"1" * 6000,
    "text": b'"x"',
    "null": b"null",
    "list": b"[]",
    "list of lists": b"[[]]",
    "list of numbers": b"[1, 2]",
    "list of nothing": b"[{}]",
    "object": b"{}",
    "deep": b"[" * 100_000,
    "deep and whole": b"[" * 90_000 + b"]" * 90_000,
    "deep object": b'{"a":' * 60_000 + b"1" + b"}" * 60_000,
    "not utf-8": b'{"event": "\xff\xfe"}',
    "utf-16": '{"event": "x"}'.encode("utf-16"),
    "nul": b'{"event": "\\u0000", "Type": "\\u0000"}',
    "half a letter": b'{"event": "\\ud800"}',
    "nan": b'{"event": NaN, "time": Infinity, "timestamp": -Infinity}',
    "wide": json.dumps({f"k{n}": n for n in range(20_000)}).encode(),
}
KINDS = [JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain",
         "application/json; charset=nonsense", "image/png", "x"]  # fmt: skip
PATHS = sorted(receivers._VIEWS)


@pytest.mark.parametrize("name", sorted(receivers._NAMES))
def test_each_provider_has_its_own_view_of_anymail(name):
    view = receivers._view_of(name)
    assert view.view_class.__module__ == f"anymail.webhooks.{name}"
    assert view.view_class.signal is tracking


def test_view_that_cannot_be_loaded_has_the_provider_try_again(client, monkeypatch):
    """Too many open files are no fault of the call."""
    monkeypatch.setattr(receivers, "import_module", broken)
    receivers._view_of.cache_clear()
    client.raise_request_exception = False
    assert post(client, "/webhooks/mailgun/tracking/", AUTH, b"{}") == 500


def broken(name):
    raise OSError(24, "Too many open files")


@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_nobody_can_read_are_no_error_of_ours(client, row, path):
    client.raise_request_exception = False
    name = path.split("/")[2]
    before = everything()
    statuses = set()
    for body in BODIES.values():
        for kind in KINDS:
            headers = AUTH | {"Content-Type": kind}
            if name in SIGNED and kind == JSON and b"\xff" not in body:
                headers |= signed(name, body)
            statuses.add(post(client, path, headers, body))
    assert statuses <= {200, 400, 404}
    assert everything() == before


def mutants(value):
    """The value with each of its parts replaced by something strange, one at a time."""
    strange = [None, [], {}, 0, -1, 1e308, True, "", "\0", "\ud800", "x" * 5000, [[]], {"a": {}}]
    if isinstance(value, dict):
        for name, part in value.items():
            yield {other: each for other, each in value.items() if other != name}
            yield from ({**value, name: each} for each in mutants(part))
    elif isinstance(value, list) and value:
        yield from ([each, *value[1:]] for each in mutants(value[0]))
    else:
        yield from strange
    yield from strange


@pytest.mark.parametrize("name", HOUSE)
def test_genuine_calls_with_strange_parts_are_no_error_of_ours(client, row, name):
    client.raise_request_exception = False
    path, headers, body = house_call(row, name, kind="delivered")
    parsed = json.loads(body)
    for each in mutants(parsed):
        if name == "mailgun" and isinstance(each, dict) and "signature" in parsed:
            each["signature"] = parsed["signature"]
        assert post(client, path, headers, json.dumps(each).encode()) in (200, 400), each
    everything()
    assert not Suppression.objects.exists()


def told_at(row, stamp):
    """The headers and the body of a genuine call that tells of another time than it is."""
    path, headers, body = house_call(row, "mailgun")
    told = json.loads(body)
    told["event-data"]["timestamp"] = stamp
    return path, headers, json.dumps(told).encode()


def test_signed_call_of_unisender_go_without_events_is_refused(client):
    body = json.dumps({"auth": KEY, "events_by_user": []}).encode()
    body = body.replace(KEY.encode(), hashlib.md5(body).hexdigest().encode())  # noqa: S324  as it does
    assert post(client, "/webhooks/unisender_go/tracking/", AUTH, body) == 400


@pytest.mark.parametrize("stamp", [0, -1, 1e9, 4e9, 1e11, -6e10, 253402300799])
def test_event_of_another_time_is_stored_without_it(client, row, stamp):
    assert post(client, *told_at(row, stamp)) == 200
    assert Event.objects.get().occurred_at is None


@pytest.mark.parametrize("stamp", [1e18, "x", None])
def test_event_of_a_time_that_no_clock_has_is_refused(client, row, stamp):
    assert post(client, *told_at(row, stamp)) == 400
    assert not Event.objects.exists()


# --- Size and number --------------------------------------------------------------------------


class Unread:
    """A body that must not be read."""

    def read(self, *_):
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize("length", ["2621441", "52428800", "99999999999999999999", "-5", "x", "٣"])
@pytest.mark.parametrize("kind", KINDS[:3])
def test_long_body_is_refused_before_it_is_read(length, kind):
    way = receivers.short_way(lambda _: None)
    request = RequestFactory().post(
        "/webhooks/mailgun/tracking/", b"", kind, headers=AUTH, CONTENT_LENGTH=length,
        **{"wsgi.input": Unread()},
    )  # fmt: skip
    assert way(request).status_code == 413


def test_body_in_pieces_is_refused_before_it_is_read():
    way = receivers.short_way(lambda _: None)
    request = RequestFactory().post(
        "/webhooks/mailgun/tracking/", b"", JSON, headers=AUTH, CONTENT_LENGTH="",
        HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": Unread()},
    )  # fmt: skip
    assert way(request).status_code == 411


def test_flood_of_forged_calls_touches_no_table_and_genuine_ones_get_through(client, row):
    path, headers, body = house_call(row, "mailgun", key="another")
    good_path, good_headers, good = house_call(row, "mailgun")
    with CaptureQueriesContext(connection) as queries:
        for _ in range(500):
            assert post(client, path, headers, body) == 400
    assert len(queries) == 0
    assert refusals.counted("mailgun", timezone.now()).number == 500
    assert post(client, good_path, good_headers, good) == 200
    events.apply_pending()
    assert Suppression.objects.get().reason == "complained"


def test_every_key_that_signs_is_one_that_anymail_reads(settings):
    assert set(signing.KEYS.values()) <= set(settings.ANYMAIL)
