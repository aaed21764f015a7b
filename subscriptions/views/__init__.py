"""The pages by which readers come, choose and leave. None of them sets a session or CSRF cookie."""

from .address import address, ask_address
from .coming import confirm, first_topics, subscribe
from .embedding import embed, embed_form
from .leaving import unsubscribe
from .my_data import ask_erase, my_data
from .preferences import preferences_link

__all__ = [
    "address",
    "ask_address",
    "ask_erase",
    "confirm",
    "embed",
    "embed_form",
    "first_topics",
    "my_data",
    "preferences_link",
    "subscribe",
    "unsubscribe",
]
