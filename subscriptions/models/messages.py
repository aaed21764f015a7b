"""The few mails that are not a digest."""

from django.db import models
from django.db.models import Q

from .subscribers import Subscriber


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
    mailbox = models.CharField(max_length=64, blank=True, default="", db_default="")
    """A keyed hash of the mailbox that it ends in, whatever form of its address was typed; "" where
    none is counted: of an import's questions, of which each goes to another reader, and of what
    tells an old address that it was changed, which goes once."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    can_wait = models.BooleanField(default=False, db_default=False)
    """Nobody looks for it now, as for the question to a reader of an import: it goes after all
    others, and within what the provider may get."""
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["subscriber", "created_at"], name="message_recent"),
            models.Index(
                fields=["can_wait", "id"],
                name="message_waiting",
                condition=Q(state__in=["pending", "claimed"]),
            ),
            models.Index(
                fields=["mailbox", "created_at"],
                name="message_mailbox",
                condition=~Q(mailbox=""),
            ),
            # An import's questions, perhaps a million, would lie between.
            models.Index(fields=["created_at"], name="message_asked", condition=Q(can_wait=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} message {self.pk}"
