"""What an editor meant whose press came too late, as somebody else had changed the edition: the order
that they saw, with their press done to it, beside the one that stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.editions import editing
from digest.models import Paper

_MOST_SEEN = 1_000
_DID = {
    "move": "moved it here",
    "pin": "pinned it",
    "unpin": "took its pin off",
    "leave_out": "left it out",
    "take_back": "took it back",
    "votes": "let votes place it",
}


@dataclass(frozen=True, slots=True)
class Meant:
    """The order that the editor saw, and what they did to it."""

    order: tuple[str, ...]
    """arXiv ids."""
    change: editing.Change | None


@dataclass(frozen=True, slots=True)
class Line:
    """A paper of an order; what was meant for it, in words."""

    title: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both orders, where they differ or a paper was pressed."""

    theirs: list[Line]
    mine: list[Line]
    pressed: str
    """What the editor did, in words; "" where it was the note alone."""


def meant(seen: str, change: editing.Change | None) -> Meant:
    """Out of the form: ids apart by spaces."""
    order = dict.fromkeys(seen.split()[:_MOST_SEEN])
    if change is None:
        return Meant(tuple(order), None)
    if change.action in ("leave_out", "take_back", "move", "pin"):
        order.pop(change.arxiv_id, None)
    rest = list(order)
    match change.action:
        case "move" if change.place:
            rest.insert(change.place - 1, change.arxiv_id)
        case "pin" | "take_back" | "move":
            rest.insert(0, change.arxiv_id)
    return Meant(tuple(rest), change)


def shown(mine: Meant, papers: Sequence[Paper]) -> Conflict:
    """Two queries at most."""
    change = mine.change
    ids = {*mine.order, *([change.arxiv_id] if change else [])}
    titles = {paper.arxiv_id: paper.title for paper in papers}
    missing = Paper.objects.filter(arxiv_id__in=ids - titles.keys())
    titles |= dict(missing.values_list("arxiv_id", "title"))
    did = _DID.get(change.action, "") if change and change.arxiv_id in titles else ""
    lines = [
        Line(titles[each], f"you {did}" if did and change and each == change.arxiv_id else "")
        for each in mine.order
        if each in titles
    ]
    pressed = f"You {did}: {titles[change.arxiv_id]}" if did and change else ""
    return Conflict([Line(paper.title) for paper in papers], lines, pressed)
