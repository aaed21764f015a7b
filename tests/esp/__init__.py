"""A provider on this machine that speaks four wire formats, counts every reader, fails on demand.

    with FakeEsp() as esp:
        esp.faults.append(Fault(status=429, retry_after="2"))   # the next call only
        ...
        esp.inbox["reader@example.org"]                          # what that reader would see

Mailgun, Brevo, Postmark and Amazon SES. It fills each reader's copy in as the provider would,
keeps the calls, and tells our webhooks what became of the copies. As a process of its own:
`python -m tests.esp --help`.
"""

from .brevo import brevo_copies
from .events import Events
from .faults import Chances, scenario
from .mailgun import mailgun_copies
from .records import Call, Copy, Event, Fault
from .server import FakeEsp

__all__ = [
    "Call",
    "Chances",
    "Copy",
    "Event",
    "Events",
    "FakeEsp",
    "Fault",
    "brevo_copies",
    "mailgun_copies",
    "scenario",
]
