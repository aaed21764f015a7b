"""Reads the XML of a source that may mean harm: what it would cost is known before it is read."""

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

from lxml import etree

from digest.errors import SourceError

from . import base

_COSTLY = re.compile(rb"<[^/]|=")
"""Begins an element, a comment or an instruction, or is an attribute, or the name of a space."""


def ended(body: bytes, *tags: str) -> Iterator[etree._Element]:
    """The elements, of these names where some are given, each where it ends.

    Raises SourceError for what costs too much; etree.XMLSyntaxError where the body is broken: what
    came before is good.
    """
    # Refused unread: with default values of its attributes, each element is as large as it likes.
    if b"<!DOCTYPE" in body:
        raise SourceError("arXiv: the answer declares a document type, which none needs")
    costly = islice(_COSTLY.finditer(body), base.MOST_NODES + 1)
    if sum(1 for _ in costly) > base.MOST_NODES:
        raise SourceError(f"arXiv: more than {base.MOST_NODES:,} elements and attributes")
    events = etree.iterparse(
        BytesIO(body),
        events=("end",),
        tag=tags or None,
        # Whatever it says that it is in: in UTF-7, say, we would have looked for other bytes.
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    for _, element in events:
        yield element
