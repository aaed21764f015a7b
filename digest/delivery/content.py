"""Reads what rendering needs from the tables: an edition's content, and readers' values."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date, datetime
from email.utils import parseaddr
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings

from digest.editions import audiences
from digest.models import Audience, Edition, EditionPaper
from digest.records import EditionContent, PaperContent, Reader
from subscriptions import schedule, tokens
from subscriptions.records import Addressee, Rhythm

from . import rendering

WEEKLY = Edition.Frequency.WEEKLY


def edition_content(edition: Edition, since: date | None = None) -> EditionContent:
    """What a digest says about the edition, and what comes along since a day."""
    is_weekly = edition.frequency == WEEKLY
    return EditionContent(
        name=edition.name,
        heading=f"Week {edition.date:%V, %G}" if is_weekly else schedule.long_day(edition.date),
        period=audiences.period_of(edition, since),
        paper_count=edition.paper_count,
        late_count=audiences.places_of(edition, since).count() - edition.paper_count
        if since
        else 0,
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
def rendered_edition(edition_id: int, since: date | None = None) -> rendering.RenderedEdition:
    """The edition's shell and the cards of all its papers; kept by the process, as it is frozen."""
    edition = Edition.objects.get(pk=edition_id)
    return rendering.render(
        edition_content(edition, since),
        map(paper_content, audiences.places_of(edition, since)),
        site_url=settings.SITE_URL,
        postal_address=settings.POSTAL_ADDRESS,
    )


def body_of(audience: Audience) -> rendering.Body:
    """The body that the audience's readers share."""
    topics = audience.selection.get("topics", [])
    return rendering.compose(
        rendered_edition(audience.edition_id, audience.since),
        [(paper_id, reason) for paper_id, reason in audience.cards],
        follows=f", and follow {rendering.count(len(topics), 'topic')}" if topics else "",
    )


def sender_domain() -> str:
    """The domain that mail is from."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]


def readers_of(
    addressees: Mapping[int, Addressee], *, edition_id: int, now: datetime, batch_id: int = 0
) -> list[Reader]:
    """Each addressee, by delivery id, with what makes the digest theirs, and links as old as `now`."""
    domain, key = sender_domain(), _message_key(settings.SECRET_KEY)
    minute = now.replace(second=0, microsecond=0)
    links = tokens.make_digest_links(addressees.values(), edition_id=edition_id, at=now)
    return [
        Reader(
            delivery_id=delivery_id,
            subscriber_id=addressee.subscriber_id,
            email=addressee.email,
            unsubscribe=unsubscribe,
            preferences=preferences,
            digest=digest,
            message_id=_message_id(key, edition_id, addressee.public_id, domain),
            confirmed_on=day_in_words(addressee.since),
            next_digest=_next_digest(
                addressee.frequency, addressee.hour, addressee.timezone, minute
            ),
            batch_id=batch_id,
        )
        for (delivery_id, addressee), (unsubscribe, preferences, digest) in zip(
            addressees.items(), links, strict=True
        )
    ]


def message_id(edition_id: int, public_id: UUID, domain: str) -> str:
    """The one Message-ID of this edition to this subscriber, the same on every try."""
    return _message_id(_message_key(settings.SECRET_KEY), edition_id, public_id, domain)


def _message_id(key: bytes, edition_id: int, public_id: UUID, domain: str) -> str:
    name = f"{edition_id}:{public_id.hex}".encode()
    return f"<{hmac.digest(key, name, 'sha256').hex()[:32]}@{domain}>"


@lru_cache(maxsize=4)
def _message_key(secret: str) -> bytes:
    return hashlib.sha256(b"message-id" + secret.encode()).digest()


@lru_cache(maxsize=4096)
def day_in_words(moment: date) -> str:
    """`June 3, 2026`."""
    return f"{moment:%B} {moment.day}, {moment.year}"


def slot_in_words(slot: datetime, zone: str) -> str:
    """`Friday, August 21, 07:30 (Berlin)`: the hour in the reader's zone, and its city."""
    local = slot.astimezone(ZoneInfo(zone))
    return (
        f"{schedule.long_day(local)}, {local:%H:%M} ({zone.rsplit('/', 1)[-1].replace('_', ' ')})"
    )


@lru_cache(maxsize=4096)
def _next_digest(frequency: str, hour: int, zone: str, after: datetime) -> str:
    return slot_in_words(schedule.next_slot(after, Rhythm(frequency, hour, zone)), zone)
