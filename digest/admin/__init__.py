"""The operator's side of papers, editions and deliveries."""

from .deliveries import DeliveryAdmin, EventAdmin
from .editions import EditionAdmin
from .papers import FetchAdmin, PaperAdmin
from .readers import ReaderAdmin
from .topic_trial import TopicTrialAdmin

__all__ = [
    "DeliveryAdmin",
    "EditionAdmin",
    "EventAdmin",
    "FetchAdmin",
    "PaperAdmin",
    "ReaderAdmin",
    "TopicTrialAdmin",
]
