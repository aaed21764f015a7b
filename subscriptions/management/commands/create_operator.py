"""Makes somebody an operator of the desk, or gives them another role."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from subscriptions import addresses, logbook, roles
from subscriptions.errors import AddressError


class Command(BaseCommand):
    help = (
        "Makes somebody an operator with a role: owner (everything, and who works here), editor "
        "(editions, papers and topics) or support (readers and their mail). They log in at /admin/ "
        "with the address. The password is asked for, or read from the first line of stdin where "
        "that is no terminal. Somebody who is there gets the role and keeps the password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="what they log in with")
        parser.add_argument("--role", required=True, choices=roles.Role.values)

    def handle(self, *, email: str, role: str, **options: Any) -> None:
        try:
            email = addresses.canonical(email).lower()
        except AddressError as error:
            raise CommandError(str(error)) from error
        is_new = not User.objects.filter(username=email).exists()
        new = self._new(email) if is_new else None
        with transaction.atomic():
            roles.lock()
            user = new or self._known(email, role)
            user.is_active = True
            user.save()
            roles.give(user, roles.Role(role))
            did = "Made an operator with the role" if is_new else "Gave the role"
            logbook.note(user, f"{did} {role}", is_new=is_new)
        self.stdout.write(f"{email} is {'now ' if is_new else ''}an operator: {role}")

    def _new(self, email: str) -> User:
        user = User(username=email, email=email)
        user.set_password(self._password(user))
        return user

    def _known(self, email: str, role: str) -> User:
        user = User.objects.get(username=email)
        if role != roles.Role.OWNER and roles.is_last_owner(user):
            raise CommandError("Nobody else is an owner: give somebody that role first.")
        if user.is_superuser:
            raise CommandError("This is a superuser, who may do everything already.")
        return user

    def _password(self, user: User) -> str:
        if sys.stdin.isatty():
            password = getpass.getpass("Password: ")
            if getpass.getpass("Again: ") != password:
                raise CommandError("These were two different passwords.")
        else:
            password = sys.stdin.readline().rstrip("\r\n")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return password
