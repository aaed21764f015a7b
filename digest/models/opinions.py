"""What readers said about papers."""

from django.db import models

from subscriptions.models import Subscriber

from .papers import Paper


class Opinion(models.Model):
    """A reader wants more, or less, like this paper: their newest word on it."""

    class Verdict(models.TextChoices):
        MORE = "more"
        LESS = "less"

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="opinions")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="opinions")
    verdict = models.CharField(max_length=4, choices=Verdict.choices)
    said_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "paper"], name="opinion_unique")
        ]

    def __str__(self) -> str:
        return f"opinion {self.pk} ({self.verdict})"


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
