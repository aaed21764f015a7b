"""Batches built from our canonical addresses: the same bytes as Anymail's own (EMAIL_STANDARDS 9)."""

from urllib.parse import urlencode

import pytest
import requests
from anymail.backends import brevo, mailgun

from digest.delivery.esp import canonical, providers
from digest.delivery.mails import messages
from digest.delivery.mails.rendering import Body
from digest.delivery.outbox import Claim
from digest.models import Edition
from digest.records import Reader
from tests.digest.delivery.test_sending import NOW

ADDRESSES = ["ada@example.org", "o'brien+tag@xn--bcher-kva.example", "a_b.c-d=e@sub.example.org", "MiXed!#$%&*/?^`{|}~@example.org"]  # fmt: skip
BODY = Body(
    subject="Ünïcode & “quotes” — 100 % of it",
    html_parts=("<p>é + ü %recipient \n\t", "unsubscribe", "</p>…"),
    text_parts=("Text ~ 50% & more\r\n", "manage", "."),
    paper_count=1,
)


def reader(number, email):
    return Reader(
        delivery_id=number, subscriber_id=number, email=email, unsubscribe=f"u-_{number}",
        manage=f"p{number}", digest=f"d{number}", message_id=f"<{number}@papers.example.org>",
        confirmed_on="June 3, 2026", next_digest="Friday, August 21, 07:30 (São Paulo) & <more>",
    )  # fmt: skip


def message(name):
    readers = [reader(n, address) for n, address in enumerate(ADDRESSES)]
    claim = Claim(7, 1, 1, 1, NOW, dict.fromkeys(range(len(readers))))
    edition = Edition(frequency="daily", date=NOW.date())
    built = messages.batch_message(
        providers.PROVIDERS[name], messages.Call(claim, edition, BODY, readers)
    )
    if name == "mailgun":
        built.track_opens = built.track_clicks = False
    return built


def sent_bytes(payload, url):
    parameters = payload.get_request_params(url)
    prepared = requests.Request(**{k: v for k, v in parameters.items() if v}).prepare()
    body = prepared.body
    return body if isinstance(body, bytes) else body.encode(), prepared.headers


@pytest.mark.parametrize(
    ("name", "backend", "ours", "theirs"),
    [
        ("mailgun", canonical.MailgunBackend, canonical.MailgunPayload, mailgun.MailgunPayload),
        ("brevo", canonical.BrevoBackend, canonical.BrevoPayload, brevo.BrevoPayload),
    ],
)
def test_call_is_the_same_to_the_byte_as_anymails(name, backend, ours, theirs):
    link = backend(api_key="key", sender_domain="x.org") if name == "mailgun" else backend(api_key="key")  # fmt: skip
    mine, my_headers = sent_bytes(link.build_message_payload(message(name), {}), link.api_url)
    other, their_headers = sent_bytes(theirs(message(name), {}, link), link.api_url)
    assert isinstance(link.build_message_payload(message(name), {}), ours)
    assert mine == other
    assert my_headers == their_headers


def test_statuses_are_filed_under_the_readers_addresses():
    payload = canonical.MailgunPayload(message("mailgun"), {}, canonical.MailgunBackend(api_key="key"))  # fmt: skip
    assert [entry.addr_spec for entry in payload.all_recipients] == ADDRESSES


def test_form_is_encoded_as_the_standard_library_does():
    every_character = "".join(map(chr, range(1, 0x250))) + "\U0001f600"
    fields = {"a b&": every_character, "list": ["x", "y+z "]}
    assert canonical.form_encoded(fields) == urlencode(fields, doseq=True).encode()
