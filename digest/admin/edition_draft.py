"""The page of an edition that is to come: its papers as it would be closed now, and what an editor
may do to them. Every button works without a script."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from digest.editions import building, drafts, editing
from digest.errors import EditionClosedError, PermanentError
from digest.models import Edition, Paper
from subscriptions import schedule

from . import edition_conflict

DAILY, WEEKLY = Edition.Frequency.DAILY, Edition.Frequency.WEEKLY
_AHEAD = timedelta(days=building.CATCH_UP_DAYS)


@dataclass(frozen=True, slots=True)
class Coming:
    """An edition that is not closed yet, as a link."""

    frequency: str
    day: date
    closes_at: datetime

    @property
    def title(self) -> str:
        """`Sunday, November 29` or `Week 48, 2026`."""
        return title_of(Edition(frequency=self.frequency, date=self.day))

    @property
    def url(self) -> str:
        return url_of(self.frequency, self.day)


def url_of(frequency: str, day: date) -> str:
    """The page of the edition that is to come."""
    return reverse("admin:edition_draft", args=[frequency, day.isoformat()])


def title_of(edition: Edition) -> str:
    """`Sunday, November 29` or `Week 48, 2026`."""
    is_week = edition.frequency == WEEKLY
    return schedule.week_name(edition.date) if is_week else schedule.long_day(edition.date)


def asked(frequency: str, day: str) -> tuple[str, date]:
    """The frequency and the first day of the edition in an address; 404 for none."""
    try:
        found = date.fromisoformat(day)
    except ValueError as error:
        raise Http404 from error
    is_none = frequency not in Edition.Frequency.values or found.year not in building.YEARS
    if is_none or found.isoformat() != day:
        raise Http404
    return frequency, building.first_day(found, frequency)


def coming(now: datetime) -> list[Coming]:
    """The next two days and the next week that close, the soonest first of each."""
    today = now.date()
    days = [Coming(DAILY, day, building.closes_at(day)) for day in _around(today, 1)]
    mondays = [building.first_day(day, WEEKLY) for day in _around(today, 7)]
    weeks = [Coming(WEEKLY, monday, building.week_closes_at(monday)) for monday in mondays]
    closed = set(Edition.objects.filter(date__gte=mondays[0]).values_list("frequency", "date"))
    found = [
        [
            each
            for each in those
            if each.closes_at > now and (each.frequency, each.day) not in closed
        ]
        for those in (days, weeks)
    ]
    return found[0][:2] + found[1][:1]


def _around(today: date, step: int) -> list[date]:
    return [today + timedelta(days=n * step) for n in range(-1, 4)]


def first(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """To the edition that closes next."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return HttpResponseRedirect(coming(timezone.now())[0].url)


def page(
    model_admin: ModelAdmin[Any], request: HttpRequest, frequency: str, day: str
) -> HttpResponse:
    """The papers, or what became of a button that was pressed."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    frequency, start = asked(frequency, day)
    edition = Edition(frequency=frequency, date=start)
    closed = Edition.objects.filter(frequency=frequency, date=start).first()
    if closed:
        if request.method == "POST":
            messages.error(request, "This edition is closed: what is in it stays as it is.")
        return HttpResponseRedirect(reverse("admin:digest_edition_change", args=[closed.pk]))
    if not has_page(start, timezone.now()):
        raise Http404
    if request.method != "POST":
        return _shown(model_admin, request, edition)
    if not may_edit(request):
        raise PermissionDenied
    return _changed(model_admin, request, edition)


def has_page(start: date, now: datetime) -> bool:
    """Whether an edition that is not closed can be looked at: it is near enough."""
    return abs(start - now.date()) <= _AHEAD


def may_edit(request: HttpRequest) -> bool:
    """Whether the operator may change what goes out."""
    return request.user.has_perm("digest.change_edition")


def _changed(model_admin: ModelAdmin[Any], request: HttpRequest, edition: Edition) -> HttpResponse:
    note, change = request.POST.get("note", ""), _pressed(request.POST.get("do", ""))
    try:
        draft, said = editing.change(
            edition.frequency,
            edition.date,
            version=_number(request.POST.get("version", "")),
            note=note,
            paper=change,
        )
    except EditionClosedError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(request.path)
    except PermanentError as error:
        messages.error(request, str(error))
        meant = edition_conflict.meant(request.POST.get("seen", ""), change)
        return _shown(
            model_admin, request, edition, typed=note, meant=meant, status=HTTPStatus.CONFLICT
        )
    if said:
        model_admin.log_change(request, draft, "; ".join(each.log for each in said))
        messages.success(request, f"{'; '.join(map(str, said))}.")
    else:
        messages.info(request, "Nothing to change: it was so before.")
    return HttpResponseRedirect(request.path)


def _pressed(text: str) -> editing.Change | None:
    """`pin:2611.00001`, `move:2611.00001:3`, or anything else for the note alone."""
    action, _, rest = text.partition(":")
    arxiv_id, _, place = rest.partition(":")
    return editing.Change(action, arxiv_id, _number(place)) if arxiv_id else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004


def _shown(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    edition: Edition,
    *,
    typed: str | None = None,
    meant: edition_conflict.Meant | None = None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    now = timezone.now()
    draft = drafts.of(edition)
    contents = building.contents(edition, draft)
    is_week = edition.frequency == WEEKLY
    closes_at = building.week_closes_at if is_week else building.closes_at
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title_of(edition),
        "edition": edition,
        "others": coming(now),
        "closes_at": closes_at(edition.date),
        "is_late": closes_at(edition.date) <= now,
        "rows": _rows(contents),
        "left_out": list(building.left_out(edition)),
        "note": contents.note if typed is None else typed,
        "is_typed": typed is not None and editing.cleaned(typed) != contents.note,
        "saved_note": contents.note,
        "seen": " ".join(paper.arxiv_id for paper in contents.papers),
        "conflict": meant and edition_conflict.shown(meant, contents.papers),
        "longest_note": editing.LONGEST_NOTE,
        "version": draft.version if draft else 0,
        "changed_at": draft.changed_at if draft and draft.version else None,
        "may_edit": may_edit(request),
        "proof_url": reverse("admin:edition_proof", args=[edition.frequency, edition.date]),
    }
    return render(request, "admin/digest/edition_draft.html", context, status=status)


@dataclass(frozen=True, slots=True)
class Row:
    """A paper in its place."""

    place: int
    paper: Paper
    is_pinned: bool
    is_moved: bool
    up: int
    """The place that it gets by the button; 0 where it can't go there."""
    down: int
    top: int


def _rows(contents: building.Contents) -> list[Row]:
    pins = sum(drafts.is_pinned(paper.pk, contents.choices) for paper in contents.papers)
    rows = []
    for place, paper in enumerate(contents.papers, start=1):
        is_pinned = drafts.is_pinned(paper.pk, contents.choices)
        top, last = (1, pins) if is_pinned else (pins + 1, len(contents.papers))
        rows.append(
            Row(
                place,
                paper,
                is_pinned,
                drafts.place_of(paper.pk, contents.choices) is not None,
                up=place - 1 if place > top else 0,
                down=place + 1 if place < last else 0,
                top=top if place > top + 1 else 0,
            )
        )
    return rows
