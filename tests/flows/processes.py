"""Starts the project's own processes for flow tests, and ends exactly those."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import requests

ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**settings: object) -> dict[str, str]:
    """The variables that any process needs, and the settings of this installation; nothing else."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {name: str(value) for name, value in settings.items()}


def wait_for(condition: Callable[[], object], *, seconds: float = 60, what: str = "") -> object:
    """The first truthy answer of `condition`; an AssertionError that names `what` after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s for {what or condition}")


class Installation:
    """One installation of Daily Papers: its settings, its processes and their logs."""

    all_made: ClassVar[list["Installation"]] = []
    """Every one, for the look at their logs when the flows of a module are over."""

    def __init__(self, folder: Path, **settings: object) -> None:
        Installation.all_made.append(self)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = clean_environment(
            VAR_DIR=folder / "var", SITE_URL=self.url, PORT=self.port, **settings
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "var").mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str], *, cwd: Path = ROOT) -> None:
        """Starts a process in a session of its own; its output goes to `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                list(command), cwd=cwd, env=self.environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a management command to its end."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self, *, with_signal: int = signal.SIGTERM) -> None:
        """Ends every process that `start` began, whatever state it is in."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(with_signal)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
