"""The tables of the digest app."""

from .deliveries import Delivery, Event
from .editions import Audience, Edition, EditionPaper
from .papers import Fetch, Lease, Listing, Paper, PaperTopic

__all__ = [
    "Audience",
    "Delivery",
    "Edition",
    "EditionPaper",
    "Event",
    "Fetch",
    "Lease",
    "Listing",
    "Paper",
    "PaperTopic",
]
