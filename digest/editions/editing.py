"""What an editor does to an edition that is to come: from a press of a button to its draft."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

from django.db import transaction
from django.utils import timezone

from digest.errors import DraftChangedError, EditionClosedError, PermanentError
from digest.models import Draft, Edition, EditorChoice, Paper
from subscriptions import logbook

from . import building, drafts
from .drafts import Decision
from .ranking import ranked

LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done to a paper: `move`, `pin`, `unpin`, `leave_out`, `take_back`, or
    `votes`, which undoes a move."""

    action: str
    arxiv_id: str
    place: int = 0
    """To which a paper is moved, from 1; the nearest one that it may have."""


class Said(str):
    """What was done, in words for the editor; the log has more of it."""

    __slots__ = ("log",)
    log: str

    def __new__(cls, words: str, log: str = "") -> Self:
        said = super().__new__(cls, words)
        said.log = log or words
        return said


_WORDS = {
    "move": "Moved {paper} to place {place}",
    "pin": "Pinned {paper}",
    "unpin": "Took the pin off {paper}",
    "leave_out": "Left out {paper}",
    "take_back": "Took back {paper}",
    "votes": "Let votes place {paper} again",
}
_DECISIONS = {
    "pin": Decision.PINNED,
    "unpin": Decision.IN,
    "leave_out": Decision.LEFT_OUT,
    "take_back": Decision.IN,
}


def change(
    frequency: str,
    day: date,
    *,
    version: int,
    note: str | None = None,
    paper: Change | None = None,
) -> tuple[Draft, list[Said]]:
    """Afterwards the draft has the note and the change to a paper; returns it, with what is other
    than before, nothing where all was so before.

    `version` is the one that the editor saw. Raises DraftChangedError where somebody has changed it
    since, EditionClosedError where the edition is closed, PermanentError for what can't be done;
    then all stays as it was.
    """
    edition = Edition(frequency=frequency, date=building.first_day(day, frequency))
    with transaction.atomic():
        draft = drafts.locked(edition)
        closed = Edition.objects.filter(frequency=frequency, date=edition.date)
        if closed.exists():
            raise EditionClosedError(f"The {draft} is closed: what is in it stays as it is.")
        if draft.version != version:
            raise DraftChangedError(
                "Somebody else changed this edition meanwhile. This is how it stands now; your "
                "last change was not kept."
            )
        said = _write(draft, note) if note is not None else []
        if paper is not None:
            said += _apply(edition, draft, paper)
        if said:
            # As before, so that the lock need not be trusted where a database has none.
            mine = Draft.objects.filter(pk=draft.pk, version=version)
            mine.update(version=version + 1, note=draft.note, changed_at=timezone.now())
            draft.version += 1
    return draft, said


def cleaned(note: str) -> str:
    """The note as it is kept: paragraphs apart by one empty line, no control characters."""
    lines = (
        "".join(c for c in " ".join(line.split()) if unicodedata.category(c) != "Cc")
        for line in note.splitlines()
    )
    text = "\n".join(lines).strip()
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _write(draft: Draft, note: str) -> list[Said]:
    note = cleaned(note)
    if len(note) > LONGEST_NOTE:
        raise PermanentError(
            f"The note has {len(note):,} characters; {LONGEST_NOTE:,} at most go on top of a digest."
        )
    if note == draft.note:
        return []
    old, draft.note = logbook.shortened(draft.note), note
    new = logbook.shortened(note)
    if not new:
        return [Said("Took the note away", f"Took the note away, which was “{old}”")]
    from_old = f" from “{old}”" if old else ""
    return [Said("Changed the note", f"Changed the note{from_old} to “{new}”")]


def _apply(edition: Edition, draft: Draft, wanted: Change) -> list[Said]:
    contents = building.contents(edition, draft)
    known = building.left_out(edition) if wanted.action == "take_back" else contents.papers
    paper = next((each for each in known if each.arxiv_id == wanted.arxiv_id), None)
    if paper is None or wanted.action not in _WORDS:
        raise PermanentError(f"Paper {wanted.arxiv_id[:40]} is not there (any more).")
    order = _order(contents, paper, wanted)
    choices = {**contents.choices}
    mine = choices.setdefault(paper.pk, EditorChoice(draft=draft, paper=paper))
    old = (mine.decision, mine.position)
    mine.decision = _DECISIONS.get(wanted.action, Decision(mine.decision))
    mine.position = 1 if wanted.action == "move" else None
    _number(choices, order)
    if (mine.decision, mine.position) == old:
        return []
    _store(draft, choices.values())
    words = _WORDS[wanted.action]
    return [Said(words.format(paper=paper.arxiv_id, place=mine.position))]


def _order(contents: building.Contents, paper: Paper, wanted: Change) -> list[int]:
    """The ids of the papers as they are to stand: what the editor sees moves no more than it must."""
    choices = contents.choices
    rest = [each.pk for each in contents.papers if each.pk != paper.pk]
    pins = sum(drafts.is_pinned(pk, choices) for pk in rest)
    was_pinned = drafts.is_pinned(paper.pk, choices)
    match wanted.action:
        case "leave_out":
            return rest
        case "move":
            lowest, highest = (0, pins) if was_pinned else (pins, len(rest))
            at = min(max(wanted.place - 1, lowest), highest)
        case "pin":
            at = _by_votes(paper, contents, rest[:pins])
        case "votes" if was_pinned:
            at = _by_votes(paper, contents, rest[:pins])
        case _:
            at = pins + _by_votes(paper, contents, rest[pins:])
    return [*rest[:at], paper.pk, *rest[at:]]


def _by_votes(paper: Paper, contents: building.Contents, order: Sequence[int]) -> int:
    """Where the paper goes: before the first one that has fewer votes, and was not moved."""
    by_votes = [each.pk for each in ranked({*contents.papers, paper})]
    fewer = set(by_votes[by_votes.index(paper.pk) :])
    for at, pk in enumerate(order):
        if pk in fewer and drafts.place_of(pk, contents.choices) is None:
            return at
    return len(order)


def _number(choices: dict[int, EditorChoice], order: Sequence[int]) -> None:
    """Afterwards each paper that was moved has the place at which it stands."""
    places = {pk: place for place, pk in enumerate(order, start=1)}
    for pk, choice in choices.items():
        if choice.position is not None and pk in places:
            choice.position = places[pk]


def _store(draft: Draft, choices: Iterable[EditorChoice]) -> None:
    """The rows anew: they are few, and those that say nothing any more go."""
    rows = [
        EditorChoice(
            draft=draft,
            paper_id=choice.paper_id,
            decision=choice.decision,
            position=choice.position,
        )
        for choice in choices
        if choice.decision or choice.position
    ]
    draft.choices.all().delete()
    EditorChoice.objects.bulk_create(rows)
