"""Words as search compares them: folded, without diacritics, stemmed.

Both databases are given stems and never stem themselves, so that they find the same papers and
the words that are marked are the words that were found.
"""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

MOST_LETTERS_OF_WORD = 60
_WORD = re.compile(r"[^\W_]+")
_stemmer = snowballstemmer.stemmer("english")


def fold(text: str) -> str:
    """Lower case, without diacritics; nothing that a database can't store."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.encode("utf-8", "replace").decode())
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold()


def words(text: str) -> list[str]:
    """The folded words. Hyphens part words as spaces do, so that "fine-tuning" is "fine tuning"."""
    return [word[:MOST_LETTERS_OF_WORD] for word in _WORD.findall(fold(text))]


def stems(text: str) -> list[str]:
    """The stems of the words, in their order."""
    return [stem(word) for word in words(text)]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The stem of a folded word; what is not English stays as it is."""
    return str(_stemmer.stemWord(word)) if word.isascii() and not word.isdigit() else word
