"""Makes upstream text readable: LaTeX as Unicode, no control characters, one line."""

import re
import unicodedata

from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import LatexWalkerError

# What is not seen, or turns what stands beside it around: controls of C0 and C1, of direction
# (UAX #9), spaces without width, tags, no characters, and halves of characters.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
# A formula neither begins nor ends with a space and holds no further dollar; "$5 and $10" does.
_FORMULA = re.compile(
    r"\$\$(?P<display>[^$]{1,400})\$\$|(?<!\\)\$(?P<inline>(?!\s)[^$]{1,400}?(?<![\s\\]))\$(?!\d)"
    r"|\\\((?P<round>.{1,400}?)\\\)|\\\[(?P<square>.{1,400}?)\\\]",
    re.DOTALL,
)
_COMMAND = re.compile(r"\\(?:[A-Za-z]+\*?(?:\s*\{(?:[^{}]|\{[^{}]*\})*\})*|[`'^\"~=.]\{?\w\}?)")
_FONT = re.compile(r"\{\\(?:em|it|bf|tt|sc|sl|rm|sf)\s+(?P<inner>[^{}$]{1,400})\}")
"""Words in a font, as they were set before \\emph."""
_ESCAPED = re.compile(r"\\([%&#$_{}])")
# Letters that only mathematics has, in styles that many fonts and screen readers don't know.
_STYLED = re.compile("[\U0001d400-\U0001d7ff]+")
_MATH_WORDS = re.compile(r"(?<![A-Za-z])[A-Za-z]{3,}\s+[A-Za-z]{3,}\s+[A-Za-z]{3,}")
_MOST_MARKS = 30
_MOST_SIGNS = 1_000
"""Dollars, backslashes and percents: text with more is noise, which takes long to convert."""
_converter = LatexNodes2Text(math_mode="text", keep_comments=True, strict_latex_spaces=False)


def readable(text: str) -> str:
    """The text as a person would read it, in NFC and on one line; LaTeX that can't be read stays."""
    plain = unicodedata.normalize("NFC", _with_few_marks(_UNWANTED.sub("", text)))
    if 0 < sum(map(plain.count, "$\\%")) <= _MOST_SIGNS:
        plain = _FORMULA.sub(_formula, plain)
        plain = _FONT.sub(lambda match: match["inner"].strip().removesuffix("\\/"), plain)
        plain = _COMMAND.sub(lambda match: _converted(match[0], match[0]), plain)
        plain = _ESCAPED.sub(r"\1", plain)
    return " ".join(plain.split())


def _with_few_marks(text: str) -> str:
    """At most 30 combining marks in a row (UAX #15, Stream-Safe Text): NFC sorts them, slowly."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def _formula(match: re.Match[str]) -> str:
    inner = next(group for group in match.groups() if group is not None)
    # Three words in a row are prose between two prices, not a formula.
    if "\\" not in inner and _MATH_WORDS.search(inner):
        return match[0]
    return _converted(f"${inner}$", match[0])


def _converted(source: str, original: str) -> str:
    try:
        text = str(_converter.latex_to_text(source.replace("%", r"\%").replace(r"\\%", r"\%")))
    except (LatexWalkerError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return original
    text = _STYLED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = " ".join(text.split())
    # Nothing may be lost: a formula that comes out empty stays as it was written.
    return text if text or not re.search(r"\w", original) else original
