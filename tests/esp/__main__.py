"""`python -m tests.esp`: the fake provider as a process; prints its address, ends with SIGTERM."""

import argparse
import os
import signal

from .events import Events, options
from .server import FakeEsp

_KEEPS = {"copies": (True, False), "counts": (False, False), "lean": (False, True)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.esp", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument(
        "--mode",
        choices=_KEEPS,
        default="counts",
        help="copies: keep them for /_control/copies; lean: as counts, and Mailgun's batches fast",
    )
    parser.add_argument("--faults", default="", help="'seed=7 500=0.05' or '429:2 ok*3 half'")
    parser.add_argument("--events-to", metavar="URL", help="where our pages are, on this machine")
    parser.add_argument("--events", default="", help="'share=0.5 bounced_hard=0.01 spread=2'")
    parser.add_argument("--events-header", action="append", default=[], metavar="'NAME: VALUE'")
    parser.add_argument("--secret", default=os.environ.get("WEBHOOK_SECRET", ""))
    parser.add_argument(
        "--signing-key", default=os.environ.get("MAILGUN_WEBHOOK_SIGNING_KEY", "key")
    )
    given = parser.parse_args()
    keeps_copies, is_lean = _KEEPS[given.mode]
    esp = FakeEsp(
        port=given.port, events=_events(given), keeps_copies=keeps_copies, is_lean=is_lean
    )
    esp.set_faults(given.faults)
    ends = {signal.SIGTERM, signal.SIGINT}
    # Before any thread starts, so that all of them leave the signals to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with esp:
        print(esp.root, flush=True)
        signal.sigwait(ends)


def _events(given: argparse.Namespace) -> Events | None:
    if not given.events_to:
        return None
    return Events(
        given.events_to,
        secret=given.secret,
        signing_key=given.signing_key,
        headers=dict(line.split(": ", 1) for line in given.events_header),
        **options(given.events),
    )


if __name__ == "__main__":
    main()
