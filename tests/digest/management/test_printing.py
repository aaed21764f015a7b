"""How commands print: the same facts as lines, as JSON, and as a table on a terminal."""

import io
import json
from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from digest.models import Batch, Delivery, Edition
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper
from tests.upstream import FakeUpstream, Fault, day_list

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(*arguments, out=None, err=None):
    output = out or io.StringIO()
    call_command(*arguments, stdout=output, stderr=err or io.StringIO())
    return output.getvalue()


def as_json(*arguments):
    """What a script reads, while a person sees a bar."""
    return json.loads(run(*arguments, "--json", err=Terminal()))


@pytest.fixture
def edition():
    make_subscriber()
    return make_edition(DAY, [make_paper(), make_paper()])


@pytest.fixture
def outbox(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.EMAIL_PROVIDERS = ["outbox"]


@pytest.fixture
def upstream(settings):
    with FakeUpstream() as running:
        settings.HUGGING_FACE_URL = settings.ARXIV_API_URL = settings.ARXIV_RSS_URL = running.url
        yield running


def test_fetch_tells_each_source_as_json(upstream):
    found = as_json("fetch_papers", "--date", str(DAY), "--source", "hugging_face")
    counts = {"new": 12, "updated": 0, "skipped": 0, "bad": 0, "error": ""}
    assert found == {"date": "2026-08-20", "sources": {"hugging_face": counts}}


def test_source_that_failed_is_in_the_json_and_in_the_status(upstream):
    upstream.faults["/api/daily_papers"] = upstream.faults["/papers"] = [Fault(status=500)] * 9
    output = io.StringIO()
    with pytest.raises(CommandError):
        run("fetch_papers", "--date", str(DAY), "--source", "hugging_face", "--json", out=output)
    assert json.loads(output.getvalue())["sources"]["hugging_face"]["error"]


def test_edition_is_built_held_and_released_as_json(edition):
    about = {"edition": "2026-08-20", "frequency": "daily"}
    assert as_json("build_edition", "--date", str(DAY)) == {**about, "papers": 2}
    held = as_json("hold_edition", "--because", "a look at it first")
    assert held == {**about, "is_held": True, "is_new": True}
    assert as_json("release_edition") == {
        **about,
        "is_held": False,
        "is_new": True,
        "is_dropped": False,
    }
    assert as_json("release_edition") == {
        **about,
        "is_held": False,
        "is_new": False,
        "is_dropped": False,
    }


def test_settling_is_counted_as_json(edition, outbox):
    run("send_digests", "--date", str(DAY))
    Delivery.objects.update(state=Delivery.State.UNCERTAIN)
    Batch.objects.update(state=Batch.State.UNCERTAIN)
    assert as_json("settle_deliveries", "--drop") == {"dropped": 1}
    assert as_json("settle_deliveries", "--release") == {"released": 0}


def test_papers_that_were_gone_through_are_counted_as_json(tmp_path):
    make_paper()
    assert as_json("tag_papers") == {"papers": 1}
    assert as_json("index_papers") == {"papers": 1}
    file = tmp_path / "day.json"
    file.write_text(json.dumps(day_list(DAY, 4)))
    (found,) = as_json("import_papers", str(file))
    assert (found["file"], found["new"], found["error"]) == (str(file), 4, "")


def test_bar_goes_to_standard_error_only(edition):
    err, out = Terminal(), io.StringIO()
    run("tag_papers", out=out, err=err)
    assert out.getvalue() == "2 papers have their topics.\n"
    assert "Papers" in err.getvalue()
    assert run("tag_papers", err=(plain := io.StringIO()))
    assert not plain.getvalue()


def test_ledger_is_a_table_on_a_terminal_and_lines_in_a_pipe(edition, outbox):
    run("send_digests", "--date", str(DAY), "--wait")
    shown, lines = run("ledger", out=Terminal()), run("ledger")
    assert "┃" in shown
    assert "adds up" in shown
    assert lines.splitlines()[1].split() == ["sent", "1"]
    assert "┃" not in lines


def test_sending_shows_the_ledger_and_its_bar_on_a_terminal(edition, outbox):
    err = Terminal()
    shown = run("send_digests", "--date", str(DAY), "--wait", out=Terminal(), err=err)
    assert "Edition 2026-08-20" in shown
    assert "Digests" in err.getvalue()


def test_plan_is_a_table_on_a_terminal(edition):
    shown = run("send_digests", "--date", str(DAY), "--dry-run", out=Terminal())
    assert "1 digests would go, of 2026-08-20" in shown
    assert "hour" in shown


def test_counts_of_a_fetch_are_a_table_on_a_terminal(upstream):
    shown = run("fetch_papers", "--date", str(DAY), "--source", "hugging_face", out=Terminal())
    assert [word for word in shown.split() if word in ("hugging_face", "12")] == [
        "hugging_face",
        "12",
    ]


def test_held_edition_is_still_refused(edition):
    Edition.objects.update(held_at=timezone.now(), held_because="[bold]")
    with pytest.raises(CommandError, match="held"):
        run("send_digests", "--date", str(DAY), "--wait", out=Terminal(), err=Terminal())
