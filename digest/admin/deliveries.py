"""The operator's side of deliveries and of what providers reported of them."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from digest.delivery import lookup
from digest.delivery.esp.providers import MIME_PROVIDERS, PROVIDERS
from digest.delivery.lookup import Page
from digest.models import Delivery, Event
from subscriptions.admin.finding import is_id

from . import sent
from .keyed import (
    Asked,
    Column,
    KeyedAdmin,
    choice_field,
    edition_day,
    edition_field,
    link,
    moment,
    number_field,
    of_edition,
    offer_editions,
)

MOST_EVENTS = 100
"""Of a delivery that its page shows."""
_IN_NONE = "none"
_SEE_READERS = "subscriptions.view_subscriber"


def reader_link(request: HttpRequest, subscriber_id: int | None) -> Any:
    """The reader by number, never by address, for who may see readers; erased ones are gone."""
    if not may_see_readers(request):
        return ""
    return link(
        "admin:subscriptions_subscriber_change",
        subscriber_id,
        f"Reader {subscriber_id}" if subscriber_id else "erased",
        request=request,
        permission=_SEE_READERS,
    )


def may_see_readers(request: HttpRequest) -> bool:
    """Else they see nothing that tells whose a delivery is, or what its reader follows."""
    return request.user.has_perm(_SEE_READERS)


class WithReaders(KeyedAdmin):
    """A list that tells of readers only those who may see them."""

    def form_for(self, request: HttpRequest) -> Asked:
        form = super().form_for(request)
        if not may_see_readers(request):
            del form.fields["reader"]
        return form

    def columns_for(self, request: HttpRequest) -> Sequence[Column]:
        columns = super().columns_for(request)
        return columns if may_see_readers(request) else [c for c in columns if c[0] != "Reader"]


def _delivery_link(request: HttpRequest, delivery_id: int | None) -> Any:
    return link(
        "admin:digest_delivery_change",
        delivery_id,
        delivery_id or "",
        request=request,
        permission="digest.view_delivery",
    )


class AskedDeliveries(Asked):
    """Which deliveries are wanted."""

    edition = edition_field()
    planned = choice_field(
        "Of it", [(_IN_NONE, "skipped when it was planned")], empty="in a batch, sent or to be"
    )
    state = choice_field("State", Delivery.State.choices)
    reader = number_field("Reader’s number")
    batch = number_field("Batch")
    message_id = forms.CharField(required=False, max_length=200, label="ESP message id", strip=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_editions(self)

    def clean(self) -> dict[str, Any]:
        """What no index is for is looked for within an edition only."""
        found: dict[str, Any] = super().clean() or {}
        if not found.get("edition") and found.get("planned"):
            raise forms.ValidationError("Choose the edition whose skipped readers you want.")
        is_narrow = found.get("edition") or found.get("batch") or found.get("reader")
        if found.get("message_id") and not is_narrow:
            raise forms.ValidationError("Choose the edition that the message id is of.")
        return found


@admin.register(Delivery)
class DeliveryAdmin(WithReaders):
    asked = AskedDeliveries
    lead = (
        "The newest first. Choose an edition before a state: then only its rows are looked through."
    )
    change_form_template = "admin/digest/delivery.html"
    fields = ()
    columns = (
        ("Delivery", lambda request, row: _delivery_link(request, row.pk)),
        ("Edition", lambda request, row: edition_day(row.edition)),
        ("Reader", lambda request, row: reader_link(request, row.subscriber_id)),
        ("State", lambda request, row: row.get_state_display()),
        ("Why", lambda request, row: row.get_reason_display() if row.reason else row.detail),
        ("Provider", lambda request, row: row.provider),
        ("Sent", lambda request, row: moment(row.sent_at)),
    )

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """By the reader, the batch, the edition, or all: each by an index of its own."""
        edition, is_planned = asked["edition"], asked["planned"] != _IN_NONE
        reader = asked.get("reader")
        rows: QuerySet[Delivery] = Delivery.objects.all()
        order, among = lookup.BY_KEY, None
        if edition is not None and not reader:
            rows = lookup.deliveries_of(edition, is_planned=is_planned)
            order = lookup.BY_BATCH if is_planned else lookup.BY_KEY
            among = lookup.batches_of(edition) if is_planned else None
        elif edition is not None:
            rows = rows.filter(edition=edition)
        if reader:
            rows, order = rows.filter(subscriber_id=reader), lookup.BY_EDITION
        if asked["batch"]:
            rows = rows.filter(batch_id=asked["batch"])
            order, among = (order, None) if reader else (lookup.BY_BATCH, None)
        names = {"state": asked["state"], "esp_message_id": asked["message_id"]}
        wanted = {name: value for name, value in names.items() if value}
        return lookup.walk(
            rows.prefetch_related("edition"),
            order=order,
            below=form.key(len(order)),
            matching=Q(**wanted) if wanted else None,
            among=among,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The delivery, the papers that its reader got and why, and what the provider told of it."""
        is_number = is_id(object_id)
        found = Delivery.objects.filter(pk=int(object_id)) if is_number else None
        rows = list(sent.with_all(found)) if found is not None else []
        more = {}
        if rows and self.has_view_permission(request):
            more = {
                "sent": sent.shown(rows, most_events=MOST_EVENTS)[0],
                "edition": edition_day(rows[0].edition),
                "reader": reader_link(request, rows[0].subscriber_id),
                "may_see_readers": may_see_readers(request),
                "may_see_events": request.user.has_perm("digest.view_event"),
            }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | more)

    def name_of(self, delivery: Delivery) -> str:
        return f"Delivery {delivery.pk} {of_edition(delivery.edition)}"


_TYPES = (
    "delivered", "deferred", "bounced", "rejected", "failed", "complained", "unsubscribed",
    "queued", "sent", "autoresponded", "unknown",
)  # fmt: skip


class AskedEvents(Asked):
    """Which events are wanted."""

    type = choice_field("Type", [(name, name) for name in _TYPES])
    provider = choice_field(
        "Provider", [(name, name) for name in PROVIDERS if name not in MIME_PROVIDERS]
    )
    delivery = number_field("Delivery")
    reader = number_field("Reader’s number")


@admin.register(Event)
class EventAdmin(WithReaders):
    asked = AskedEvents
    lead = "What providers reported by their webhooks, the newest first."
    columns = (
        ("Event", lambda request, row: _event_link(request, row.pk)),
        ("Type", lambda request, row: row.type),
        ("Provider", lambda request, row: row.provider),
        ("Delivery", lambda request, row: _delivery_link(request, row.delivery_id)),
        ("Why", lambda request, row: row.reject_reason or row.description[:80]),
        ("Received", lambda request, row: moment(row.received_at)),
        ("Took effect", lambda request, row: moment(row.applied_at)),
    )
    fields = readonly_fields = (
        "type",
        "provider",
        "event_id",
        "delivery_number",
        "batch_id",
        "message_number",
        "reject_reason",
        "description",
        "occurred_at",
        "received_at",
        "applied_at",
    )

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """By the delivery, the reader, or all; types and providers are looked for among them."""
        rows = Event.objects.all()
        if reader := asked.get("reader"):
            rows = lookup.events_of_reader(reader)
        if asked["delivery"]:
            rows = rows.filter(delivery_id=asked["delivery"])
        wanted = {name: asked[name] for name in ("type", "provider") if asked[name]}
        matching = Q(**wanted) if wanted else None
        return lookup.walk(rows, below=form.key(1), matching=matching)

    def name_of(self, event: Event) -> str:
        return f"Event {event.pk}: {event.type}"

    @admin.display(description="Delivery")
    def delivery_number(self, event: Event) -> Any:
        """It may be gone: the number stays."""
        return event.delivery_id or "-"

    @admin.display(description="Single message")
    def message_number(self, event: Event) -> Any:
        """It may be gone: the number stays."""
        return event.message_id or "-"


def _event_link(request: HttpRequest, event_id: int) -> Any:
    return link(
        "admin:digest_event_change",
        event_id,
        event_id,
        request=request,
        permission="digest.view_event",
    )
