"""The editor's part of an edition that is to come: which papers stay out, and in which order the
others go, out of what was decided about its draft."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q

from digest.models import Draft, Edition, EditionPaper, EditorChoice, Paper

from .ranking import ranked

Decision = EditorChoice.Decision
Choices = Mapping[int, EditorChoice]
"""By paper id."""


def of(edition: Edition) -> Draft | None:
    """The draft of the edition, if an editor has said anything about it."""
    return Draft.objects.filter(frequency=edition.frequency, date=edition.date).first()


def made(edition: Edition) -> Draft:
    """The draft of the edition, made where there was none."""
    draft, _ = Draft.objects.get_or_create(frequency=edition.frequency, date=edition.date)
    return draft


def locked(edition: Edition) -> Draft:
    """The same, made where there was none: nobody changes it until the transaction ends."""
    mine: dict[str, Any] = {"frequency": edition.frequency, "date": edition.date}
    draft, _ = Draft.objects.select_for_update().get_or_create(**mine)
    return draft


def choices_of(draft: Draft | None) -> dict[int, EditorChoice]:
    """What was decided about single papers, by paper id. One query at most."""
    if draft is None or not draft.version:
        return {}
    return {choice.paper_id: choice for choice in draft.choices.all()}


def left_out_of(edition: Edition, *, since: date | None = None) -> set[int]:
    """The ids of papers that an editor left out of this edition, or of one before it (since a day),
    and did not take back into this one. What its days went without a week goes without, but for what
    was taken back into a later day. One query."""
    out = Q(
        decision=Decision.LEFT_OUT, draft__date__range=(since or date.min, edition.last_day)
    ) & (Q(draft__frequency=edition.frequency) | _out_of_days(edition))
    back = Q(
        decision__in=[Decision.IN, Decision.PINNED],
        draft__frequency=edition.frequency,
        draft__date=edition.date,
    )
    said = EditorChoice.objects.filter(out | back).values_list("paper_id", "decision")
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for paper_id, decision in said:
        found[decision == Decision.LEFT_OUT].add(paper_id)
    return found[True] - found[False]


def _out_of_days(edition: Edition) -> Q:
    if edition.frequency == Edition.Frequency.DAILY:
        return Q(pk__in=[])
    daily = Edition.Frequency.DAILY
    stands = EditionPaper.objects.filter(
        frequency=daily, paper=OuterRef("paper"), edition__date__lte=edition.last_day
    )
    return Q(~Exists(stands), draft__frequency=daily)


def is_pinned(paper_id: int, choices: Choices) -> bool:
    """Whether the paper leads the edition."""
    return paper_id in choices and choices[paper_id].decision == Decision.PINNED


def place_of(paper_id: int, choices: Choices) -> int | None:
    """The place that an editor moved the paper to, from 1."""
    return choices[paper_id].position if paper_id in choices else None


def in_order(papers: Iterable[Paper], choices: Choices) -> list[Paper]:
    """Pinned papers first; a paper that was moved has its place, and the others stand around it in
    the order of their votes, however many came since."""
    by_votes = ranked(papers)
    pinned = [paper for paper in by_votes if is_pinned(paper.pk, choices)]
    others = [paper for paper in by_votes if not is_pinned(paper.pk, choices)]
    order = _around_moved(pinned, choices)
    return order + _around_moved(others, choices, before=len(order))


def _around_moved(papers: Iterable[Paper], choices: Choices, *, before: int = 0) -> list[Paper]:
    places = [(place_of(paper.pk, choices), paper) for paper in papers]
    order = [paper for place, paper in places if place is None]
    moved = [(place, paper) for place, paper in places if place is not None]
    for place, paper in sorted(moved, key=lambda each: each[0]):
        order.insert(max(place - 1 - before, 0), paper)
    return order
