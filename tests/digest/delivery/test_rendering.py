"""Rendering: shell and cards once an edition, a join once an audience, links once a reader."""

import importlib.util
import re

import pytest
from lxml import html as lxml_html

from digest.delivery.mails import rendering, wording
from digest.records import EditionContent, PaperContent

VALUES = {
    "unsubscribe": "token-u",
    "manage": "token-p",
    "digest": "token-d",
    "confirmed_on": "June 3, 2026",
    "next_digest": "Friday, August 21, 07:00 (Berlin)",
}


def make_content(**changes):
    fields = {
        "name": "2026-08-20",
        "heading": "Thursday, August 20",
        "period": "today",
        "paper_count": 15,
        "url": "https://papers.example.org/papers/2026-08-20/",
    }
    return EditionContent(**fields | changes)


def make_paper_content(paper_id=1, **changes):
    fields = {
        "paper_id": paper_id,
        "arxiv_id": f"2608.0000{paper_id}",
        "title": f"Paper number {paper_id}: a study of things",
        "authors": ("Ada Lovelace", "Alan Turing", "Grace Hopper", "Mary Shaw"),
        "summary": "It measures what was only guessed before, and finds that the guess was wrong.",
        "upvotes": 12,
        "comments": 1,
        "code_stars": 1,
        "url": f"https://papers.example.org/papers/2608.0000{paper_id}/",
        "arxiv_url": f"https://arxiv.org/abs/2608.0000{paper_id}",
        "pdf_url": f"https://arxiv.org/pdf/2608.0000{paper_id}",
        "code_url": "https://github.com/example/code",
    }
    return PaperContent(**fields | changes)


def make_body(papers=None, content=None, *, reason="You follow Theory", follows=""):
    papers = papers or [make_paper_content(1), make_paper_content(2)]
    rendered = rendering.render(
        content or make_content(),
        papers,
        site_url="https://papers.example.org",
        postal_address="12 Sample Street, Springfield",
    )
    return rendering.compose(
        rendered, [(p.paper_id, reason, "topic-theory") for p in papers], follows=follows
    )


def filled(body):
    return body.filled(VALUES)


def test_no_token_survives_filling():
    body = make_body(follows=", and follow 2 topics")
    html, text = filled(body)
    assert rendering._SIGN not in html + text + body.subject


def test_paper_cannot_name_a_readers_value():
    """The sign of a token is new in every process, so no title or link can hold it."""
    spec = importlib.util.find_spec("digest.delivery.mails.rendering")
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    elsewhere = again._SIGN
    assert elsewhere != rendering._SIGN
    assert len(elsewhere) >= 16


def test_id_of_a_paper_begins_no_element():
    """Its links are put together by hand, as they hold a reader's tokens."""
    html, _ = filled(make_body([make_paper_content(1, arxiv_id='"><img src=//e.example>')]))
    assert "<img src=//e" not in html
    assert "/more/%22%3E%3Cimg%20src%3D//e.example%3E/" in html


def test_cards_come_in_the_order_of_the_audience():
    html, text = filled(make_body([make_paper_content(2), make_paper_content(1)]))
    titles = [link.text_content() for link in lxml_html.fromstring(html).iterfind(".//h2/a")]
    assert [title[:14] for title in titles] == ["Paper number 2", "Paper number 1"]
    assert text.index("1. Paper number 2") < text.index("2. Paper number 1")


def test_subject_names_the_lead_paper_and_counts_the_others():
    body = make_body([make_paper_content(n) for n in (1, 2, 3)])
    assert body.subject == "Paper number 1: a study of things, and 2 more papers"


def test_subject_of_one_long_paper_stays_within_150_characters():
    """EMAIL_STANDARDS 2: Subject."""
    papers = [make_paper_content(n, title="Very long words " * 60) for n in range(9)]
    assert 5 <= len(make_body(papers).subject) <= 150


def test_subject_never_holds_a_line_break():
    """EMAIL_STANDARDS 2: CR and LF are refused."""
    body = make_body([make_paper_content(1, title="Two\r\nlines: Bcc: a@example.org")])
    assert not re.search(r"[\r\n]", body.subject)


def test_paper_text_is_escaped_in_html_and_plain_in_text():
    paper = make_paper_content(1, title="<script>alert(1)</script> & co", summary="a < b")
    html, text = filled(make_body([paper]))
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in html
    assert "<script>alert(1)</script> & co" in text
    assert "a < b" in text


def test_reason_stands_with_its_paper():
    html, text = filled(make_body(reason="Your keyword: a < b"))
    assert "Your keyword: a &lt; b" in html
    assert "Your keyword: a < b" in text


def test_styles_are_inlined_and_dark_colors_stay_in_one_style():
    """EMAIL_STANDARDS 8: CSS inlined, one <style> for media queries."""
    html, _ = filled(make_body())
    tree = lxml_html.fromstring(html)
    assert len(tree.findall(".//style")) == 1
    assert "prefers-color-scheme" in tree.find(".//style").text
    assert all(p.get("style") for p in tree.iter("p", "h1", "h2"))


def test_document_is_complete():
    """EMAIL_STANDARDS 8: doctype, lang, charset, viewport, title, color schemes."""
    html, _ = filled(make_body())
    tree = lxml_html.fromstring(html)
    assert html.startswith("<!DOCTYPE html>")
    assert tree.get("lang") == "en"
    assert tree.find(".//meta[@charset]").get("charset") == "utf-8"
    assert tree.findtext(".//title")
    for name in ("viewport", "color-scheme", "supported-color-schemes"):
        assert tree.xpath(f"//meta[@name='{name}']")


def test_headings_begin_with_one_h1_and_skip_no_level():
    """EMAIL_STANDARDS 8: one h1 first, papers h2."""
    tree = lxml_html.fromstring(filled(make_body())[0])
    assert [h.tag for h in tree.iter("h1", "h2", "h3", "h4")] == ["h1", "h2", "h2"]


def test_preheader_is_the_first_text_and_of_real_content():
    """EMAIL_STANDARDS 8: preheader, 30 to 150 characters, first in body."""
    body = lxml_html.fromstring(filled(make_body())[0]).find("body")
    first = next(text.strip() for text in body.itertext() if text.strip())
    assert 30 <= len(first) <= 150
    assert first.startswith("It measures what was only guessed before")
    assert "Also: Paper number 2" in first


def test_nothing_forbidden_or_remote_is_in_the_html():
    """EMAIL_STANDARDS 8: not used; and we load nothing that tells who reads."""
    html, _ = filled(make_body())
    tree = lxml_html.fromstring(html)
    banned = "img script form iframe video link svg object"
    assert not list(tree.iter(*banned.split()))
    assert not re.search(r"@import|url\(|position:|display:\s*(flex|grid)|var\(--", html)
    assert all(table.get("role") == "presentation" for table in tree.iter("table"))


def test_every_link_is_absolute_https():
    """EMAIL_STANDARDS 8: all links absolute https."""
    tree = lxml_html.fromstring(filled(make_body())[0])
    links = [a.get("href") for a in tree.iter("a")]
    assert len(links) > 8
    assert all(link.startswith("https://") for link in links)


def test_footer_says_why_who_and_how_to_leave_in_both_parts():
    """EMAIL_STANDARDS 7: footer of every digest."""
    for part in filled(make_body(follows=", and follow 2 topics")):
        flat = " ".join(part.split())
        assert "You get this mail because you confirmed this address on June 3, 2026" in flat
        assert "and follow 2 topics." in flat
        assert "12 Sample Street, Springfield" in flat
        assert "https://papers.example.org/unsubscribe/token-u/" in flat
        assert "https://papers.example.org/digests/manage/token-p/" in flat


def test_text_is_written_as_text():
    """EMAIL_STANDARDS 8: no HTML residue or entities, lines at most 78 where possible."""
    _, text = filled(make_body([make_paper_content(n) for n in range(1, 9)]))
    assert not re.search(r"&[a-z]+;|<[a-z/]", text)
    assert all(len(line) <= 78 for line in text.splitlines() if "https://" not in line)


def test_digest_of_sixteen_papers_is_far_below_the_clipping_limit():
    """EMAIL_STANDARDS 8: under 102,400 bytes; we aim below 60 KB."""
    papers = [make_paper_content(n, summary="Long sentences. " * 90) for n in range(1, 17)]
    html, _ = filled(make_body(papers))
    assert len(html.encode()) < 60_000


def test_oversized_digest_shows_fewer_papers_and_links_to_all():
    """EMAIL_STANDARDS 8: above the limit show fewer papers with a link to the web."""
    papers = [
        make_paper_content(n, code_url=f"https://code.example.org/{'x' * 4000}")
        for n in range(1, 40)
    ]
    body = make_body(papers)
    html, _ = filled(body)
    assert len(html.encode()) < 102_400
    assert 1 < body.paper_count < 39
    assert "https://papers.example.org/papers/2026-08-20/" in html


def test_sample_edition_is_marked_in_subject_and_both_parts():
    body = make_body(content=make_content(is_sample=True))
    html, text = filled(body)
    assert body.subject.startswith("[Sample] ")
    assert "sample edition" in html
    assert "sample edition" in text


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 votes"), (1, "1 vote"), (1024, "1,024 votes")]
)
def test_numbers_come_with_their_noun(number, words):
    assert wording.votes(number) == words


def test_byline_shows_three_authors_and_counts_the_rest():
    assert wording.byline([f"A{n}" for n in range(533)]) == "A0, A1, A2 and 530 more"


def test_clip_ends_with_a_sentence_where_it_can():
    assert rendering.clip("One is here. " * 30, 100).endswith("here.")


def _channel(value):
    value /= 255
    return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4


def _luminance(color):
    color = "".join(c * 2 for c in color) if len(color) == 3 else color
    red, green, blue = (_channel(int(color[n : n + 2], 16)) for n in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("14201d", "ffffff"), ("495652", "ffffff"), ("0a5b50", "ffffff"), ("332a00", "ffe27a"),
        ("ffffff", "07463d"), ("cfe5de", "07463d"), ("ffffff", "0a5b50"), ("6b4a00", "fdf1cd"),
        ("e7ece9", "171e1c"), ("a8b5b0", "171e1c"), ("7fd3c0", "171e1c"), ("fbe39a", "4b400f"),
        ("ffffff", "0c3831"), ("cfe5de", "0c3831"), ("04231d", "7fd3c0"), ("f2d58a", "332912"),
    ],
)  # fmt: skip
def test_contrast_is_at_least_four_and_a_half(ink, ground):
    """EMAIL_STANDARDS 8: contrast in light and dark."""
    light, dark = sorted([_luminance(ink), _luminance(ground)], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


NOTE = "Two <b>papers</b> & a link: https://example.org/x\n\nSecond paragraph,\nsecond line."


def test_note_stands_on_top_of_both_parts_as_it_was_typed():
    html, text = make_body(content=make_content(note=NOTE)).filled(VALUES)
    said = lxml_html.fromstring(html).xpath("//td[contains(@class, 'editor')]")[0]
    first, second = said.xpath(".//p[@dir='auto']")
    assert first.text_content() == "Two <b>papers</b> & a link: https://example.org/x"
    assert (second.text, second.xpath("br")[0].tail) == ("Second paragraph,", "second line.")
    assert not said.xpath(".//a | .//b")
    assert html.index("Second paragraph") < html.index("Paper number 1: a study of things</a>")
    assert f"A note from the editor:\n\n{NOTE}\n\n-----" in text


def test_digest_without_a_note_says_nothing_of_one():
    html, text = make_body().filled(VALUES)
    assert "editor" not in html + text
    assert "\n\n\n" not in text


def test_long_line_of_a_note_is_wrapped_in_the_text():
    _, text = make_body(content=make_content(note="word " * 60)).filled(VALUES)
    assert max(map(len, text.partition("-----")[0].splitlines())) <= rendering.WIDTH
