"""The outbox: one row per edition and subscriber, and the events that an ESP reports."""

from typing import Any

from django.db import models
from django.db.models import Q

from subscriptions.models import Subscriber, TransactionalMessage

from .editions import Audience, Edition


class Batch(models.Model):
    """Deliveries of one audience that go to the provider together: what a worker claims.

    open -> claimed -> done | uncertain | open (surely not taken, offered again at `retry_at`);
    claimed, and never settled -> uncertain -> done | open (evidence, or an operator).
    """

    class State(models.TextChoices):
        OPEN = "open"
        CLAIMED = "claimed"
        UNCERTAIN = "uncertain"
        """Some of its deliveries are: evidence about it is looked for."""
        DONE = "done"

    id = models.BigIntegerField(primary_key=True)
    """The edition's id times 2 to the 32nd, and the number of the batch in it."""
    edition = models.ForeignKey(Edition, on_delete=models.PROTECT, related_name="batches")
    # Not checked by the database, which would look through all batches for each audience that is
    # forgotten: `purging.py` takes the batches first.
    audience = models.ForeignKey(
        Audience,
        on_delete=models.PROTECT,
        related_name="batches",
        db_index=False,
        db_constraint=False,
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    size = models.PositiveIntegerField()
    """How many deliveries are in it, settled or not."""
    attempts = models.PositiveSmallIntegerField(default=0)
    provider = models.CharField(max_length=20, blank=True)
    """Who was offered it last."""
    only_provider = models.CharField(max_length=20, blank=True, default="", db_default="")
    """The one that may be offered it: it knows the call by its idempotency key, if it took it."""
    claimed_at = models.DateTimeField(null=True, blank=True)
    offered_at = models.DateTimeField(null=True, blank=True)
    """Set just before the provider is called: a claim without it surely reached nobody."""
    retry_at = models.DateTimeField(null=True, blank=True)
    """Not offered before then."""
    released_at = models.DateTimeField(null=True, blank=True)
    """When it was in doubt no more, and was to be sent again: it waits since then."""

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["id"], name="batch_open", condition=Q(state="open")),
            models.Index(fields=["claimed_at"], name="batch_claimed", condition=Q(state="claimed")),
            models.Index(
                fields=["claimed_at"], name="batch_uncertain", condition=Q(state="uncertain")
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk} ({self.state})"


def without_person(collector: Any, field: Any, rows: Any, _using: str) -> None:
    """An `on_delete`: the count stays, the person does not. Nor does what the provider calls the message,
    by which its own records would name whom it went to, nor what it and their mail server said of it."""
    columns: Any = field.model._meta  # noqa: SLF001  it has no other name
    told: Any = Event._meta  # noqa: SLF001  as above
    with_words = Event.objects.exclude(description="").only("pk")
    people = collector.data[Subscriber]
    # Read, so that each is found by an index of its own.
    for about in ({"delivery__in": rows}, {"message__subscriber__in": people}):
        collector.add_field_update(
            told.get_field("description"), "", list(with_words.filter(**about))
        )
    # The key last: the rows are found by it.
    for name in ("esp_message_id", "detail"):
        collector.add_field_update(columns.get_field(name), "", rows)
    collector.add_field_update(field, None, rows)


# Django looks for it: the rows need not be read.
without_person.lazy_sub_objs = True  # type: ignore[attr-defined]


class Delivery(models.Model):
    """One edition to one subscriber.

    pending -> sent | failed | uncertain (as its batch was offered);
    pending -> skipped | suppressed (left or blocked before the claim);
    uncertain -> sent | failed | pending (evidence, or an operator).

    A million rows a day: there are few indexes, and none has the state in it, so that settling a
    row is an update in its own page (HOT). Keys to other rows are not checked by the database,
    which takes longer than the insert; a dangling one is safe: who is not there gets nothing.
    """

    class State(models.TextChoices):
        PENDING = "pending"
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
        MERGED = "merged", "late, merged into the next digest"
        REFUSED = "refused", "refused by the provider"
        GAVE_UP = "gave_up", "given up after many tries"
        DROPPED = "dropped", "dropped by an operator"

    edition = models.ForeignKey(
        Edition,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    subscriber = models.ForeignKey(
        Subscriber,
        on_delete=without_person,
        null=True,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    """Null once the subscriber is erased."""
    audience = models.ForeignKey(
        Audience,
        on_delete=models.PROTECT,
        null=True,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    batch = models.ForeignKey(
        Batch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deliveries",
        db_constraint=False,
    )
    """The one it goes, or went, in; null for what was never to be sent."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=12, choices=Reason.choices, default="", blank=True)
    """Why it was skipped or failed."""
    detail = models.CharField(max_length=200, blank=True)
    """What the provider said, without any address."""
    provider = models.CharField(max_length=20, blank=True)
    esp_message_id = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("settle_delivery", "Can settle deliveries in doubt")]
        constraints = [
            # The subscriber first: it is found by this index, too. An edition's are found by its
            # batches, whose ids begin with it, and by the index of those that are in none.
            models.UniqueConstraint(fields=["subscriber", "edition"], name="delivery_unique"),
            models.CheckConstraint(
                condition=~Q(state__in=["pending", "sent", "uncertain"]) | Q(batch__isnull=False),
                name="delivery_offered_in_a_batch",
            ),
        ]
        indexes = [
            models.Index(
                fields=["edition", "id"],
                name="delivery_in_no_batch",
                condition=Q(batch__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} ({self.state})"


class Event(models.Model):
    """What an ESP reported about a message, stored once by the ESP's own event id.

    It names deliveries and messages as the ESP sent them back: whether they exist is asked when
    its effect is applied, not while the ESP waits for an answer.
    """

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=200)
    type = models.CharField(max_length=20)
    """Anymail's event type; a bounce that the ESP calls soft is `deferred`."""
    delivery = models.ForeignKey(
        Delivery, on_delete=models.SET_NULL, null=True, related_name="events", db_constraint=False
    )
    batch_id = models.BigIntegerField(null=True, blank=True)
    """Of the one call that held all of the batch: what happened to one reader tells of all."""
    message = models.ForeignKey(
        TransactionalMessage,
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="events",
        db_constraint=False,
        db_index=False,
    )
    """The number stays when the message is forgotten."""
    reject_reason = models.CharField(max_length=20, blank=True)
    description = models.CharField(max_length=300, blank=True)
    """The words of the ESP and of the reader's mail server, without any address."""
    occurred_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    """Null until its effect was applied, once."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="event_unique")
        ]
        indexes = [
            models.Index(
                fields=["id"], name="event_unapplied", condition=Q(applied_at__isnull=True)
            ),
            models.Index(
                fields=["received_at"],
                name="event_bad",
                condition=Q(type__in=["bounced", "complained", "rejected"]),
            ),
            models.Index(
                fields=["message"], name="event_message", condition=Q(message__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} event {self.pk}"
