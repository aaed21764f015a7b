"""The local outbox: a mail backend that keeps every message in a Maildir under var/."""

from collections.abc import Sequence
from mailbox import Maildir

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


def maildir() -> Maildir:
    """The outbox; any mail reader can open it. A message is there whole or not at all."""
    return Maildir(settings.VAR_DIR / "outbox", create=True)


class EmailBackend(BaseEmailBackend):
    """Keeps messages instead of sending them."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        box = maildir()
        for message in email_messages:
            box.add(message.message().as_bytes())
        return len(email_messages)
