"""Who reads, what they follow, what they agreed to, and whom we never mail."""

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from .catalogue import translated

DEFAULT_LENGTH = 8
DEFAULT_DIAL, MOST_DIAL = 2, 4


class Topic(models.Model):
    """An entry of the catalogue: what a reader follows and a paper is about."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    group = models.CharField(max_length=60, blank=True, default="", db_default="")
    """The heading that it stands under where topics are chosen."""
    position = models.PositiveSmallIntegerField(default=0, help_text="Where it stands in lists.")
    phrases: Any = models.JSONField(
        default=list,
        blank=True,
        help_text="Words and phrases that speak for this topic in title, abstract or keywords.",
    )
    categories: Any = models.JSONField(
        default=list, blank=True, help_text="arXiv categories that speak for it, such as cs.RO."
    )

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name as readers see it, in their language."""
        return translated(self.name)

    @property
    def about(self) -> str:
        """The description as readers see it."""
        return translated(self.description)

    @property
    def heading(self) -> str:
        """The group as readers see it."""
        return translated(self.group)


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
                condition=Q(unserved_since__isnull=False) | Q(changed_on__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"subscriber {self.pk}"

    @property
    def next_digest_at(self) -> datetime | None:
        """UTC; when the next digest is due, None while not active."""
        return self.slot.next_digest_at if self.slot else None


class Subscription(models.Model):
    """A subscriber's choice of a topic."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE)
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "topic"], name="subscription_unique")
        ]

    def __str__(self) -> str:
        return f"subscription {self.pk}"


class FollowedKeyword(models.Model):
    """What a subscriber wants to be told of: a word, a phrase, or a query (`queries.parse`)."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="keywords")
    text = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint("subscriber", Lower("text"), name="followed_keyword_unique")
        ]

    def __str__(self) -> str:
        return self.text


class FollowedAuthor(models.Model):
    """An author whose papers a subscriber wants to be told of."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="authors")
    name = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint("subscriber", Lower("name"), name="followed_author_unique")
        ]

    def __str__(self) -> str:
        return self.name


class FollowedOrganization(models.Model):
    """A lab, company or university whose papers a subscriber wants to be told of."""

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, related_name="organizations"
    )
    name = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "subscriber", Lower("name"), name="followed_organization_unique"
            )
        ]

    def __str__(self) -> str:
        return self.name


class FollowedCategory(models.Model):
    """An arXiv category, such as cs.CL, that a subscriber follows like a topic."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="categories")
    name = models.CharField(max_length=24)

    class Meta:
        verbose_name_plural = "followed categories"
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "name"], name="followed_category_unique")
        ]

    def __str__(self) -> str:
        return self.name


class Suppression(models.Model):
    """An address that we never mail, kept as a keyed hash so that it outlives its erasure."""

    class Reason(models.TextChoices):
        BOUNCED = "bounced", "Hard bounce"
        COMPLAINED = "complained", "Marked as spam"
        ERASED = "erased", "Asked to be erased"
        MANUAL = "manual", "Set by an operator"

    address_hash = models.CharField(max_length=64, unique=True)
    reason = models.CharField(max_length=12, choices=Reason.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"suppression {self.pk} ({self.reason})"


class ConsentRecord(models.Model):
    """What a person agreed to or took back, as it happened. Rows are only ever added."""

    class Action(models.TextChoices):
        SIGNED_UP = "signed_up"
        CONFIRMED = "confirmed"
        IMPORTED = "imported"
        CHANGED = "changed"
        UNSUBSCRIBED = "unsubscribed"
        RESUBSCRIBED = "resubscribed"

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, related_name="consent_records"
    )
    action = models.CharField(max_length=12, choices=Action.choices)
    at = models.DateTimeField(auto_now_add=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    """The exact words beside the button that was pressed."""
    text_version = models.CharField(max_length=20, blank=True)
    page = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"consent {self.pk} ({self.action})"


class TransactionalMessage(models.Model):
    """One of the few mails that are not a digest: asked for, claimed by a worker, sent.

    The row is the truth; the message on the broker only wakes the worker. Rows of the last day
    are also what limits how many such mails an address can be made to get.
    """

    class Kind(models.TextChoices):
        CONFIRM = "confirm"
        ALREADY_SUBSCRIBED = "already_subscribed"
        PREFERENCES = "preferences"
        GOODBYE = "goodbye"
        CHANGE_ADDRESS = "change_address"
        """Goes to `Subscriber.new_email`."""
        ADDRESS_CHANGED = "address_changed"
        """Goes to the address that it was until then."""

    class State(models.TextChoices):
        PENDING = "pending"
        CLAIMED = "claimed"
        SENT = "sent"
        FAILED = "failed"
        UNCERTAIN = "uncertain"

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    address = models.CharField(max_length=254, blank=True, default="", db_default="")
    """Where it goes, if not to the subscriber's address; forgotten once that is settled."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["subscriber", "created_at"], name="message_recent"),
            models.Index(
                fields=["id"], name="message_open", condition=Q(state__in=["pending", "claimed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} message {self.pk}"


class LeaveReason(models.Model):
    """Why somebody left, where they cared to say: whom it came from is not kept."""

    class Reason(models.TextChoices):
        TOO_MANY = "too_many", _("Too many mails")
        NOT_MINE = "not_mine", _("Too few papers on my topics")
        ELSEWHERE = "elsewhere", _("I find my papers elsewhere")
        NEVER_ASKED = "never_asked", _("I never asked for it")
        OTHER = "other", _("Something else")

    reason = models.CharField(max_length=12, choices=Reason.choices)
    said_on = models.DateField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.get_reason_display()
