"""Takes the second factor of an operator away, as where the phone is lost and nobody else is an owner."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from subscriptions import logbook
from subscriptions.door import second_factor


class Command(BaseCommand):
    help = (
        "Takes the second factor of an operator away: the app and the recovery codes are good no more, "
        "and sessions that came in by them, or were asked for them, are over. They set up a new one "
        "when they sign in next."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="what they log in with")

    def handle(self, *, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError("Nobody logs in with this name.")
        with transaction.atomic():
            if not second_factor.remove(user):
                raise CommandError("They have no second factor.")
            logbook.note(user, "Reset the second factor")
        self.stdout.write(f"{username} has no second factor any more")
