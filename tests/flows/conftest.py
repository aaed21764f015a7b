"""What flows in a browser share: an installation of their own, and Chromium."""

import sys

import pytest
from django.core.cache import cache

from tests.flows import leaks
from tests.flows.processes import Installation, wait_for
from tests.pages import browsing

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module", autouse=True)
def _no_reader_in_any_log():
    """Looked for last of all, when every process has ended: it is made first."""
    Installation.all_made.clear()
    yield
    found = [each for made in Installation.all_made for each in leaks.in_logs(made)]
    assert not found, "\n".join(found[:20])


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A fresh `manage.py run` that no source can be reached from: it shows the sample edition."""
    made = Installation(
        tmp_path_factory.mktemp("installation"), HUGGING_FACE_URL=NOWHERE, ARXIV_API_URL=NOWHERE,
        ARXIV_RSS_URL=NOWHERE,
    )  # fmt: skip
    made.start("run", [sys.executable, "manage.py", "run"])
    try:
        wait_for(
            lambda: "this is the sample edition" in made.log("run"), seconds=180, what="an edition"
        )
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def browser(chromium):
    with browsing.launched(chromium) as launched:
        yield launched


@pytest.fixture
def browser_beside_database(monkeypatch, settings):
    """Playwright's loop runs in the thread of the test, which asks the database, too."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    settings.ALLOWED_HOSTS = ["*"]
    # Nobody hands a browser a cookie with `__Host-` that did not come over https.
    settings.SESSION_COOKIE_NAME = "sessionid"
    cache.clear()
