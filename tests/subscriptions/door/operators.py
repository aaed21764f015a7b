"""Operators at the door, with or without a second factor, and their clock."""

import time
from datetime import timedelta

import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from subscriptions import roles

PASSWORD = "long-and-odd-1"
LOGIN, CODE, SET_UP, OWN = (
    "/admin/login/",
    "/admin/second-factor/",
    "/admin/second-factor/set-up/",
    "/admin/second-factor/own/",
)
KEY = "3132333435363738393031323334353637383930"


def make_operator(name: str = "olga", role: roles.Role = roles.Role.OWNER) -> User:
    user = User.objects.create_user(name, f"{name}@example.org", PASSWORD)
    roles.give(user, role)
    return user


def give_app(user: User) -> TOTPDevice:
    """An app that was set up for them a while ago."""
    return TOTPDevice.objects.create(user=user, name="App", key=KEY)


def code_now(key: str = KEY, *, steps: int = 0) -> str:
    """What the app shows now, or so many half minutes later."""
    totp = TOTP(bytes.fromhex(key))
    totp.time = time.time() + 30 * steps
    return f"{totp.token():06d}"


def later(seconds: float = 31) -> time_machine.travel:
    """Within it, it is so many seconds later; the app shows another code then."""
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds))


def give_password(client: Client, name: str = "olga", password: str = PASSWORD, **extra):
    return client.post(LOGIN, {"username": name, "password": password}, **extra)


def give_code(client: Client, code: str, **extra):
    return client.post(CODE, {"code": code}, **extra)


def come_in(client: Client, user: User) -> None:
    """Afterwards the client is signed in by both factors."""
    give_app(user)
    give_password(client, user.username)
    answer = give_code(client, code_now())
    assert answer.status_code == 302, answer.content.decode()
