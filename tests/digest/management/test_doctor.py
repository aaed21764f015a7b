"""`manage.py doctor` as a whole: its lines, its JSON, its table, its status, and what it never shows."""

import io
import json
import time

import pytest
from django.core.management import CommandError, call_command

from digest.management.commands import doctor
from digest.management.doctor import checks
from digest.management.doctor.findings import Asked
from digest.records import Finding, Verdict
from tests.flows.processes import free_port

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(*arguments, out=None):
    output = out or io.StringIO()
    try:
        call_command("doctor", *arguments, stdout=output)
    except CommandError as error:
        return error.returncode, output.getvalue()
    return 0, output.getvalue()


def test_finding_is_a_line_with_its_mend(settings):
    settings.EMAIL_PROVIDERS = ["nobody"]
    status, printed = run("--only", "providers", "--only", "cache")
    assert (status, printed.splitlines()) == (1, [
        "ok      cache: keeps what is put there",
        "fail    providers: nobody is no provider -> See docs/providers.md.",
        "1 ok, 0 warn, 1 fail, 0 skipped",
    ])  # fmt: skip


def test_nothing_failed_is_status_0():
    assert run("--only", "cache")[0] == 0


def test_json_is_a_list_of_findings():
    _, printed = run("--only", "cache", "--json")
    assert json.loads(printed) == [
        {"name": "cache", "state": "ok", "what": "keeps what is put there", "mend": ""}
    ]


def test_terminal_gets_a_table():
    _, printed = run("--only", "cache", out=Terminal())
    assert "keeps what is put there" in printed
    assert "┃" in printed


def test_every_check_says_something_whatever_is_away(settings):
    nowhere = f"http://127.0.0.1:{free_port()}"
    settings.SITE_URL = settings.HUGGING_FACE_URL = nowhere
    settings.EMAIL_PROVIDERS = ["mailgun", "smtp"]
    settings.WEBHOOK_SECRET = ["papers:a-secret-word"]
    settings.SMTP_URL = f"smtp://me:smtp-word@127.0.0.1:{free_port()}"
    settings.ANYMAIL = {"MAILGUN_API_KEY": "mailgun-key", "MAILGUN_API_URL": nowhere}
    status, printed = run("--json", "--resolver", f"127.0.0.1:{free_port()}")
    found = json.loads(printed)
    assert status == 1
    assert {each["name"] for each in found} == set(checks.NAMES)
    assert all(each["what"] and "\n" not in each["what"] + each["mend"] for each in found)
    assert not any("the check itself failed" in each["what"] for each in found)
    assert all(each["mend"] for each in found if each["state"] == "fail")
    for secret in ("a-secret-word", "smtp-word", "mailgun-key", settings.SECRET_KEY):
        assert secret not in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("--only", "everything"), ("--resolver", "dns"), ("--resolver", "9.9.9.9:99999"),
        ("--dkim-selector", "a b"), ("--timeout", "0"), ("--timeout", "soon"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_line(arguments):
    assert run(*arguments)[0] != 0


def slow(asked):
    time.sleep(5)
    yield Finding("spf", Verdict.OK, "late")


def broken(asked):
    yield Finding("mx", Verdict.OK, "so far")
    raise RuntimeError("reader@example.org")


def test_check_that_hangs_or_stumbles_is_said_and_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(checks, "ELSEWHERE", {"spf": slow, "mx": broken})
    started = time.monotonic()
    found = checks.run(Asked(), only=["spf", "mx"], seconds=1)
    assert time.monotonic() - started < 3
    assert [each.what for each in found] == [
        "no answer within 1 seconds", "so far", "the check itself failed (RuntimeError)",
    ]  # fmt: skip


def test_markup_in_an_answer_is_shown_as_it_is():
    table = doctor._table([Finding("site", Verdict.FAIL, "[bold]x[/bold]", "[link]")])
    out = Terminal()
    doctor.printing.tell(
        doctor.Command(stdout=out).stdout, "", data=None, is_json=False, shown=table
    )
    assert "[bold]x[/bold]" in out.getvalue()
