"""`manage.py watch`: sees what beat and the workers can't tell, their own silence among it."""

import signal
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.utils import timezone

from digest.delivery.watching import report, vigil
from digest.management import arguments, printing


class Command(BaseCommand):
    help = (
        "Looks each minute whether everything runs, and tells the operator where it does not: by "
        "mail to OPERATOR_EMAIL (through ALARM_SMTP_URL where it is set) and to ALARM_WEBHOOK_URL; "
        "calls HEARTBEAT_URL. Needs no broker and no beat. Run one of it, beside them. With --once it "
        "looks once, and the exit status is 0 where all is well and 1 where it is not; with --json "
        "beside it, it prints every sign: its name, whether it is well, since when it is not, the mend."
    )
    # A database that is away must be told of, not end the process that tells of it.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once; status 1 if not well")
        printing.add_json(parser)
        parser.add_argument(
            "--every",
            type=arguments.pause,
            default=60,
            metavar="SECONDS",
            help="between looks (60)",
        )

    def handle(self, *_: Any, once: bool, every: int, **options: Any) -> None:
        if options["json"] and not once:
            raise CommandError(
                "--json is for --once: the watch that stays tells by mail and webhook."
            )
        if once:
            self._look_once(timezone.now(), is_json=options["json"])
            return
        mind = vigil.Vigil(since=timezone.now())
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():
            close_old_connections()
            vigil.look(mind, timezone.now())
            stopping.wait(every)

    def _look_once(self, now: datetime, *, is_json: bool) -> None:
        # It has nothing to compare with, and believes what it sees.
        before = Counter(dict.fromkeys(("database", "broker"), vigil.ROUNDS_AWAY - 1))
        wrong = vigil.look(vigil.Vigil(since=now - timedelta(days=1), away=before), now)
        said = "\n".join(wrong) or "All is well."
        found = report.of(wrong, now) if is_json else {}
        printing.tell(self.stdout, said, data=found, is_json=is_json)
        if wrong or not found.get("is_well", True):
            raise SystemExit(1)
