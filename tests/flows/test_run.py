"""`manage.py run`: one command starts everything, and one end stops everything."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.flows.processes import ROOT, Installation, wait_for

pytestmark = pytest.mark.flow
NOWHERE = "http://127.0.0.1:9"
RUN = [sys.executable, "manage.py", "run"]


@pytest.fixture
def installation(tmp_path):
    made = Installation(
        tmp_path, HUGGING_FACE_URL=NOWHERE, ARXIV_API_URL=NOWHERE, ARXIV_RSS_URL=NOWHERE
    )
    yield made
    made.stop()


def start(installation):
    installation.start("run", RUN)
    wait_for(installation.is_up, what="the pages")


def own_processes(installation) -> dict[int, str]:
    """Ids and command lines of the processes that have this installation's folder in their
    environment, or, as Redis overwrites that, work in it."""
    var = installation.folder / "var"
    wanted = f"VAR_DIR={var}".encode()
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if wanted in environment or (folder / "cwd").resolve() == var:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found |= {int(folder.name): line} if line else {}
        except OSError:
            continue
    return found


def test_offline_start_serves_the_sample_edition_and_says_so(installation):
    start(installation)
    page = wait_for(
        lambda: (
            (text := requests.get(installation.url, timeout=10).text).count("votes") > 3 and text
        ),
        what="the sample edition",
    )
    assert "sample edition" in page
    log = installation.log("run")
    assert f"Daily Papers is at {installation.url}/" in log
    assert "this is the sample edition that ships with Daily Papers" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_every_process(installation, number):
    start(installation)
    assert len(own_processes(installation)) >= 6
    installation.processes["run"].send_signal(number)
    assert installation.processes["run"].wait(40) == 0
    assert own_processes(installation) == {}
    assert "Stopped. All data is kept" in installation.log("run")


@pytest.mark.parametrize("seconds", [0.5, 1, 2])
def test_signal_in_the_middle_of_the_start_stops_every_process(installation, seconds):
    installation.start("run", RUN)
    wait_for((installation.folder / "var" / "run.lock").exists, what="the lock")
    wait_for(lambda: "warden.py" in str(own_processes(installation)), what="the warden")
    time.sleep(seconds)
    installation.processes["run"].terminate()
    assert installation.processes["run"].wait(40) == 0
    assert own_processes(installation) == {}


def test_killed_run_leaves_nothing_behind_and_the_next_start_keeps_the_data(installation):
    start(installation)
    requests.post(f"{installation.url}/subscribe/", {"email": "ada@example.org"}, timeout=10)
    installation.processes["run"].kill()
    installation.processes["run"].wait()
    wait_for(lambda: not own_processes(installation), seconds=30, what="the end of all")
    start(installation)
    assert "ada@example.org," in installation.manage("export_subscribers").stdout


def test_part_that_ends_takes_the_rest_along(installation):
    start(installation)
    (pid,) = (pid for pid, line in own_processes(installation).items() if "redis-server" in line)
    os.kill(pid, signal.SIGKILL)
    assert installation.processes["run"].wait(40) == 1
    assert "redis ended with status -9; stopping all." in installation.log("run")
    assert own_processes(installation) == {}


def test_second_start_is_refused_in_one_line(installation):
    start(installation)
    second = subprocess.run(
        RUN, cwd=ROOT, env=installation.environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "already runs from" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert installation.is_up()


def test_taken_port_is_one_clear_line(installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        done = installation.manage("run", check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"CommandError: Port {installation.port} can't be used; "
        f"choose another: PORT={installation.port + 1} make run"
    )


def test_without_any_redis_messages_go_through_files(tmp_path):
    made = Installation(
        tmp_path, HUGGING_FACE_URL=NOWHERE, ARXIV_API_URL=NOWHERE, ARXIV_RSS_URL=NOWHERE,
        EMBEDDED_REDIS="none",
    )  # fmt: skip
    try:
        start(made)
        requests.post(f"{made.url}/subscribe/", {"email": "ada@example.org"}, timeout=10)
        outbox = tmp_path / "var" / "outbox" / "new"
        wait_for(lambda: outbox.is_dir() and any(outbox.iterdir()), seconds=100, what="the mail")
        assert "messages go through files in var/" in made.log("run")
    finally:
        made.stop()
    assert own_processes(made) == {}
