"""Everything that writes about readers: from sign-up to erasure.

Each function can be called twice; a change of state is one UPDATE that repeats the state it
expects, and a consent record is kept of each. None of them sends mail: they leave a row for it.
"""

from .addressing import change_address, end_links, request_address_change
from .asking import request_link, request_link_for, request_message, request_new_confirm
from .choosing import (
    change_frequency,
    change_preferences,
    check_keyword,
    checked,
    delete_topic,
    hold,
    keep_taste,
    pause,
    resume,
)
from .coming import confirm, subscribe
from .leaving import (
    count_soft_bounces,
    erase,
    forget_soft_bounces,
    suppress,
    suppress_address,
    suppress_all,
    tell_reason,
    undo_unsubscribe,
    unsubscribe,
    unsubscribe_all,
    unsubscribe_and_tell,
    unsuppress,
)
from .purging import purge
from .slots import advance, begin, mend, note_requested, note_served

__all__ = [
    "advance",
    "begin",
    "change_address",
    "change_frequency",
    "change_preferences",
    "check_keyword",
    "checked",
    "confirm",
    "count_soft_bounces",
    "delete_topic",
    "end_links",
    "erase",
    "forget_soft_bounces",
    "hold",
    "keep_taste",
    "mend",
    "note_requested",
    "note_served",
    "pause",
    "purge",
    "request_address_change",
    "request_link",
    "request_link_for",
    "request_message",
    "request_new_confirm",
    "resume",
    "subscribe",
    "suppress",
    "suppress_address",
    "suppress_all",
    "tell_reason",
    "undo_unsubscribe",
    "unsubscribe",
    "unsubscribe_all",
    "unsubscribe_and_tell",
    "unsuppress",
]
