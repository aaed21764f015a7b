"""Who reads, what they follow, what they agreed to, and whom we never mail."""

from .consent import ConsentRecord, LeaveReason, Suppression
from .following import (
    FollowedAuthor,
    FollowedCategory,
    FollowedKeyword,
    FollowedOrganization,
    Subscription,
)
from .messages import TransactionalMessage
from .subscribers import DEFAULT_DIAL, DEFAULT_LENGTH, MOST_DIAL, Slot, Subscriber
from .topics import Topic

__all__ = [
    "DEFAULT_DIAL",
    "DEFAULT_LENGTH",
    "MOST_DIAL",
    "ConsentRecord",
    "FollowedAuthor",
    "FollowedCategory",
    "FollowedKeyword",
    "FollowedOrganization",
    "LeaveReason",
    "Slot",
    "Subscriber",
    "Subscription",
    "Suppression",
    "Topic",
    "TransactionalMessage",
]
