"""The tables of the digest app."""

from .deliveries import Batch, Delivery, Event
from .drafts import Draft, EditorChoice
from .editions import Audience, AudienceSelection, Edition, EditionPaper
from .figures import DayFigure, EditionCount
from .opinions import Opinion, Taste
from .papers import (
    ARXIV_ID,
    Author,
    Fetch,
    Lease,
    Listing,
    Paper,
    PaperTopic,
    TopicCorrection,
    VoteSnapshot,
)
from .search import SearchEntry
from .sending import Circuit, DayCount, Notice, ProviderPlan
from .vectors import PaperVector, VectorSpace

__all__ = [
    "ARXIV_ID",
    "Audience",
    "AudienceSelection",
    "Author",
    "Batch",
    "Circuit",
    "DayCount",
    "DayFigure",
    "Delivery",
    "Draft",
    "Edition",
    "EditionCount",
    "EditionPaper",
    "EditorChoice",
    "Event",
    "Fetch",
    "Lease",
    "Listing",
    "Notice",
    "Opinion",
    "Paper",
    "PaperTopic",
    "PaperVector",
    "ProviderPlan",
    "SearchEntry",
    "Taste",
    "TopicCorrection",
    "VectorSpace",
    "VoteSnapshot",
]
