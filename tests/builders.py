"""Readers and topics for tests: plain functions with sane defaults."""

from collections.abc import Collection
from datetime import UTC, datetime
from itertools import count
from typing import Any

from django.test import Client

from subscriptions import addresses, tokens
from subscriptions.models import (
    FollowedAuthor,
    FollowedKeyword,
    FollowedOrganization,
    Slot,
    Subscriber,
    Subscription,
    Topic,
)
from subscriptions.records import Selection
from subscriptions.views import known_cookie

_numbers = count(1)

CONFIRMED_AT = datetime(2026, 8, 3, 9, 0, tzinfo=UTC)
NEXT_DIGEST_AT = datetime(2026, 8, 20, 7, 0, tzinfo=UTC)


def make_topic(slug: str | None = None, **fields: Any) -> Topic:
    """The topic of this slug, which the catalogue may have already; without one a new topic."""
    slug = slug or f"topic-{next(_numbers)}"
    fields.setdefault("name", slug.replace("-", " ").capitalize())
    topic, _ = Topic.objects.get_or_create(slug=slug, defaults=fields)
    return topic


def make_slot(next_digest_at: datetime, **rhythm: Any) -> Slot:
    """The slot of a rhythm, which comes next at this time for all its readers."""
    slot, _ = Slot.objects.update_or_create(**rhythm, defaults={"next_digest_at": next_digest_at})
    return slot


def _rhythm(fields: dict[str, Any]) -> dict[str, Any]:
    standard = {"frequency": "weekdays", "hour": 7, "timezone": "UTC"}
    return {name: fields.get(name, value) for name, value in standard.items()}


def make_subscriber(
    email: str | None = None,
    *,
    topics: Collection[Topic] = (),
    keywords: tuple[str, ...] = (),
    authors: tuple[str, ...] = (),
    organizations: tuple[str, ...] = (),
    **fields: Any,
) -> Subscriber:
    """Active and due at NEXT_DIGEST_AT, unless `state` says otherwise; `fields` are the model's.

    `next_digest_at` is that of the slot, and so of all readers of the same rhythm.
    """
    email = email or f"reader{next(_numbers)}@example.org"
    if fields.setdefault("state", Subscriber.State.ACTIVE) == Subscriber.State.ACTIVE:
        due_at = fields.pop("next_digest_at", NEXT_DIGEST_AT)
        fields.setdefault("slot", make_slot(due_at, **_rhythm(fields)))
        fields.setdefault("confirmed_at", CONFIRMED_AT)
    selection = Selection(
        topics=tuple(sorted(topic.slug for topic in topics)),
        keywords=keywords,
        authors=authors,
        organizations=organizations,
        length=fields.get("length", 8),
        dial=fields.get("dial", 2),
        trending=fields.get("trending", False),
        least_votes=fields.get("least_votes", 0),
        format=fields.get("format", "html"),
        language=fields.get("language", "en"),
    )
    subscriber = Subscriber.objects.create(
        email=email,
        address_hash=addresses.hash_of(email),
        selection_key=selection.key,
        **fields,
    )
    Subscription.objects.bulk_create(
        Subscription(subscriber=subscriber, topic=topic) for topic in topics
    )
    FollowedKeyword.objects.bulk_create(
        FollowedKeyword(subscriber=subscriber, text=text) for text in keywords
    )
    FollowedAuthor.objects.bulk_create(
        FollowedAuthor(subscriber=subscriber, name=name) for name in authors
    )
    FollowedOrganization.objects.bulk_create(
        FollowedOrganization(subscriber=subscriber, name=name) for name in organizations
    )
    return subscriber


def know_browser(client: Client, reader: Subscriber) -> None:
    """Afterwards the client is a browser in which the reader opened a link out of their mail."""
    for room in known_cookie.ROOMS:
        client.cookies[known_cookie.name_in(room)] = tokens.make_known(reader)
