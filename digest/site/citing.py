"""A paper as BibTeX and as RIS, for reference managers."""

import re
import unicodedata
from collections.abc import Iterable

from pylatexenc.latexencode import (
    RULE_DICT,
    UnicodeToLatexConversionRule,
    UnicodeToLatexEncoder,
)

from digest.models import Paper

# BibTeX counts braces, those behind a backslash, too; so they are written in words.
_BRACES = UnicodeToLatexConversionRule(
    RULE_DICT, {ord("{"): r"\textbraceleft{}", ord("}"): r"\textbraceright{}"}
)
_encoder = UnicodeToLatexEncoder(
    conversion_rules=[_BRACES, "defaults"],
    replacement_latex_protection="braces-after-macro",
    unknown_char_warning=False,
)
_GROUP = re.compile(r"\b(and|Collaboration|Consortium|Group|Labs?|Team)\b", re.IGNORECASE)
"""What is no person's name."""
_SUFFIXES = frozenset({"jr", "jr.", "sr", "sr.", "ii", "iii", "iv"})
_KEY_WORD_LETTERS = 4


def bibtex(paper: Paper) -> str:
    """A BibTeX entry for a preprint, with the fields that arXiv itself gives."""
    fields = {
        "title": _title(paper.title),
        "author": " and ".join(_bibtex_name(name) for name in paper.authors),
        "year": str(paper.published_at.year),
        "month": str(paper.published_at.month),
        "eprint": paper.arxiv_id,
        "archivePrefix": "arXiv",
        "primaryClass": next(iter(paper.categories), ""),
        "doi": _doi(paper),
        "url": paper.arxiv_url,
    }
    lines = [f"  {name:6} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{_key(paper)},\n" + ",\n".join(lines) + "\n}\n"


def _doi(paper: Paper) -> str:
    return f"10.48550/arXiv.{paper.arxiv_id}"


def _title(title: str) -> str:
    """In braces what a style must not write in small letters: `{GPT-4}`, `{SemaPLC}`."""
    words = [(word, _latex(word)) for word in title.split()]
    return " ".join(
        f"{{{latex}}}" if re.search(r"[A-Z]", word[1:]) else latex for word, latex in words
    )


def _latex(text: str) -> str:
    return str(_encoder.unicode_to_latex(text))


def _bibtex_name(name: str) -> str:
    """As it is, since BibTeX finds the `van` by itself; in braces what is not a person's name, or
    would be read as two."""
    latex = _latex(name)
    return f"{{{latex}}}" if "," in name or _GROUP.search(name) else latex


def _key(paper: Paper) -> str:
    """`ding2026zetta`: last name, year, and a word of the title."""
    last = (_parts(paper.authors[0])[0] if paper.authors else "").replace(" ", "")
    words = map(_ascii, paper.title.split())
    word = next((word for word in words if len(word) >= _KEY_WORD_LETTERS), "")
    return f"{_ascii(last) or 'anonymous'}{paper.published_at.year}{word}"


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).lower()
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def ris(paper: Paper) -> str:
    """An entry of RIS, which has one field a line and ends lines with CR and LF."""
    published = paper.published_at
    fields = [
        ("TY", "UNPB"),
        ("TI", paper.title),
        *(("AU", _ris_name(name)) for name in paper.authors),
        ("PY", f"{published.year}"),
        ("DA", f"{published:%Y/%m/%d}/"),
        ("AB", paper.abstract),
        *(("KW", word) for word in [*paper.categories, *paper.keywords]),
        ("PB", "arXiv"),
        ("AN", f"arXiv:{paper.arxiv_id}"),
        ("DO", _doi(paper)),
        ("UR", paper.arxiv_url),
        ("L1", paper.pdf_url),
    ]
    return "".join(_ris_lines(fields)) + "ER  - \r\n"


def _ris_lines(fields: Iterable[tuple[str, str]]) -> Iterable[str]:
    for tag, value in fields:
        # One line a field: a line break would begin another one.
        if text := " ".join(value.split()):
            yield f"{tag}  - {text}\r\n"


def _ris_name(name: str) -> str:
    last, first, suffix = _parts(name)
    return ", ".join(part for part in (last, first, suffix) if part)


def _parts(name: str) -> tuple[str, str, str]:
    """Last name with its `van`, first names, and `Jr.`; all in the first for a name of one word."""
    if _GROUP.search(name):
        return name, "", ""
    words = name.replace(",", " ").split()
    suffix = words.pop() if len(words) > 2 and words[-1].casefold() in _SUFFIXES else ""  # noqa: PLR2004
    particles = [n for n, word in enumerate(words[:-1]) if word.islower()]
    start = particles[0] if particles else max(len(words) - 1, 0)
    return " ".join(words[start:]), " ".join(words[:start]), suffix
