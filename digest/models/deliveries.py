"""The outbox: one row per edition and subscriber, and the events that an ESP reports."""

from django.db import models
from django.db.models import Q

from subscriptions.models import Subscriber

from .editions import Audience, Edition


class Delivery(models.Model):
    """One edition to one subscriber.

    pending -> claimed -> sent | failed | uncertain | pending (offered again at `retry_at`);
    pending -> skipped | suppressed (left or blocked before the claim);
    claimed, and never settled -> uncertain -> sent | failed | pending (evidence, or an operator).
    """

    class State(models.TextChoices):
        PENDING = "pending"
        CLAIMED = "claimed"
        SENT = "sent"
        FAILED = "failed"
        UNCERTAIN = "uncertain"
        SKIPPED = "skipped"
        SUPPRESSED = "suppressed"

    class Reason(models.TextChoices):
        NONE = "", "-"
        PAUSED = "paused", "paused"
        NOTHING_NEW = "nothing_new", "nothing on their topics"
        UNSUBSCRIBED = "unsubscribed", "unsubscribed before it was sent"
        REFUSED = "refused", "refused by the provider"
        GAVE_UP = "gave_up", "given up after many tries"
        DROPPED = "dropped", "dropped by an operator"

    edition = models.ForeignKey(Edition, on_delete=models.PROTECT, related_name="deliveries")
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.SET_NULL, null=True, related_name="deliveries"
    )
    """Null once the subscriber is erased: the count stays, the person does not."""
    audience = models.ForeignKey(
        Audience, on_delete=models.PROTECT, null=True, related_name="deliveries"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=12, choices=Reason.choices, default="", blank=True)
    """Why it was skipped or failed."""
    detail = models.CharField(max_length=200, blank=True)
    """What the provider said, without any address."""
    batch_id = models.UUIDField(null=True, blank=True, db_index=True)
    """Stamped by the claim; goes to the ESP as metadata of a call that holds the whole batch."""
    attempts = models.PositiveSmallIntegerField(default=0)
    provider = models.CharField(max_length=20, blank=True)
    esp_message_id = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    """Not offered before then."""
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["edition", "subscriber"], name="delivery_unique"),
            models.CheckConstraint(
                condition=~Q(state__in=["claimed", "sent", "uncertain"])
                | Q(batch_id__isnull=False),
                name="delivery_offered_in_a_batch",
            ),
        ]
        indexes = [
            models.Index(
                fields=["audience", "id"],
                name="delivery_pending",
                condition=Q(state="pending"),
            ),
            models.Index(
                fields=["claimed_at"], name="delivery_claimed", condition=Q(state="claimed")
            ),
            models.Index(fields=["edition", "state", "reason"], name="delivery_ledger"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} ({self.state})"


class Event(models.Model):
    """What an ESP reported about a message, stored once by the ESP's own event id."""

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=200)
    type = models.CharField(max_length=20)
    """Anymail's event type."""
    delivery = models.ForeignKey(
        Delivery, on_delete=models.SET_NULL, null=True, related_name="events"
    )
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    batch_id = models.UUIDField(null=True, blank=True, db_index=True)
    reject_reason = models.CharField(max_length=20, blank=True)
    description = models.CharField(max_length=300, blank=True)
    occurred_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    """Null until its effect was applied, once."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="event_unique")
        ]

    def __str__(self) -> str:
        return f"{self.type} event {self.pk}"
