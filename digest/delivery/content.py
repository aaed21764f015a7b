"""Reads what rendering needs from the tables: an edition's content, and readers' values."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from email.utils import parseaddr
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.conf import settings

from digest.models import Audience, Delivery, Edition, EditionPaper
from digest.records import EditionContent, PaperContent, Reader
from subscriptions import schedule, tokens
from subscriptions.models import Subscriber
from subscriptions.records import Rhythm

from . import rendering

WEEKLY = Edition.Frequency.WEEKLY


def edition_content(edition: Edition) -> EditionContent:
    """What a digest says about the edition."""
    is_weekly = edition.frequency == WEEKLY
    return EditionContent(
        name=edition.name,
        heading=f"Week {edition.date:%V, %G}" if is_weekly else schedule.long_day(edition.date),
        period="this week" if is_weekly else "today",
        paper_count=edition.paper_count,
        url=f"{settings.SITE_URL}/papers/{edition.name}/",
        is_sample=edition.is_sample,
    )


def paper_content(place: EditionPaper) -> PaperContent:
    """What a card says about a paper of an edition."""
    paper = place.paper
    return PaperContent(
        paper_id=paper.pk,
        title=paper.title,
        authors=tuple(paper.authors),
        summary=paper.summary or paper.abstract,
        upvotes=place.upvotes,
        comments=place.comments,
        code_stars=place.code_stars,
        url=f"{settings.SITE_URL}/papers/{paper.arxiv_id}/",
        arxiv_url=paper.arxiv_url,
        pdf_url=paper.pdf_url,
        code_url=paper.code_url,
    )


@lru_cache(maxsize=8)
def rendered_edition(edition_id: int) -> rendering.RenderedEdition:
    """The edition's shell and the cards of all its papers; kept by the process, as it is frozen."""
    edition = Edition.objects.get(pk=edition_id)
    places = edition.places.select_related("paper").order_by("rank")
    return rendering.render(
        edition_content(edition),
        map(paper_content, places),
        site_url=settings.SITE_URL,
        postal_address=settings.POSTAL_ADDRESS,
    )


def body_of(audience: Audience) -> rendering.Body:
    """The body that the audience's readers share."""
    topics = audience.selection.get("topics", [])
    return rendering.compose(
        rendered_edition(audience.edition_id),
        [(paper_id, reason) for paper_id, reason in audience.cards],
        follows=f", and follow {rendering.count(len(topics), 'topic')}" if topics else "",
    )


def sender_domain() -> str:
    """The domain that mail is from."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]


def readers_of(deliveries: Iterable[Delivery], *, now: datetime) -> list[Reader]:
    """Each delivery's reader, with links as old as `now`; the subscribers come with the
    deliveries, so no query is made."""
    domain = sender_domain()
    return [
        _reader(delivery, delivery.subscriber, domain, now)
        for delivery in deliveries
        if delivery.subscriber is not None
    ]


def _reader(delivery: Delivery, subscriber: Subscriber, domain: str, now: datetime) -> Reader:
    return Reader(
        delivery_id=delivery.pk,
        subscriber_id=subscriber.pk,
        email=subscriber.email,
        unsubscribe=tokens.make_unsubscribe(subscriber.public_id),
        preferences=tokens.make_preferences(subscriber, at=now),
        digest=tokens.make_digest(subscriber.public_id, delivery.edition_id),
        message_id=message_id(delivery.edition_id, subscriber, domain),
        confirmed_on=day_in_words(subscriber.confirmed_at or subscriber.created_at),
        next_digest=slot_in_words(
            _next_slot(subscriber.frequency, subscriber.hour, subscriber.timezone, _minute(now)),
            subscriber.timezone,
        ),
    )


def message_id(edition_id: int, subscriber: Subscriber, domain: str) -> str:
    """The one Message-ID of this edition to this subscriber, the same on every try."""
    key = hashlib.sha256(b"message-id" + settings.SECRET_KEY.encode()).digest()
    name = f"{edition_id}:{subscriber.public_id.hex}".encode()
    return f"<{hmac.new(key, name, 'sha256').hexdigest()[:32]}@{domain}>"


def day_in_words(moment: datetime) -> str:
    """`June 3, 2026`."""
    return f"{moment:%B} {moment.day}, {moment.year}"


def slot_in_words(slot: datetime, zone: str) -> str:
    """`Friday, August 21, 07:30 (Berlin)`: the hour in the reader's zone, and its city."""
    local = slot.astimezone(ZoneInfo(zone))
    return (
        f"{schedule.long_day(local)}, {local:%H:%M} ({zone.rsplit('/', 1)[-1].replace('_', ' ')})"
    )


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _next_slot(frequency: str, hour: int, zone: str, after: datetime) -> datetime:
    return schedule.next_slot(after, Rhythm(frequency, hour, zone))
