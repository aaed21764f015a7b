"""The local outbox of an installation, read from its folder, as a reader's mailbox."""

import email
import re
from email import policy
from email.message import EmailMessage
from mailbox import Maildir

from tests.flows.processes import Installation, wait_for


def mails(installation: Installation) -> list[EmailMessage]:
    box = Maildir(installation.folder / "var" / "outbox", create=True)
    return [
        email.message_from_bytes(box.get_bytes(key), policy=policy.default)
        for key in box.iterkeys()
    ]


def mail_with(installation: Installation, header: str, words: str) -> EmailMessage:
    """The first mail with these words in this header, once it is there."""

    def found() -> EmailMessage | None:
        return next((m for m in mails(installation) if words in (m[header] or "")), None)

    return wait_for(found, seconds=120, what=f"a mail with {words}")


def link(mail: EmailMessage, part: str) -> str:
    """The first link of the plain text whose address has this part."""
    text = mail.get_body(("plain",)).get_content()
    return re.search(rf"https?://\S+/{part}/\S+", text)[0]
