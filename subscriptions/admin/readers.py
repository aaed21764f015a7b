"""The operator's view of readers: people to find, to look up, and to do something for."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from subscriptions import addresses, held, searches, selectors
from subscriptions.errors import AddressError
from subscriptions.models import ConsentRecord, LeaveReason, Subscriber, Suppression

from . import acting, finding, standing
from .paging import BoundedPaginator
from .searching import SearchedAdmin
from .theme import ModelAdmin

_SHOWN = 50
"""Consent records and single messages on a reader's page, the newest."""
_MOST_AT_ONCE = 200
"""Readers that an action of the list takes: a slip must not reach everybody."""
_DOWNLOADED = "Downloaded all that is held"


class ReadOnly:
    """Rows that are history: looked at, never changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class SuppressedFilter(admin.SimpleListFilter):
    """Who is never mailed, of those that were suppressed last."""

    title = "suppression"
    parameter_name = "suppressed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("any", "All who are suppressed"),
            (Suppression.Reason.BOUNCED, "Its mail bounced for good"),
            (Suppression.Reason.COMPLAINED, "Marked a mail as spam"),
            (Suppression.Reason.MANUAL, "Set by an operator"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in dict(self.lookup_choices):
            return queryset
        reason = None if value == "any" else Suppression.Reason(value)
        return queryset.filter(pk__in=finding.ids_of_suppressed(reason))


@admin.register(Subscriber)
class SubscriberAdmin(ReadOnly, SearchedAdmin):
    """Nothing here walks over all readers: the list shows the newest, and search uses indexes."""

    list_display = ("reader", "standing", "rhythm", "came")
    list_filter = ("state", SuppressedFilter)
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 25
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("email",)
    search_hint = "Address, id or link"
    search_help_text = (
        "An address or its beginning, an id, a public id, or a link from one of their mails."
    )
    one, many = "reader", "readers"
    paginator = BoundedPaginator
    list_select_related = ("slot",)
    change_form_template = "admin/desk/reader.html"
    fields = ()
    actions = ("unsubscribe_and_tell", "never_mail", "mail_again")
    list_disable_select_all = True

    class Media:
        css = {"all": ("daily_papers/reader.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscriber]:
        return selectors.with_suppression(super().get_queryset(request))

    @admin.display(description="Reader")
    def reader(self, obj: Subscriber) -> str:
        return addresses.shown(obj.email)

    @admin.display(description="State")
    def standing(self, obj: Any) -> SafeString:
        """One word, as on the reader's page."""
        word = "suppressed" if obj.is_suppressed else obj.state
        tone = {"suppressed": "bad", "active": "ok"}.get(word, "wait")
        return format_html('<span class="reader-state reader-{}">{}</span>', tone, word)

    @admin.display(description="Digests")
    def rhythm(self, obj: Subscriber) -> str:
        return standing.rhythm(obj)

    @admin.display(description="Signed up")
    def came(self, obj: Subscriber) -> str:
        return date_format(obj.created_at, "DATE_FORMAT")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Subscriber], search_term: str
    ) -> tuple[QuerySet[Subscriber], bool]:
        if not search_term:
            return queryset, False
        text = searches.text_of(request.session, search_term)
        if text is None:
            return queryset.none(), False
        found = finding.readers(queryset, text)
        self._say_if_suppressed(request, text, found)
        return found, False

    def _say_if_suppressed(
        self, request: HttpRequest, text: str, found: QuerySet[Subscriber]
    ) -> None:
        """Who was erased is found no more; why the address gets no mail can be told nevertheless."""
        try:
            address = addresses.canonical(finding.address_in(text))
        except AddressError:
            return
        row = selectors.suppressions(address).order_by("pk").first()
        if row and not found.exists():
            messages.info(
                request,
                f"No reader has this address, and it is never mailed since "
                f"{standing.since(row)}: {standing.because(row)}.",
            )

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(acting.OPERATE)

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(acting.ERASE)

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(never_cache(require_POST(self.act)))
        return [path("<int:pk>/act/", act, name="reader_act"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        reader = self._reader(int(object_id)) if finding.is_id(object_id) else None
        shown = self.shown(request, reader) if reader and self.has_view_permission(request) else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | shown)

    def name_of(self, reader: Subscriber) -> str:
        """By number: what a page is called is kept in browsers' histories."""
        return f"Reader {reader.pk}"

    def _reader(self, pk: int) -> Subscriber | None:
        return Subscriber.objects.select_related("slot").filter(pk=pk).first()

    def shown(self, request: HttpRequest, reader: Subscriber) -> dict[str, Any]:
        """What the page says of the reader. The number of queries does not grow with their rows."""
        rows = list(selectors.suppressions_of(reader))
        return {
            "reader": reader,
            "address": addresses.shown(reader.email),
            "standing": standing.of(reader, rows),
            "followed": standing.followed(selectors.selection_of(reader)),
            "consents": reader.consent_records.order_by("-pk")[:_SHOWN],
            "sent_messages": [
                (message, []) for message in reader.messages.order_by("-pk")[:_SHOWN]
            ],
            "acts": [
                each
                for each in acting.offered(reader, is_suppressed=bool(rows))
                if request.user.has_perm(each.permission)
            ],
            "may_download": self.has_operate_permission(request),
            "may_erase": self.has_erase_permission(request),
            "word": acting.WORD,
        }

    def act(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Does what the button says; 403 for who may not, 404 for who is gone."""
        name = request.POST.get("act", "")
        may = self.has_erase_permission if name == "erase" else self.has_operate_permission
        if not may(request):
            raise PermissionDenied
        reader = self._reader(pk)
        if reader is None:
            raise Http404
        if name == "download":
            return self._download(request, reader)
        if name == "erase":
            return self._erase(request, reader)
        is_suppressed = selectors.suppressions_of(reader).exists()
        offered = {each.name: each for each in acting.offered(reader, is_suppressed=is_suppressed)}
        act = offered.get(name)
        if act and not request.user.has_perm(act.permission):
            raise PermissionDenied
        if act is None:
            messages.warning(request, "Nothing was done: the reader has changed meanwhile.")
        else:
            self._tell(request, reader, act.do(request, reader))
        return HttpResponseRedirect(reverse("admin:subscriptions_subscriber_change", args=[pk]))

    def _download(self, request: HttpRequest, reader: Subscriber) -> HttpResponse:
        self.log(request, reader, _DOWNLOADED)
        response = JsonResponse(
            held.data(reader), json_dumps_params={"indent": 2, "ensure_ascii": False}
        )
        name = f"daily-papers-reader-{reader.pk}.json"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _erase(self, request: HttpRequest, reader: Subscriber) -> HttpResponse:
        if request.POST.get("word", "").strip().lower() != acting.WORD:
            messages.error(request, f"Nothing was erased: the word to type is “{acting.WORD}”.")
            page = reverse("admin:subscriptions_subscriber_change", args=[reader.pk])
            return HttpResponseRedirect(f"{page}#erase")
        self._tell(request, reader, acting.erase(request, reader), flag=DELETION)
        return HttpResponseRedirect(reverse("admin:subscriptions_subscriber_changelist"))

    def _tell(
        self, request: HttpRequest, reader: Subscriber, said: acting.Said, *, flag: int = CHANGE
    ) -> None:
        if said.log:
            self.log(request, reader, said.log, flag=flag)
            messages.success(request, said.text)
        else:
            messages.warning(request, said.text)

    def log(
        self, request: HttpRequest, reader: Subscriber, text: str, *, flag: int = CHANGE
    ) -> None:
        """Who did it, when, and to which number: an address is not kept."""
        assert request.user.pk is not None  # noqa: S101  admin_view lets nobody else in
        LogEntry.objects.log_actions(
            user_id=request.user.pk,
            queryset=[reader],
            action_flag=flag,
            change_message=text,
            single_object=True,
        )

    @admin.action(description="Unsubscribe, and tell them by mail", permissions=["operate"])
    def unsubscribe_and_tell(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        self._act_on_all(request, queryset, acting.unsubscribe)

    @admin.action(description="Never mail these addresses again", permissions=["operate"])
    def never_mail(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        self._act_on_all(request, queryset, acting.suppress)

    @admin.action(description="Let these addresses be mailed again", permissions=["operate"])
    def mail_again(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        self._act_on_all(request, queryset, acting.mail_again)

    def _act_on_all(
        self,
        request: HttpRequest,
        queryset: QuerySet[Subscriber],
        do: Callable[[HttpRequest, Subscriber], acting.Said],
    ) -> None:
        readers = list(queryset[: _MOST_AT_ONCE + 1])
        if len(readers) > _MOST_AT_ONCE:
            messages.error(
                request, f"Nothing was done: {_MOST_AT_ONCE} readers at once are the most."
            )
            return
        done = 0
        for reader in readers:
            with transaction.atomic():
                said = do(request, reader)
                if said.log:
                    self.log(request, reader, said.log)
                    done += 1
        messages.success(request, f"Done for {done} of {len(readers)}.")


@admin.register(ConsentRecord)
class ConsentRecordAdmin(ReadOnly, ModelAdmin[ConsentRecord]):
    list_display = ("pk", "subscriber", "action", "at", "page")
    list_filter = ("action",)
    list_select_related = ("subscriber",)
    show_full_result_count = False
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0


@admin.register(LeaveReason)
class LeaveReasonAdmin(ReadOnly, ModelAdmin[LeaveReason]):
    """Why readers left, with the number of each beside its filter."""

    list_display = ("reason", "month")
    list_filter = ("reason",)
    date_hierarchy = "said_on"
    show_facets = admin.ShowFacets.ALWAYS

    @admin.display(description="Month", ordering="said_on")
    def month(self, obj: LeaveReason) -> str:
        """In words."""
        return date_format(obj.said_on, "YEAR_MONTH_FORMAT")
