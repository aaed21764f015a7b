"""The operator's side of papers, editions and deliveries."""

from .audit import LogEntryAdmin
from .batches import BatchAdmin
from .deliveries import DeliveryAdmin, EventAdmin
from .editions import EditionAdmin
from .notices import NoticeAdmin
from .papers import FetchAdmin, PaperAdmin
from .providers import ProviderPlanAdmin
from .readers import ReaderAdmin
from .topic_trial import TopicTrialAdmin

__all__ = [
    "BatchAdmin",
    "DeliveryAdmin",
    "EditionAdmin",
    "EventAdmin",
    "FetchAdmin",
    "LogEntryAdmin",
    "NoticeAdmin",
    "PaperAdmin",
    "ProviderPlanAdmin",
    "ReaderAdmin",
    "TopicTrialAdmin",
]
