"""What readers agreed to and took back, and whom we never mail."""

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from .subscribers import Subscriber

_ONLY_ADDED = "Consent records are only ever added."


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


class _OnlyAdded(models.QuerySet["ConsentRecord"]):
    """Rows that are neither changed nor deleted; the database would refuse it, too."""

    def update(self, **_kwargs: Any) -> NoReturn:
        raise TypeError(_ONLY_ADDED)

    def bulk_update(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(_ONLY_ADDED)

    def delete(self) -> NoReturn:
        raise TypeError(_ONLY_ADDED)


class ConsentRecord(models.Model):
    """What a person agreed to or took back, as it happened. Rows are only ever added, and go with
    their reader: the database sees to both (`append_only.py`)."""

    class Action(models.TextChoices):
        SIGNED_UP = "signed_up"
        CONFIRMED = "confirmed"
        IMPORTED = "imported"
        CHANGED = "changed"
        UNSUBSCRIBED = "unsubscribed"
        RESUBSCRIBED = "resubscribed"

    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.DO_NOTHING, related_name="consent_records"
    )
    action = models.CharField(max_length=12, choices=Action.choices)
    at = models.DateTimeField(auto_now_add=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    """The exact words beside the button that was pressed."""
    text_version = models.CharField(max_length=20, blank=True)
    language = models.CharField(max_length=10, blank=True, default="", db_default="")
    """In which the words were shown."""
    page = models.CharField(max_length=200, blank=True)

    objects = _OnlyAdded.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["at", "action"], name="consent_by_time")]

    def __str__(self) -> str:
        return f"consent {self.pk} ({self.action})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Adds the row; TypeError for one that is there."""
        if not self._state.adding:
            raise TypeError(_ONLY_ADDED)
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(_ONLY_ADDED)


class LeaveReason(models.Model):
    """Why somebody left, where they cared to say: whom it came from is not kept."""

    class Reason(models.TextChoices):
        TOO_MANY = "too_many", _("Too many mails")
        NOT_MINE = "not_mine", _("Too few papers on my topics")
        ELSEWHERE = "elsewhere", _("I find my papers elsewhere")
        NEVER_ASKED = "never_asked", _("I never asked for it")
        OTHER = "other", _("Something else")

    reason = models.CharField(max_length=12, choices=Reason.choices)
    said_on = models.DateField()
    """The first of the month: a day may have had one who left."""

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.get_reason_display()
