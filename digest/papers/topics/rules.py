"""What an operator wrote down for a topic, its phrases and arXiv categories, found in a paper."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

TITLE_WEIGHT = 3.0
KEYWORD_WEIGHT = 1.0
ABSTRACT_WEIGHT = 1.0
REPEAT_WEIGHT = 0.5
MOST_REPEATS = 2
PRIMARY_CATEGORY_WEIGHT = 3.0
CATEGORY_WEIGHT = 1.5
CATEGORIES_READ = 3

_TOKEN = re.compile(r"[\w+#]+|[.,;:!?()\[\]|]")
_MUTE_E = re.compile(r"(?<=[hosxz])e$")
_NOT_PLURAL = frozenset({"news"})


@dataclass(frozen=True, slots=True)
class TopicRule:
    """What speaks for one topic. Hashable, so that what is made from it can be kept."""

    slug: str
    phrases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(slots=True)
class Evidence:
    """What speaks for a topic: phrases and categories, as the rule has them, with their weights."""

    weights: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def total(self) -> float:
        return sum(self.weights.values())

    @property
    def reason(self) -> str:
        """The one that spoke loudest."""
        return max(self.weights, key=lambda word: (self.weights[word], len(word)))


def evidence(
    rules: Sequence[TopicRule],
    *,
    title: str,
    abstract: str = "",
    keywords: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> dict[str, Evidence]:
    """What speaks for which topics, by slug.

    Phrases match whole words whatever their case, plural or hyphens: "language model" is found in
    "Language-Models". Of two phrases of a topic that overlap, the longer counts.
    """
    found: dict[str, Evidence] = defaultdict(Evidence)
    index = _index(tuple(rules))
    for text, weight in (
        (title, TITLE_WEIGHT),
        ("|".join(keywords), KEYWORD_WEIGHT),
        (abstract, ABSTRACT_WEIGHT),
    ):
        for slug, phrase, count in _found(index, text):
            repeats = min(count - 1, MOST_REPEATS)
            found[slug].weights[phrase] += weight + REPEAT_WEIGHT * repeats
    for slug, category, weight in _categories_found(rules, categories):
        found[slug].weights[category] += weight
    return dict(found)


@dataclass(frozen=True, slots=True)
class _Index:
    """The phrases of all rules by their bare form, and the most words that one can span."""

    phrases: dict[str, list[tuple[str, str]]]
    longest: int


@lru_cache(maxsize=8)
def _index(rules: tuple[TopicRule, ...]) -> _Index:
    phrases: dict[str, list[tuple[str, str]]] = defaultdict(list)
    longest = 1
    for rule in rules:
        for phrase in rule.phrases:
            tokens = _tokens(phrase)
            if not tokens:
                continue
            phrases["".join(tokens)].append((rule.slug, phrase))
            # A phrase that is written as one word may stand in the text as two ("pre-training").
            longest = max(longest, len(tokens) + 1)
    return _Index(dict(phrases), longest)


def is_within(phrase: str, longer: str) -> bool:
    """Whether the longer phrase has all words of the other one in a row, and more."""
    words, others = _tokens(phrase), _tokens(longer)
    starts = range(len(others) - len(words) + 1)
    found = any(others[n : n + len(words)] == words for n in starts)
    return bool(words) and len(others) > len(words) and found


def _tokens(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [_singular(token) for token in _TOKEN.findall(folded)]


def _singular(word: str) -> str:
    """One form for a word and its plural; that it is a word matters less than that it is one."""
    if len(word) <= 3 or word.endswith(("ss", "us", "is")) or word in _NOT_PLURAL:  # noqa: PLR2004
        return word
    stem = word.removesuffix("s")
    if stem.endswith("ie"):
        return f"{stem[:-2]}y"
    # Since "meshes" loses "es" and "caches" only "s", "cache" gives up its "e" as well.
    return _MUTE_E.sub("", stem)


def _found(index: _Index, text: str) -> Iterator[tuple[str, str, int]]:
    """Topic, phrase and how often, for every phrase in the text.

    Runs of words are compared without what stands between them, which makes "fine-tuning",
    "fine tuning" and "finetuning" one; punctuation is a token of its own and parts sentences.
    """
    tokens = _tokens(text)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    taken: dict[str, int] = {}
    for start in range(len(tokens)):
        for end in range(min(start + index.longest, len(tokens)), start, -1):
            for slug, phrase in index.phrases.get("".join(tokens[start:end]), ()):
                if taken.get(slug, 0) <= start:
                    taken[slug] = end
                    counts[slug, phrase] += 1
    for (slug, phrase), count in counts.items():
        yield slug, phrase, count


def _categories_found(
    rules: Iterable[TopicRule], categories: Sequence[str]
) -> Iterator[tuple[str, str, float]]:
    """A rule's `q-bio` speaks for all of `q-bio.BM`, `q-bio.GN` and so on."""
    for rule in rules:
        for place, category in enumerate(categories[:CATEGORIES_READ]):
            if any(
                category == known or category.startswith(f"{known}.") for known in rule.categories
            ):
                yield rule.slug, category, CATEGORY_WEIGHT if place else PRIMARY_CATEGORY_WEIGHT
