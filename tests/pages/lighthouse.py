"""What Lighthouse says of a page: four scores and why they are not better."""

import json
import logging
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.pages import packages

_log = logging.getLogger(__name__)

# The page and nothing else: no update, no field trial and no report of errors leaves the machine.
# Nothing answers on port 9, and addresses of this machine need no proxy.
_CHROMIUM = (
    "--headless=new --no-sandbox --disable-background-networking --disable-component-update "
    "--proxy-server=127.0.0.1:9"
)
_SCHEMES = {"dark": 0, "light": 1}
_DESKTOP = ("--preset=desktop",)
_PASSED = 0.9
# A recording that Chromium cut short (NO_NAVSTART and the like) is a fault of the judge, not of the
# page; Lighthouse itself asks to be run again. A page that is really broken fails each time.
_ATTEMPTS = 3
GOOD_SCORE = 95


@dataclass(frozen=True)
class Verdict:
    """Scores from 0 to 100 by category, and the audits that cost points, with their reason."""

    scores: dict[str, int]
    failed: dict[str, str]


def lighthouse(
    url: str, *, chromium: str, form_factor: str = "mobile", scheme: str = "light",
    without: Sequence[str] = (),
) -> Verdict:  # fmt: skip
    """Loads the page as on a slow phone, or on a desktop, in a browser of its own.

    `without` names audits that do not apply to this page. A machine that is busy with something
    else makes a page look slower than it is, never quicker: such a page is measured once more.
    """
    options = [
        f"--chrome-flags={_CHROMIUM} --blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
        *(_DESKTOP if form_factor == "desktop" else ()),
        *(f"--skip-audits={name}" for name in without),
    ]
    first = _run(url, chromium, options)
    if first.scores["performance"] >= GOOD_SCORE:
        return first
    return max(first, _run(url, chromium, options), key=lambda each: each.scores["performance"])


def _run(url: str, chromium: str, options: Sequence[str]) -> Verdict:
    node = packages.need("node", packages.LIGHTHOUSE)
    command = [
        node, packages.LIGHTHOUSE, url, "--quiet", "--output=json", "--output-path=stdout",
        "--no-enable-error-reporting", "--disable-full-page-screenshot", *options,
    ]  # fmt: skip
    for attempt in range(1, _ATTEMPTS + 1):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"CHROME_PATH": chromium},
        )  # fmt: skip
        if done.returncode == 0:
            return _verdict(json.loads(done.stdout))
        _log.warning("Lighthouse gave no verdict (%d): %s", attempt, done.stderr)
    raise AssertionError(done.stderr)


def _verdict(report: dict[str, Any]) -> Verdict:
    assert "runtimeError" not in report, report["runtimeError"]
    categories = report["categories"].values()
    weighty = {ref["id"] for each in categories for ref in each["auditRefs"] if ref["weight"]}
    return Verdict(
        {each["id"]: round(100 * (each["score"] or 0)) for each in categories},
        {
            name: _reason(audit)
            for name, audit in report["audits"].items()
            if name in weighty and audit["score"] is not None and audit["score"] < _PASSED
        },
    )


def _reason(audit: dict[str, Any]) -> str:
    items = audit.get("details", {}).get("items", [])
    return f"{audit.get('displayValue') or audit['title']} {json.dumps(items)[:300]}".strip()
