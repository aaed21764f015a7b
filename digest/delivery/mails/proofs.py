"""The proof of a digest: how it looks to a selection or to a reader, of an edition that is closed or
still to come. Nothing is stored, and its personal links lead nowhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.translation import override

from digest.delivery.due import apart, planning
from digest.editions import building, candidates, choosing, history, taste
from digest.models import Audience, Delivery, Edition, EditionPaper
from subscriptions import selectors
from subscriptions.models import Subscriber
from subscriptions.records import Selection

from . import content, rendering
from .preview import nobody

_DARK = "@media (prefers-color-scheme: dark)"
"""In `templates/email/parts/kept.css`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A digest in the forms in which it can be looked at."""

    subject: str
    html: str
    text: str
    paper_count: int

    def html_in(self, scheme: str) -> str:
        """The HTML as a mail reader in `light` or `dark` colors shows it, whatever the browser's
        own are: no browser can be asked to show a part of a page in others."""
        return self.html.replace(_DARK, "@media all" if scheme == "dark" else "@media not all")


def of_selection(frequency: str, day: date, selection: Selection, *, now: datetime) -> Proof | None:
    """What who follows this gets of the edition that covers `day`; None where nothing is for them."""
    edition, own = building.as_if_closed(frequency, day, now=now)
    return _picked(edition, own, selection)


def of_reader(frequency: str, day: date, reader: Subscriber, *, now: datetime) -> Proof | None:
    """What the reader was sent of the edition that covers `day`, or would get of it; None where
    nothing is for them."""
    edition, own = building.as_if_closed(frequency, day, now=now)
    if own is None and (audience := _sent(edition, reader)):
        body = content.body_of(audience, is_for_browser=True)
        return _filled(body, audience.language)
    since = planning.since_of(reader.slot, edition) if reader.slot else None
    since = apart.looks_back_to(reader, edition, since)
    first = (since or edition.date) - apart.OVERLAP
    but = {edition.pk} if edition.pk else set()
    sent = history.sent_to([reader.pk], since=first, but=but).get(reader.pk, ())
    return _picked(edition, own, selectors.selection_of(reader), since=since, sent=sent)


def _sent(edition: Edition, reader: Subscriber) -> Audience | None:
    mine = Delivery.objects.filter(edition=edition, subscriber=reader, audience__paper_count__gt=0)
    delivery = mine.select_related("audience__edition").first()
    return delivery.audience if delivery else None


def _picked(
    edition: Edition,
    own: Sequence[EditionPaper] | None,
    selection: Selection,
    *,
    since: date | None = None,
    sent: Collection[int] = (),
) -> Proof | None:
    places = candidates.with_topics(edition, since, own=own)
    papers = candidates.among(places, edition, since)
    cards = choosing.select(
        selection,
        papers,
        period=candidates.period_of(edition, since),
        sent=sent,
        taste=taste.model(selection.taste),
        unwanted=taste.unwanted_by(selection.taste, papers.pinned_ids),
    )
    if not cards:
        return None
    shown = {card.paper_id for card in cards}
    with override(selection.language):
        about = content.edition_content(
            edition, since, late_count=len(places) - edition.paper_count
        )
        body = content.body_apart(
            about,
            [place for place in places if place.paper_id in shown],
            cards,
            topic_count=len(selection.topics),
        )
    return _filled(body, selection.language)


def _filled(body: rendering.Body, language: str) -> Proof:
    with override(language):
        html, text = body.filled(rendering.values_of(nobody()))
    return Proof(body.subject, html, text, body.paper_count)


def send(proof: Proof, *, to: str) -> None:
    """Hands the proof to a provider as a single message: no delivery, no place in a ledger. Raises
    what the way out raises when it was not taken."""
    mail = EmailMultiAlternatives(
        subject=f"[Test] {proof.subject}",
        body=proof.text,
        to=[to],
        reply_to=[settings.REPLY_TO] if settings.REPLY_TO else [],
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(proof.html, "text/html")
    mail.send()
