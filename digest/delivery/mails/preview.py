"""The digest of any selection, without a subscriber, a delivery or a provider."""

from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import override

from digest.delivery import outbox
from digest.delivery.esp import providers
from digest.editions import building, candidates, choosing
from digest.errors import EditionOpenError, PermanentError
from digest.models import Audience, Edition
from digest.records import Reader
from subscriptions.models import Topic
from subscriptions.records import Selection

from . import content, messages, rendering


def nobody() -> Reader:
    """Whom a preview is for, in the language of the moment. Personal links lead nowhere."""
    return Reader(
        delivery_id=0,
        subscriber_id=0,
        email="reader@example.org",
        unsubscribe="preview",
        manage="preview",
        digest="preview",
        message_id="<preview@example.org>",
        confirmed_on=_("the day of your choice"),
        next_digest=_("at your hour"),
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """A digest in every form in which it can be looked at. Its personal links lead nowhere."""

    subject: str
    html: str
    text: str
    eml: bytes


def preview(selection: Selection, *, day: date | None = None) -> Preview:
    """The digest for this selection, of the edition of `day` or the newest; nothing is stored.

    Raises EditionOpenError where no edition is closed, PermanentError for a topic that is not in
    the catalogue or when there is nothing for the selection.
    """
    edition = _edition(day)
    _check_topics(selection)
    cards = choosing.select(selection, candidates.of(edition), period=candidates.period_of(edition))
    if not cards:
        raise PermanentError(f"Nothing in edition {edition.name} is for this selection.")
    audience = Audience(
        edition=edition,
        cards=cards,
        language=selection.language,
        format=selection.format,
        topic_count=len(selection.topics),
    )
    body = content.body_of(audience, is_for_browser=True)
    with override(selection.language):
        reader = nobody()
    html, text = body.filled(rendering.values_of(reader))
    claim = outbox.Claim(0, edition.pk, 0, 0, edition.closed_at, {})
    own = content.body_of(audience)
    call = messages.Call(claim, edition, own, [reader])
    message = messages.single_message(providers.PROVIDERS["outbox"], call)
    return Preview(body.subject, html, text, message.message().as_bytes())


def _edition(day: date | None) -> Edition:
    if day is None:
        edition = building.newest(Edition.Frequency.DAILY)
    else:
        daily = Edition.objects.filter(frequency=Edition.Frequency.DAILY)
        edition = daily.filter(date=day, paper_count__gt=0).first()
    if edition is None:
        raise EditionOpenError(
            f"No closed edition of {day or 'any day'} has papers. "
            "Fetch them with fetch_papers and close it with build_edition."
        )
    return edition


def _check_topics(selection: Selection) -> None:
    known = set(Topic.objects.values_list("slug", flat=True))
    if unknown := sorted(set(selection.topics) - known):
        raise PermanentError(
            f"No such topic: {', '.join(unknown)}. There are {', '.join(sorted(known))}."
        )
