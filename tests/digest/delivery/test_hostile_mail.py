"""Mail and text that mean harm: no header but ours, no line too long, no merge field but ours, and no reader
in another's mail, whatever the provider and the shape of the batch."""

import email
import re
from datetime import UTC, datetime
from email import policy

import pytest
import requests
from django.core.mail import BadHeaderError
from django.test import override_settings
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from digest.delivery import sending
from digest.delivery.esp import providers
from digest.delivery.mails import messages, rendering
from digest.delivery.outbox import Claim
from digest.errors import BatchShapeError
from digest.models import Edition
from digest.records import EditionContent, PaperContent, Reader
from subscriptions import addresses
from tests.esp import FakeEsp

NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
LONGEST = 998
MERGES = (
    "{{unsubscribe}}", "{{params.unsubscribe}}", "{{ params.unsubscribe }}", "{% if 1 %}", "{# x #}",
    "%recipient.unsubscribe%", "%recipient%", "%recipient_email%", "%unsubscribe_url%", "%tag_unsubscribe_url%",
    "[[var:unsubscribe]]", '[[var:unsubscribe:""]]', "[[data:email]]", "-unsubscribe-", "-sub-", "*|EMAIL|*",
    "*|UNSUB|*", "<%asm_group_unsubscribe_raw_url%>", "<% x %>", "#[x]", "${x}", "{unsubscribe}", "$x", "%%email%%",
)  # fmt: skip
SPACES = ("\r\nBcc: all@example.org", "\nX: y", "\r", "\x00", "\x0b\x0c", "\u2028", "\x85")
WIDE = (
    "x" * 1200,
    "ü" * 700,
    "\U0001f600" * 400,
    "ا" * 600,
    "日本語" * 300,
    "\u0301" * 900,
    "." * 1500,
)
hostile = st.lists(
    st.sampled_from([*MERGES, *SPACES, *WIDE, "<b>", "&amp;", '"', "agents"]) | st.text(max_size=20),
    min_size=1, max_size=5,
).map(" ".join)  # fmt: skip
DEFAULTS = {
    "deadline": None, "database": None, "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}  # fmt: skip
often = hypothesis_settings(max_examples=25, **DEFAULTS)
seldom = hypothesis_settings(max_examples=8, phases=[Phase.explicit, Phase.generate], **DEFAULTS)
ALL = [name for name in providers.PROVIDERS if providers.PROVIDERS[name].takes_digests]
MERGING = [name for name in ALL if providers.PROVIDERS[name].merge]
KEYS = {
    "MAILGUN_API_KEY": "key", "BREVO_API_KEY": "key", "MAILJET_API_KEY": "key", "MAILJET_SECRET_KEY": "key",
    "UNISENDER_GO_API_KEY": "key", "UNISENDER_GO_API_URL": "https://go.example.org/", "POSTMARK_SERVER_TOKEN": "key",
    "SENDGRID_API_KEY": "key", "RESEND_API_KEY": "key", "MAILERSEND_API_TOKEN": "key", "MAILTRAP_API_TOKEN": "key",
    "POSTAL_API_KEY": "key", "POSTAL_API_URL": "https://postal.example.org",
    "AMAZON_SES_CLIENT_PARAMS": {"region_name": "eu-west-1", "aws_access_key_id": "k", "aws_secret_access_key": "k"},
}  # fmt: skip


def body_of(text):
    """What rendering makes of papers, names and a note that say `text`, as ingest leaves one line of it."""
    line = " ".join(text.replace("\0", "").split()) or "x"
    papers = [
        PaperContent(
            paper_id=number, arxiv_id=f"2608.0000{number}", title=line[:2000], authors=(line[:200],) * 5, summary=line,
            upvotes=1, comments=1, code_stars=None, url="https://papers.example.org/papers/2608.00001/",
            arxiv_url="https://arxiv.org/abs/1", pdf_url="https://arxiv.org/pdf/1", code_url="",
        )
        for number in (1, 2)
    ]  # fmt: skip
    edition = EditionContent(name="2026-08-20", heading="Thursday, August 20", period="today", paper_count=2,
                             url="https://papers.example.org/papers/2026-08-20/", note=text)  # fmt: skip
    rendered = rendering.render(
        edition, papers, site_url="https://papers.example.org", postal_address="12 Sample Street"
    )
    return rendering.compose(rendered, [(1, f"On {line[:60]}", "topics"), (2, "Votes", "topics")])


PLAIN = ("Papers of the day", ("<p>A paper</p>",), ("A paper",))
ODD = ["Ada@example.org", "a+b@example.org", "o'brien@example.org", "a@xn--bcher-kva.example", "!#$%&*/=?^_`{|}~@x.org",
       "%recipient.digest%@example.org", "-sub-@example.org", "{{x}}@example.org", "*|a|*@example.org"]  # fmt: skip

TAKEN = [each for each in ODD if not set(each) & set("'|{")]
"""By the fakes, which are stricter than the standard."""


def readers_of(count, own=()):
    found = []
    for number in range(count):
        address = own[number] if number < len(own) else f"reader{number}@example.org"
        assert addresses.canonical(address) == address
        mark = f"{number:04}Q"
        found.append(Reader(
            delivery_id=90_000 + number, subscriber_id=number, email=address, unsubscribe=f"unsubscribe{mark}",
            manage=f"manage{mark}", digest=f"digest{mark}", message_id=f"<message{mark}@papers.example.org>",
            confirmed_on=f"June {number}, 2026", next_digest="Friday & <more>",
        ))  # fmt: skip
    return found


def call_of(readers, body):
    claim = Claim(7, 1, 1, 1, NOW, {reader.delivery_id: None for reader in readers})
    return messages.Call(claim, Edition(frequency="daily", date=NOW.date()), body, readers)


def wire(name, message):
    """The bytes that Anymail would post, with the headers of the request: nothing is sent."""
    provider = providers.PROVIDERS[name]
    backend = providers.get_connection(provider.backend, **providers.options(name))
    if provider.has_tracking:
        vars(message).update(track_opens=False, track_clicks=False)
    if not provider.takes_metadata:
        del message.metadata
    payload = backend.build_message_payload(message, backend.send_defaults)
    if name == "amazon_ses":
        payload.recipients = getattr(payload, "recipients", {})
        return (
            payload.mime_message.as_bytes()
            if hasattr(payload, "mime_message")
            else message.message().as_bytes()
        )
    parameters = payload.get_request_params(backend.api_url)
    keys = ("method", "url", "params", "data", "headers", "files", "auth", "json")
    prepared = requests.Request(
        **{k: v for k, v in parameters.items() if k in keys and v}
    ).prepare()
    data = prepared.body
    return data if isinstance(data, bytes) else str(data).encode()


def mails_of(name, readers, body):
    """What each call of this provider holds: whom it is for, and its bytes."""
    provider, call = providers.PROVIDERS[name], call_of(readers, body)
    if provider.takes_many:
        targets = messages.unsubscribe_targets()
        return [([reader], sending._content(call, reader, targets)) for reader in readers]
    if provider.merge:
        return [(readers, wire(name, messages.batch_message(provider, call)))]
    single = [
        (reader, messages.single_message(provider, call_of([reader], body))) for reader in readers
    ]
    if name == "outbox":
        return [([reader], message.message().as_bytes()) for reader, message in single]
    return [([reader], wire(name, message)) for reader, message in single]


@pytest.fixture(autouse=True)
def keys(settings):
    settings.ANYMAIL = settings.ANYMAIL | KEYS


def own_words(reader):
    return {reader.unsubscribe, reader.manage, reader.digest, reader.message_id.strip("<>")}


# --- Nobody in another's mail ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support")
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("own", [(), ODD])
@pytest.mark.parametrize("count", [1, 2, 12])
def test_call_names_each_of_its_readers_and_nobody_else(name, own, count):
    readers = readers_of(count, own)
    others = readers_of(count + 5)[count:]
    body = rendering.Body(PLAIN[0], ("<p>", "unsubscribe", "</p>"), ("", "manage", ""), 1)
    for group, sent in mails_of(name, readers, body):
        text = sent.decode("utf-8", "replace")
        ours = {word for reader in group for word in own_words(reader)}
        strangers = [r for r in [*readers, *others] if r not in group]
        assert all(reader.unsubscribe in text for reader in group)
        assert not [
            word for r in strangers for word in own_words(r) if word in text and word not in ours
        ]
        assert not [r.email for r in strangers if r.email in text]
        if not providers.PROVIDERS[name].merge:
            assert len(group) == 1


@pytest.mark.parametrize("name", ["mailgun", "brevo", "postmark", "amazon_ses"])
@pytest.mark.parametrize(("own", "count"), [((), 1), ((), 2), (TAKEN, 6), ((), 40)])
def test_copy_that_a_reader_gets_is_theirs_alone(settings, name, own, count):
    readers = readers_of(count, own)
    body = body_of(" ".join(MERGES))
    with FakeEsp() as esp:
        settings.ANYMAIL = settings.ANYMAIL | esp.anymail()
        provider = providers.PROVIDERS[name]
        size = provider.readers_per_call if provider.merge else 1
        build = messages.batch_message if provider.merge else messages.single_message
        for start in range(0, count, size):
            part = readers[start : start + size]
            answer = providers.offer(provider, build(provider, call_of(part, body)))
            assert answer.result == "sent", answer
        providers.connection(name).close()
        assert esp.accepted == {reader.email: 1 for reader in readers}
        for reader in readers:
            (copy,) = esp.inbox[reader.email]
            _check_copy(copy, reader, readers)


def _check_copy(copy, reader, readers):
    whole = " ".join(
        [copy.subject, copy.html, copy.text, *copy.headers.values(), *copy.metadata.values()]
    )
    assert copy.visible_to == [reader.email]
    assert f"/unsubscribe/{reader.unsubscribe}/" in copy.headers["List-Unsubscribe"]
    headers = {name.title(): value for name, value in copy.headers.items()}
    assert headers.get("Message-Id", reader.message_id) == reader.message_id
    assert copy.metadata["delivery"] == str(reader.delivery_id)
    for other in readers:
        if other is not reader:
            assert not [word for word in own_words(other) if word in whole]
            assert other.email not in whole
    # Merge fields of titles, names and notes stay as they were written, but for the joiner within.
    shown = copy.subject.replace("\u2060", "")
    assert "{{unsubscribe}}" in shown
    for word in own_words(reader):
        assert word not in shown


@pytest.mark.parametrize("name", MERGING)
@pytest.mark.parametrize("what", ["merge_data", "merge_headers", "merge_metadata"])
@pytest.mark.parametrize("spoil", ["lack", "other case", "one more"])
def test_batch_that_lacks_anything_of_anybody_is_refused(name, what, spoil):
    body = rendering.Body("S", ("<p>",), ("t",), 1)
    message = messages.batch_message(providers.PROVIDERS[name], call_of(readers_of(3), body))
    values = getattr(message, what)
    first = next(iter(values))
    if spoil == "one more":
        values["eve@example.org"] = values[first]
    else:
        kept = values.pop(first)
        if spoil == "other case":
            values[first.upper()] = kept
    with pytest.raises(BatchShapeError):
        messages.check_shape(message)


@pytest.mark.parametrize("name", MERGING)
@pytest.mark.parametrize("field", ["cc", "bcc"])
def test_batch_with_a_copy_to_somebody_is_refused(name, field):
    body = rendering.Body("S", ("<p>",), ("t",), 1)
    message = messages.batch_message(providers.PROVIDERS[name], call_of(readers_of(2), body))
    setattr(message, field, ["eve@example.org"])
    with pytest.raises(BatchShapeError):
        messages.check_shape(message)


@pytest.mark.parametrize("name", MERGING)
def test_two_readers_of_one_address_are_refused(name):
    readers = readers_of(2, ("ada@example.org", "ada@example.org"))
    body = rendering.Body("S", ("<p>",), ("t",), 1)
    with pytest.raises(BatchShapeError):
        messages.batch_message(providers.PROVIDERS[name], call_of(readers, body))


@pytest.mark.parametrize("name", MERGING)
@often
@given(text=hostile)
def test_no_opening_of_a_merge_field_is_left_in_what_is_not_ours(name, text):
    provider = providers.PROVIDERS[name]
    title = re.sub("[\\x00-\\x1f\\x7f]", "", text)
    body = rendering.Body(title, (f"<p>{text}", "unsubscribe", text), (text, "digest", text), 1)
    message = messages.batch_message(provider, call_of(readers_of(2), body))
    html = message.alternatives[0][0]
    for part in (message.subject, html, message.body):
        left = part
        for field in ("unsubscribe", "digest"):
            left = left.replace(provider.merge.format(name=field), "", 1)
        assert not [opening for opening in provider.openings if opening in left]


# --- Headers and lines ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["outbox", "smtp"])
@seldom
@given(text=hostile)
@example(text=f"{WIDE[0]}\r\nBcc: all@example.org")
@example(text="ا" * 600)
@example(text=" ".join(MERGES))
def test_mail_has_our_headers_alone_and_no_line_that_is_too_long(name, text):
    (reader,) = readers_of(1)
    ((_, raw),) = mails_of(name, [reader], body_of(text))
    mail = email.message_from_bytes(raw, policy=policy.default)
    ours = {"Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "List-Unsubscribe",
            "List-Unsubscribe-Post", "List-Id", "Feedback-ID", "Auto-Submitted", "Precedence", "Reply-To"}  # fmt: skip
    assert {name.title() for name in mail} <= {name.title() for name in ours}
    assert len(mail.keys()) == len(set(mail.keys()))
    assert [part.addr_spec for part in mail["To"].addresses] == [reader.email]
    assert max(map(len, re.split(rb"\r?\n", raw))) <= LONGEST
    assert b"\0" not in raw
    assert reader.unsubscribe in mail.get_body(("plain",)).get_content()


FIELDS = ("email", "message_id", "unsubscribe")


@pytest.mark.parametrize("name", ["outbox", "smtp"])
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "harm", ["\r\nBcc: all@example.org", "\nX: y", "\rX: y", "\x00", "\u2028X: y", "\x85X: y"]
)
def test_value_with_a_line_break_never_comes_into_a_header(name, field, harm):
    (reader,) = readers_of(1)
    spoilt = reader._replace(**{field: f"{getattr(reader, field)}{harm}"})
    body = rendering.Body("S", ("<p>",), ("t",), 1)
    try:
        ((_, raw),) = mails_of(name, [spoilt], body)
    except (BadHeaderError, ValueError):
        return
    mail = email.message_from_bytes(raw, policy=policy.compat32)
    assert not {"Bcc", "X"} & set(mail.keys())
    assert b"\0" not in raw.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0]


SETTINGS = ("LIST_ID", "REPLY_TO", "UNSUBSCRIBE_EMAIL", "DEFAULT_FROM_EMAIL")


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", ["outbox", "smtp"])
def test_setting_with_a_line_break_never_comes_into_a_header(name, setting):
    spoilt = "Daily <daily@example.org>\r\nBcc: all@example.org"
    body = rendering.Body("S", ("<p>",), ("t",), 1)
    with override_settings(**{setting: spoilt}):
        try:
            ((_, raw),) = mails_of(name, readers_of(1), body)
        except (BadHeaderError, ValueError):
            return
    assert "Bcc" not in email.message_from_bytes(raw)


@pytest.mark.parametrize("name", ["mailersend", "postal"])
def test_provider_without_metadata_is_offered_the_message_without_and_the_next_one_with_it(
    name, settings
):
    settings.ANYMAIL = settings.ANYMAIL | {f"{name.upper()}_API_URL": "http://127.0.0.1:9/"}
    body = rendering.Body("S", ("<p>",), ("t",), 1)
    provider = providers.PROVIDERS[name]
    message = messages.single_message(provider, call_of(readers_of(1), body))
    answer = providers.offer(provider, message)
    # It came as far as the door, at which nobody is.
    assert answer.is_provider_down
    assert message.metadata == {"delivery": "90000"}
