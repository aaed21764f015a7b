"""The pages by which readers come, choose and leave. None of them sets a session or CSRF cookie."""

from .coming import confirm, first_topics, subscribe
from .embedding import embed, embed_form
from .leaving import unsubscribe
from .my_data import ask_erase, my_data
from .preferences import preferences, preferences_link

__all__ = [
    "ask_erase",
    "confirm",
    "embed",
    "embed_form",
    "first_topics",
    "my_data",
    "preferences",
    "preferences_link",
    "subscribe",
    "unsubscribe",
]
