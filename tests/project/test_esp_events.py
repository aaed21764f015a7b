"""The fake provider's events: our webhooks take them, and it sends them as it is told to."""

import json
import time
from http.server import BaseHTTPRequestHandler

import pytest
from anymail.signals import tracking

from tests.esp import Events, FakeEsp
from tests.esp.events import Event, kinds_of, options, path_of, request_of
from tests.esp.offers import ADA, ALL, batch, send, single
from tests.servers import LocalServer

SECRET = "hooks:a-word"
SIGNING_KEY = "signing-key"


@pytest.fixture
def esp(settings):
    with FakeEsp() as running:
        settings.ANYMAIL = settings.ANYMAIL | running.anymail()
        yield running


@pytest.fixture
def seen(settings):
    """The events that Anymail took."""
    settings.ANYMAIL = settings.ANYMAIL | {
        "WEBHOOK_SECRET": [SECRET],
        "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY,
    }
    taken = []

    def keep(event, **_):
        taken.append(event)

    tracking.connect(keep)
    yield taken
    tracking.disconnect(keep)


def told(client, copy, kind, **changes):
    chosen = Events(
        **{"to": "http://127.0.0.1:1", "secret": SECRET, "signing_key": SIGNING_KEY} | changes
    )
    event = Event(kind, copy, time.time(), "0123456789abcdef" * 3)
    headers, body = request_of(event, chosen)
    return client.post(path_of(event), body, headers.pop("Content-Type"), headers=headers)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("kind", "event_type"),
    [("delivered", "delivered"), ("bounced_hard", "bounced"), ("complained", "complained")],
)
def test_our_webhook_takes_the_event_with_our_metadata(
    esp, client, seen, *, name, kind, event_type
):
    send(name, single())
    (copy,) = esp.inbox[ADA]
    assert told(client, copy, kind).status_code == 200
    (event,) = seen
    assert (event.event_type, event.recipient) == (event_type, ADA)
    assert (event.metadata, event.tags) == ({"delivery": "7"}, ["digest"])
    assert event.message_id == copy.message_id


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "kind", "event_type"),
    [
        ("mailgun", "bounced_soft", "deferred"), ("mailgun", "deferred", "deferred"),
        ("mailgun", "unsubscribed", "unsubscribed"),
        ("brevo", "bounced_soft", "bounced"), ("brevo", "deferred", "deferred"),
        ("brevo", "unsubscribed", "unsubscribed"),
        ("postmark", "bounced_soft", "bounced"), ("postmark", "deferred", "deferred"),
        ("postmark", "unsubscribed", "unsubscribed"),
        # Anymail does not know the last two of SES.
        ("amazon_ses", "bounced_soft", "bounced"), ("amazon_ses", "deferred", "unknown"),
        ("amazon_ses", "unsubscribed", "unknown"),
    ],
)  # fmt: skip
def test_other_events_are_what_anymail_takes_them_for(esp, client, seen, *, name, kind, event_type):
    send(name, single())
    assert told(client, esp.inbox[ADA][0], kind).status_code == 200
    assert [event.event_type for event in seen] == [event_type]


@pytest.mark.parametrize("changes", [{"secret": "hooks:wrong"}, {"signing_key": "wrong"}])
def test_our_webhook_refuses_what_is_signed_otherwise(esp, client, seen, changes):
    send("mailgun", single())
    assert told(client, esp.inbox[ADA][0], "delivered", **changes).status_code == 400
    assert not seen


class Webhook(LocalServer):
    """Answers with the next of `statuses`, then with 200; keeps path, token and recipient."""

    def __init__(self, *statuses):
        self.statuses, self.got = list(statuses), []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_): ...

            def do_POST(self):
                data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                event = data["event-data"]
                kept = (event["event"], event["recipient"], data["signature"]["token"])
                hook.got.append(kept)
                self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
                self.end_headers()

        super().__init__(Handler)


def run_events(settings, hook, readers=(ADA,), **choice):
    """Takes a batch, and waits until its events are taken; the numbers of them."""
    events = Events(hook.url, signing_key=SIGNING_KEY, backoff=0.01, **choice)
    with FakeEsp(events=events) as esp:
        settings.ANYMAIL = settings.ANYMAIL | esp.anymail()
        send("mailgun", batch(*readers))
        assert esp.postman.wait(5)
        return esp.postman.counts()


def test_event_is_sent_again_until_it_is_taken(settings):
    with Webhook(500, 503, 400) as hook:
        counts = run_events(settings, hook)
    assert len(hook.got) == 4
    assert len(set(hook.got)) == 1
    assert counts["taken"] == {"delivered": 1}
    assert counts["refused"] == {"500": 1, "503": 1, "400": 1}
    assert counts["open"] == 0


def test_mailgun_gives_up_where_it_is_told_to(settings):
    with Webhook(406) as hook:
        assert run_events(settings, hook)["given_up"] == 1
    assert len(hook.got) == 1


def test_doubled_event_keeps_its_id(settings):
    with Webhook() as hook:
        run_events(settings, hook, doubled=1.0)
    assert len(hook.got) == 2
    assert len(set(hook.got)) == 1


def test_doubled_event_may_have_an_id_of_its_own(settings):
    with Webhook() as hook:
        run_events(settings, hook, doubled=1.0, doubles_anew=True)
    assert len(set(hook.got)) == 2


READERS = [f"reader{n}@example.org" for n in range(30)]


def test_events_come_in_order_from_one_worker(settings):
    with Webhook() as hook:
        run_events(settings, hook, READERS, workers=1)
    assert [reader for _, reader, _ in hook.got] == READERS


def test_spread_events_come_out_of_order(settings):
    with Webhook() as hook:
        run_events(settings, hook, READERS, workers=1, spread=0.3)
    got = [reader for _, reader, _ in hook.got]
    assert sorted(got) == sorted(READERS)
    assert got != READERS


def test_event_stays_open_while_our_server_is_down(settings):
    hook = Webhook()
    hook.server.server_close()
    events = Events(hook.url, signing_key=SIGNING_KEY, backoff=0.01)
    with FakeEsp(events=events) as esp:
        settings.ANYMAIL = settings.ANYMAIL | esp.anymail()
        send("mailgun", single())
        assert not esp.postman.wait(0.1)
        assert esp.postman.counts()["open"] == 1
        assert esp.postman.refused["none"] > 1


def test_shares_of_events_are_kept(esp):
    send("mailgun", batch(*[f"reader{n}@example.org" for n in range(1000)]))
    chosen = Events("http://127.0.0.1:1", share=0.5, bounced_hard=0.1, complained=0.1)
    fates = [kinds_of(copy, chosen) for (copy,) in esp.inbox.values()]
    assert fates == [kinds_of(copy, chosen) for (copy,) in esp.inbox.values()]
    assert 430 < sum(map(bool, fates)) < 570
    assert 25 < fates.count(["bounced_hard"]) < 80
    assert 20 < fates.count(["delivered", "complained"]) < 75


def test_events_stay_on_this_machine():
    with pytest.raises(ValueError, match="not on this machine"):
        Events("https://papers.example.org")


def test_options_of_events_are_read_from_words():
    words = "share=0.5 workers=1, doubles_anew=1"
    assert options(words) == {"share": 0.5, "workers": 1, "doubles_anew": True}
