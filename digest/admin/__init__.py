"""The operator's side of papers, editions and deliveries."""

from .deliveries import DeliveryAdmin, EventAdmin
from .editions import EditionAdmin
from .papers import FetchAdmin, PaperAdmin
from .providers import ProviderPlanAdmin
from .topic_trial import TopicTrialAdmin

__all__ = [
    "DeliveryAdmin",
    "EditionAdmin",
    "EventAdmin",
    "FetchAdmin",
    "PaperAdmin",
    "ProviderPlanAdmin",
    "TopicTrialAdmin",
]
