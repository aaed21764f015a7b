"""The operator's side of a reader: beside what `subscriptions` knows, each digest with its papers, their
reasons, and what the provider reported of it."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from digest.models import Delivery, Event, Paper
from subscriptions.admin import SubscriberAdmin
from subscriptions.models import Subscriber

admin.site.unregister(Subscriber)
_SHOWN = 10
"""Digests on a page."""
_State = Delivery.State
_TONES = {
    _State.SENT: "success",
    _State.FAILED: "danger",
    _State.UNCERTAIN: "danger",
    _State.PENDING: "info",
}


@dataclass(frozen=True, slots=True)
class Report:
    """An event of the provider."""

    type: str
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


@admin.register(Subscriber)
class ReaderAdmin(SubscriberAdmin):
    def shown(self, request: HttpRequest, reader: Subscriber) -> dict[str, Any]:
        shown = super().shown(request, reader)
        messages = [message for message, _ in shown["sent_messages"]]
        reports = _reports("message", [message.pk for message in messages])
        shown["sent_messages"] = [(each, reports[each.pk]) for each in messages]
        if not request.user.has_perm("digest.view_delivery"):
            return shown | {"deliveries": None}
        before = request.GET.get("before", "")
        return shown | _deliveries(reader, int(before) if before.isdecimal() else None)


def _deliveries(reader: Subscriber, before: int | None) -> dict[str, Any]:
    """A page of them, the newest first: those of editions whose id is less than `before`."""
    rows = Delivery.objects.filter(subscriber=reader).select_related("edition", "audience", "batch")
    if before is not None:
        rows = rows.filter(edition_id__lt=before)
    found = list(rows.order_by("-edition_id")[: _SHOWN + 1])
    page = found[:_SHOWN]
    events = _reports("delivery", [each.pk for each in page])
    papers = _papers(page)
    return {
        "deliveries": [
            Sent(
                each,
                _TONES.get(_State(each.state), "warning"),
                _said(each),
                [_card(card, papers) for card in each.audience.cards] if each.audience else [],
                events[each.pk],
            )
            for each in page
        ],
        "older": page[-1].edition_id if len(found) > _SHOWN else None,
        "is_older": before is not None,
    }


def _papers(deliveries: Collection[Delivery]) -> dict[int, Paper]:
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
            at = f" on {delivery.sent_at:%Y-%m-%d at %H:%M} UTC" if delivery.sent_at else ""
            return f"Taken by {by}{at}{why}{detail}."
        case _State.PENDING:
            return f"Planned on {delivery.created_at:%Y-%m-%d at %H:%M} UTC, and not sent yet."
        case _State.UNCERTAIN:
            return f"In doubt: {by} did not say whether it took it{detail}."
        case _State.SUPPRESSED:
            return f"Not sent: nothing is mailed to this address{detail}."
        case _State.SKIPPED:
            return f"Not sent{why}{detail}."
        case _:
            return f"Failed{why}{detail}."


def _reports(about: str, ids: Collection[int]) -> dict[int, list[Report]]:
    """What providers reported of each, in order. One query."""
    found: dict[int, list[Report]] = defaultdict(list)
    rows = Event.objects.filter(**{f"{about}__in": ids}).order_by("pk")
    for event in rows:
        report = Report(
            event.type,
            event.occurred_at or event.received_at,
            event.reject_reason,
            event.description,
        )
        found[getattr(event, f"{about}_id")].append(report)
    return found
