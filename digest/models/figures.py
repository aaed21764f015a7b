"""Numbers that are kept, so that nobody counts millions of rows to see them."""

from django.db import models

from .deliveries import Delivery
from .editions import Edition


class EditionCount(models.Model):
    """How many deliveries of an edition were in a state, for a reason, when they were last counted.

    It stays when the deliveries are forgotten.
    """

    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, related_name="counts")
    state = models.CharField(max_length=10, choices=Delivery.State.choices)
    reason = models.CharField(max_length=12, choices=Delivery.Reason.choices, blank=True)
    number = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["edition", "state", "reason"], name="edition_count_unique"
            )
        ]

    def __str__(self) -> str:
        return f"edition {self.edition_id}: {self.number} {self.state} {self.reason}".rstrip()


class DayFigure(models.Model):
    """How often something happened on a day in UTC, or how many there were at its end."""

    class Kind(models.TextChoices):
        SIGNED_UP = "signed_up"
        CONFIRMED = "confirmed"
        IMPORTED = "imported"
        RESUBSCRIBED = "resubscribed"
        UNSUBSCRIBED = "unsubscribed"
        SUPPRESSED = "suppressed"
        """About: the reason of the suppression."""
        ACTIVE = "active"
        """How many readers there were when they were last counted that day."""
        PENDING = "pending"
        """The same of those who had not confirmed yet."""
        DELIVERED = "delivered"
        """This and what follows: reports of a provider, about: its name."""
        BOUNCED = "bounced"
        """For good."""
        DEFERRED = "deferred"
        """Not for now, soft bounces among them."""
        COMPLAINED = "complained"
        REFUSED = "refused"
        """By the provider itself."""

    day = models.DateField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    about = models.CharField(max_length=20, blank=True, default="")
    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "kind", "about"], name="day_figure_unique")
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.number} {self.kind} {self.about}".rstrip()
