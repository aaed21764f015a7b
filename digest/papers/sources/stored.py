"""Reads responses of the sources that somebody kept as files, whichever kind they are."""

from collections.abc import Iterator
from datetime import date

from digest.records import BadEntry, PaperRecord

from . import arxiv_feed, arxiv_oai, hugging_face


def parse(body: bytes, day: date | None = None) -> Iterator[PaperRecord | BadEntry]:
    """The papers in the response, listed on `day` where one is given.

    Takes Hugging Face's list, page or single paper, and arXiv's Atom, RSS or OAI-PMH. Raises
    SourceError or SourceRefusedError for what is none of them or is not whole: what came before
    the error is good.
    """
    start = body.lstrip(b"\xef\xbb\xbf \r\n\t")[:2000]
    if start[:1] in (b"[", b"{"):
        yield from hugging_face.parse(hugging_face.entries_of(body), day, set())
    elif b"<OAI-PMH" in start:
        yield from arxiv_oai.parse(body)
    elif start[:14].lower().startswith((b"<!doctype html", b"<html")):
        yield from hugging_face.parse(hugging_face.entries_of_page(body, day), day, set())
    else:
        yield from arxiv_feed.parse_whole(arxiv_feed.read(body), day)
