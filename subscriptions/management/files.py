"""Files with addresses in them: for their owner's eyes only, and whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A file to write UTF-8 into, that is found under its name, readable by its owner alone, once
    all of it is written; where something fails, what was there before stays. OSError."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A pipe or a terminal is written to as it is.
        with target.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    # mkstemp's files are their owner's alone.
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
