"""Whether HTML is as the standard says, by the validator of the W3C and WHATWG (vnu)."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.pages import packages


def validate(pages: Mapping[str, str], *, folder: Path) -> list[str]:
    """Every error and warning in these pages, each with its address, line and reason.

    All go through one process: Java takes longer to start than a page takes to be read.
    """
    java = packages.need("java", packages.VNU)
    files = {folder / f"{number}.html": address for number, address in enumerate(pages)}
    for file, address in files.items():
        file.write_text(pages[address], encoding="utf-8")
    done = subprocess.run(
        [java, "-Xss8m", "-jar", packages.VNU, "--format", "json",
         "--exit-zero-always", "--stdout", "--no-langdetect", *files],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)["messages"]
    return [f"{files[Path(each['url'].removeprefix('file:'))]} {_words(each)}" for each in said]


def _words(message: dict[str, str]) -> str:
    place = f"line {message.get('lastLine', '?')}"
    return f"{place}: {message['message']} [{message.get('extract', '').strip()}]"
