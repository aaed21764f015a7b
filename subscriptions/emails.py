"""The transactional messages: from a row to a mail, and out."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.crypto import salted_hmac
from premailer import Premailer

from . import addresses, tokens
from .errors import TemporaryError
from .models import Subscriber, TransactionalMessage

_Kind = TransactionalMessage.Kind


class TransactionalMail(EmailMultiAlternatives):
    """A mail with what an ESP wants to know beside it; other ways out pass over that."""

    tags: list[str]
    metadata: dict[str, str]
    can_wait: bool
    """Whether the way out may raise NotNowError, where others are to be mailed first."""


def send(message: TransactionalMessage) -> None:
    """Hands the message to the ESP; raises what the way out raises when it was not taken."""
    compose(message).send()


def compose(message: TransactionalMessage) -> TransactionalMail:
    """The mail of the row, in its reader's language: equal on every try, but for the links' dates
    and its own.

    TemporaryError where the operator has not set a postal address: no mail goes out without it.
    """
    if not settings.POSTAL_ADDRESS:
        raise TemporaryError("POSTAL_ADDRESS is not set, and every mail must carry it")
    with translation.override(_language_of(message.subscriber)):
        return _composed(message)


def _language_of(subscriber: Subscriber) -> str:
    spoken = [code for code, _ in settings.LANGUAGES]
    return subscriber.language if subscriber.language in spoken else spoken[0]


def _composed(message: TransactionalMessage) -> TransactionalMail:
    subscriber = message.subscriber
    context = {
        "link": settings.SITE_URL + _path(_Kind(message.kind), subscriber),
        "masked": addresses.masked(subscriber.email),
        "postal_address": settings.POSTAL_ADDRESS,
        "site_url": settings.SITE_URL,
    }
    folder = f"email/{message.kind}"
    mail = TransactionalMail(
        subject=render_to_string(f"{folder}/subject.txt", context).strip(),
        body=render_to_string(f"{folder}/body.txt", context).strip() + "\n",
        to=[address_of(message)],
        reply_to=[settings.REPLY_TO] if settings.REPLY_TO else [],
        headers={"Message-ID": _message_id(message), "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(_inlined(render_to_string(f"{folder}/body.html", context)), "text/html")
    mail.tags = ["transactional"]
    mail.metadata = {"message": str(message.pk)}
    mail.can_wait = message.can_wait
    return mail


def address_of(message: TransactionalMessage) -> str:
    """Where it goes."""
    return message.address or message.subscriber.email


def _path(kind: TransactionalMessage.Kind, subscriber: Subscriber) -> str:
    match kind:
        case _Kind.CONFIRM:
            return f"/confirm/{tokens.make_confirm(subscriber)}/"
        case _Kind.ADDRESS_CHANGED:
            return f"/unsubscribe/{tokens.make_unsubscribe(subscriber.public_id)}/"
        case _Kind.ALREADY_SUBSCRIBED | _Kind.PREFERENCES | _Kind.GOODBYE:
            return f"/preferences/{tokens.make_preferences(subscriber)}/"
        case _Kind.CHANGE_ADDRESS:
            return f"/address/{tokens.make_address(subscriber)}/"


def _message_id(message: TransactionalMessage) -> str:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    unique = salted_hmac("subscriptions.message-id", str(message.pk), algorithm="sha256")
    # Short enough for one line: some programs do not find a Message-ID that is folded.
    return f"<{message.kind.partition('_')[0]}.{unique.hexdigest()[:20]}@{domain}>"


def _inlined(document: str) -> str:
    options: dict[str, Any] = {
        "allow_network": False,
        "allow_loading_external_files": False,
        "disable_validation": True,
        "cssutils_logging_level": "CRITICAL",
        # The classes stay for the dark colors; the important ones are in the other style.
        "remove_classes": False,
        "keep_style_tags": False,
        "strip_important": False,
        "disable_basic_attributes": ["bgcolor", "width", "height", "align"],
    }
    return str(Premailer(document, **options).transform())
