"""The sample edition that ships with the project, for a start where no source can be reached.

Its facts are upstream's, its summaries and abstracts are written for this file; out of here they
go through ingest, like the records of any source.
"""

import json
from datetime import date, datetime
from importlib import resources
from typing import Any

from digest.models import Listing
from digest.papers import ingest
from digest.records import PaperRecord


def load() -> date:
    """The sample's papers are stored and listed under the date that is returned.

    A second call changes nothing.
    """
    day, records = read()
    ingest.store(records, source=Listing.SAMPLE)
    return day


def read() -> tuple[date, list[PaperRecord]]:
    """The sample's day and its papers, most votes first."""
    text = resources.files("digest").joinpath("data", "sample_edition.json").read_text("utf-8")
    sample = json.loads(text)
    day = date.fromisoformat(sample["date"])
    return day, [_record(paper, day=day) for paper in sample["papers"]]


def _record(paper: dict[str, Any], *, day: date) -> PaperRecord:
    as_stored = {
        "authors": tuple(paper["authors"]),
        "keywords": tuple(paper["keywords"]),
        "categories": tuple(paper["categories"]),
        "published_at": datetime.fromisoformat(paper["published_at"]),
    }
    return PaperRecord(**{**paper, **as_stored}, listed_on=day)
