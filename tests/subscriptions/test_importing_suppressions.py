"""Whom not to mail, taken over from elsewhere."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from subscriptions import addresses, selectors, services
from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db


@pytest.fixture
def bring(tmp_path):
    def run(text, *arguments):
        path = tmp_path / "blocked.csv"
        path.write_text(text)
        output, errors = StringIO(), StringIO()
        call_command("import_suppressions", str(path), *arguments, stdout=output, stderr=errors)
        return output.getvalue(), errors.getvalue()

    return run


def test_addresses_of_another_service_are_never_mailed(bring):
    reader = make_subscriber("ada@example.org")
    text = "Email Address,CLEAN_TIME\nADA@example.org,2026-01-01\nbob@example.org,2026-01-01\nnobody,\n"
    printed, errors = bring(text, "--reason", "bounced")
    assert printed == "2 never to be mailed now, 0 known before, 1 bad\n"
    assert errors.startswith("line 4: ")
    assert not selectors.mailable_subscribers().filter(pk=reader.pk).exists()
    assert selectors.suppressions("bob@example.org").get().reason == "bounced"
    assert bring(text, "--reason", "complained")[0].startswith("0 never to be mailed now, 2 known")
    assert set(Suppression.objects.values_list("reason", flat=True)) == {"bounced"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna", "punycode", "undefined"])
def test_file_in_another_encoding_than_was_said_is_one_line(bring, encoding):
    with pytest.raises(CommandError, match=f"can't be read: .*'{encoding}'"):
        bring("email\nada@exämple.org\n", "--encoding", encoding)
    assert not Suppression.objects.exists()


def test_bounces_of_mailgun_are_read_as_they_are(bring):
    text = "address,code,error,created_at\nada@example.org,550,gone,2026-01-01\n"
    assert bring(text, "--reason", "bounced")[0].startswith("1 never to be mailed now")
    assert selectors.is_suppressed("ada@example.org")


def test_hashes_of_another_installation_say_whom_not_to_mail_here(bring):
    for name, reason in (("gone", "erased"), ("dead", "bounced")):
        services.suppress(make_subscriber(f"{name}@example.org"), Suppression.Reason(reason))
    written = StringIO()
    call_command("export_subscribers", "--suppressions", stdout=written)
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()
    printed, _ = bring(written.getvalue(), "--json")
    assert json.loads(printed) == {"added": 2, "known": 0, "bad": 0, "first_bad_rows": []}
    assert selectors.suppressions("gone@example.org").get().reason == "erased"
    assert selectors.suppressions("dead@example.org").get().reason == "bounced"


def test_reader_of_an_older_key_is_not_mailed_either(bring, settings):
    reader = make_subscriber("ada@example.org")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert bring("email\nada@example.org\n")[0].startswith("1 never to be mailed now")
    assert not selectors.mailable_subscribers().filter(pk=reader.pk).exists()


@pytest.mark.parametrize("reader_is_older", [True, False])
def test_hash_of_another_key_than_the_readers_own_keeps_digests_from_them(
    bring, settings, reader_is_older
):
    older, newer = settings.SECRET_KEY, "another"
    if reader_is_older:
        reader = make_subscriber("ada@example.org")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [older], newer
    if not reader_is_older:
        reader = make_subscriber("ada@example.org")
    other = make_subscriber("bob@example.org")
    hashed = addresses.hashes_of("ada@example.org")[0 if reader_is_older else 1]
    text = f"address_hash,reason\n{hashed},complained\n"
    assert bring(text)[0].startswith("1 never to be mailed now, 0 known")
    assert list(selectors.mailable_subscribers()) == [other]
    assert selectors.suppressions_of(reader).filter(reason="complained").count() == 2
    assert bring(text)[0].startswith("0 never to be mailed now, 1 known")


@pytest.mark.parametrize("cell", ["abc", "g" * 64, "'" + "a" * 64, ""])
def test_what_is_no_hash_is_named(bring, cell):
    printed, errors = bring(f"address_hash,reason\n{cell},erased\n{'a' * 64},erased\n")
    assert printed == "1 never to be mailed now, 0 known before, 1 bad\n"
    assert errors.startswith("line 2: ")


def test_file_without_addresses_is_one_clear_line(bring):
    with pytest.raises(CommandError, match="no column named email"):
        bring("name\nAda\n")
