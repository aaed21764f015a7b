"""What editors decide about editions that are to come: an edition has a row once it is closed."""

from django.db import models
from django.db.models import Q

from .editions import Edition
from .papers import Paper


class Draft(models.Model):
    """An edition that is to come, as far as an editor has said something about it. Once the edition
    is closed nobody changes it any more."""

    frequency = models.CharField(max_length=6, choices=Edition.Frequency.choices)
    date = models.DateField()
    """As the edition's."""
    note = models.TextField(blank=True, max_length=2000)
    """Plain text, which goes on top of the edition."""
    version = models.PositiveIntegerField(default=0)
    """How often it was changed, so that nobody overwrites what they have not seen."""
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["frequency", "date"], name="draft_unique")]

    def __str__(self) -> str:
        return f"{self.frequency} edition {self.name}"

    @property
    def name(self) -> str:
        """As the edition's."""
        return Edition(frequency=self.frequency, date=self.date).name


class EditorChoice(models.Model):
    """What an editor decided about a paper of a draft.

    Of closed editions only what was left out is kept, so that it does not come with a later one.
    """

    class Decision(models.TextChoices):
        NONE = ""
        IN = "in"
        """Taken back, after it had been left out of this edition or of another."""
        PINNED = "pinned"
        LEFT_OUT = "left_out"

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="choices")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="+")
    decision = models.CharField(max_length=8, choices=Decision.choices, blank=True)
    position = models.PositiveIntegerField(null=True, blank=True)
    """The place that it was moved to, from 1; others keep the order of their votes around it."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["draft", "paper"], name="editor_choice_unique"),
            models.CheckConstraint(
                condition=~Q(decision="") | Q(position__isnull=False),
                name="editor_choice_says_something",
            ),
            models.CheckConstraint(
                condition=Q(position__isnull=True) | Q(position__gt=0),
                name="editor_choice_position_from_1",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision or 'moved'}: paper {self.paper_id} of draft {self.draft_id}"
