"""What npm brings for judging pages: `make test` installs it where there is a Node.js."""

import shutil
from pathlib import Path

from tests.services import missing

_INSTALLED = Path(__file__).parent / "node_modules"
VNU = _INSTALLED / "vnu-jar" / "build" / "dist" / "vnu.jar"
LIGHTHOUSE = _INSTALLED / "lighthouse" / "cli" / "index.js"


def need(program: str, file: Path) -> str:
    """The path of the program that runs this file; a skip where either is missing."""
    found = shutil.which(program)
    if not found:
        missing(f"no {program} on PATH")
    if not file.exists():
        missing(f"{file.name} is not installed: npm ci --ignore-scripts in tests/pages")
    return found or ""
