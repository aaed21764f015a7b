"""Readers, and the hours that they share."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from .topics import Topic

DEFAULT_LENGTH = 8
DEFAULT_DIAL, MOST_DIAL = 2, 4


class Slot(models.Model):
    """The hour of sending that all active readers of one rhythm share, and when it comes next.

    Who is due is found by the slots that are due, and a million readers are moved on to their next
    digest by one UPDATE of one row.
    """

    frequency = models.CharField(max_length=8)
    hour = models.PositiveSmallIntegerField()
    timezone = models.CharField(max_length=64)
    next_digest_at = models.DateTimeField(db_index=True)
    """UTC; in the past while its readers are due."""
    begun_with = models.BigIntegerField(null=True, blank=True)
    """The id of the edition that some of its readers have been planned for, until all are."""
    ended_on = models.DateField(null=True, blank=True)
    """The day of the edition that all of its readers were planned for last. What comes less often
    than editions do picks up from there."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["frequency", "hour", "timezone"], name="slot_unique")
        ]

    def __str__(self) -> str:
        return f"{self.frequency}, {self.hour:02}:00 {self.timezone}"


class Subscriber(models.Model):
    """An address and its owner.

    pending: the address is not proved, only the confirm mail may go there.
    active: confirmed; digests go out, unless the address is suppressed or paused.
    unsubscribed: left; can come back through the undo link or a new sign-up.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        UNSUBSCRIBED = "unsubscribed"

    class Frequency(models.TextChoices):
        DAILY = "daily", _("Every day")
        WEEKDAYS = "weekdays", _("Every weekday")
        WEEKLY = "weekly", _("Once a week, on Monday")
        TUESDAYS = "weekly-2", _("Once a week, on Tuesday")
        WEDNESDAYS = "weekly-3", _("Once a week, on Wednesday")
        THURSDAYS = "weekly-4", _("Once a week, on Thursday")
        FRIDAYS = "weekly-5", _("Once a week, on Friday")
        SATURDAYS = "weekly-6", _("Once a week, on Saturday")
        SUNDAYS = "weekly-7", _("Once a week, on Sunday")
        MONTHLY = "monthly", _("Once a month, on the first")

    class Format(models.TextChoices):
        HTML = "html", _("HTML, with plain text beside it")
        TEXT = "text", _("Plain text only")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    """What signed links carry instead of the id."""
    email = models.CharField(max_length=254)
    """The canonical ASCII form that `addresses.canonical` made."""
    address_hash = models.CharField(max_length=64, db_index=True)
    """Joins with `Suppression.address_hash`."""
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    token_version = models.PositiveIntegerField(default=1)
    """Raised to kill every confirm, preferences and erase link made before."""

    frequency = models.CharField(
        max_length=8, choices=Frequency.choices, default=Frequency.WEEKDAYS
    )
    hour = models.PositiveSmallIntegerField(default=7)
    """Local hour of sending, 0 to 23."""
    timezone = models.CharField(max_length=64, default="UTC")
    length = models.PositiveSmallIntegerField(default=DEFAULT_LENGTH)
    """The most papers in one digest."""
    least_votes = models.PositiveIntegerField(default=0, db_default=0)
    """Papers with fewer votes are left out."""
    trending = models.BooleanField(default=False, db_default=False)
    """What makes a paper popular: how fast votes come, instead of how many there are."""
    dial = models.PositiveSmallIntegerField(default=DEFAULT_DIAL, db_default=DEFAULT_DIAL)
    """From 0, the most voted papers, to MOST_DIAL, only what is followed."""
    format = models.CharField(
        max_length=4, choices=Format.choices, default=Format.HTML, db_default="html"
    )
    language = models.CharField(max_length=10, default="en", db_default="en")
    """Of their mails: one of LANGUAGES, or one that was, which counts as the first."""
    paused_until = models.DateField(null=True, blank=True)
    """The local day on which mail starts again."""
    taste = models.CharField(max_length=16, blank=True, default="", db_default="")
    """The mark of what was learned from the reader's opinions; "" for nothing."""
    learns = models.BooleanField(default=False, db_default=False)
    """Whether digests learn from the paper pages that the reader opens, too."""
    counts_clicks = models.BooleanField(default=False, db_default=False)
    """Whether the provider may count which links they follow, where TRACK_CLICKS lets it: their form
    said so, or they turned it on."""
    unserved_since = models.DateField(null=True, blank=True)
    """The day on which a pause began: the first digest after it looks back so far, and forgets it."""
    changed_on = models.DateField(null=True, blank=True)
    """The day on which the rhythm changed, or a digest was asked for: digests whose papers are from
    that day or before it leave out what was sent already."""
    selection_key = models.CharField(max_length=32, db_index=True)
    """`Selection.key` of what is followed; kept by the services that change it."""
    slot = models.ForeignKey(
        Slot,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="subscribers",
    )
    """Null exactly while not active. Who changes the rhythm while a digest is due stays in the old
    one until that is planned."""

    new_email = models.CharField(max_length=254, blank=True, default="", db_default="")
    """The canonical address that the subscriber wants instead, until its owner has confirmed it."""
    soft_bounces = models.PositiveSmallIntegerField(default=0, db_default=0)
    """Digests that the mailbox did not take for now, since it last took one."""

    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    topics = models.ManyToManyField(Topic, through="Subscription", related_name="subscribers")

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="subscriber_email_unique"),
            models.CheckConstraint(condition=Q(hour__lte=23), name="subscriber_hour_of_day"),
            models.CheckConstraint(condition=Q(dial__lte=MOST_DIAL), name="subscriber_dial_steps"),
            models.CheckConstraint(
                condition=Q(state="active", slot__isnull=False, confirmed_at__isnull=False)
                | (~Q(state="active") & Q(slot__isnull=True)),
                name="subscriber_active_is_scheduled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["slot", "selection_key", "id"],
                name="subscriber_due",
                condition=Q(slot__isnull=False),
            ),
            models.Index(
                fields=["slot"],
                name="subscriber_apart",
                condition=Q(unserved_since__isnull=False)
                | Q(changed_on__isnull=False)
                | Q(trending=True),
            ),
            models.Index(
                fields=["state", "id"], name="subscriber_not_active", condition=~Q(state="active")
            ),
        ]

    def __str__(self) -> str:
        return f"subscriber {self.pk}"

    @property
    def next_digest_at(self) -> datetime | None:
        """UTC; when the next digest is due, None while not active."""
        return self.slot.next_digest_at if self.slot else None
