"""Clicks are counted only where the operator turns that on, the form says so, and the reader has not
said no (EMAIL_STANDARDS section 7)."""

from datetime import UTC, date, datetime

import pytest
from django.core.cache import cache
from django.core.checks import run_checks

from digest.delivery import sending
from digest.delivery.due import planning
from digest.delivery.esp import providers
from digest.delivery.feedback import watched
from digest.delivery.feedback.intake import Report
from digest.models import Audience, Notice
from subscriptions import emails, forms, selectors, tokens
from subscriptions.models import ConsentRecord, Subscriber, TransactionalMessage
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper
from tests.esp.server import FakeEsp

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
SAID = "counts which links"
ADDRESS = "ada@example.org"


@pytest.fixture(autouse=True)
def _nobody_was_here():
    """All sign up with one address, of which there is a limit."""
    cache.clear()


@pytest.fixture
def counted(settings):
    settings.TRACK_CLICKS = True


@pytest.fixture
def esp(settings):
    make_edition(DAY, [make_paper(), make_paper()])
    with FakeEsp() as running:
        settings.EMAIL_PROVIDERS = ["mailgun"]
        settings.ANYMAIL = settings.ANYMAIL | running.anymail()
        providers.connection.cache_clear()
        yield running
        providers.connection.cache_clear()


def send(*, but=lambda: None):
    planning.plan(NOW)
    but()
    sending.send_pending()


def clicks(esp):
    """Of each call: its readers, and whether the provider was told to count."""
    return {tuple(sorted(call.readers)): call.tracking["o:tracking-clicks"] for call in esp.calls}


def joined(client, page="http://testserver/"):
    client.post("/subscribe/", {"email": ADDRESS}, headers={"Referer": page} if page else {})
    return Subscriber.objects.get()


def test_by_default_no_form_speaks_of_clicks_and_nobody_s_are_counted(client, esp):
    pages = [client.get(path).content.decode() for path in ("/", "/subscribe/", "/embed/form/")]
    assert not any(SAID in page for page in pages)
    assert not joined(client).counts_clicks
    # Who allowed it while it was on is not counted once it is off.
    make_subscriber("alan@example.org", counts_clicks=True, next_digest_at=NOW)
    send()
    assert clicks(esp) == {("alan@example.org",): "no"}
    assert {call.tracking["o:tracking-opens"] for call in esp.calls} == {"no"}


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("path", ["/", "/subscribe/", "/embed/form/", "/embed/"])
def test_every_form_says_that_clicks_are_counted(client, path):
    assert SAID in client.get(path).content.decode()


@pytest.mark.usefixtures("counted")
def test_consent_record_has_the_words_in_a_version_of_their_own(client):
    reader = joined(client)
    record = ConsentRecord.objects.get()
    assert SAID in record.text
    assert record.text_version == f"{forms.TEXT_VERSION}+clicks"
    assert reader.counts_clicks
    assert selectors.selection_of(reader).key == reader.selection_key


@pytest.mark.usefixtures("counted")
def test_owner_of_the_address_reads_it_before_they_confirm(client):
    link = f"/confirm/{tokens.make_confirm(joined(client))}/"
    client.cookies.clear()
    assert SAID in client.get(link).content.decode()
    client.post(link)
    assert SAID in ConsentRecord.objects.get(action="confirmed").text


@pytest.mark.usefixtures("counted")
def test_form_that_was_pasted_elsewhere_allows_nothing(client):
    assert not joined(client, "https://blog.example.com/").counts_clicks


@pytest.mark.usefixtures("counted")
def test_form_of_which_nobody_says_where_it_stands_allows_nothing(client):
    assert not joined(client, page="").counts_clicks


@pytest.mark.usefixtures("counted")
def test_newest_form_of_who_has_not_confirmed_counts(client):
    assert joined(client).counts_clicks
    joined(client, "https://blog.example.com/")
    assert not Subscriber.objects.get().counts_clicks


@pytest.mark.usefixtures("counted")
def test_program_that_signs_up_by_the_api_allows_nothing(client):
    client.post("/api/v1/subscribe", {"email": ADDRESS}, content_type="application/json")
    assert not Subscriber.objects.get().counts_clicks


@pytest.mark.usefixtures("counted")
def test_sign_up_at_the_address_of_a_reader_changes_nothing_of_theirs(client):
    make_subscriber(ADDRESS)
    assert not joined(client).counts_clicks


@pytest.mark.usefixtures("counted")
def test_who_says_no_goes_in_a_call_of_their_own(esp):
    for name, allows in (("ada", True), ("alan", True), ("grace", False)):
        make_subscriber(f"{name}@example.org", counts_clicks=allows, next_digest_at=NOW)
    Subscriber.objects.filter(counts_clicks=True).update(selection_key=_key_of("ada@example.org"))
    send()
    assert clicks(esp) == {
        ("ada@example.org", "alan@example.org"): "yes",
        ("grace@example.org",): "no",
    }
    assert {call.tracking["o:tracking-opens"] for call in esp.calls} == {"no"}
    assert Audience.objects.count() == 2


def _key_of(address):
    return selectors.selection_of(Subscriber.objects.get(email=address)).key


@pytest.mark.usefixtures("counted")
def test_who_says_no_after_the_planning_is_not_counted_any_more(esp):
    reader = make_subscriber(ADDRESS, counts_clicks=True, next_digest_at=NOW)
    Subscriber.objects.update(selection_key=_key_of(ADDRESS))
    send(but=lambda: Subscriber.objects.filter(pk=reader.pk).update(counts_clicks=False))
    assert clicks(esp) == {(ADDRESS,): "no"}


@pytest.mark.usefixtures("counted")
def test_one_who_says_no_after_the_planning_says_it_for_all_of_the_call(esp):
    ada, alan = (
        make_subscriber(f"{name}@example.org", counts_clicks=True, next_digest_at=NOW)
        for name in ("ada", "alan")
    )
    Subscriber.objects.update(selection_key=_key_of(ada.email))
    send(but=lambda: Subscriber.objects.filter(pk=alan.pk).update(counts_clicks=False))
    assert clicks(esp) == {(ada.email, alan.email): "no"}


@pytest.mark.usefixtures("counted")
def test_confirm_mail_is_never_counted(esp, client, settings):
    reader = joined(client)
    providers.offer(
        providers.PROVIDERS["mailgun"], emails.compose(TransactionalMessage.objects.get())
    )
    assert clicks(esp) == {(reader.email,): "no"}


CHOICES = {
    "save": "1", "frequency": "daily", "hour": "7", "timezone": "UTC", "length": "8", "pause": "0",
}  # fmt: skip


@pytest.mark.usefixtures("counted")
def test_reader_says_no_and_yes_in_their_preferences_and_it_is_on_record(client):
    reader = make_subscriber(counts_clicks=True)
    path = f"/preferences/{tokens.make_preferences(reader)}/"
    assert 'name="counts_clicks" value="1" checked' in client.get(path).content.decode()
    client.post(path, CHOICES)
    assert not Subscriber.objects.get().counts_clicks
    client.post(path, CHOICES | {"counts_clicks": "1"})
    assert Subscriber.objects.get().counts_clicks
    client.post(path, CHOICES | {"counts_clicks": "1"})
    words = [record.text for record in ConsentRecord.objects.all()]
    about = "Our mail provider may count which links I follow"
    assert words == [
        f"☐ {about} [Save preferences]",
        f"☑ {about} [Save preferences]",
        "[Save preferences]",
    ]


def test_choice_is_neither_shown_nor_changed_while_clicks_are_not_counted(client):
    reader = make_subscriber(counts_clicks=True)
    path = f"/preferences/{tokens.make_preferences(reader)}/"
    assert "counts_clicks" not in client.get(path).content.decode()
    client.post(path, CHOICES)
    assert Subscriber.objects.get().counts_clicks


@pytest.mark.parametrize(("is_on", "promise"), [
    (False, "We do not track opens or clicks."), (True, "counted only where your preferences allow"),
])  # fmt: skip
def test_mails_promise_what_is_so(esp, settings, is_on, promise):
    settings.TRACK_CLICKS = is_on
    make_subscriber(ADDRESS, next_digest_at=NOW)
    send()
    (copy,) = esp.inbox[ADDRESS]
    for body in (copy.html, copy.text):
        assert promise in " ".join(body.split())


@pytest.mark.parametrize(
    ("is_on", "promise"), [(False, "No tracking."), (True, "Pages do not track.")]
)
def test_pages_promise_what_is_so(client, settings, is_on, promise):
    settings.TRACK_CLICKS = is_on
    assert promise in client.get("/subscribe/").content.decode()


@pytest.mark.usefixtures("counted")
def test_clicks_that_were_asked_for_are_not_kept_either_and_opens_are_told_of():
    watched._told_at.clear()
    report = {"provider": "mailgun", "metadata": {}}
    assert watched.without([Report(event_id="1", type="clicked", **report)]) == []
    assert not Notice.objects.exists()
    assert watched.without([Report(event_id="2", type="opened", **report)]) == []
    assert Notice.objects.get().kind == "tracking"
    watched._told_at.clear()


@pytest.mark.parametrize(("name", "found"), [("brevo", ["digest.W030"]), ("mailgun", [])])
def test_operator_is_told_where_no_provider_can_be_told(settings, name, found):
    settings.TRACK_CLICKS, settings.EMAIL_PROVIDERS = True, [name]
    assert [c.id for c in run_checks(tags=["daily_papers"]) if c.id == "digest.W030"] == found


def test_privacy_notice_is_linked_beside_the_form_at_the_end_of_pages_and_in_the_record(
    client, settings
):
    assert "Privacy notice" not in client.get("/").content.decode()
    settings.PRIVACY_URL = "https://operator.example/privacy/"
    for path in ("/", "/subscribe/", "/embed/form/", "/embed/"):
        assert settings.PRIVACY_URL in client.get(path).content.decode(), path
    assert client.get("/").content.decode().count(settings.PRIVACY_URL) == 2
    joined(client)
    assert f"Privacy notice ({settings.PRIVACY_URL})" in ConsentRecord.objects.get().text
