"""The transactional mails, parsed as MIME: EMAIL_STANDARDS sections 1, 2, 6 and 8."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
import time_machine
from lxml import html as lxml_html

from subscriptions import emails, tokens
from subscriptions.errors import TemporaryError
from subscriptions.models import TransactionalMessage
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
KINDS = [
    "confirm",
    "already_subscribed",
    "preferences",
    "goodbye",
    "change_address",
    "address_changed",
]
BANNED = ["script", "form", "iframe", "video", "img", "svg", "link", "input", "object"]


@pytest.fixture(params=KINDS)
def row(request):
    reader = make_subscriber("ada.lovelace@xn--bcher-kva.example", state="pending")
    return TransactionalMessage.objects.create(subscriber=reader, kind=request.param)


def parsed(row):
    return message_from_bytes(emails.compose(row).message().as_bytes(), policy=policy.default)


def part(row, subtype):
    return parsed(row).get_body((subtype,)).get_content()


def document(row):
    return lxml_html.document_fromstring(part(row, "html"))


def link_of(row):
    (link,) = set(re.findall(r"https://\S+", part(row, "plain")))
    return link


def test_section_1_mail_goes_to_one_address_only(row):
    mail = parsed(row)
    assert mail["To"] == "ada.lovelace@xn--bcher-kva.example"
    assert mail["Cc"] is None
    assert mail["Bcc"] is None


def test_section_1_mail_is_tagged_as_transactional_and_has_no_list_headers(row):
    mail = emails.compose(row)
    assert mail.tags == ["transactional"]
    assert mail.metadata == {"message": str(row.pk)}
    assert not [name for name in parsed(row) if name.startswith("List-")]


def test_section_2_headers(row):
    mail = parsed(row)
    assert mail["From"] == "Daily Papers <digest@papers.example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert 5 <= len(mail["Subject"]) <= 150
    assert [len(mail.get_all(name)) for name in ("Date", "MIME-Version", "Subject")] == [1, 1, 1]
    assert all(len(line) <= 998 for line in emails.compose(row).message().as_bytes().splitlines())
    emails.compose(row).message().as_bytes().decode("utf-8")


def test_section_2_message_id_is_the_same_on_every_try(row):
    first, second = parsed(row)["Message-ID"], parsed(row)["Message-ID"]
    assert first == second
    assert re.fullmatch(r"<[a-z]+\.[0-9a-f]{20}@papers\.example\.org>", first)


def test_section_2_message_ids_differ_from_row_to_row(row):
    other = TransactionalMessage.objects.create(subscriber=row.subscriber, kind=row.kind)
    assert parsed(row)["Message-ID"] != parsed(other)["Message-ID"]


def test_section_2_reply_to_is_set_where_it_is_configured(row, settings):
    assert parsed(row)["Reply-To"] is None
    settings.REPLY_TO = "people@papers.example.org"
    assert parsed(row)["Reply-To"] == "people@papers.example.org"


def test_section_8_plain_text_comes_first_and_html_last(row):
    mail = parsed(row)
    assert mail.get_content_type() == "multipart/alternative"
    parts = list(mail.iter_parts())
    assert [item.get_content_type() for item in parts] == ["text/plain", "text/html"]
    assert {item.get_content_charset() for item in parts} == {"utf-8"}


def test_section_8_text_is_plain_and_narrow(row):
    text = part(row, "plain")
    assert not re.search(r"[<>{}]|&[a-z#0-9]+;", text)
    too_wide = [line for line in text.splitlines() if len(line) > 78 and "https://" not in line]
    assert too_wide == []


def test_section_8_head_says_what_it_must(row):
    page = document(row)
    source = part(row, "html")
    assert source.lower().startswith("<!doctype html>")
    assert page.get("lang") == "en"
    assert page.xpath("//meta[@charset='utf-8']")
    assert page.xpath("//meta[@name='viewport']")
    assert page.xpath("//meta[@name='color-scheme']/@content") == ["light dark"]
    assert page.xpath("//meta[@name='supported-color-schemes']/@content") == ["light dark"]
    assert page.findtext(".//title").strip()


def test_section_8_preheader_is_first_and_hidden(row):
    first = document(row).body[0]
    assert "display:none" in first.get("style").replace(" ", "")
    assert 30 <= len(first.text_content().strip()) <= 150


def test_section_8_one_h1_comes_first(row):
    headings = document(row).xpath("//h1|//h2|//h3|//h4")
    assert [heading.tag for heading in headings] == ["h1"]


def test_section_8_tables_are_for_layout_and_css_is_inlined(row):
    page = document(row)
    assert set(page.xpath("//table/@role")) == {"presentation"}
    assert len(page.xpath("//table[not(@role)]")) == 0
    assert len(page.xpath("//style")) == 1
    assert not page.xpath("//td[contains(@class, 'pad')][not(@style)]")
    assert not [tag for tag in BANNED if page.xpath(f"//{tag}")]
    assert not re.search(r"@import|position:|var\(|url\(|display:\s*(flex|grid)", part(row, "html"))


def test_section_8_text_is_large_enough(row):
    sizes = re.findall(r"font-size:\s*(\d+)px", " ".join(document(row).body.xpath(".//@style")))
    visible = [int(size) for size in sizes if size != "1"]
    assert min(visible) >= 14


def test_section_8_html_is_small_and_links_are_absolute(row):
    assert len(part(row, "html").encode()) < 102_400
    links = document(row).xpath("//a/@href")
    assert links
    assert all(link.startswith("https://papers.example.org/") for link in links)


def luminance(color):
    color = "#" + "".join(digit * 2 for digit in color[1:]) if len(color) == 4 else color
    channels = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("xpath", "background"),
    [
        ("//*[contains(@class,'ink')]", "#ffffff"),
        ("//*[contains(@class,'soft')]", "#ffffff"),
        ("//*[contains(@class,'go')]/a", "#ffffff"),
        ("//*[contains(@class,'key')]/a", "#0a5b50"),
        ("//*[contains(@class,'name')]", "#07463d"),
    ],
)
def test_section_8_contrast_is_enough(row, xpath, background):
    styles = document(row).xpath(f"{xpath}/@style")
    colors = [re.search(r"(?<![-a-z])color:\s*(#\w+)", style)[1] for style in styles]
    assert colors
    assert min(contrast(color, background) for color in colors) >= 4.5


def test_postal_address_is_in_both_parts(row):
    for subtype in ("plain", "html"):
        assert "12 Sample Street, Springfield" in " ".join(part(row, subtype).split())


def test_no_mail_is_made_without_a_postal_address(row, settings):
    settings.POSTAL_ADDRESS = ""
    with pytest.raises(TemporaryError, match="POSTAL_ADDRESS"):
        emails.compose(row)


def test_both_parts_have_the_same_link(row):
    with time_machine.travel(NOW, tick=False):
        assert set(document(row).xpath("//a/@href")) == {link_of(row)}


@pytest.mark.parametrize("row", ["confirm"], indirect=True)
def test_section_6_confirm_mail_says_nothing_that_the_visitor_typed(row):
    assert "lovelace" not in part(row, "plain")
    assert "lovelace" not in document(row).text_content()
    assert parsed(row)["Subject"] == "Confirm your address for Daily Papers"
    holder = tokens.read_confirm(link_of(row).split("/")[-2])
    assert holder.public_id == row.subscriber.public_id


@pytest.mark.parametrize("row", ["already_subscribed"], indirect=True)
def test_who_signs_up_again_is_told_that_they_are_subscribed(row):
    assert parsed(row)["Subject"] == "You are subscribed to Daily Papers"
    assert document(row).findtext(".//h1") == "You are subscribed"
    assert "nothing was changed" in " ".join(part(row, "plain").split())


@pytest.mark.parametrize("row", ["already_subscribed", "preferences", "goodbye"], indirect=True)
def test_link_in_the_mail_opens_the_preferences(row):
    holder = tokens.read_preferences(link_of(row).split("/")[-2])
    assert holder.public_id == row.subscriber.public_id
