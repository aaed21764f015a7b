"""The project's settings for tests: nothing under the checkout's var/, nothing outside the machine."""

import os
import tempfile

_scratch = tempfile.mkdtemp(prefix="daily-papers-test-")
os.environ["VAR_DIR"] = _scratch
for _name in ("REDIS_URL", "SECRET_KEY", "EMAIL_PROVIDERS"):
    os.environ.pop(_name, None)
os.environ |= {
    "DEBUG": "1",
    "SITE_URL": "https://papers.example.org",
    "DEFAULT_FROM_EMAIL": "Daily Papers <digest@papers.example.org>",
    "POSTAL_ADDRESS": "12 Sample Street, Springfield, IL 62701, USA",
    "HUGGING_FACE_URL": "http://127.0.0.1:9",
    "ARXIV_API_URL": "http://127.0.0.1:9",
    "ARXIV_RSS_URL": "http://127.0.0.1:9",
}

from config.settings import *  # noqa: E402, F403

DEBUG = False
SECURE_SSL_REDIRECT = False
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, str] = {}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # A test sees what it wrote; those of the kept pages keep them.
    "pages": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
}
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # In a file, as in the embedded mode, so that threads see and wait for one another.
    DATABASES["default"]["TEST"] = {"NAME": f"{_scratch}/test.sqlite3"}  # noqa: F405
