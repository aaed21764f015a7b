"""The operator's own embeddings of sentences, where the setting `EMBEDDINGS` names a function.

It is `embed(texts: Sequence[str])` and answers an array with a row of numbers for each text. What goes
wrong in it is logged once a minute; until it works again, everything goes on without it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from django.conf import settings
from django.utils.module_loading import import_string

from digest.errors import VectorsError

from .space import Vector, normal

logger = logging.getLogger(__name__)

REST_SECONDS = 60
"""So long a function that failed is not called."""
MOST_LETTERS = 8_000

_rests_until = 0.0


def name() -> str:
    """The name of the space that the function makes; "" where none is named."""
    path: str = settings.EMBEDDINGS
    return f"embeddings-{path}"[:100] if path else ""


def embed(texts: Sequence[str]) -> list[Vector | None] | None:
    """A vector of length 1 for each text; None while the function fails."""
    global _rests_until  # noqa: PLW0603  the rest is of the process
    if time.monotonic() < _rests_until:
        return None
    try:
        return _called(load(), texts)
    except VectorsError as error:
        _rests_until = time.monotonic() + REST_SECONDS
        logger.error(  # noqa: TRY400  the message says what is wrong, and where
            "embeddings failed, search goes on without them",
            extra={"function": settings.EMBEDDINGS, "reason": str(error)},
        )
        return None


def load() -> Callable[[Sequence[str]], Any]:
    """The function that the setting names; VectorsError where there is none."""
    try:
        function = import_string(settings.EMBEDDINGS)
    except ImportError as error:
        raise VectorsError(str(error)) from error
    if not callable(function):
        raise VectorsError(f"{settings.EMBEDDINGS} is no function.")
    return function  # type: ignore[no-any-return]


def _called(function: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> list[Vector | None]:
    try:
        answer = np.asarray(function([text[:MOST_LETTERS] for text in texts]), dtype=np.float32)
    except Exception as error:  # it is not ours: it may raise anything
        raise VectorsError(f"{type(error).__name__}: {error}") from error
    if answer.ndim != 2 or len(answer) != len(texts) or not answer.shape[1]:  # noqa: PLR2004
        raise VectorsError(f"{len(texts)} texts were answered by an array of shape {answer.shape}.")
    return [normal(row) for row in answer]


def forget() -> None:
    """A function that failed is called again."""
    global _rests_until  # noqa: PLW0603  as above
    _rests_until = 0.0
