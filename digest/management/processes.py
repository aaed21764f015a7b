"""Runs several processes as one: readable output, one end for all, nothing left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

_WARDEN = Path(__file__).with_name("warden.py")
_COLORS = (36, 33, 35, 32, 34)
_NAME_WIDTH = 6


class Processes:
    """The processes that belong together. A library such as honcho leaves them running when it is
    killed, and ends them all when a process that was to run once is done; so this is our own."""

    def __init__(self, *, output: TextIO) -> None:
        self.output = output
        self.lasting: dict[str, subprocess.Popen[str]] = {}
        self.printers: list[threading.Thread] = []
        # From here on a signal only asks to stop, however early in the start it comes. It sets a
        # plain value: the lock of a threading.Event may be held by the very code it interrupts.
        self.is_stopping = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self.warden = subprocess.Popen(  # noqa: S603  our own script
            [sys.executable, str(_WARDEN)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        is_lasting: bool = True,
    ) -> None:
        """Starts a process in a group of its own; `is_lasting`: all stop when it ends."""
        process = subprocess.Popen(  # noqa: S603  our own commands
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
        )
        if self.warden.stdin is not None:
            self.warden.stdin.write(f"{process.pid}\n")
            self.warden.stdin.flush()
        if is_lasting:
            self.lasting[name] = process
        color = _COLORS[len(self.printers) % len(_COLORS)]
        printer = threading.Thread(target=self._print, args=(name, process, color), daemon=True)
        self.printers.append(printer)
        printer.start()

    def say(self, name: str, line: str, color: int = 0) -> None:
        """Prints a line with the name of who says it."""
        label = f"{name:{_NAME_WIDTH}} |"
        if color and self.output.isatty():
            label = f"\x1b[{color}m{label}\x1b[0m"
        # A terminal that was closed is no reason to stop.
        with contextlib.suppress(OSError, ValueError):
            self.output.write(f"{label} {line}\n")
            self.output.flush()

    def _print(self, name: str, process: subprocess.Popen[str], color: int) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self.say(name, line.rstrip("\n"), color)
        process.wait()

    def wait(self) -> int:
        """Returns 0 when a signal asks to stop, 1 when a lasting process ended by itself."""
        while not self.is_stopping:
            for name, process in self.lasting.items():
                if process.poll() is not None:
                    self.say("run", f"{name} ended with status {process.returncode}; stopping all.")
                    return 1
            time.sleep(0.2)
        return 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def stop(self) -> None:
        """Afterwards every process that was started has ended; further signals change nothing."""
        if self.warden.stdin is not None:
            self.warden.stdin.close()
        self.warden.wait()
        ends_at = time.monotonic() + 2
        for printer in self.printers:
            printer.join(max(ends_at - time.monotonic(), 0))
