"""What ingest leaves of LaTeX in a title or an abstract, as HTML that can be read."""

import re

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_BASE = (
    r"(?:(?<![A-Za-z])(?:[A-Za-zΑ-Ωα-ω]|alpha|beta|gamma|delta|ell|lambda|mu|pi|sigma|theta)|\))"
)
_RAISED = re.compile(
    r"(?<=[\w)\]}|])\^(?:\{([^{}]{1,30})\}|([-+−]?(?:\d+|[A-Za-z](?![A-Za-z]))|\*))"
)
_LOWERED = re.compile(
    rf"(?<=[A-Za-zΑ-Ωα-ω)])_\{{([^{{}}]{{1,30}})\}}|(?P<base>{_BASE})_([A-Za-z]+|\d+)(?![\w/.]\w)"
)
_DEGREES = re.compile(r"(?<=\d)\^(?:\{\\?circ\}|\\?circ(?![a-z]))")
# A tie between two words; what stands before a number, or in an address, means "about" or a home.
_TIE = re.compile(r"(?<=[\w).,])~(?=[\w(])")
_SPACE = re.compile(r"\\[ ,;]")


def marked(text: str) -> SafeString:
    """The text with raised and lowered letters; everything else is escaped. O(n^2) → O(n<sup>2</sup>)."""
    if not any(sign in text for sign in "^_~\\"):
        return escape(text)
    plain = _SPACE.sub("\u00a0", _TIE.sub("\u00a0", _DEGREES.sub("°", text)))
    # Escaping leaves all signs that are looked for, and makes none.
    raised = _RAISED.sub(lambda found: f"<sup>{found[1] or found[2]}</sup>", escape(plain))
    lowered = _LOWERED.sub(
        lambda found: f"{found['base'] or ''}<sub>{found[1] or found[3]}</sub>", raised
    )
    return mark_safe(lowered)  # noqa: S308  escaped above
