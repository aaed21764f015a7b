"""The operator's side of deliveries and of what providers reported of them."""

from django.contrib import admin

from digest.models import Delivery, Event

from .read_only import ReadOnlyAdmin


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["id", "edition", "subscriber", "state", "reason", "provider", "sent_at"]
    list_filter = ["state", "reason", "provider"]
    list_select_related = ["edition", "subscriber"]
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["id", "type", "provider", "delivery", "reject_reason", "received_at"]
    list_filter = ["type", "provider"]
    list_select_related = ["delivery"]
    show_full_result_count = False
