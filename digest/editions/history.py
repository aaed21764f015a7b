"""What readers were sent: every delivery keeps its list of papers, and readers with equal lists share
one, so that a reader's history takes a small row a digest."""

from collections.abc import Collection
from datetime import date
from typing import Any

from digest.models import Audience, Delivery, Edition, Paper
from subscriptions.models import Subscriber

_SENT = [Delivery.State.PENDING, Delivery.State.SENT, Delivery.State.UNCERTAIN]
"""What waits is as good as sent, and what may have been sent counts as sent."""


def sent_to(
    subscriber_ids: Collection[int], *, since: date, but: Collection[int] = ()
) -> dict[int, set[int]]:
    """The ids of the papers that each reader was sent in digests of editions since a day, whatever
    frequency, except the editions `but`. Three queries."""
    # Numbers, not a join: only then (subscriber, edition) is looked up, and in few partitions.
    editions = set(Edition.objects.filter(date__gte=since).values_list("pk", flat=True)) - set(but)
    rows = Delivery.objects.filter(
        subscriber_id__in=subscriber_ids, state__in=_SENT, edition_id__in=editions
    )
    got = rows.filter(audience__isnull=False).values_list("subscriber_id", "audience_id")
    lists = Audience.objects.filter(pk__in={audience_id for _, audience_id in got})
    papers = {pk: {card[0] for card in cards} for pk, cards in lists.values_list("pk", "cards")}
    found: dict[int, set[int]] = {}
    for subscriber_id, audience_id in got:
        # Audiences are purged before deliveries that wait for their partition to be dropped.
        found.setdefault(subscriber_id, set()).update(papers.get(audience_id, set()))
    return found


def papers_of_digests(subscriber: Subscriber) -> list[dict[str, Any]]:
    """The digests of a reader, the oldest first, with their papers by name and why each was in it: for the
    download of all that is held. That is those, too, that were made and not sent: each says what became
    of it. Two queries."""
    rows = Delivery.objects.filter(subscriber=subscriber, audience__isnull=False).order_by("pk")
    rows = rows.select_related("edition", "audience")
    lists = [(row, row.audience.cards) for row in rows if row.audience is not None]
    names = Paper.objects.in_bulk({card[0] for _, cards in lists for card in cards})
    return [
        {
            "edition": row.edition.name,
            "state": row.state,
            "papers": [
                {"arxiv_id": names[card[0]].arxiv_id, "title": names[card[0]].title, "why": card[1]}
                for card in cards
                if card[0] in names
            ],
        }
        for row, cards in lists
    ]
