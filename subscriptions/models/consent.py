"""What readers agreed to and took back, and whom we never mail."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from .subscribers import Subscriber


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
        indexes = [models.Index(fields=["at", "action"], name="consent_by_time")]

    def __str__(self) -> str:
        return f"consent {self.pk} ({self.action})"


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
