"""The operations that read: papers, editions, topics, search."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from digest.editions import drafts
from digest.models import Edition, EditionPaper, Listing, Paper, PaperTopic
from digest.papers import meaning, search, similar
from subscriptions import selectors
from subscriptions.models import Topic

from . import items, paging
from .schemas import (
    ARXIV_ID_PATTERN,
    SLUG_PATTERN,
    ArxivId,
    Cursor,
    Day,
    EditionDetail,
    EditionName,
    EditionPage,
    Limit,
    PaperItem,
    PaperList,
    PaperPage,
    Problem,
    SearchPage,
    Slug,
    TopicList,
)

router = Router()

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOST_ALIKE = 10
MOST_FOUND = 1_000
"""Who wants more has asked for too little."""
DAILY, WEEKLY = Edition.Frequency.DAILY, Edition.Frequency.WEEKLY
_NOT_FOUND = {404: Problem}


@router.get("/papers", response={200: PaperPage, **_NOT_FOUND}, summary="Papers, the newest first")
def list_papers(
    request: HttpRequest,
    day: Annotated[
        Day | None,
        Query(alias="date", description="Only those on the list, or in the edition, of this day, without what an editor left out"),
    ] = None,
    topic: Annotated[Slug | None, Query(description="Only those on the topic of this slug")] = None,
    cursor: Cursor | None = None,
    limit: Limit = paging.USUAL_ITEMS,
) -> Any:
    """Ordered by when they were published; `next` is the cursor of the page that follows."""
    chosen = _topic(topic) if topic is not None else None
    if day is not None:
        found = _keys_of_day(day, chosen, cursor=cursor)
    else:
        found = _keys(chosen, cursor=cursor, limit=limit)
    shown, following = paging.page(found, limit=limit, cursor=paging.cursor_after)
    return PaperPage.model_construct(items=items.papers([pk for _at, pk in shown]), next=following)


def _topic(slug: str) -> Topic:
    found = Topic.objects.filter(slug=slug).first() if re.fullmatch(SLUG_PATTERN, slug) else None
    if found is None:
        raise Http404(_("There is no such topic."))
    return found


def _keys(topic: Topic | None, *, cursor: str | None, limit: int) -> list[paging.Key]:
    if topic is None:
        rows = Paper.objects.all()
        return paging.keys(rows, "published_at", "pk", cursor=cursor, limit=limit)
    entries = PaperTopic.objects.filter(topic=topic, published_at__isnull=False)
    return paging.keys(entries, "published_at", "paper_id", cursor=cursor, limit=limit)


def _keys_of_day(day: date, topic: Topic | None, *, cursor: str | None) -> list[paging.Key]:
    """All that are left of the day: hundreds at most, found by the day, so that no database thinks
    of walking through all papers by the time of their publication."""
    listed: Any = Listing.objects.filter(listed_on=day)
    placed: Any = EditionPaper.objects.filter(edition__frequency=DAILY, edition__date=day)
    columns = ("paper__published_at", "paper_id")
    found: set[tuple[datetime, int]] = set()
    for rows in (listed, placed):
        of_topic = rows.filter(paper__paper_topics__topic=topic) if topic else rows
        found.update(of_topic.order_by().values_list(*columns))
    # Left out by an editor, and so not in its edition.
    left_out = drafts.left_out_of(Edition(frequency=DAILY, date=day))
    placed_ids = set(placed.order_by().values_list("paper_id", flat=True)) if left_out else set()
    found = {key for key in found if key[1] not in left_out - placed_ids}
    last = paging.key_of(cursor) if cursor is not None else None
    return sorted((key for key in found if last is None or key < last), reverse=True)


# Before the operation of one paper, whose id may hold a slash.
@router.get(
    "/papers/{path:arxiv_id}/similar",
    response={200: PaperList, **_NOT_FOUND},
    summary="Papers like this one",
)
def similar_papers(request: HttpRequest, arxiv_id: ArxivId) -> Any:
    """The most alike first."""
    found = similar.papers_like(_paper(arxiv_id), limit=MOST_ALIKE)
    return PaperList.model_construct(items=items.papers([paper.pk for paper in found]))


@router.get("/papers/{path:arxiv_id}", response={200: PaperItem, **_NOT_FOUND}, summary="One paper")
def get_paper(request: HttpRequest, arxiv_id: ArxivId) -> Any:
    """With its votes and comments of now. An old id, such as hep-ex/0406020, keeps its slash."""
    (item,) = items.papers([_paper(arxiv_id).pk])
    return item


def _paper(arxiv_id: str) -> Paper:
    is_an_id = re.fullmatch(ARXIV_ID_PATTERN, arxiv_id)
    found = Paper.objects.filter(arxiv_id=arxiv_id).first() if is_an_id else None
    if found is None:
        raise Http404(_("We have no paper of this id."))
    return found


@router.get("/editions", response=EditionPage, summary="Editions, the newest first")
def list_editions(
    request: HttpRequest,
    frequency: Literal["daily", "weekly"] = "daily",
    cursor: Cursor | None = None,
    limit: Limit = paging.USUAL_ITEMS,
) -> Any:
    """The closed ones; a day without papers has an empty one."""
    rows = Edition.objects.filter(frequency=frequency).order_by("-date")
    if cursor is not None:
        before, _rest = paging.read_cursor(cursor)
        rows = rows.filter(date__lt=date.fromordinal(min(max(before, 1), date.max.toordinal())))
    shown, following = paging.page(
        rows[: limit + 1],
        limit=limit,
        cursor=lambda found: paging.make_cursor(found.date.toordinal()),
    )
    return {"items": list(map(items.edition, shown)), "next": following}


@router.get(
    "/editions/{name}",
    response={200: EditionDetail, **_NOT_FOUND},
    summary="One edition with its papers",
)
def get_edition(
    request: HttpRequest,
    name: EditionName,
    cursor: Cursor | None = None,
    limit: Limit = paging.USUAL_ITEMS,
) -> Any:
    """By rank, with votes and comments as they were when it closed."""
    edition = _edition(name)
    places = edition.places.select_related("paper").prefetch_related("paper__paper_topics__topic")
    if cursor is not None:
        after, _rest = paging.read_cursor(cursor)
        places = places.filter(rank__gt=min(after, edition.paper_count))
    shown, following = paging.page(
        places.order_by("rank")[: limit + 1],
        limit=limit,
        cursor=lambda place: paging.make_cursor(place.rank),
    )
    about = items.edition(edition).model_dump()
    return EditionDetail.model_construct(**about, items=items.places(shown), next=following)


def _edition(name: str) -> Edition:
    day, frequency = _first_day(name)
    found = Edition.objects.filter(frequency=frequency, date=day).first() if day else None
    if found is None:
        raise Http404(_("No edition of this name is closed."))
    return found


def _first_day(name: str) -> tuple[date | None, str]:
    """What an edition of this name goes by; no day for a name that is none."""
    week = _WEEK.fullmatch(name)
    try:
        if week:
            return date.fromisocalendar(int(week[1]), int(week[2]), 1), WEEKLY
        return date.fromisoformat(name) if _DAY.fullmatch(name) else None, DAILY
    except ValueError:
        return None, DAILY


@router.get("/topics", response=TopicList, summary="The catalogue of topics")
def list_topics(request: HttpRequest) -> Any:
    """In its order, all of them."""
    return {"items": list(map(items.topic, selectors.catalogue()))}


@router.get("/search", response=SearchPage, summary="Search in all papers")
def search_papers(
    request: HttpRequest,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=search.MOST_LETTERS,
            description='Words, `"a phrase"`, `this OR that`, `-without`, `author:`, `topic:`, '
            "`category:`, `before:`, `after:`",
        ),
    ],
    order: search.Order = search.Order.BEST,
    cursor: Cursor | None = None,
    limit: Limit = paging.USUAL_ITEMS,
) -> Any:
    """In this order, and no more than a thousand of them. Where fewer than fifty match a question of
    plain words, best first, papers follow that are near in wording and meaning.
    """
    start = min(paging.read_cursor(cursor)[0], MOST_FOUND) if cursor is not None else 0
    query = search.narrowed(search.parse(q), order=order)
    answer = meaning.find(query, start=start, limit=min(limit + 1, MOST_FOUND - start))
    # A place in the order, not a key: how well a paper fits is known for this question only.
    shown, following = paging.page(
        answer.ids, limit=limit, cursor=lambda _last: paging.make_cursor(start + limit)
    )
    return SearchPage.model_construct(
        items=items.papers(shown),
        next=following,
        total=answer.found.total,
        near=answer.all_near,
        notes=list(query.notes),
    )
