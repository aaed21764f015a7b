"""Editions, the papers frozen into them, and the audiences that get the same body."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from .papers import Paper


class Edition(models.Model):
    """A day's or a week's papers, ranked and frozen. A row exists once the edition is closed."""

    class Frequency(models.TextChoices):
        DAILY = "daily"
        WEEKLY = "weekly"

    frequency = models.CharField(max_length=6, choices=Frequency.choices)
    date = models.DateField()
    """The day; of a week its Monday (ISO 8601)."""
    closed_at = models.DateTimeField(auto_now_add=True)
    paper_count = models.PositiveIntegerField(default=0)
    """0: recorded as empty, and never sent."""
    due_count = models.PositiveIntegerField(default=0)
    """How many deliveries were planned: counted beside the rows, so that the ledger can tell."""
    batch_count = models.PositiveIntegerField(default=0)
    """How many batches were made; who locks the edition's row makes the next ones."""
    held_at = models.DateTimeField(null=True, blank=True)
    """Since then nothing of it is claimed, until an operator releases it."""
    held_because = models.CharField(max_length=200, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True)
    """When an operator called it off: since then it goes to nobody any more."""
    counted_at = models.DateTimeField(null=True, blank=True)
    """When its deliveries were last counted (`EditionCount`); null: never."""
    counted_due = models.PositiveIntegerField(default=0, db_default=0)
    """`due_count` as it was then; while readers were planned just then, as many as were counted."""
    is_counted = models.BooleanField(default=False, db_default=False)
    """Whether everything was settled by then, so that the count holds."""
    pace = models.FloatField(default=0, db_default=0)
    """Deliveries that were settled a second between the last two counts."""
    handed_at = models.DateTimeField(null=True, blank=True)
    """When the newest of its batches was offered, as `standing.keep` saw it last."""
    was_late = models.BooleanField(default=False, db_default=False)
    """Digests of it waited longer than they may, or it was not closed by its time."""
    forgetting_at = models.DateTimeField(null=True, blank=True)
    """Since then its deliveries are being forgotten: what was counted stays its ledger, and it is
    never planned again, as nobody knows any more who had it."""
    forgotten_at = models.DateTimeField(null=True, blank=True)
    """When the last of them was."""
    is_sample = models.BooleanField(default=False)
    """The edition that ships with the project, shown where no source can be reached."""
    note = models.TextField(blank=True, default="", db_default="")
    """What an editor says on top of it, in plain text; frozen like all else."""

    papers = models.ManyToManyField(Paper, through="EditionPaper", related_name="editions")

    class Meta:
        ordering = ["-date"]
        constraints = [models.UniqueConstraint(fields=["frequency", "date"], name="edition_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """`2026-08-20` or `2026-W34`, as in the address of its page."""
        if self.frequency == self.Frequency.WEEKLY:
            return self.date.strftime("%G-W%V")
        return self.date.isoformat()

    @property
    def last_day(self) -> Any:
        """The last day that the edition covers."""
        return self.date + timedelta(days=6 if self.frequency == self.Frequency.WEEKLY else 0)


class EditionPaper(models.Model):
    """A paper in an edition, with its place and its numbers as they were when it closed.

    A paper stands in at most one edition of a frequency, so no reader gets it twice.
    """

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="places")
    paper = models.ForeignKey(Paper, on_delete=models.PROTECT, related_name="places")
    frequency = models.CharField(max_length=6, choices=Edition.Frequency.choices)
    rank = models.PositiveIntegerField()
    """From 1; what an editor pinned, then by upvotes, the newer paper first of equals, around the
    papers that an editor moved."""
    upvotes = models.PositiveIntegerField()
    comments = models.PositiveIntegerField()
    code_stars = models.PositiveIntegerField(null=True, blank=True)
    speed = models.FloatField(default=0, db_default=0)
    """Votes an hour in the day before."""
    is_pinned = models.BooleanField(default=False, db_default=False)
    """By an editor: it leads every digest of the edition."""
    is_moved = models.BooleanField(default=False, db_default=False)
    """By an editor: its place does not follow from its votes."""

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["frequency", "paper"], name="edition_paper_once"),
            models.UniqueConstraint(fields=["edition", "rank"], name="edition_rank_unique"),
        ]

    def __str__(self) -> str:
        return f"edition {self.edition_id}, place {self.rank}"


class Audience(models.Model):
    """Readers of an edition whose digests are equal but for their links: the same cards in the same
    order, for the same reasons, in the same language and format. What is in it stays as it is."""

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="audiences")
    contents_key = models.CharField(max_length=32)
    """Equal for equal digests of the edition."""
    cards: Any = models.JSONField()
    """`[[paper id, reason, anchor, word], …]`, best first; empty: nothing for them in this edition."""
    since = models.DateField(null=True, blank=True)
    """The papers of the editions since that day are picked from, too: for readers whose digest of it
    was too late to go by itself, who come back, who get one a week on a day of their own, or a month,
    or what trends."""
    language = models.CharField(max_length=10, default="en")
    format = models.CharField(max_length=4, default="html")
    counts_clicks = models.BooleanField(default=False, db_default=False)
    """Whether the provider may count which links they follow, where TRACK_CLICKS lets it."""
    topic_count = models.PositiveSmallIntegerField(default=0)
    """How many topics each of the readers follows, which the digest says at its end."""
    words: Any = models.JSONField(default=list)
    """The keywords and names that the reasons repeat as a reader wrote them."""
    paper_count = models.PositiveSmallIntegerField(default=0)
    """How many cards there are, for the planning, which is done in the database."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["edition", "contents_key"], name="audience_unique")
        ]

    def __str__(self) -> str:
        return f"audience {self.pk} of edition {self.edition_id}"


class AudienceSelection(models.Model):
    """A selection that papers of an edition were picked for, and the audience its readers are of.

    It is needed while an edition is planned, and can be made again.
    """

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="+", db_index=False)
    selection_key = models.CharField(max_length=32)
    """Joins with `Subscriber.selection_key`."""
    since = models.DateField(null=True, blank=True)
    """As the audience's."""
    # Not checked by the database, which would look through all selections for each audience that is
    # forgotten; they go together, with their edition's deliveries.
    audience = models.ForeignKey(
        Audience,
        on_delete=models.CASCADE,
        related_name="selections",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["edition", "selection_key"],
                condition=Q(since=None),
                name="audience_selection_unique",
            ),
            models.UniqueConstraint(
                fields=["edition", "selection_key", "since"],
                name="audience_selection_unique_since",
            ),
        ]

    def __str__(self) -> str:
        return f"selection {self.selection_key} of edition {self.edition_id}"
