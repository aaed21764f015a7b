"""What the desk shows of a delivery: its papers with their reasons, what became of it in a sentence, and
what the provider reported, in order."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import date_format

from digest.models import Delivery, Event, Paper

_State = Delivery.State
_MEANS = {
    "queued": "The provider has it and waits to send it.",
    "sent": "The provider has sent it on.",
    "delivered": "The reader’s mail server took it.",
    "deferred": "The reader’s mail server did not take it yet; it is tried again.",
    "bounced": "The reader’s mail server refused it for good.",
    "rejected": "The provider did not send it.",
    "failed": "It could not be sent.",
    "complained": "The reader marked it as spam.",
    "unsubscribed": "The reader unsubscribed by it.",
    "autoresponded": "An automatic answer came back.",
}
_TONES = {
    _State.SENT: "success",
    _State.FAILED: "danger",
    _State.UNCERTAIN: "danger",
    _State.PENDING: "info",
}


@dataclass(frozen=True, slots=True)
class Report:
    """An event of the provider."""

    pk: int
    type: str
    words: str
    """What that means."""
    at: datetime
    reject_reason: str
    description: str


@dataclass(frozen=True, slots=True)
class Card:
    """A paper of a digest, and why it was there."""

    title: str
    arxiv_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery as the page shows it."""

    delivery: Delivery
    tone: str
    said: str
    cards: list[Card]
    events: list[Report]

    @property
    def is_out(self) -> bool:
        """Whether the reader has it, perhaps."""
        return self.delivery.state in {_State.SENT, _State.UNCERTAIN}


def shown(deliveries: Collection[Delivery], *, most_events: int | None = None) -> list[Sent]:
    """These, which come with their audience and batch, as a page shows them. Two queries."""
    events = reports("delivery", [each.pk for each in deliveries], most=most_events)
    papers = _papers_of(deliveries)
    return [
        Sent(
            each,
            _TONES.get(_State(each.state), "warning"),
            _said(each),
            [_card(card, papers) for card in each.audience.cards] if each.audience else [],
            events[each.pk],
        )
        for each in deliveries
    ]


def with_all(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """The rows, each with what `shown` needs."""
    return rows.select_related("edition", "audience", "batch")


def _papers_of(deliveries: Collection[Delivery]) -> dict[int, Paper]:
    ids = {card[0] for each in deliveries if each.audience for card in each.audience.cards}
    return Paper.objects.only("title", "arxiv_id").in_bulk(ids)


def _card(card: Any, papers: dict[int, Paper]) -> Card:
    paper = papers.get(card[0])
    if paper is None:
        return Card("A paper that is no longer kept", "", card[1])
    return Card(paper.title, paper.arxiv_id, card[1])


def _said(delivery: Delivery) -> str:
    """What became of it, in a sentence."""
    why = f": {delivery.get_reason_display()}" if delivery.reason else ""
    detail = f" ({delivery.detail})" if delivery.detail else ""
    provider = delivery.provider or (delivery.batch.provider if delivery.batch else "")
    by = provider or "the provider"
    match delivery.state:
        case _State.SENT:
            at = f" on {_moment(delivery.sent_at)}" if delivery.sent_at else ""
            return f"Taken by {by}{at}{why}{detail}."
        case _State.PENDING:
            return f"Planned on {_moment(delivery.created_at)}, and not sent yet."
        case _State.UNCERTAIN:
            return f"In doubt: {by} did not say whether it took it{detail}."
        case _State.SUPPRESSED:
            return f"Not sent: nothing is mailed to this address{detail}."
        case _State.SKIPPED:
            return f"Not sent{why}{detail}."
        case _:
            return f"Failed{why}{detail}."


def reports(
    about: str, ids: Collection[int], *, most: int | None = None
) -> dict[int, list[Report]]:
    """What providers reported of each `delivery` or `message`, in order; of all together the first so
    many. One query."""
    found: dict[int, list[Report]] = defaultdict(list)
    rows = Event.objects.filter(**{f"{about}__in": ids}).order_by("pk")[:most]
    for event in rows:
        report = Report(
            event.pk,
            event.type,
            _MEANS.get(event.type, ""),
            event.occurred_at or event.received_at,
            event.reject_reason,
            event.description,
        )
        found[getattr(event, f"{about}_id")].append(report)
    for each in found.values():
        # They come as webhooks were called, which need not be as it happened.
        each.sort(key=lambda report: (report.at, report.pk))
    return found


def _moment(at: datetime) -> str:
    return date_format(at, "DATETIME_FORMAT")
