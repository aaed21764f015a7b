"""What readers said about papers."""

from django.db import models
from django.db.models import Q

from subscriptions.models import Subscriber

from .papers import Paper


class Opinion(models.Model):
    """What a reader said of a paper: their newest word on whether they want more or less like it,
    and whether they keep it for later. A row says at least one of the two."""

    class Verdict(models.TextChoices):
        MORE = "more"
        LESS = "less"

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="opinions")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="opinions")
    verdict = models.CharField(max_length=4, choices=Verdict.choices, blank=True)
    is_saved = models.BooleanField(default=False, db_default=False)
    said_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "paper"], name="opinion_unique"),
            models.CheckConstraint(
                condition=~Q(verdict="") | Q(is_saved=True), name="opinion_says_something"
            ),
        ]

    def __str__(self) -> str:
        return f"opinion {self.pk} ({self.verdict or 'saved'})"


class Taste(models.Model):
    """What a reader's opinions say of papers to come: weights of words, learned by a task."""

    subscriber = models.OneToOneField(
        Subscriber, on_delete=models.CASCADE, primary_key=True, related_name="learned_taste"
    )
    mark = models.CharField(max_length=16, db_index=True)
    """Made of the weights, and joins with `Subscriber.taste`: readers are as like one another in
    taste as their marks."""
    weights = models.BinaryField()
    """At most 2 KB (`editions/taste.py`)."""
    opinions = models.PositiveIntegerField()
    """How many it was learned from."""
    learned_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"taste of subscriber {self.subscriber_id}"
