"""What the search over all papers orders and narrows by."""

from django.db import models

from .papers import Paper


class SearchEntry(models.Model):
    """A paper that search can find.

    Its words are where only the database's own full text looks: in a column `words` of this table
    on PostgreSQL, in the table `digest_searchwords` of FTS5 on SQLite (migration 0016).
    """

    paper = models.OneToOneField(
        Paper, on_delete=models.CASCADE, primary_key=True, related_name="search_entry"
    )
    published_on = models.DateField(db_index=True)
    upvotes = models.PositiveIntegerField(default=0)
    merit = models.FloatField(db_index=True)
    """From votes and newness: which of many papers that match are looked at first."""

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self) -> str:
        return f"search entry of paper {self.paper_id}"
