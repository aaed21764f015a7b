"""What goes to Sentry, and that nothing of it is loaded where nothing goes there."""

import json
import subprocess
import sys

import pytest

from config import sentry
from digest import logs
from tests.flows.processes import ROOT, clean_environment

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgh"


@pytest.mark.parametrize(
    ("dsn", "is_loaded"), [("", "False"), ("http://key@127.0.0.1:9/1", "True")]
)
def test_sentry_is_loaded_only_where_its_dsn_is_set(tmp_path, dsn, is_loaded):
    script = "import django, sys; django.setup(); print('sentry_sdk' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        env=clean_environment(
            VAR_DIR=tmp_path, SENTRY_DSN=dsn, DJANGO_SETTINGS_MODULE="config.settings"
        ),
    )  # fmt: skip
    assert done.stdout.strip() == is_loaded


def test_event_keeps_what_failed_and_nothing_of_the_reader():
    event = {
        "event_id": "a" * 32,
        "transaction": "/preferences/<str:token>/",
        "request": {
            "url": f"https://papers.example.org/preferences/{TOKEN}/", "method": "POST",
            "query_string": "email=reader@example.org", "cookies": {"sessionid": TOKEN},
            "headers": {"Referer": f"https://papers.example.org/x/{TOKEN}/"},
            "data": {"email": "reader@example.org"}, "env": {"REMOTE_ADDR": "192.0.2.1"},
        },
        "user": {"ip_address": "192.0.2.1"},
        "exception": {"values": [{"type": "ValueError", "value": "no reader@example.org"}]},
        "breadcrumbs": {"values": [{"message": f"GET /x/{TOKEN}/", "level": "info"}]},
    }  # fmt: skip
    with logs.bound(request_id="abc"):
        found = sentry.scrubbed(event)
    assert found["request"] == {"method": "POST"}
    assert (found["event_id"], found["tags"]) == ("a" * 32, {"request_id": "abc"})
    assert found["exception"]["values"] == [{"type": "ValueError", "value": "no [address]"}]
    text = json.dumps(found)
    for secret in (TOKEN, "reader@", "192.0.2.1", "sessionid"):
        assert secret not in text


def test_crumb_of_a_call_keeps_its_host_only():
    crumb = {
        "type": "http", "category": "httplib",
        "data": {
            "url": "https://user:word@hooks.example.net:8443/services/T1", "http.query": "key=T1",
            "http.fragment": "T1", "http.method": "POST", "status_code": 500, "reason": "Oops",
        },
    }  # fmt: skip
    found = sentry._masked_crumb(crumb)
    assert found["data"] == {
        "url": "https://hooks.example.net:8443",
        "http.method": "POST",
        "status_code": 500,
        "reason": "Oops",
    }
