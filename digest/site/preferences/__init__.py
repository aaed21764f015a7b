"""The preference centre: what a reader follows, when mail comes, and what it would be today."""

from .history import history
from .lookups import authors, count, organizations
from .opinions import opinions
from .page import mail, page, preview

__all__ = ["authors", "count", "history", "mail", "opinions", "organizations", "page", "preview"]
