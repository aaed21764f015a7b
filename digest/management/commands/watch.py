"""`manage.py watch`: sees what beat and the workers can't tell, their own silence among it."""

import signal
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections
from django.utils import timezone

from digest.delivery.watching import vigil
from digest.management import arguments


class Command(BaseCommand):
    help = (
        "Looks each minute whether everything runs, and tells the operator where it does not: by "
        "mail to OPERATOR_EMAIL (through ALARM_SMTP_URL where it is set) and to ALARM_WEBHOOK_URL; "
        "calls HEARTBEAT_URL. Needs no broker and no beat. Run one of it, beside them."
    )
    # A database that is away must be told of, not end the process that tells of it.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once; status 1 if not well")
        parser.add_argument(
            "--every",
            type=arguments.pause,
            default=60,
            metavar="SECONDS",
            help="between looks (60)",
        )

    def handle(self, *_: Any, once: bool, every: int, **_options: Any) -> None:
        now = timezone.now()
        if once:
            # It has nothing to compare with, and believes what it sees.
            before = Counter(dict.fromkeys(("database", "broker"), vigil.ROUNDS_AWAY - 1))
            wrong = vigil.look(vigil.Vigil(since=now - timedelta(days=1), away=before), now)
            self.stdout.write("\n".join(wrong) or "All is well.")
            if wrong:
                raise SystemExit(1)
            return
        mind = vigil.Vigil(since=now)
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():
            close_old_connections()
            vigil.look(mind, timezone.now())
            stopping.wait(every)
