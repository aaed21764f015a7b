"""Papers, topics and notes that mean harm, on every page and in every form in which they are shown."""

import email
import json
import re
from datetime import UTC, date, datetime
from email import policy

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from lxml import etree, html

from digest.delivery import sending
from digest.delivery.due import planning
from digest.delivery.esp import local_outbox
from digest.editions import building
from digest.models import Draft, Edition, Opinion, Paper
from digest.papers import ingest, trending
from digest.papers.sources import hugging_face
from subscriptions import tokens
from subscriptions.importing import exporting
from subscriptions.models import Topic
from tests.builders import make_subscriber
from tests.upstream import hugging_face_entry

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
TURN = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u202c\u2069\u200e\u200f\u061c"
HIDDEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\x00\x0b\x1b\x85\x9c\ud800\udc00\U000e0041\ufffe"
HARM = (
    '"\'><script>alert(1)</script><zq onzq=1 style="x"><img src=x onerror=alert(1)>'
    "<a href=javascript:alert(1)>x</a></title></textarea></style>--><!--cut--><![CDATA[x]]>"
    "&lt;script&gt;&#60;zq&#62;&amp;"
    "{{ 7|add:7 }}{% now 'Y' %}{{params.unsubscribe}}%recipient.unsubscribe%[[var:unsubscribe]]*|X|*"
    "\r\nBcc: all@example.org\r\n\r\n"
)
HOSTILE = f"agents {HARM}{TURN}{HIDDEN}"
HARMLESS = "agents that measure"
SCHEMES = ("http://", "https://", "mailto:", "/", "#", "?")
PAGES = [
    "/", "/?all=1", "/papers/2026-08-20/", "/papers/2026-W34/", "/papers/2026-08/", "/papers/{id}/",
    "/trending/", "/topics/", "/topics/harm/", "/search/?q=agents", "/search/?q={harm}", "/status/",
    "/subscribe/", "/embed/", "/embed/form/", "/outbox/", "/outbox/{key}/", "/outbox/{key}/text/",
    "/outbox/{key}/html/", "/outbox/{key}/source/", "/preferences/{own}/", "/preferences/{own}/digests/",
    "/preferences/{own}/opinions/", "/digests/{digest}/", "/digests/{digest}/more/{id}/",
    "/api/v1/docs",
]  # fmt: skip
DESK = [
    "/admin/", "/admin/digest/paper/", "/admin/digest/paper/{pk}/change/", "/admin/digest/paper/?q=agents",
    "/admin/digest/edition/", "/admin/digest/edition/{edition}/change/", "/admin/digest/edition/coming/",
    "/admin/digest/edition/expected/", "/admin/digest/delivery/", "/admin/subscriptions/topic/",
    "/admin/subscriptions/topic/{topic}/change/", "/admin/subscriptions/subscriber/{reader}/change/",
    "/admin/digest/fetch/",
]  # fmt: skip


@pytest.fixture(autouse=True)
def clock(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.EMAIL_PROVIDERS = ["outbox"]
    settings.DEBUG = True
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield
    cache.clear()


def entries(text):
    for number in range(1, 6):
        entry = hugging_face_entry(DAY, number)
        entry["paper"] |= {
            "title": f"{number} {text}",
            "summary": f"{text} {text}. " * 9,
            "authors": [{"name": f"{text} {n}"} for n in range(9)],
            "ai_summary": text,
            "ai_keywords": ["agents", text],
            "organization": {"fullname": text},
            "projectPage": text if text == HOSTILE else "https://example.org/",
        }
        yield entry


def world(text):
    """An archive, a reader with a digest, and an operator: all that can be written says `text`."""
    topic = Topic.objects.create(
        slug="harm", name=text.replace("\0", "").encode(errors="ignore").decode()[:80],
        description=text.replace("\0", "").encode(errors="ignore").decode()[:300], phrases=["agents"],
    )  # fmt: skip
    body = json.dumps(list(entries(text))).encode()
    records = hugging_face.parse(hugging_face.entries_of(body), DAY, set())
    counts = ingest.store(records, source="hugging_face")
    assert (counts.new, counts.bad) == (5, 0)
    Draft.objects.create(frequency="daily", date=DAY, note=clean(text))
    building.build(DAY)
    building.build(date(2026, 8, 17), frequency="weekly")
    trending.warm(NOW)
    reader = make_subscriber(
        topics=[topic], keywords=("agents",), authors=(clean(text)[:80],),
        organizations=(clean(text)[:80],), next_digest_at=NOW,
    )  # fmt: skip
    planning.plan(NOW)
    sending.send_pending()
    paper, edition = Paper.objects.order_by("pk").first(), Edition.objects.get(frequency="daily")
    Opinion.objects.create(subscriber=reader, paper=paper, verdict="more")
    (key,) = local_outbox.maildir().iterkeys()
    return {
        "id": paper.arxiv_id, "pk": paper.pk, "topic": topic.pk, "reader": reader.pk, "key": key,
        "edition": edition.pk, "harm": "%22%3E%3Czq+onzq%3D1%3E%3Cscript%3E agents",
        "own": tokens.make_preferences(reader), "feed": tokens.make_feed(reader),
        "digest": tokens.make_digest(reader.public_id, edition.pk),
    }  # fmt: skip


def clean(text):
    return text.replace("\0", "").encode(errors="ignore").decode()


def parts_of(answer_or_text):
    """Every element with each of its attributes; and all links."""
    tree = html.document_fromstring(answer_or_text)
    elements = [each for each in tree.iter() if isinstance(each.tag, str)]
    parts = {(each.tag, name) for each in elements for name in [*each.attrib, ""]}
    links = [each.attrib[name] for each in elements for name in ("href", "src", "action")
             if name in each.attrib]  # fmt: skip
    scripts = [each for each in elements if each.tag == "script" and "src" not in each.attrib]
    return parts, links, [(each.text or "")[:40] for each in scripts]


def judged(documents):
    """What all of these documents have of elements and attributes, and scripts within."""
    parts, scripts = set(), set()
    for text in documents:
        found, links, inline = parts_of(text)
        parts |= found
        scripts |= set(inline)
        assert all(link.startswith(SCHEMES) for link in links), links
        assert not [name for _, name in found if name.startswith("on")]
        assert not [name for name, _ in found if name == "zq"]
    return parts, scripts


def opened(client, pages, places):
    for page in pages:
        answer = client.get(page.format(**places), follow=True)
        assert answer.status_code == 200, page
        yield answer.content


@pytest.fixture
def operator():
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    return client


def seen(client, operator, text):
    places = world(text)
    found = judged(opened(client, PAGES, places)), judged(opened(operator, DESK, places))
    cache.clear()
    return found


@pytest.fixture
def harmless_parts(client, operator):
    """What pages are made of where papers mean no harm: these are gone again."""
    with transaction.atomic():
        found = seen(client, operator, HARMLESS)
        transaction.set_rollback(True)
    local_outbox.maildir().clear()
    return found


FORMULA = {("sup", ""), ("sub", ""), ("mark", ""), ("details", ""), ("summary", ""), ("details", "class"),
           ("span", "class"), ("br", "")}  # fmt: skip
"""What our own code makes of text: letters raised and marked, what is too long, and a note's lines."""


def test_pages_have_no_element_attribute_script_or_link_that_is_not_ours(
    harmless_parts, client, operator
):
    site, desk = harmless_parts
    hostile_site, hostile_desk = seen(client, operator, HOSTILE)
    assert hostile_site[0] - site[0] <= FORMULA
    assert hostile_desk[0] - desk[0] <= FORMULA
    assert hostile_site[1] == site[1] == set()
    assert hostile_desk[1] <= desk[1]


def test_pages_show_nothing_that_turns_text_around_or_hides(client):
    places = world(HOSTILE)
    Topic.objects.filter(slug="harm").update(name="A topic", description="")
    Edition.objects.update(note="")
    for content in opened(client, PAGES[:9], places):
        text = html.document_fromstring(content.decode()).text_content()
        assert not set(text) & set(TURN + HIDDEN.replace("\x85", ""))


def test_pages_forbid_scripts_within_them(client):
    places = world(HOSTILE)
    for page in PAGES:
        answer = client.get(page.format(**places))
        policy = answer.get("Content-Security-Policy", "")
        assert "default-src 'none'" in policy, page
        assert not re.search(r"(script-src|default-src)[^;]*('unsafe|data:|\*)", policy), page


@pytest.mark.parametrize(
    "address", ["/feeds/daily.atom", "/feeds/topics/harm.atom", "/feeds/mine/{feed}.atom"]
)
def test_feeds_are_whole_and_what_they_quote_is_harmless(client, address):
    places = world(HOSTILE)
    tree = etree.fromstring(client.get(address.format(**places)).content)
    names = {etree.QName(each).localname for each in tree.iter()}
    assert not names & {"zq", "script", "img"}
    quoted = [each.text for each in tree.iter("{*}summary", "{*}content")]
    assert quoted
    judged(quoted)


def test_json_feed_and_api_hold_text_as_text(client):
    places = world(HOSTILE)
    items = json.loads(client.get("/feeds/daily.json").content)["items"]
    judged(item["content_html"] for item in items)
    for address in ("/api/v1/papers", "/api/v1/papers/{id}", "/api/v1/papers/{id}/similar",
                    "/api/v1/editions/2026-08-20", "/api/v1/topics"):  # fmt: skip
        answer = client.get(address.format(**places))
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        assert answer["X-Content-Type-Options"] == "nosniff"
        answer.json()
    paper = client.get(f"/api/v1/papers/{places['id']}").json()
    assert paper["project_url"] is None


def test_citations_can_not_be_broken_out_of(client):
    places = world(HOSTILE + "} , @comment{x} \\input{/etc/passwd} \\write18{id}")
    text = client.get(f"/papers/{places['id']}/cite.bib").content.decode()
    depths = [0]
    for char in text:
        depths.append(depths[-1] + {"{": 1, "}": -1}.get(char, 0))
    assert depths[-1] == 0
    assert min(depths) == 0
    assert depths.index(0, text.index("{") + 2) == len(text.rstrip()), "more than one entry"
    assert not re.search(r"\\(input|write|include|immediate)\b", text)
    ris = client.get(f"/papers/{places['id']}/cite.ris").content.decode()
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in ris.splitlines())
    assert ris.count("\nER  - ") == ris.count("\nTI  - ") == 1


def test_sitemap_is_whole(client):
    world(HOSTILE)
    index = etree.fromstring(client.get("/sitemap.xml").content)
    for place in index.iter("{*}loc"):
        etree.fromstring(client.get(place.text.replace("https://papers.example.org", "")).content)


def mail():
    (key,) = local_outbox.maildir().iterkeys()
    return email.message_from_bytes(local_outbox.maildir().get_bytes(key), policy=policy.default)


def test_mail_holds_no_element_header_or_direction_that_is_not_ours():
    world(HOSTILE)
    sent = mail()
    raw = sent.as_bytes()
    assert sent["Bcc"] is None
    assert sent.get_all("Subject") == [sent["Subject"]]
    assert not set(sent["Subject"]) & set(TURN + HIDDEN)
    judged([sent.get_body(("html",)).get_content()])
    assert max(map(len, raw.split(b"\n"))) <= 998
    text = sent.get_body(("plain",)).get_content()
    assert "\x00" not in text


@pytest.mark.parametrize(
    "cell", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "＝1", "'=1"]
)
def test_cell_that_a_spreadsheet_would_run_is_text(cell):
    assert exporting.harmless(cell) == f"'{cell}"


def test_title_from_right_to_left_stays_readable_and_turns_nothing_around():
    title = "למידה עמוקה 123"
    entry = hugging_face_entry(DAY, 1)
    entry["paper"] |= {"title": title, "authors": [{"name": "אדה"}, {"name": "Alan Turing"}]}
    body = json.dumps([entry, hugging_face_entry(DAY, 2)]).encode()
    ingest.store(
        hugging_face.parse(hugging_face.entries_of(body), DAY, set()), source="hugging_face"
    )
    building.build(DAY)
    make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    sending.send_pending()
    assert str(mail()["Subject"]).startswith(f"\u2068{title}\u2069, and 1 more paper")
    page = Client().get("/").content.decode()
    assert f'dir="auto">{title}</a>' in page
    assert "\u2068אדה\u2069, Alan Turing" in page


WIDE = {ord("a") + number: chr(0x10400 + number) for number in range(26)}
"""Letters of four bytes."""


def letters(number, length):
    """Words of which each paper, and each search index, has none before."""
    found, state = [], number + 1
    while len(found) < length:
        state = (state * 6_364_136_223_846_793_005 + 1) % 2**64
        found.append(chr(ord("a") + (state >> 33) % 26) if (state >> 40) % 9 else " ")
    return "".join(found)


@pytest.mark.parametrize("word", [letters, lambda number, length: "x" * length])
def test_paper_as_large_as_one_may_be_is_stored_found_shown_and_mailed(client, word):
    entry = hugging_face_entry(DAY, 1)
    entry["paper"] |= {
        "title": f"agents {word(1, 1990)}",
        "summary": word(2, 50_000).translate(WIDE),
        "authors": [{"name": word(number, 200)} for number in range(2_500)],
        "ai_keywords": [word(number, 120) for number in range(50)],
        "organization": {"fullname": word(3, 200)},
    }
    body = json.dumps([entry]).encode()
    found = hugging_face.parse(hugging_face.entries_of(body), DAY, set())
    assert ingest.store(found, source="hugging_face").new == 1
    building.build(DAY)
    make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    sending.send_pending()
    assert max(map(len, mail().as_bytes().split(b"\n"))) <= 998
    paper = Paper.objects.get()
    for address in ("/", f"/papers/{paper.arxiv_id}/", "/search/?q=agents", "/feeds/daily.atom",
                    f"/papers/{paper.arxiv_id}/cite.bib", "/api/v1/papers"):  # fmt: skip
        assert client.get(address).status_code == 200
    assert paper.arxiv_id in client.get("/search/?q=agents").content.decode()
