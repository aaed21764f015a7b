"""Turns an edition and an audience into subject, HTML and text; a reader only fills in links.

Three steps, each done as seldom as it can be: `render` a shell and cards with their CSS inlined
(once an edition), `compose` a body as a join of cards (once an audience), `fill` in a reader's
values (once a reader). What differs later is held by bare tokens, which inliners leave alone.
"""

import html
import re
import secrets
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from premailer import Premailer

from digest.records import EditionContent, PaperContent, Reader

from . import wording

WIDTH = 76
MOST_BYTES = 80 * 1024
"""Gmail clips a message after about 102 KB and hides its footer; we stay well below."""
SUBJECT_LENGTH = 150
CLIP = 280
PREHEADER = 150
POINT = 90
"""Letters of the preheader for the lead paper, so that the next ones are seen, too."""

READER_TOKENS = ("unsubscribe", "manage", "digest", "confirmed_on", "next_digest")
AUDIENCE_TOKENS = ("cards", "count", "follows", "preheader", "lead", "more")
# New in every process, so that no paper's text or link can stand in for a reader's value.
_SIGN = f"q{secrets.token_hex(8)}x"
_TOKEN = re.compile(rf"{_SIGN}([a-z_]+?)x{_SIGN}")
# An operator may have typed one into a title.
_CONTROLS = re.compile("[\x00-\x1f\x7f]")
_READER_TOKEN = re.compile(rf"{_SIGN}({'|'.join(READER_TOKENS)})x{_SIGN}")


def token(name: str) -> SafeString:
    """The bare word that stands for a value until it is known."""
    return mark_safe(f"{_SIGN}{name}x{_SIGN}")  # noqa: S308  letters and underscores only


@dataclass(frozen=True, slots=True)
class Card:
    """A paper's part of a digest, in every form that a digest needs it."""

    lead_html: str
    html: str
    text: str
    title: str
    point: str
    """Its summary in a sentence."""


@dataclass(frozen=True, slots=True)
class RenderedEdition:
    """The shell around the cards, and the cards, of one edition."""

    edition: EditionContent
    subject: str
    html: str
    text: str
    cards: dict[int, Card]


@dataclass(frozen=True, slots=True)
class Body:
    """A digest in which only the reader's values are missing.

    The parts alternate: literal text, the name of a reader's value, literal text, and so on. No
    HTML for readers who want text alone.
    """

    subject: str
    html_parts: tuple[str, ...]
    text_parts: tuple[str, ...]
    paper_count: int

    def filled(self, values: Mapping[str, str]) -> tuple[str, str]:
        """HTML and text with `values` (one for each of READER_TOKENS, as text) filled in."""
        escaped = {name: html.escape(value) for name, value in values.items()}
        return _fill(self.html_parts, escaped), _fill(self.text_parts, values)


def values_of(reader: Reader) -> dict[str, str]:
    """The reader's values, by token."""
    return dict(zip(READER_TOKENS, _values(reader), strict=True))


def escaped_values(reader: Reader) -> dict[str, str]:
    """The reader's values as a provider may put them into our HTML."""
    return dict(zip(READER_TOKENS, map(_escaped, _values(reader)), strict=True))


_values = attrgetter(*READER_TOKENS)
# Most values are words that many readers share.
_escaped = lru_cache(maxsize=4096)(html.escape)


def _fill(parts: tuple[str, ...], values: Mapping[str, str]) -> str:
    filled = list(parts)
    filled[1::2] = [values[name] for name in parts[1::2]]
    return "".join(filled)


def render(
    edition: EditionContent, papers: Iterable[PaperContent], *, site_url: str, postal_address: str
) -> RenderedEdition:
    """The edition's shell and cards, CSS inlined; the papers' text is escaped here."""
    shell = {
        "heading": edition.heading,
        "url": edition.url,
        "site_url": site_url,
        "is_sample": edition.is_sample,
        "counts_clicks": edition.counts_clicks,
        "all_label": wording.all_label(edition),
        "notice": _("This is the sample edition that ships with Daily Papers.")
        if edition.is_sample
        else "",
        "note": [paragraph.split("\n") for paragraph in wording.paragraphs(edition.note)],
        "note_text": _text_of_note(edition.note),
    }
    context = {
        "shell": shell,
        "postal_address": postal_address,
        "tokens": {name: token(name) for name in READER_TOKENS + AUDIENCE_TOKENS},
    }
    papers = list(papers)
    contexts = [
        (lead, _card_context(paper, site_url)) for paper in papers for lead in (True, False)
    ]
    marker = "<!--cut-->"
    pieces = [
        render_to_string(
            "email/digest/card.html", {"card": card, "lead": lead, "reason": token("reason")}
        )
        for lead, card in contexts
    ]
    # One pass of the inliner for all cards: they are cut out of the shell again at the markers.
    whole = render_to_string("email/digest/body.html", context)
    head, tail = whole.split(token("cards"))
    inlined = _inline(head + marker + marker.join(pieces) + marker + tail)
    shell_head, *card_html, shell_tail = inlined.split(marker)
    return RenderedEdition(
        edition=edition,
        subject=render_to_string("email/digest/subject.txt", context).strip(),
        html=shell_head + token("cards") + shell_tail,
        text=render_to_string("email/digest/body.txt", context).strip() + "\n",
        cards={
            paper.paper_id: Card(
                lead_html=card_html[2 * n],
                html=card_html[2 * n + 1],
                text=_card_text(paper, site_url),
                title=paper.title,
                point=clip(paper.summary, POINT) or wording.byline(paper.authors),
            )
            for n, paper in enumerate(papers)
        },
    )


def _inline(document: str) -> str:
    # Our own stylesheet: no network, no validation; classes stay for the dark colors.
    inliner = Premailer(
        document,
        allow_network=False,
        allow_loading_external_files=False,
        cssutils_logging_level="CRITICAL",
        disable_validation=True,
        keep_style_tags=False,
        remove_classes=False,
        strip_important=False,
        disable_basic_attributes=["bgcolor", "width", "height", "align"],
    )
    return str(inliner.transform())


def clip(text: str, length: int = CLIP) -> str:
    """The text, cut at the end of a sentence or of a word when it is longer than `length`."""
    if len(text) <= length:
        return text
    cut = text[:length]
    sentence = max(cut.rfind(". "), cut.rfind("? "), cut.rfind("! "))
    if sentence > length // 2:
        return cut[: sentence + 1]
    return cut.rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def _facts(paper: PaperContent) -> list[str]:
    facts = [wording.votes(paper.upvotes), wording.comments(paper.comments)]
    if paper.code_url and paper.code_stars is not None:
        facts.append(wording.stars(paper.code_stars))
    return facts


def _card_context(paper: PaperContent, site_url: str) -> dict[str, Any]:
    links = [(_("PDF on arXiv"), paper.pdf_url), (_("arXiv page"), paper.arxiv_url)]
    if paper.code_url:
        on_github = "github.com/" in paper.code_url
        links.append((_("Code on GitHub") if on_github else _("Code"), paper.code_url))
    # The page that such a link opens asks once more, as scanners open every link of a mail.
    mine, arxiv_id = f"{site_url}/digests/{token('digest')}", quote(paper.arxiv_id)
    tuning = f"{site_url}/digests/manage/{token('manage')}/#{token('anchor')}"
    return {
        "tuning": mark_safe(tuning),  # noqa: S308
        "url": paper.url,
        "title": clip(paper.title, 300),
        "byline": clip(wording.byline(paper.authors), 200),
        "summary": clip(paper.summary),
        "facts": _facts(paper),
        "links": links,
        "opinions": [
            (_("More like this"), mark_safe(f"{mine}/more/{arxiv_id}/")),  # noqa: S308
            (_("Less like this"), mark_safe(f"{mine}/less/{arxiv_id}/")),  # noqa: S308
            (_("Save for later"), mark_safe(f"{mine}/save/{arxiv_id}/")),  # noqa: S308
        ],
    }


def _card_text(paper: PaperContent, site_url: str) -> str:
    card = _card_context(paper, site_url)
    number = f"{token('number')}. "
    links = [(_("Paper:"), paper.url), ("PDF:", paper.pdf_url), ("arXiv:", paper.arxiv_url)]
    if paper.code_url:
        links.append((_("Code:"), paper.code_url))
    blocks = [
        number + _wrapped(card["title"])[3:],
        _wrapped(card["byline"]),
        f"   {token('reason')}",
        "",
        _wrapped(card["summary"]),
        "",
        "   " + ", ".join(card["facts"]),
        *(f"   {label:<6} {url}" for label, url in links),
        "",
        *(f"   {label}:\n   {url}" for label, url in card["opinions"]),
    ]
    return "\n".join(blocks).replace("\n\n\n", "\n\n")


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent="   ",
        subsequent_indent="   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _text_of_note(note: str) -> str:
    """A line of the note stays one, but for what is longer than the mail is wide."""
    wrapped = (
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        for line in note.splitlines()
    )
    return "\n".join(wrapped)


def compose(
    rendered: RenderedEdition,
    cards: Sequence[tuple[int, str, str]],
    *,
    follows: str = "",
    is_text_only: bool = False,
) -> Body:
    """The body for an audience: its cards in order, each with its reason.

    A reason links to its anchor in the preference centre. The last papers are left out while the HTML is larger than MOST_BYTES; the link to the whole
    edition is in every digest. `follows` ends the sentence that says why the mail came.
    """
    chosen = [(rendered.cards[paper_id], reason, anchor) for paper_id, reason, anchor in cards]
    shell = len(rendered.html.encode())
    parts = [
        _replaced(
            card.html if n else card.lead_html,
            {"reason": html.escape(reason), "anchor": html.escape(anchor)},
        )
        for n, (card, reason, anchor) in enumerate(chosen)
    ]
    while len(parts) > 1 and shell + sum(len(part.encode()) for part in parts) > MOST_BYTES:
        parts.pop()
    chosen = chosen[: len(parts)]
    values = _audience_values(rendered, chosen, follows)
    rule = "-" * WIDTH
    texts = [
        _replaced(card.text, {"number": str(n), "reason": reason})
        for n, (card, reason, _) in enumerate(chosen, start=1)
    ]
    text_cards = "\n\n".join([f"{rule}\n\n{text}" for text in texts] + [rule])
    escaped = {name: html.escape(value) for name, value in values.items()}
    return Body(
        subject=_CONTROLS.sub("", " ".join(_replaced(rendered.subject, values).split())),
        html_parts=()
        if is_text_only
        else _parts(_replaced(rendered.html, escaped | {"cards": "".join(parts)})),
        text_parts=_parts(_replaced(rendered.text, values | {"cards": text_cards})),
        paper_count=len(parts),
    )


def _audience_values(
    rendered: RenderedEdition, chosen: Sequence[tuple[Card, str, str]], follows: str
) -> dict[str, str]:
    lead = chosen[0][0]
    rest = len(chosen) - 1
    more = wording.and_more(rest)
    room = SUBJECT_LENGTH - len(more) - len("[Sample] ")
    also = "; ".join(wording.isolated(card.title) for card, *_ in chosen[1:3])
    edition = rendered.edition
    in_all = _("%(papers)s in all.") % {"papers": wording.papers(edition.paper_count)}
    others = _("Also: %(titles)s") % {"titles": also} if also else in_all
    return {
        "count": wording.out_of(
            len(chosen), edition.paper_count + edition.late_count, edition.period
        ),
        "follows": follows,
        # The subject has the lead paper's name; here is its point, then two more.
        "preheader": clip(f"{lead.point} {others}", PREHEADER),
        "lead": wording.isolated(clip(lead.title, min(90, room - 2))),
        "more": more,
    }


def _replaced(template: str, values: Mapping[str, str]) -> str:
    return _TOKEN.sub(lambda match: values.get(match[1], match[0]), template)


def _parts(template: str) -> tuple[str, ...]:
    return tuple(_READER_TOKEN.split(template))
