"""Empties the database, as Django's command: what guards the consent records steps aside meanwhile."""

from typing import Any

from django.core.management.commands import flush

from subscriptions import append_only


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        using = options["database"]
        append_only.lift(using)
        try:
            super().handle(**options)
        finally:
            append_only.put_up(using)
