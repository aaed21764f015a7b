"""`make screenshots`: the pictures of README and docs, taken from a real installation with the sample edition.

It starts `manage.py run` in a scratch folder with no upstream, subscribes as a reader would, and
photographs the pages and the digest in Chromium: desktop, phone, light and dark.
"""

import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import requests
from playwright.sync_api import Browser, sync_playwright

from tests import desk_screenshots
from tests.flows.mailbox import link, mail_with
from tests.flows.processes import ROOT, Installation, wait_for

TARGET = ROOT / "docs" / "screenshots"
DESKTOP = {"width": 1280, "height": 1200}
PHONE = {"width": 390, "height": 1200}
READER = "reader@example.org"
PAPER = "/papers/2608.16590/"


def shoot(browser: Browser, url: str, name: str, size: dict[str, int], scheme: str) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(url)
    page.screenshot(path=TARGET / f"{name}.png")
    page.close()
    print(f"docs/screenshots/{name}.png")


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    installation = Installation(
        Path(tempfile.mkdtemp(prefix="daily-papers-screens-")),
        DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>",
        POSTAL_ADDRESS="12 Sample Street, Springfield, IL 62701, USA",
        HUGGING_FACE_URL="http://127.0.0.1:9",
        ARXIV_API_URL="http://127.0.0.1:9",
        ARXIV_RSS_URL="http://127.0.0.1:9",
    )
    installation.start("run", [sys.executable, "manage.py", "run"])
    try:
        wait_for(installation.is_up, seconds=120, what="the pages")
        wait_for(
            lambda: "sample edition" in requests.get(installation.url, timeout=10).text,
            seconds=120, what="the sample edition",
        )  # fmt: skip
        requests.post(f"{installation.url}/subscribe/", {"email": READER}, timeout=10)
        confirm = link(mail_with(installation, "Subject", "Confirm"), "confirm")
        page = requests.post(confirm, timeout=10).text
        preferences = installation.url + re.search(r'href="(/preferences/[^"]+)"', page)[1]
        send_now = installation.url + re.search(r'action="(/digests/send/[^"]+)"', page)[1]
        requests.post(send_now, timeout=10)
        mail = mail_with(installation, "List-Id", "Daily Papers").get_body(("html",))
        digest = re.search(r'href="([^"]+/digests/[^"]+)"', mail.get_content())[1]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-background-networking"],
            )
            shoot(browser, installation.url, "home-desktop", DESKTOP, "light")
            shoot(browser, installation.url, "home-phone-dark", PHONE, "dark")
            shoot(browser, f"{installation.url}{PAPER}", "paper-desktop", DESKTOP, "light")
            shoot(
                browser,
                f"{installation.url}/search/?q=embodied",
                "search-desktop-dark",
                DESKTOP,
                "dark",
            )
            shoot(browser, preferences, "preferences-desktop", DESKTOP, "light")
            shoot(browser, preferences, "preferences-phone-dark", PHONE, "dark")
            shoot(browser, digest, "digest-desktop", DESKTOP, "light")
            shoot(browser, digest, "digest-phone-dark", PHONE, "dark")
            desk_screenshots.prepare(installation)
            desk_screenshots.shoot(browser, installation, TARGET)
            browser.close()
    finally:
        installation.stop(with_signal=signal.SIGINT)
        shutil.rmtree(installation.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
