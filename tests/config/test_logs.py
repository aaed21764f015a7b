"""The lines of the log: their form, what stands beside the message, and what never does."""

import io
import json
import logging
import smtplib
import subprocess
import sys
from datetime import date

import pytest
from celery import shared_task

from config import logs as config_logs
from digest import logs
from tests.flows.processes import ROOT, clean_environment

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgh"


@pytest.fixture
def lines():
    """A logger whose records go through a handler as ours, and the lines that came out."""
    made = {}

    def log_as(form):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(config_logs.formatter(form))
        handler.addFilter(config_logs.WithoutPaths())
        handler.addFilter(config_logs.WithBound())
        logger = logging.getLogger(f"tests.lines.{form}")
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.DEBUG)
        made[form] = (logger, stream)
        return logger, lambda: stream.getvalue().splitlines()

    yield log_as
    for logger, _ in made.values():
        logger.handlers = []


def refuse(address):
    raise smtplib.SMTPRecipientsRefused({address: (550, b"5.1.1 no such user")})


def test_console_line_has_message_values_and_what_is_bound(lines):
    logger, written = lines("console")
    with logs.bound(batch=7, edition=3):
        logger.info("papers stored", extra={"new": 12, "edition": 4})
    (line,) = written()
    assert line[8:].startswith(" INFO    tests.lines.console: papers stored")
    assert {"new=12", "batch=7", "edition=4"} <= set(line.split())


def test_text_of_others_begins_no_line_of_its_own_and_steers_no_terminal(lines):
    logger, written = lines("console")
    forged = "550 no\n14:00:00 ERROR   digest: forged\x1b[2J\x07\u202e\u2028\ud800"
    try:
        raise ValueError(forged)
    except ValueError:
        logger.exception("events\rdone", extra={"example": forged})
    first, *traceback = written()
    escaped = r"550 no\n14:00:00 ERROR   digest: forged\x1b[2J\x07\u202e\u2028\ud800"
    assert first.endswith(rf"events\rdone example={escaped}")
    assert all(line.isprintable() and line.startswith("  ") for line in traceback)
    assert traceback[-1] == r"  14:00:00 ERROR   digest: forged\x1b[2J\x07\u202e\u2028\ud800"


def test_json_line_is_an_object_with_the_constant_message(lines):
    logger, written = lines("json")
    with logs.bound(task="digest.tasks.send", task_id="abc"):
        logger.warning("papers %s", "stored", extra={"new": 12, "day": date(2026, 8, 20)})
    found = json.loads(written()[0])
    assert next(iter(found)) == "time"
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING", "logger": "tests.lines.json", "event": "papers stored", "new": 12,
        "day": "2026-08-20", "task": "digest.tasks.send", "task_id": "abc",
    }  # fmt: skip


def test_exception_is_an_object_in_the_same_line(lines):
    logger, written = lines("json")
    try:
        refuse("reader@example.org")
    except smtplib.SMTPException:
        logger.exception("batch failed", extra={"batch": 7})
    (line,) = written()
    found = json.loads(line)
    assert found["exception"]["type"] == "smtplib.SMTPRecipientsRefused"
    assert "in refuse" in found["exception"]["traceback"]
    assert "no such user" in found["exception"]["message"]
    assert "exc_info" not in found


@pytest.mark.parametrize("form", config_logs.FORMATS)
def test_no_line_has_an_address_or_a_token_wherever_it_came_from(lines, form):
    logger, written = lines(form)
    try:
        refuse("reader@example.org")
    except smtplib.SMTPException as error:
        logger.exception("failed: %s", error, extra={"error": error, "link": f"/x/{TOKEN}/"})
    logger.info("GET /unsubscribe/%s/ for %r", TOKEN, {"to": ["reader@example.org"]})
    logger.info({"to": "reader@example.org"})
    text = "\n".join(written())
    assert "reader" not in text
    assert TOKEN not in text
    assert text.count("[address]") >= 4


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("to o'brien@x.ie", "to [address]"), ("{'a': 'b@x.ie'}", "{'a': '[address]'}"),
        ("at redis://:p@ss@h:6379/0", "at redis://[login]@h:6379/0"),
        ("at https://h/a@b", "at https://h/a@b"),
    ],
)  # fmt: skip
def test_nothing_is_left_of_an_address_or_a_login(text, wanted):
    assert logs.masked(text) == wanted


def test_secrets_of_the_settings_are_masked_wherever_they_stand(tmp_path):
    script = (
        "import django; django.setup(); from digest import logs; import sys;"
        "print(logs.masked(sys.argv[1]))"
    )
    text = "url: /services/T1/secret-1 word-of-13-xx key-of-the-provider papers.example.org short"
    done = subprocess.run(
        [sys.executable, "-c", script, text], cwd=ROOT, capture_output=True, text=True, check=True,
        env=clean_environment(
            VAR_DIR=tmp_path, DJANGO_SETTINGS_MODULE="config.settings",
            ALARM_WEBHOOK_URL="https://hooks.example.net/services/T1/secret-1",
            SMTP_URL="smtp://user:word-of-13-xx@mail.example.net:587",
            MAILGUN_API_KEY="key-of-the-provider", MAILGUN_SENDER_DOMAIN="papers.example.org",
            METRICS_TOKEN="short",
        ),
    )  # fmt: skip
    assert done.stdout.strip() == "url: [secret] [secret] [secret] papers.example.org short"


def test_text_of_several_lines_stays_one_json_object(lines):
    logger, written = lines("json")
    logger.info("two\nreader@example.org\n\\lines")
    assert json.loads(written()[0])["event"] == "two\n[address]\n\\lines"


@shared_task
def say_what_is_bound():
    return dict(logs.values())


def test_task_binds_its_name_and_id_while_it_runs():
    done = say_what_is_bound.apply()
    assert done.result == {"task": say_what_is_bound.name, "task_id": done.id}
    assert dict(logs.values()) == {}


def test_answer_names_the_request_where_a_proxy_did(client):
    assert "X-Request-ID" not in client.get("/healthz").headers
    assert client.get("/healthz", headers={"X-Request-ID": "abc-1"})["X-Request-ID"] == "abc-1"
    for bad in ("a b", "x" * 99, "ä"):
        assert "X-Request-ID" not in client.get("/healthz", headers={"X-Request-ID": bad}).headers


def test_record_about_a_request_has_its_id_and_no_path(client, caplog):
    caplog.handler.addFilter(config_logs.WithoutPaths())
    caplog.handler.addFilter(config_logs.WithBound())
    client.get(f"/nothing/{TOKEN}/", headers={"X-Request-ID": "abc-1"})
    (record,) = [each for each in caplog.records if each.name == "django.request"]
    assert (record.request_id, record.getMessage()) == ("abc-1", "Not Found: an unknown address")
    assert dict(logs.values()) == {}


@pytest.mark.parametrize(
    ("status", "lines_of_it", "level"),
    [(403, 1, "WARNING"), (400, 1, "WARNING"), (500, 2, "ERROR")],
)
def test_refusal_is_one_line_without_a_traceback_and_no_error(lines, status, lines_of_it, level):
    _, written = lines("console")
    handler = logging.getLogger("tests.lines.console").handlers[0]
    handler.addFilter(config_logs.WithoutRefusals())
    try:
        raise PermissionError("secret")
    except PermissionError as error:
        record = logging.LogRecord(
            "django.request", logging.ERROR, __file__, 1, "Forbidden: %s", ("/x/",), None
        )
        record.exc_info = (type(error), error, error.__traceback__)
    record.status_code = status
    handler.handle(record)
    assert written()[0].endswith("Forbidden: /x/ status_code=" + str(status))
    assert level in written()[0]
    assert min(len(written()), 2) == lines_of_it
