"""arXiv's categories, and its archives, which stand for all of their categories (`data/categories.json`,
https://arxiv.org/category_taxonomy)."""

import difflib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .errors import CategoryError

_FILE = Path(__file__).parent / "data" / "categories.json"
_NEAR = 0.6
"""How alike two names must be, that one is meant by the other."""


@cache
def names() -> Mapping[str, str]:
    """Each category with its name: `cs.CL`, `Computation and Language`."""
    found: dict[str, str] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


@cache
def known() -> frozenset[str]:
    """Categories and archives: `astro-ph` is all of `astro-ph.GA` and its like."""
    return frozenset(names()) | {name.partition(".")[0] for name in names()}


def check(name: str) -> None:
    """Raises CategoryError, with a line that says which may be meant, where arXiv has none of this
    name."""
    if name in known():
        return
    by_small = {each.lower(): each for each in sorted(known())}
    near = difflib.get_close_matches(name.lower(), by_small, n=1, cutoff=_NEAR)
    hint = f" Did you mean {by_small[near[0]]}?" if near else ""
    raise CategoryError(f"arXiv has no category “{name[:40]}”.{hint}")
