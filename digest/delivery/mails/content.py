"""Reads what rendering needs from the tables: an edition's content, and readers' values."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from email.utils import parseaddr
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import get_language, override

from digest.editions import candidates
from digest.editions.choosing import Card
from digest.models import Audience, Edition, EditionPaper
from digest.records import EditionContent, PaperContent, Reader
from subscriptions import schedule, tokens
from subscriptions.records import Addressee, Rhythm

from . import rendering, wording

WEEKLY = Edition.Frequency.WEEKLY
CARDS = 400


def edition_content(
    edition: Edition, since: date | None = None, *, late_count: int | None = None
) -> EditionContent:
    """What a digest says about the edition, and what comes along since a day: so many papers, or
    as many as are found."""
    if late_count is None:
        in_all = candidates.places_of(edition, since).count() if since else edition.paper_count
        late_count = in_all - edition.paper_count
    is_weekly = edition.frequency == WEEKLY
    return EditionContent(
        name=edition.name,
        heading=schedule.week_name(edition.date) if is_weekly else schedule.long_day(edition.date),
        period=candidates.period_of(edition, since),
        paper_count=edition.paper_count,
        late_count=late_count,
        url=f"{settings.SITE_URL}/papers/{edition.name}/",
        is_sample=edition.is_sample,
        counts_clicks=settings.TRACK_CLICKS,
        note=edition.note,
    )


def paper_content(place: EditionPaper) -> PaperContent:
    """What a card says about a paper of an edition."""
    paper = place.paper
    return PaperContent(
        paper_id=paper.pk,
        arxiv_id=paper.arxiv_id,
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
def rendered_edition(
    edition_id: int, since: date | None = None, language: str = "en"
) -> rendering.RenderedEdition:
    """The edition's shell and the cards of its papers; kept by the process, as it is frozen.

    Of more than CARDS papers, as a month has, cards are rendered as audiences need them.
    """
    edition = Edition.objects.get(pk=edition_id)
    places = candidates.places_of(edition, since)
    few = places if places.count() <= CARDS else []
    return _rendered(edition, since, language, few)


def _rendered(
    edition: Edition, since: date | None, language: str, places: Iterable[EditionPaper]
) -> rendering.RenderedEdition:
    with override(language):
        return rendering.render(
            edition_content(edition, since),
            map(paper_content, candidates.as_at_close(edition, places)),
            site_url=settings.SITE_URL,
            postal_address=settings.POSTAL_ADDRESS,
        )


def _with_cards(audience: Audience) -> rendering.RenderedEdition:
    """The rendered edition, which has the cards of all papers of the audience."""
    rendered = rendered_edition(audience.edition_id, audience.since, audience.language)
    missing = {card[0] for card in audience.cards} - rendered.cards.keys()
    if missing:
        places = candidates.places_of(audience.edition, audience.since).filter(paper__in=missing)
        more = _rendered(audience.edition, audience.since, audience.language, places)
        rendered.cards.update(more.cards)
    return rendered


def body_of(audience: Audience, *, is_for_browser: bool = False) -> rendering.Body:
    """The body that the audience's readers share; a browser gets HTML even where a mail has none."""
    is_text_only = audience.format == "text" and not is_for_browser
    rendered = _with_cards(audience)
    with override(audience.language):
        return rendering.compose(
            rendered,
            [Card(*card)[:3] for card in audience.cards],
            follows=wording.follows(audience.topic_count),
            is_text_only=is_text_only,
        )


def body_apart(
    edition: EditionContent,
    places: Iterable[EditionPaper],
    cards: Sequence[Card],
    *,
    topic_count: int,
) -> rendering.Body:
    """A body that no audience stands for, in the language of the moment, of an edition that need not
    be closed; `places` have the papers of its cards. Nothing is kept."""
    rendered = rendering.render(
        edition,
        map(paper_content, places),
        site_url=settings.SITE_URL,
        postal_address=settings.POSTAL_ADDRESS,
    )
    follows = wording.follows(topic_count)
    return rendering.compose(rendered, [card[:3] for card in cards], follows=follows)


def sender_domain() -> str:
    """The domain that mail is from."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]


def readers_of(
    addressees: Mapping[int, Addressee],
    *,
    edition_id: int,
    now: datetime,
    batch_id: int = 0,
    language: str = "en",
) -> list[Reader]:
    """Each addressee, by delivery id, with what makes the digest theirs, as of `now`."""
    with override(language):
        return _readers_of(addressees, edition_id, now, batch_id)


def _readers_of(
    addressees: Mapping[int, Addressee], edition_id: int, now: datetime, batch_id: int
) -> list[Reader]:
    domain, key = sender_domain(), _message_key(settings.SECRET_KEY)
    language = get_language() or "en"
    minute = now.replace(second=0, microsecond=0)
    links = tokens.make_digest_links(addressees.values(), edition_id=edition_id)
    return [
        Reader(
            delivery_id=delivery_id,
            subscriber_id=addressee.subscriber_id,
            email=addressee.email,
            unsubscribe=unsubscribe,
            manage=manage,
            digest=digest,
            message_id=_message_id(key, edition_id, addressee.public_id, domain),
            confirmed_on=_day_in_words(addressee.since, language),
            next_digest=_next_digest(
                addressee.frequency, addressee.hour, addressee.timezone, minute, language
            ),
            batch_id=batch_id,
        )
        for (delivery_id, addressee), (unsubscribe, manage, digest) in zip(
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
def _day_in_words(moment: date, language: str) -> str:
    return schedule.long_date(moment)


def slot_in_words(slot: datetime, zone: str) -> str:
    """`Friday, August 21, 07:30 (Berlin)`: the hour in the reader's zone, and its city."""
    local = slot.astimezone(ZoneInfo(zone))
    return (
        f"{schedule.long_day(local)}, {local:%H:%M} ({zone.rsplit('/', 1)[-1].replace('_', ' ')})"
    )


@lru_cache(maxsize=4096)
def _next_digest(frequency: str, hour: int, zone: str, after: datetime, language: str) -> str:
    return slot_in_words(schedule.next_slot(after, Rhythm(frequency, hour, zone)), zone)
