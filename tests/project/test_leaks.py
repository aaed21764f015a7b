"""What the flows look for in the logs of their processes is found where it is, in every form."""

import pytest

from tests.flows import leaks
from tests.flows.processes import Installation

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgh"


@pytest.mark.parametrize("text", leaks.forms_of("grace.hopper+x@example.org"))
def test_address_is_found_in_every_form(text):
    assert leaks.in_text(f"a line with {text} in it")


@pytest.mark.parametrize("text", [f"GET /preferences/{TOKEN}/ HTTP/1.1", f"token={TOKEN}"])
def test_token_is_found(text):
    assert leaks.in_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "from digest@papers.example.org to [address]",
        "operator@example.org has two notices",
        "subscriptions_consentrecord_subscriber_id_0123456789_fk_subscriptions_subscriber_id",
        "Message-ID <2026-08-20.daily.1@papers.example.org>",
        "edition=2026-08-20 batch=4294967296 request_id=0123456789abcdef0123456789abcdef",
    ],
)
def test_what_is_of_no_reader_is_not_taken_for_one(text):
    assert leaks.in_text(text) == []


def test_secrets_of_the_settings_are_found(tmp_path):
    made = Installation(
        tmp_path, SECRET_KEY="a-long-secret-key", SMTP_URL="smtp://me:a-long-password@host:25"
    )
    (tmp_path / "web.log").write_text("it says a-long-secret-key and a-long-password here")
    assert leaks.in_logs(made) == ["web.log: a-long-secret-key", "web.log: a-long-password"]
