"""No mail loads anything, and no provider tracks one (EMAIL_STANDARDS section 7)."""

import re
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from anymail.exceptions import AnymailUnsupportedFeature
from anymail.signals import AnymailTrackingEvent
from django.core.mail import EmailMultiAlternatives
from lxml import html as lxml_html

from digest import receivers
from digest.delivery import sending
from digest.delivery.due import planning
from digest.delivery.esp import local_outbox, providers
from digest.delivery.feedback import watched
from digest.editions import building
from digest.management.doctor import sender
from digest.management.doctor.findings import Asked
from digest.models import Event, Notice
from subscriptions import emails
from subscriptions.models import TransactionalMessage
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
HOSTILE = '<img src="https://spy.example/1.gif"> {background: url(https://spy.example/2)} <link href=//spy.example>'
KEYS = {
    "mailgun": {"api_key": "k", "sender_domain": "papers.example.org"},
    "mailjet": {"api_key": "k", "secret_key": "s"},
    "unisender_go": {"api_key": "k", "api_url": "https://go.invalid/"},
    "postmark": {"server_token": "k"},
    "sendgrid": {"api_key": "k"},
    "mailersend": {"api_token": "k"},
    "sparkpost": {"api_key": "k"},
    "brevo": {"api_key": "k"},
    "resend": {"api_key": "k"},
    "mailtrap": {"api_token": "k"},
    "postal": {"api_key": "k", "api_url": "https://postal.invalid/"},
    "amazon_ses": {"client_params": {"region_name": "eu-west-1"}},
}
UNSUPPORTED = pytest.mark.filterwarnings("ignore:django-anymail has dropped")
LOADED = ("src", "srcset", "background", "poster", "data", "ping", "longdesc", "xlink:href")


def loads(html):
    """What of this HTML a program would ask some server for by showing it."""
    tree = lxml_html.document_fromstring(html)
    found = [each.tag for each in tree.iter("img", "image", "picture", "video", "audio", "source",
             "track", "embed", "object", "iframe", "frame", "script", "link", "base", "input", "svg")]  # fmt: skip
    found += [
        f"{each.tag}[{name}]" for each in tree.iter() for name in LOADED if name in each.attrib
    ]
    found += [each.get("http-equiv") for each in tree.iter("meta") if each.get("http-equiv")]
    styles = [each.text_content() for each in tree.iter("style")]
    styles += [each.get("style") for each in tree.iter() if each.get("style")]
    return found + re.findall(r"url\s*\(|@import|@font-face|image-set|expression", " ".join(styles))


@pytest.mark.parametrize(
    "html",
    [
        '<img src="x">', '<td background="x">', '<p style="background:url(x)">', "<svg></svg>",
        "<style>@import 'x';</style>", '<link rel="stylesheet" href="x">', '<video poster="x">',
        '<meta http-equiv="refresh" content="0;x">', '<a href="x" ping="y">', "<base href=x>",
    ],
)  # fmt: skip
def test_what_loads_something_is_seen(html):
    assert loads(f"<body>{html}</body>")


@pytest.fixture
def outbox(settings, tmp_path):
    settings.EMAIL_PROVIDERS, settings.VAR_DIR = ["outbox"], tmp_path
    providers.connection.cache_clear()

    def mails():
        box = local_outbox.maildir()
        return [message_from_bytes(mail.as_bytes(), policy=policy.default) for mail in box]

    return mails


def html_of(mail):
    part = mail.get_body(("html",))
    return part.get_content() if part else "<p></p>"


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", TransactionalMessage.Kind.values)
def test_no_single_message_loads_anything(kind, language):
    reader = make_subscriber(language=language, new_email="new@example.org")
    row = TransactionalMessage.objects.create(subscriber=reader, kind=kind)
    mail = message_from_bytes(emails.compose(row).message().as_bytes(), policy=policy.default)
    assert f'lang="{language}"' in html_of(mail)
    assert loads(html_of(mail)) == []


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_digest_loads_anything_whatever_papers_say(outbox, language):
    papers = [
        make_paper(title=f"{HOSTILE} {n}", abstract=HOSTILE * 3, summary=HOSTILE, upvotes=90 - n,
                   authors=[HOSTILE, "Ada Lovelace"], code_url="https://code.example/x", code_stars=n)
        for n in range(40)
    ]  # fmt: skip
    make_edition(DAY - timedelta(days=1), papers[30:])
    edition = make_edition(DAY, papers[:30])
    building.build(DAY, frequency="weekly")
    type(edition).objects.update(note=HOSTILE)
    shapes = [
        {}, {"format": "text"}, {"length": 1}, {"length": 32}, {"keywords": ("spy",)},
        {"unserved_since": DAY - timedelta(days=1)}, {"frequency": "weekly-5"}, {"trending": True},
        {"dial": 0}, {"dial": 4, "authors": ("Ada Lovelace",)},
    ]  # fmt: skip
    for shape in shapes:
        make_subscriber(language=language, next_digest_at=NOW, **shape)
    planning.plan(NOW)
    sending.send_pending()
    mails = outbox()
    assert len(mails) == len(shapes)
    assert {(mail.get_body(("html",)) is None) for mail in mails} == {True, False}
    assert [loads(html_of(mail)) for mail in mails] == [[]] * len(shapes)


def payload(name):
    backend = providers.get_connection(providers.PROVIDERS[name].backend, **KEYS[name])
    message = EmailMultiAlternatives("Hello", "A text.", "a@papers.example.org", ["b@example.org"])
    vars(message).update(track_opens=False, track_clicks=False)
    return backend.build_message_payload(message, backend.send_defaults)


@UNSUPPORTED
@pytest.mark.parametrize("name", [p.name for p in providers.PROVIDERS.values() if p.has_tracking])
def test_provider_that_can_be_told_is_told_not_to_track(name):
    built = payload(name)
    said = built.data if isinstance(built.data, dict) else {}
    words = re.sub(r"\s", "", str(said)).lower()
    found = re.findall(r"'[^']*(?:track|link)[^']*':(?:\{'enable':)?('?\w+'?)", words)
    assert len(found) >= 2, words
    assert {each.strip("'") for each in found} <= {"false", "no", "none", "disabled", "0"}


@pytest.mark.parametrize("name", [n for n in KEYS if not providers.PROVIDERS[n].has_tracking])
def test_no_provider_that_could_be_told_is_forgotten(name):
    with pytest.raises(AnymailUnsupportedFeature, match="does not support track_"):
        payload(name)


def report(kind, event_id="1", **fields):
    event = AnymailTrackingEvent(
        event_type=kind, event_id=event_id, recipient="ada@example.org", timestamp=NOW,
        click_url="https://papers.example.org/preferences/x/", esp_event={}, **fields,
    )  # fmt: skip
    receivers.receive_event(event=event, esp_name="Mailgun")


@pytest.fixture
def _untold():
    watched._told_at.clear()
    yield
    watched._told_at.clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("_untold")
def test_nothing_is_kept_of_opens_and_clicks_and_the_operator_is_told_once(caplog):
    delivery = make_batch([make_subscriber()]).deliveries.get()
    for number, kind in enumerate(["opened", "clicked", "opened", "delivered"]):
        report(kind, str(number), metadata={"delivery": str(delivery.pk)})
    assert [event.type for event in Event.objects.all()] == ["delivered"]
    notice = Notice.objects.get()
    assert notice.what.startswith("mailgun reports which readers opened or clicked.")
    assert "example.org" not in f"{notice.what} {notice.mend} {caplog.text}"
    watched._told_at.clear()
    report("opened", "9")
    assert Notice.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("_untold")
def test_doctor_says_of_each_provider_whether_it_can_track(settings):
    settings.EMAIL_PROVIDERS = ["smtp", "mailgun", "brevo"]
    said = [(f.state.name, f.what.partition(":")[0]) for f in sender.check_tracking(Asked())]
    assert said == [("OK", "smtp"), ("OK", "mailgun"), ("SKIPPED", "brevo")]
    report("opened")
    states = [found.state.name for found in sender.check_tracking(Asked())]
    assert states == ["OK", "WARN", "SKIPPED"]
