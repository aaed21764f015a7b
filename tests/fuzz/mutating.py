"""Spoils real files: bytes, words and the nodes of their JSON, in an order that a seed decides."""

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

MOST_BYTES = 300_000
ODD_TEXTS = (
    "", "\x00", "\ud800", "\u202e", "\ufeff", "\U0010ffff", "\r\n", "a" * 3000, "<script>", "]]>",
    "&lt;", "$", "\\frac{", "{{7*7}}", "%s%n", "\\", '"', "'", "0", "-1", "1e999", "NaN", "null",
    "9" * 400, "https://[", "javascript:x", "2026-02-30", "0000-00-00T00:00:00Z", "+14:99", "e\u0301" * 500,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 2**70, 1.5, float("inf"), float("nan"), [], {}, [[]], [None],
    {"a": {}}, [1, "a", None], *ODD_TEXTS,
)  # fmt: skip
WORDS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        *ODD_TEXTS, "<", ">", "&", "</entry>", "<entry>", "<!DOCTYPE x>", "<![CDATA[", "<?x?>", "{", "}",
        "[", "]", ",", ":", "null", "\\ud800", "\\u0000", "@", ";", ",,,", "\n", "\t", '""', "(", "NOT ",
        " OR ", "AND", "-", "author:", "before:", "xn--", ".", "..",
    )
)  # fmt: skip


class Mutator:
    """Makes spoilt copies of the seeds without an end; the same ones for the same number."""

    def __init__(self, seeds: Sequence[bytes], number: int) -> None:
        self.seeds = [seed[:MOST_BYTES] for seed in seeds]
        self.trees = [tree for seed in seeds if (tree := _tree(seed)) is not None]
        self.chance = random.Random(number)

    def next(self) -> bytes:
        """The next input."""
        if self.trees and self.chance.random() < 0.5:
            return self._spoilt_tree()
        data = bytearray(self.chance.choice(self.seeds))
        for _ in range(self.chance.choice((1, 1, 2, 4, 16))):
            self._spoil(data)
        return bytes(data[: 2 * MOST_BYTES])

    def _spoil(self, data: bytearray) -> None:
        start, end = self._span(len(data))
        match self.chance.randrange(7):
            case 0:
                data[start : start + 1] = bytes([self.chance.randrange(256)])
            case 1:
                data[start:start] = self.chance.choice(WORDS)
            case 2:
                data[start:end] = b""
            case 3:
                data[start:start] = data[start:end]
            case 4:
                data[start:end] = self.chance.choice(WORDS)
            case 5:
                other = self.chance.choice(self.seeds)
                data[start:end] = other[slice(*self._span(len(other)))]
            case _:
                del data[start:]

    def _span(self, length: int) -> tuple[int, int]:
        start = self.chance.randrange(length + 1)
        return start, min(length, start + self.chance.choice((1, 2, 8, 40, 400)))

    def _spoilt_tree(self) -> bytes:
        tree = json.loads(json.dumps(self.chance.choice(self.trees)))
        for _ in range(self.chance.choice((1, 1, 2, 5))):
            tree = self._changed(tree)
        return json.dumps(tree).encode()

    def _changed(self, node: Any) -> Any:
        """The tree, in which a node that is reached by chance is another one, gone, or there twice."""
        if not isinstance(node, (dict, list)) or not node or self.chance.random() < 0.15:
            return copy.deepcopy(self.chance.choice(ODD_VALUES))
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = self.chance.choice(keys)
        luck = self.chance.random()
        if luck < 0.1:
            del node[key]
        elif luck < 0.15 and isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        else:
            node[key] = self._changed(node[key])
        return node


def _tree(seed: bytes) -> Any:
    """The JSON of the seed, the first few entries of a long list; None where it is none."""
    try:
        tree = json.loads(seed)
    except ValueError:
        return None
    return tree[:5] if isinstance(tree, list) else tree
