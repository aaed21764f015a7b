"""The languages beside English: complete, compiled, and spoken on pages and in mails."""

import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polib
import pytest
from lxml import html as lxml_html

from digest.delivery.mails import content
from digest.editions import audiences
from subscriptions import emails, selectors, tokens
from subscriptions.models import TransactionalMessage
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper
from tests.flows.processes import clean_environment
from tests.services import missing

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "locale/de/LC_MESSAGES/django.po"
DAY = date(2026, 8, 20)
_HELD = re.compile(r"%\([a-z_]+\)[sd]|%[sd]|\{[a-z_]+\}|</?[a-z]+")
# What is left of the English words of templates when a page is German.
ENGLISH = re.compile(
    r"\b(Subscribe|Unsubscribe|Today|Trending|Topics|Search|votes?|comments?|Skip|Your preferences"
    r"|Next digest|Save|Preview|Abstract|Published|Calendar|Address)\b"
)


def entries():
    return list(polib.pofile(CATALOGUE))


def test_every_text_is_translated():
    assert [entry.msgid for entry in entries() if not entry.translated() or entry.fuzzy] == []


def test_translations_hold_what_the_texts_hold():
    wrong = []
    for entry in entries():
        pairs = [(entry.msgid, entry.msgstr)]
        if entry.msgid_plural:
            one, many = entry.msgstr_plural.values()
            pairs = [(entry.msgid, one), (entry.msgid_plural, many)]
        wrong += [
            text
            for text, said in pairs
            if sorted(_HELD.findall(text)) != sorted(_HELD.findall(said))
        ]
    assert wrong == []


def test_compiled_catalogue_is_that_of_the_texts():
    compiled = polib.mofile(CATALOGUE.with_suffix(".mo"))
    assert {(e.msgctxt, e.msgid, e.msgstr, *e.msgstr_plural.values()) for e in compiled} == {
        (e.msgctxt, e.msgid, e.msgstr, *e.msgstr_plural.values()) for e in entries()
    }


def test_catalogue_has_every_text_of_the_code(tmp_path):
    if shutil.which("xgettext") is None:
        missing("xgettext is not installed")
    for name in ("config", "digest", "subscriptions", "templates", "locale", "manage.py"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", "-l", "de", "--no-location", "--no-obsolete"],
        cwd=tmp_path, check=True, capture_output=True,
        env=clean_environment(DJANGO_SETTINGS_MODULE="config.settings", VAR_DIR=tmp_path / "var"),
    )  # fmt: skip
    found = polib.pofile(tmp_path / "locale/de/LC_MESSAGES/django.po")
    known = {(entry.msgctxt, entry.msgid) for entry in entries()}
    assert {(entry.msgctxt, entry.msgid) for entry in found} == known


@pytest.fixture
def reader(db):
    topic = make_topic("theory", name="Theory and optimization")
    paper = make_paper(title="Über Schranken", abstract="Kurz.", upvotes=3, topics=[topic])
    make_edition(DAY, [paper])
    return make_subscriber(language="de", topics=[topic])


def spoken(response):
    page = lxml_html.document_fromstring(response.content)
    assert page.get("lang") == "de"
    for code in page.xpath("//pre|//code|//option|//script"):
        code.drop_tree()
    return page.text_content()


@pytest.mark.parametrize(
    "path",
    ["/", "/papers/2026-08-20/", "/papers/2026-08-22/", "/trending/", "/topics/", "/search/?q=xyz",
     "/subscribe/", "/preferences/", "/embed/form/", "/no/such/page/"],
)  # fmt: skip
def test_public_pages_are_german(client, reader, path):
    found = ENGLISH.findall(spoken(client.get(path, headers={"accept-language": "de-AT,de"})))
    assert found == []


@pytest.mark.parametrize("make", ["preferences", "unsubscribe", "confirm", "erase"])
def test_pages_behind_links_are_german(client, reader, make):
    token = (
        tokens.make_unsubscribe(reader.public_id)
        if make == "unsubscribe"
        else getattr(tokens, f"make_{make}")(reader)
    )
    path = f"/my-data/{token}/erase/" if make == "erase" else f"/{make}/{token}/"
    assert ENGLISH.findall(spoken(client.get(path, headers={"accept-language": "de"}))) == []


def test_answer_depends_on_the_language_that_is_asked_for(client, reader):
    assert "Accept-Language" in client.get("/")["Vary"]
    assert b'lang="en"' in client.get("/", headers={"accept-language": "fr"}).content


def test_digest_of_a_german_reader_is_german(reader):
    key = selectors.selection_of(reader).key
    edition = reader.topics.get().papers.get().editions.get(frequency="daily")
    type(reader).objects.filter(pk=reader.pk).update(selection_key=key)
    body = content.body_of(audiences.of_selection(edition, key))
    values = dict.fromkeys(content.rendering.READER_TOKENS, "x")
    html, text = body.filled(values)
    for words in ("Donnerstag, 20. August", "1 Paper für Sie, von 1 heute.", "Sie folgen Theorie und Optimierung",
                  "3 Stimmen", "Abbestellen", "Mehr davon", "Weniger davon"):  # fmt: skip
        assert words in html, words
        assert words in text, words
    assert 'lang="de"' in html


@pytest.mark.parametrize("kind", TransactionalMessage.Kind.values)
def test_single_mails_are_german(reader, kind):
    message = TransactionalMessage.objects.create(
        subscriber=reader, kind=kind, address="neu@example.org"
    )
    mail = emails.compose(message)
    assert re.search(r"\b(Sie|Ihre?)\b", mail.body)
    words = re.sub(r"https?://\S+", "", mail.subject + mail.body)
    assert not re.search(r"\b(you|your|link works|address)\b", words)
