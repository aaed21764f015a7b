"""The operator's side of providers: how each does, and its order, pace and pauses without a deploy."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from digest.delivery.esp import plans, providers
from digest.models import ProviderPlan
from digest.tasks import wake_senders
from subscriptions.admin.theme import ModelAdmin

from . import provider_cards
from .provider_form import PauseForm, PlanForm

_LIST = "admin:digest_providerplan_changelist"


def _known(name: str) -> str:
    if name not in {way.name for way in providers.configured()}:
        raise Http404
    return name


@admin.register(ProviderPlan)
class ProviderPlanAdmin(ModelAdmin[ProviderPlan]):
    form = PlanForm
    fieldsets = (
        ("Pace", {"fields": ("rate", "daily_cap")}),
        (
            "Warm-up",
            {"fields": ("warm_up", "warm_up_from", "warm_up_messages", "warm_up_growth")},
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ProviderPlan | None:
        """Each configured provider has one, in the table or not."""
        if object_id not in {way.name for way in providers.configured()}:
            return None
        return ProviderPlan.objects.filter(pk=object_id).first() or ProviderPlan(name=object_id)

    def get_urls(self) -> list[URLPattern]:
        views = {"move": self.move, "resume": self.resume, "back": self.back}
        own = [
            path(
                f"<str:name>/{word}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"provider_{word}",
            )
            for word, view in views.items()
        ]
        pause = self.admin_site.admin_view(self.pause)
        order = self.admin_site.admin_view(require_POST(self.forget_order))
        return [
            path("order/", order, name="provider_order"),
            path("<str:name>/pause/", pause, name="provider_pause"),
            *own,
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All providers in their order, with what each does and may do."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        cards = provider_cards.all_cards()
        return self._page(
            request,
            "admin/digest/providers.html",
            title="Providers",
            cards=cards,
            can_change=self.has_change_permission(request),
            has_own_order=any(
                place is not None for place in ProviderPlan.objects.values_list("place", flat=True)
            ),
            nothing_goes=not [card for card in cards if card.takes_digests and not card.paused],
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        shared = self.admin_site.each_context(request) | {"opts": self.opts}
        return TemplateResponse(request, template, shared | context)

    def _may_change(self, request: HttpRequest) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied

    def _done(self, request: HttpRequest, name: str, said: str) -> HttpResponse:
        """Logs and says what was done; whoever waited for it is sent to."""
        self.log_change(request, ProviderPlan(name=name), said)
        messages.success(request, f"{name}: {said}.")
        transaction.on_commit(wake_senders)
        return HttpResponseRedirect(reverse(_LIST))

    def pause(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks why, says what goes on without it, and pauses."""
        self._may_change(request)
        form = PauseForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            because = form.cleaned_data["because"]
            if plans.pause(_known(name), because=because, by=request.user):
                return self._done(request, name, f"paused, because: {because}")
            messages.warning(request, f"{name} was paused already.")
            return HttpResponseRedirect(reverse(_LIST))
        left = [way for way in plans.in_use() if way.name != _known(name)]
        return self._page(
            request,
            "admin/digest/provider_pause.html",
            title=f"Pause {name}",
            name=name,
            form=form,
            left=[way.name for way in left if way.takes_digests],
            is_last=not left,
        )

    def resume(self, request: HttpRequest, name: str) -> HttpResponse:
        """Afterwards digests go by it again."""
        self._may_change(request)
        if plans.resume(_known(name)):
            return self._done(request, name, "resumed")
        messages.warning(request, f"{name} was not paused.")
        return HttpResponseRedirect(reverse(_LIST))

    def move(self, request: HttpRequest, name: str) -> HttpResponse:
        """Afterwards it is asked one place earlier, or later."""
        self._may_change(request)
        is_up = request.POST.get("to") == "up"
        if plans.move(_known(name), up=is_up):
            order = ", ".join(way.name for way in plans.ordered())
            return self._done(request, name, f"moved; the order is now {order}")
        messages.warning(request, f"{name} is {'first' if is_up else 'last'} already.")
        return HttpResponseRedirect(reverse(_LIST))

    def forget_order(self, request: HttpRequest) -> HttpResponse:
        """Afterwards the order is that of the setting."""
        self._may_change(request)
        plans.forget_order()
        first = plans.ordered()[0].name
        return self._done(request, first, "first again: the order is that of EMAIL_PROVIDERS")

    def back(self, request: HttpRequest, name: str) -> HttpResponse:
        """Afterwards its pace is that of the settings."""
        self._may_change(request)
        plans.back_to_settings(_known(name))
        return self._done(request, name, "rate, daily cap and warm-up are as in the settings")

    def save_model(self, request: HttpRequest, obj: ProviderPlan, form: Any, change: Any) -> None:
        # Only what was changed in the form: somebody may have changed the rest meanwhile.
        plans.decide(obj.name, **form.changed())
        transaction.on_commit(wake_senders)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Old and new values, in words that the log can keep."""
        changes = [
            f"{form.fields[name].label}: {_said(form.initial.get(name))} → "
            f"{_said(form.cleaned_data[name])}"
            for name in form.changed_data
        ]
        return "; ".join(changes) or "Nothing changed."


def _said(value: Any) -> str:
    return "as the setting" if value in (None, "") else str(value)
