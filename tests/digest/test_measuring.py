"""What processes count is added up, kept when they end, and holds no reader's token."""

import errno
import multiprocessing
import os
import socket
import struct
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from digest import measuring
from tests.flows.processes import free_port

SPAWN = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """An installation of its own, in which this process has counted nothing yet."""
    before = settings.VAR_DIR
    settings.VAR_DIR = tmp_path
    forget()
    yield tmp_path / "metrics"
    settings.VAR_DIR = before
    forget()


def forget():
    measuring._measures.cache_clear()
    measuring._Mine.pid = 0


def requests_of(view):
    found = measuring.registry().collect()
    samples = [sample for metric in found for sample in metric.samples]
    name = "daily_papers_http_requests_total"
    return sum(s.value for s in samples if s.name == name and s.labels["view"] == view)


def count_in_a_child(view, number):
    def count():
        for _ in range(number):
            measuring.count_request(view, "GET", 200, 0.01)
        os._exit(0)

    child = SPAWN.Process(target=count)
    child.start()
    child.join()


def test_processes_are_added_up():
    measuring.count_request("site:home", "GET", 200, 0.01)
    count_in_a_child("site:home", 3)
    count_in_a_child("site:home", 4)
    assert requests_of("site:home") == 8


def test_what_an_ended_process_counted_is_kept_and_its_files_are_not(folder):
    count_in_a_child("site:home", 3)
    before = len(list(folder.glob("*.db")))
    first = requests_of("site:home")
    after = sorted(path.name for path in folder.glob("*.db"))
    assert (before, after) == (2, ["counter_ended.db", "histogram_ended.db"])
    assert (first, requests_of("site:home")) == (3, 3)


def test_files_of_living_processes_stay(folder):
    measuring.count_request("site:home", "GET", 200, 0.01)
    requests_of("site:home")
    name = f"{socket.gethostname()}-{os.getpid()}"
    assert (folder / f"counter_{name}.db").exists()
    measuring.count_request("site:home", "GET", 200, 0.01)
    assert requests_of("site:home") == 2


def test_broken_file_of_an_ended_process_hides_no_other(folder, caplog):
    count_in_a_child("site:home", 3)
    (folder / "counter_vm-1.db").write_bytes(struct.pack("ii", 64, 0) + b"\xff" * 64)
    assert requests_of("site:home") == 3
    assert "broken" in caplog.text


def test_full_disk_counts_nothing_and_breaks_nothing(monkeypatch, folder, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    measuring.count_request("site:home", "GET", 200, 0.01)
    measuring.count_task("digest.tasks.forget", "success", 0.01)
    assert [path.name for path in folder.glob("*.db")] == []
    assert requests_of("site:home") == 0


def test_space_is_taken_from_the_disk_before_anything_is_counted(folder):
    measuring.count_request("site:home", "GET", 200, 0.01)
    for path in folder.glob("*.db"):
        found = path.stat()
        assert found.st_blocks * 512 >= found.st_size


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "view", "status"),
    [
        ("/healthz", "site:alive", 200),
        ("/unsubscribe/a-readers-token/", "subscriptions:unsubscribe", 404),
        ("/no/such/page/a-token", "none", 404),
        ("/webhooks/nobody/tracking/", "webhooks", 404),
    ],
)
def test_requests_are_counted_by_view_and_never_by_address(client, address, view, status):
    answered = client.get(address).status_code
    text = str(list(measuring.registry().collect()))
    assert (answered, requests_of(view)) == (status, 1)
    assert "token" not in text


def test_methods_that_nobody_knows_are_one(client):
    for method in ("BREW", "PROPFIND", "GET2"):
        client.generic(method, "/healthz")
    labels = [
        s.labels["method"]
        for m in measuring.registry().collect()
        for s in m.samples
        if "method" in s.labels
    ]
    assert labels == ["other"]


def asked(port, **headers):
    for _ in range(50):
        try:
            return requests.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError("nobody answers")


def test_worker_serves_its_counts_to_who_has_the_token(settings):
    settings.METRICS_TOKEN = "a-token"
    measuring.count_task("digest.tasks.forget", "success", 0.2)
    port = free_port()
    measuring.serve(port)
    assert asked(port).status_code == 401
    found = asked(port, Authorization="Bearer a-token")
    names = {metric.name for metric in text_string_to_metric_families(found.text)}
    assert names == {"daily_papers_tasks", "daily_papers_task_duration_seconds"}


def test_port_that_is_taken_stops_no_worker(caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        measuring.serve(taken.getsockname()[1])
    assert "metrics port can't be used" in caplog.text
