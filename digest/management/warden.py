"""Ends the processes of `manage.py run` when that ends, in whatever way: it is run beside it.

Each line on standard input names a process group. When the input closes (the other side stopped,
or was killed), the groups get SIGTERM one after the other, the last one first, and SIGKILL where
that does not help. It is a script of the standard library, so that it starts in no time.
"""

import os
import signal
import sys
import time

PATIENCE = 10.0
"""Seconds that a group has after SIGTERM."""


def end(group: int) -> None:
    """Afterwards no process of the group is left."""
    with_signals = ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE))
    for number, patience in with_signals:
        try:
            os.killpg(group, number)
            ends_at = time.monotonic() + patience
            while time.monotonic() < ends_at:
                os.killpg(group, 0)
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):
            return


def main() -> None:
    """Waits for the input to close, then ends every group that was named."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = [int(line) for line in sys.stdin]
    for group in reversed(groups):
        end(group)


if __name__ == "__main__":
    main()
