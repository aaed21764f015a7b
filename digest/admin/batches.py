"""The operator's side of batches: those that wait or are claimed, and what is in doubt, which is settled
here by one press."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import validate_comma_separated_integer_list
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from digest.delivery import lookup, settling
from digest.delivery.feedback import doubt
from digest.delivery.lookup import Page
from digest.models import Batch, Delivery, Edition
from digest.tasks import wake_senders

from .keyed import (
    MOST_NUMBER,
    Asked,
    KeyedAdmin,
    choice_field,
    edition_day,
    edition_field,
    link,
    moment,
    of_edition,
    offer_editions,
)

_HELD = "held"


class AskedBatches(Asked):
    """Which batches are wanted."""

    state = choice_field("State", [*Batch.State.choices, (_HELD, "open, of a held edition")])
    edition = edition_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_editions(self)


class Settling(forms.Form):
    """What is to become of a batch in doubt, or of all that is in doubt of an edition."""

    way = forms.ChoiceField(choices=[("release", "Send again"), ("drop", "Give up")])
    batch = forms.IntegerField(required=False, min_value=1, max_value=MOST_NUMBER)
    edition = forms.IntegerField(required=False, min_value=1, max_value=MOST_NUMBER)
    shown = forms.CharField(
        required=False,
        # Of each batch at most as many digits as MOST_NUMBER has, and a comma.
        max_length=doubt.MOST_BATCHES * 20,
        validators=[validate_comma_separated_integer_list],
    )
    """The ids of the batches that were asked about: no other ones are settled."""

    def clean_shown(self) -> list[int]:
        found = [int(number) for number in self.cleaned_data["shown"].split(",") if number]
        if any(number > MOST_NUMBER for number in found):
            raise forms.ValidationError("There are no such batches.")
        return found

    def target(self) -> Batch | Edition | None:
        """What it is about; None where it is neither or both, or not there."""
        batch, edition = self.cleaned_data["batch"], self.cleaned_data["edition"]
        if bool(batch) is bool(edition):
            return None
        if batch:
            return Batch.objects.select_related("edition").filter(pk=batch).first()
        return Edition.objects.filter(pk=edition).first()


def _batch_link(request: HttpRequest, batch: Batch) -> Any:
    return link(
        "admin:digest_batch_change",
        batch.pk,
        batch.pk,
        request=request,
        permission="digest.view_batch",
    )


@admin.register(Batch)
class BatchAdmin(KeyedAdmin):
    asked = AskedBatches
    lead = "Deliveries that go to a provider together, the newest first. Nothing is changed here."
    columns = (
        ("Batch", _batch_link),
        ("Edition", lambda request, row: edition_day(row.edition)),
        ("State", lambda request, row: row.get_state_display()),
        ("Readers", lambda request, row: f"{row.size:,}"),
        ("Tries", lambda request, row: row.attempts),
        ("Provider", lambda request, row: row.only_provider or row.provider),
        ("Claimed", lambda request, row: moment(row.claimed_at)),
        ("Offered", lambda request, row: moment(row.offered_at)),
        ("Not before", lambda request, row: moment(row.retry_at)),
    )
    fields = readonly_fields = (
        "edition",
        "state",
        "size",
        "attempts",
        "provider",
        "only_provider",
        "claimed_at",
        "offered_at",
        "retry_at",
        "released_at",
    )

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """By the edition or the state; few are in a state that has an index, but for `done`."""
        edition, state = asked["edition"], asked["state"]
        rows: QuerySet[Batch] = Batch.objects.all()
        if edition is not None:
            rows = lookup.batches_of(edition)
        if state == _HELD:
            held = Edition.objects.filter(held_at__isnull=False).values_list("pk", flat=True)
            rows = rows.filter(state=Batch.State.OPEN, edition_id__in=list(held))
        elif state and state != Batch.State.DONE:
            rows = rows.filter(state=state)
        matching = Q(state=state) if state == Batch.State.DONE else None
        rows = rows.prefetch_related("edition")
        return lookup.walk(rows, below=form.key(1), matching=matching)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("in-doubt/", wrap(self.in_doubt), name="digest_in_doubt"),
            path("in-doubt/settle/", wrap(require_POST(self.settle)), name="digest_settle"),
            *super().get_urls(),
        ]

    def name_of(self, batch: Batch) -> str:
        return f"Batch {batch.pk} {of_edition(batch.edition)}"

    def in_doubt(self, request: HttpRequest) -> HttpResponse:
        """All that is in doubt, by edition and batch, with what evidence says; each with a button that
        says what it risks before it is pressed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": "In doubt",
            "groups": [
                (group, edition_day(group.edition)) for group in doubt.groups(timezone.now())
            ],
            "can_settle": _can_settle(request),
        }
        return TemplateResponse(request, "admin/digest/in_doubt.html", context)

    def settle(self, request: HttpRequest) -> HttpResponse:
        """Settles what the page showed, as far as it is in doubt still; logs it, and says what came of it
        where it was pressed. Pressed again, it does nothing."""
        if not _can_settle(request):
            raise PermissionDenied
        form = Settling(request.POST)
        target = form.target() if form.is_valid() else None
        if target is None:
            raise Http404
        batches = doubt.doubtful().filter(pk__in=form.cleaned_data["shown"])
        if isinstance(target, Batch):
            batches = batches.filter(pk=target.pk)
        else:
            batches = batches.filter(edition=target)
        ids = list(batches.values_list("pk", flat=True))
        self._settle(request, target, ids, is_again=form.cleaned_data["way"] == "release")
        return HttpResponseRedirect(reverse("admin:digest_in_doubt"))

    def _settle(
        self, request: HttpRequest, target: Batch | Edition, ids: list[int], *, is_again: bool
    ) -> None:
        deliveries = Delivery.objects.filter(batch_id__in=ids)
        number = settling.release(deliveries) if is_again else settling.drop(deliveries)
        if not number:
            messages.info(request, "Nothing of it is in doubt any more: it was settled meanwhile.")
            return
        what = "1 delivery is" if number == 1 else f"{number:,} deliveries are"
        said = f"{what} sent again." if is_again else f"{what} given up."
        self.log_change(request, target, f"In doubt: {said}")
        messages.success(request, said)
        transaction.on_commit(wake_senders)


def _can_settle(request: HttpRequest) -> bool:
    return request.user.has_perm("digest.settle_delivery")
