"""The operator's side of readers, topics and staff."""

from .readers import ReadOnly, SubscriberAdmin
from .staff import GroupAdmin, UserAdmin
from .topics import LinesField, TopicAdmin

__all__ = ["GroupAdmin", "LinesField", "ReadOnly", "SubscriberAdmin", "TopicAdmin", "UserAdmin"]
