"""The operator's side of readers, topics and staff."""

from .lines import LinesField
from .readers import ReadOnly, SubscriberAdmin
from .staff import GroupAdmin, UserAdmin
from .suppressions import SuppressionAdmin
from .topics import TopicAdmin

__all__ = [
    "GroupAdmin",
    "LinesField",
    "ReadOnly",
    "SubscriberAdmin",
    "SuppressionAdmin",
    "TopicAdmin",
    "UserAdmin",
]
