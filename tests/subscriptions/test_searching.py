"""What is searched for at the desk is an address: it stands in no URL, no log and no Referer."""

import io
import logging
import runpy
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from gunicorn.config import Config
from lxml import html as lxml_html

from digest import forgetting
from subscriptions import searches, services
from subscriptions.models import Suppression
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db
READERS = "/admin/subscriptions/subscriber/"
SUPPRESSIONS = "/admin/subscriptions/suppression/"


def search(client, page, text):
    """Fills in the form as the page has it, and sends it as it says."""
    form = lxml_html.document_fromstring(client.get(page).content).get_element_by_id(
        "changelist-search"
    )
    field = form.xpath(".//input[@type='text']/@name")[0]
    assert form.get("method") == "post"
    return client.post(form.get("action"), dict(form.form_values()) | {field: text}, follow=True)


def addresses(page):
    document = lxml_html.document_fromstring(page.content)
    return [cell for cell in document.xpath("//*[@id='result_list']//th//text()") if "@" in cell]


def access_log_of(requests):
    """What gunicorn, with our configuration, writes of these requests."""
    config = Config()
    config.set("accesslog", "-")
    logger_class = runpy.run_path(str(django_settings.BASE_DIR / "gunicorn.conf.py"))["Logger"]
    logger = logger_class(config)
    written = io.StringIO()
    logger.access_log.handlers = [logging.StreamHandler(written)]
    response = SimpleNamespace(status="200 OK", sent=1, headers=[])
    for request in requests:
        environ = request.environ | {
            "RAW_URI": request.get_full_path(), "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_REFERER": request.build_absolute_uri(),
        }  # fmt: skip
        logger.access(response, SimpleNamespace(headers=[]), environ, timedelta(seconds=1))
    return written.getvalue()


@pytest.mark.parametrize("page", [READERS, SUPPRESSIONS])
def test_access_log_and_urls_have_no_address_that_was_searched_for(admin_client, page, monkeypatch):
    seen = []
    handle = admin_client.handler.get_response
    monkeypatch.setattr(
        admin_client.handler,
        "get_response",
        lambda request: seen.append(request) or handle(request),
    )
    make_subscriber("ada.lovelace@example.org")
    services.suppress_address("ada.lovelace@example.org", Suppression.Reason.MANUAL)
    found = search(admin_client, page, "ada.lovelace@example.org")
    assert found.context["cl"].result_count == 1
    log = access_log_of(seen)
    assert log.count(page) == 2 * len(seen)
    assert "lovelace" not in log
    assert "lovelace" not in str(found.redirect_chain)


def test_words_stay_in_the_field_and_the_list_can_be_leafed_through(admin_client):
    for number in range(30):
        make_subscriber(f"ada{number:02}@example.org")
    first = search(admin_client, READERS, "ada")
    document = lxml_html.document_fromstring(first.content)
    assert document.get_element_by_id("searchbar").get("value") == "ada"
    (url, _) = first.redirect_chain[-1]
    second = admin_client.get(f"{url}&p=2")
    found = addresses(admin_client.get(url)) + addresses(second)
    assert len(set(found)) == 30


def test_earlier_search_is_still_there_for_the_back_button(admin_client):
    make_subscriber("ada@example.org")
    make_subscriber("eve@example.org")
    (first, _) = search(admin_client, READERS, "ada").redirect_chain[-1]
    search(admin_client, READERS, "eve")
    assert addresses(admin_client.get(first)) == ["ada@example.org"]


def test_search_is_over_after_an_hour_and_its_words_are_forgotten(admin_client, monkeypatch):
    make_subscriber("ada.lovelace@example.org")
    (url, _) = search(admin_client, READERS, "lovelace").redirect_chain[-1]
    later = time.time() + searches.KEPT_FOR + 1
    monkeypatch.setattr(searches.time, "time", lambda: later)
    page = admin_client.get(url)
    assert "This search is over" in page.content.decode()
    assert addresses(page) == []
    assert "lovelace" not in str(dict(admin_client.session))


def test_words_are_forgotten_at_night_in_sessions_that_nobody_uses_any_more(
    admin_client, monkeypatch
):
    search(admin_client, READERS, "lovelace")
    forgetting.forget(timezone.now())
    assert "lovelace" in str(dict(admin_client.session))
    later = time.time() + searches.KEPT_FOR + 1
    monkeypatch.setattr(searches.time, "time", lambda: later)
    forgetting.forget(timezone.now())
    assert "lovelace" not in str([each.get_decoded() for each in Session.objects.all()])
    assert admin_client.get(READERS).status_code == 200


def test_session_that_is_used_while_words_are_forgotten_keeps_what_it_was_given(
    admin_client, monkeypatch
):
    search(admin_client, READERS, "ada")
    later = time.time() + searches.KEPT_FOR + 1
    monkeypatch.setattr(searches.time, "time", lambda: later)
    encode = searches.SessionStore.encode

    def encode_late(store, data):
        used = admin_client.session
        used["other"] = "new"
        monkeypatch.setattr(searches.SessionStore, "encode", encode)
        used.save()
        return encode(store, data)

    monkeypatch.setattr(searches.SessionStore, "encode", encode_late)
    searches.forget()
    assert Session.objects.get().get_decoded()["other"] == "new"


def test_no_more_than_the_last_searches_are_kept(admin_client):
    for number in range(searches.MOST_KEPT + 2):
        search(admin_client, READERS, f"nobody{number}")
    kept = str(dict(admin_client.session))
    assert "nobody1'" not in kept
    assert f"nobody{searches.MOST_KEPT + 1}" in kept


def test_another_person_cannot_follow_the_mark_of_a_search(admin_client, client, django_user_model):
    make_subscriber("ada@example.org")
    (url, _) = search(admin_client, READERS, "ada").redirect_chain[-1]
    client.force_login(django_user_model.objects.create_superuser("other"))
    assert addresses(client.get(url)) == []


def test_words_in_the_url_find_nothing(admin_client):
    make_subscriber("ada@example.org")
    assert addresses(admin_client.get(READERS, {"q": "ada@example.org"})) == []


def test_empty_search_leads_to_the_whole_list(admin_client):
    make_subscriber("ada@example.org")
    page = search(admin_client, READERS, "  ")
    assert page.redirect_chain == [(READERS, 302)]
    assert addresses(page) == ["ada@example.org"]


@pytest.mark.parametrize("page", [READERS, SUPPRESSIONS])
def test_who_may_not_look_may_not_search(client, page, django_user_model):
    client.force_login(django_user_model.objects.create_user("helper", is_staff=True))
    assert client.post(f"{page}search/", {"text": "ada"}).status_code == 403
    assert client.get(f"{page}search/").status_code == 405
