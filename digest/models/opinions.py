"""What readers said about papers."""

from typing import Self

from django.db import models
from django.db.models import Q

from subscriptions.models import Subscriber

from .papers import Paper


class Opinions(models.QuerySet["Opinion"]):
    """Rows of opinions."""

    def opened(self) -> Self:
        """Those of papers that were opened, and nothing said of."""
        return self.filter(opened_at__isnull=False)

    def loudest(self) -> Self:
        """What was said before what was only opened, each the newest first."""
        return self.annotate(is_opened=Q(opened_at__isnull=False)).order_by(
            "is_opened", "-said_at", "-pk"
        )


class Opinion(models.Model):
    """What a reader said of a paper: their newest word on whether they want more or less like it,
    and whether they keep it for later. A row says at least one of the two, or else that the reader
    opened the paper's page, where `Subscriber.learns` allows that."""

    class Verdict(models.TextChoices):
        MORE = "more"
        LESS = "less"

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="opinions")
    paper = models.ForeignKey(Paper, on_delete=models.CASCADE, related_name="opinions")
    verdict = models.CharField(max_length=4, choices=Verdict.choices, blank=True)
    is_saved = models.BooleanField(default=False, db_default=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    """When the page was first opened; None once the reader has said something of the paper."""
    said_at = models.DateTimeField(auto_now=True)

    objects = Opinions.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "paper"], name="opinion_unique"),
            models.CheckConstraint(
                condition=Q(opened_at__isnull=True) & (~Q(verdict="") | Q(is_saved=True))
                | Q(opened_at__isnull=False, verdict="", is_saved=False),
                name="opinion_says_something",
            ),
        ]

    def __str__(self) -> str:
        return f"opinion {self.pk} ({self.verdict or ('saved' if self.is_saved else 'opened')})"


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
