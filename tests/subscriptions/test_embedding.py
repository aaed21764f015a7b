"""The form on other sites: what is pasted, what is framed, and what comes of it."""

import re
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from lxml import html as lxml_html

from subscriptions import forms, selectors
from subscriptions.models import Subscriber
from tests.builders import make_topic

pytestmark = pytest.mark.django_db

HEADLINE = "Papers & <friends> of Ada"


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def page(response):
    return lxml_html.document_fromstring(response.content)


def snippet(response, name):
    """What a person copies: the text of the field, which is HTML again."""
    (field,) = page(response).xpath(f"//textarea[@id='{name}']")
    return lxml_html.fragment_fromstring(field.text)


def sent_by(form, email):
    """What a browser posts from the form once its address is filled in."""
    return dict(form.form_values()) | {"email": email}


def test_page_offers_both_snippets_each_with_a_copy_button(client):
    response = client.get("/embed/")
    assert response.status_code == 200
    names = page(response).xpath("//textarea/@id")
    assert names == ["framed", "pasted"]
    assert page(response).xpath("//button/@data-copies") == names
    assert len(page(response).xpath("//textarea/@readonly")) == 2


def test_pasted_form_signs_up_from_another_site():
    make_topic("theory")
    stranger = Client(enforce_csrf_checks=True)
    chosen = {"topic": "theory", "headline": HEADLINE}
    form = snippet(stranger.get("/embed/", chosen), "pasted")
    assert form.action == "https://papers.example.org/subscribe/"
    assert form.method == "POST"
    response = stranger.post(
        urlsplit(form.action).path,
        sent_by(form, "ada@example.org"),
        headers={"Referer": "https://blog.example/2026/a-post/?draft=1", "Origin": "https://blog.example"},
    )  # fmt: skip
    assert "Almost there" in page(response).findtext(".//h1")
    reader = Subscriber.objects.get()
    assert selectors.selection_of(reader).topics == ("theory",)
    record = reader.consent_records.get()
    assert record.page == "embed: blog.example"
    assert record.text == f"{HEADLINE} {forms.SIGN_UP_NOTE} [Subscribe]"


def test_pasted_form_says_what_the_record_keeps(client):
    form = snippet(client.get("/embed/"), "pasted")
    shown = " ".join(form.xpath("./p[1]")[0].text_content().split())
    assert f"{shown} [{form.findtext('.//button')}]" == forms.SIGN_UP_TEXT


def test_pasted_form_needs_no_script_and_no_style(client):
    form = snippet(client.get("/embed/"), "pasted")
    assert not form.xpath("//script|//style|//@style|//@onclick|//@id")
    assert form.xpath(".//*[@hidden]//input/@name") == ["website"]


def test_section_6_trap_in_the_pasted_form_catches(client):
    form = snippet(client.get("/embed/"), "pasted")
    client.post("/subscribe/", sent_by(form, "eve@example.org") | {"website": "http://x"})
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize(
    ("headers", "recorded"),
    [
        ({"Origin": "https://blog.example"}, "embed: blog.example"),
        ({"Referer": "https://Blog.example:8443/a/?q=secret"}, "embed: blog.example"),
        ({"Origin": "null"}, "unknown"),
        ({"Origin": "https://<script>"}, "unknown"),
        ({"Origin": "http://[x"}, "unknown"),
    ],
)
def test_section_7_record_names_the_other_site_and_none_of_its_pages(client, headers, recorded):
    client.post("/subscribe/", {"email": "ada@example.org"}, headers=headers)
    assert Subscriber.objects.get().consent_records.get().page == recorded


def test_frame_leads_to_the_form_with_the_same_choices(client):
    make_topic("theory", name="Theory")
    chosen = {"topic": "theory", "headline": HEADLINE}
    response = client.get("/embed/", chosen)
    frame = snippet(response, "framed")
    assert frame.tag == "iframe"
    assert frame.get("title")
    address = frame.get("src").removeprefix("https://papers.example.org")
    assert address in page(response).xpath("//iframe/@src")
    shown = page(client.get(address))
    assert shown.findtext(".//h1") == HEADLINE
    assert shown.xpath("//input[@name='topics']/@value") == ["theory"]


def test_form_in_a_frame_signs_up_and_answers_outside_of_it(client):
    address = f"/embed/form/?headline={HEADLINE.replace('&', '%26')}"
    (form,) = page(client.get(address)).forms
    assert (form.action, form.get("target")) == ("/subscribe/", "_top")
    response = client.post(
        form.action,
        sent_by(form, "ada@example.org"),
        headers={"Referer": f"http://testserver{address}"},
    )
    assert "sign_up" in response.cookies
    record = Subscriber.objects.get().consent_records.get()
    assert record.page == "/embed/form/"
    assert record.text == f"{HEADLINE} {forms.SIGN_UP_NOTE} [Subscribe]"


def test_form_may_be_framed_by_anybody(client):
    response = client.get("/embed/form/")
    assert "frame-ancestors *" in response["Content-Security-Policy"]
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response
    assert not response.cookies


@pytest.mark.parametrize("address", ["/embed/", "/subscribe/", "/preferences/", "/confirm/x/"])
def test_no_other_page_may_be_framed(client, address):
    response = client.get(address)
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"


WRONG = [
    ({"topic": "no-such"}, "topic"),
    ({"topic": "a\0b"}, "topic"),
    ({"headline": "x" * 81}, "headline"),
    ({"headline": "a\0b"}, "headline"),
    ({"headline": "a\u202eb"}, "headline"),
]


@pytest.mark.parametrize(("chosen", "field"), WRONG)
def test_wrong_choices_are_refused_in_words(client, chosen, field):
    response = client.get("/embed/", chosen)
    assert response.status_code == 400
    (found,) = page(response).xpath("//*[@aria-invalid='true']")
    assert found.get("name") == field
    assert page(response).xpath(f"//*[@id='{found.get('aria-describedby')}']/text()")
    assert snippet(response, "framed").get("src") == "https://papers.example.org/embed/form/"


@pytest.mark.parametrize(("chosen", "field"), WRONG)
def test_frame_passes_over_what_is_no_more(client, chosen, field):
    response = client.get("/embed/form/", chosen)
    assert response.status_code == 200
    assert page(response).findtext(".//h1") == forms.SIGN_UP_HEADLINE
    assert not page(response).xpath("//input[@name='topics' or @name='headline']")


@pytest.mark.parametrize("headline", ["x" * 81, "a\0b", "a\u202eb"])
def test_headline_that_no_form_of_ours_has_is_not_recorded(client, headline):
    client.post("/subscribe/", {"email": "ada@example.org", "headline": headline})
    assert Subscriber.objects.get().consent_records.get().text == forms.SIGN_UP_TEXT


def test_headline_is_escaped_wherever_it_is_shown(client):
    for address in ("/embed/", "/embed/form/"):
        response = client.get(address, {"headline": "<script>alert(1)</script>"})
        assert b"<script>alert" not in response.content


@pytest.mark.parametrize("address", ["/embed/", "/embed/form/"])
def test_pages_to_embed_only_show(client, address):
    assert client.head(address).status_code == 200
    assert client.post(address).status_code == 405


def test_sign_up_page_leads_here(client):
    assert "/embed/" in page(client.get("/subscribe/")).xpath("//a/@href")


def test_form_asks_a_script_for_the_time_zone(client):
    for address in ("/", "/subscribe/", "/embed/form/"):
        (field,) = page(client.get(address)).xpath("//input[@name='timezone']")
        assert field.get("type") == "hidden"
        assert "data-own-timezone" in field.attrib
    assert re.search(r"\[data-own-timezone\]", script())


def script():
    with open("digest/static/daily_papers/site.js", encoding="utf-8") as file:  # noqa: PTH123
        return file.read()
