"""A linear model of the topics: what the words of a paper say beyond the rules, learned from papers
that people labelled.

Logistic regression, a topic each, over TF-IDF of stems and pairs of stems. It is trained by
`training.py`, shipped as `digest/data/topic_model.npz`, and read with numpy alone.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from django.conf import settings

import digest
from digest.errors import ModelFileError
from digest.papers.search import words

FILE = Path(digest.__path__[0]) / "data" / "topic_model.npz"
TITLE_TIMES = 3
"""A word of the title counts as so many of the abstract."""
MOST = 3.0
"""An opinion weighs as much as so much evidence of the rules, at most, for or against."""
EARLY = 1.0
"""The logit from which on an opinion speaks for the topic is so far below 0: a topic that is one of
several rarely gets half of the probability."""

_COMMON = frozenset(
    words.stems(
        "the a an of for and to in on with by from we our is are be this that which as it at or can these "
        "their such via has have not using based however both more than into also show paper propose "
        "novel approach method results model models"
    )
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the model thinks of a paper and a topic."""

    weight: float
    """To be added to what the rules found: from -MOST to MOST."""
    word: str
    """The word or two of the paper that spoke loudest for it; "" when none did."""


@dataclass(frozen=True)
class TopicModel:
    """The weights of words, topic by topic."""

    slugs: tuple[str, ...]
    columns: Mapping[str, int]
    """Stem, or two with a space between them, to column."""
    idf: Floats
    weights: Floats
    """Topics by columns."""
    bias: Floats
    trust: Floats
    """0 to 1 for each topic: how far its word against a paper counts, by how many papers it learned
    from."""

    def opinions(
        self, *, title: str, abstract: str, keywords: Sequence[str] = ()
    ) -> dict[str, Opinion]:
        """By slug, for each topic that the model knows."""
        spelled: dict[str, str] = {}
        counted = terms(title, abstract, keywords, spelled=spelled)
        known = [term for term in counted if term in self.columns]
        places = [self.columns[term] for term in known]
        values = self._weighed([counted[term] for term in known], places)
        weights = self.weights[:, places]
        loudest = self._loudest(weights * values, [spelled[term] for term in known])
        logits = weights @ values + self.bias + EARLY
        logits = np.clip(np.where(logits < 0, logits * self.trust, logits), -MOST, MOST)
        return {
            slug: Opinion(round(float(logit), 3), word)
            for slug, logit, word in zip(self.slugs, logits, loudest, strict=True)
        }

    def _weighed(self, counts: Sequence[int], places: Sequence[int]) -> Floats:
        """TF-IDF with sublinear counts, of length 1: as scikit-learn's TfidfVectorizer has it."""
        values = (1 + np.log(np.array(counts, np.float32))) * self.idf[list(places)]
        length = float(np.linalg.norm(values))
        return values / length if length else values

    def _loudest(self, shares: Any, spelled: Sequence[str]) -> list[str]:
        if not spelled:
            return [""] * len(self.slugs)
        best = shares.argmax(axis=1)
        return [spelled[place] if shares[n, place] > 0 else "" for n, place in enumerate(best)]

    def save(self, file: IO[bytes]) -> None:
        """Afterwards the file has the model, with half floats, which are enough."""
        stems = sorted(self.columns, key=self.columns.__getitem__)
        np.savez_compressed(
            file,
            names=np.frombuffer(json.dumps([self.slugs, stems]).encode(), np.uint8),
            idf=self.idf.astype(np.float16),
            weights=self.weights.astype(np.float16),
            bias=self.bias,
            trust=self.trust,
        )


def read(file: Path) -> TopicModel:
    """The model that `save` wrote; OSError, or ModelFileError for what is none."""
    try:
        return _read(file.read_bytes())
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise ModelFileError(f"{file} is no topic model. Make one with train_topics.") from error


def _read(content: bytes) -> TopicModel:
    with np.load(BytesIO(content), allow_pickle=False) as kept:
        slugs, stems = json.loads(kept["names"].tobytes())
        parts = [kept[name].astype(np.float32) for name in ("idf", "weights", "bias", "trust")]
    return TopicModel(tuple(slugs), {stem: n for n, stem in enumerate(stems)}, *parts)


def current() -> TopicModel:
    """The model of the settings, kept by the process: a restart reads it anew."""
    return _kept(Path(settings.TOPIC_MODEL or FILE))


_kept = lru_cache(maxsize=2)(read)


def terms(
    title: str, abstract: str, keywords: Sequence[str], *, spelled: dict[str, str] | None = None
) -> Counter[str]:
    """The stems of a paper and the pairs of neighbours, with their numbers; those of the title
    TITLE_TIMES. `spelled` is filled with how each was written first."""
    found: Counter[str] = Counter()
    for text, times in ((title, TITLE_TIMES), (" . ".join(keywords), 1), (abstract, 1)):
        told = [
            (words.stem(word), word)
            for word in words.words(text)
            if len(word) > 1 and words.stem(word) not in _COMMON
        ]
        for stem, word in told:
            found[stem] += times
            if spelled is not None:
                spelled.setdefault(stem, word)
        for (stem, word), (other, another) in pairwise(told):
            pair = f"{stem} {other}"
            found[pair] += times
            if spelled is not None:
                spelled.setdefault(pair, f"{word} {another}")
    return found
