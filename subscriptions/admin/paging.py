"""Lists of rows that may be a million: nobody counts them all to show a hundred."""

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

MOST_LISTED = 10_000
"""Rows that can be leafed through; who looks for more searches."""


class BoundedPaginator(_Paginator):
    """The first MOST_LISTED rows, of which no more are counted."""

    template_name = "admin/desk/pagination.html"

    @cached_property
    def count(self) -> int:
        """How many rows can be leafed through."""
        rows: Any = self.object_list
        return int(rows[:MOST_LISTED].count())

    @property
    def is_cut(self) -> bool:
        """Whether there may be more."""
        return self.count == MOST_LISTED
