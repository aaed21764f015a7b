"""Reads arXiv's OAI-PMH answers (harvests of its whole archive), in the formats arXiv and arXivRaw."""

import re
from collections.abc import Iterator

from lxml import etree

from digest.errors import SourceError, SourceRefusedError
from digest.records import BadEntry, PaperRecord

from . import base, elements

_OAI = "{http://www.openarchives.org/OAI/2.0/}"
_FORMATS = ("{http://arxiv.org/OAI/arXiv/}", "{http://arxiv.org/OAI/arXivRaw/}")
# arXivRaw names all authors in one text: `Ada Lovelace, Alan Turing and Grace Hopper (MIT)`.
_BETWEEN_NAMES = re.compile(r",(?: ?and )?| and ")


def parse(body: bytes) -> Iterator[PaperRecord | BadEntry]:
    """The papers of the answer, as far as it can be read.

    Raises SourceRefusedError for an OAI error, SourceError where the answer breaks off: what came
    before is good.
    """
    number = 0
    try:
        for element in elements.ended(body, f"{_OAI}record", f"{_OAI}error"):
            if element.tag == f"{_OAI}error":
                said = base.one_line(element.text)[:200]
                raise SourceRefusedError(f"arXiv: OAI error {element.get('code')}: {said}")
            number += 1
            yield _record_or_bad(element, number)
            element.clear()
    except etree.XMLSyntaxError as error:
        raise SourceError(
            f"arXiv: the answer is broken in line {error.lineno}; {number} records before that "
            "were taken"
        ) from error


def _record_or_bad(element: etree._Element, number: int) -> PaperRecord | BadEntry:
    given = element.findtext(f"{_OAI}header/{_OAI}identifier") or ""
    try:
        return _record(element)
    except base.EntryError as error:
        return BadEntry(base.one_line(given.rpartition(":")[2])[:40] or f"#{number}", str(error))


def _record(element: etree._Element) -> PaperRecord:
    metadata = element.find(f"{_OAI}metadata")
    paper = metadata[0] if metadata is not None and len(metadata) else None
    space = next((s for s in _FORMATS if paper is not None and str(paper.tag).startswith(s)), "")
    if paper is None or not space:
        raise base.EntryError("no metadata in the format arXiv or arXivRaw")
    arxiv_id, _ = base.arxiv_id(paper.findtext(f"{space}id"))
    versions = paper.findall(f"{space}version")
    first = versions[0].findtext(f"{space}date") if versions else None
    return PaperRecord(
        arxiv_id=arxiv_id,
        version=min(len(versions), base.MOST_VERSION) or None,
        title=base.title(paper.findtext(f"{space}title")),
        abstract=base.abstract(paper.findtext(f"{space}abstract")),
        authors=_authors(paper, space),
        published_at=base.mail_moment(first)
        if first
        else base.moment(paper.findtext(f"{space}created")),
        categories=base.categories(base.one_line(paper.findtext(f"{space}categories")).split()),
    )


def _authors(paper: etree._Element, space: str) -> tuple[str, ...]:
    named = [
        " ".join(filter(None, (a.findtext(f"{space}forenames"), a.findtext(f"{space}keyname"))))
        for a in paper.iterfind(f"{space}authors/{space}author")
    ]
    if named:
        return base.names(list(named))
    text = re.sub(r"\([^()]*\)", "", paper.findtext(f"{space}authors") or "")
    return base.names(list(_BETWEEN_NAMES.split(base.one_line(text), base.MOST_AUTHORS)))
