"""Stage two, after ingest: which topics of the catalogue a paper is about, and why.

The topics' phrases and arXiv categories, which operators edit, are the rules; a small linear model
learned from labelled papers adds its opinion; what an operator said of a paper by hand holds.
"""

from .matching import TopicMatch, match
from .rules import TopicRule
from .tagging import date_rows, tag

__all__ = ["TopicMatch", "TopicRule", "date_rows", "match", "tag"]
