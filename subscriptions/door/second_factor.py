"""The second factor of an operator: an app that shows codes (TOTP, RFC 6238), and recovery codes for the
day that the phone is gone. Each code is good once."""

import re
import secrets
import time
from base64 import b32encode
from hashlib import pbkdf2_hmac
from math import ceil

import segno
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django_otp import verify_token
from django_otp.models import Device
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

CODES = 10
"""Recovery codes that somebody gets."""
MOST_DOUBLED = 12
"""Wrong codes in a row, after which the wait grows no more: half an hour. Who knows the password must not
keep the operator out for days."""
_BYTES = 20
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_LENGTH = 12
_ROUNDS = 50_000
_APP_CODE = re.compile(r"[0-9]{6}")
_RECOVERY_CODE = re.compile(rf"[a-z2-7]{{{_LENGTH}}}")


def device_of(user: User) -> TOTPDevice | None:
    """The app that was set up; None where none is."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk").first()


def is_required() -> bool:
    """Whether nobody works at the desk without one."""
    return bool(settings.SECOND_FACTOR == "required")


def codes_left(user: User) -> int:
    """How many recovery codes were not used yet."""
    return int(StaticToken.objects.filter(device__user=user).count())


def verify(user: User, text: str) -> Device | None:
    """The device that the code is right for, which is used up then; None where it is wrong, was used
    before, or comes before `wait` is over."""
    code = _plain(text)
    device = _meant(user, code)
    if device is None:
        return None
    kept = code if isinstance(device, TOTPDevice) else _kept(user, code)
    return verify_token(user, device.persistent_id, kept)


def wait(user: User, text: str) -> int:
    """For how many seconds no code of this kind is looked at, after wrong ones."""
    device = _meant(user, _plain(text))
    if device is None:
        return 0
    rows = type(device).objects.filter(pk=device.pk)
    rows.filter(throttling_failure_count__gt=MOST_DOUBLED).update(
        throttling_failure_count=MOST_DOUBLED
    )
    device.refresh_from_db()
    is_allowed, why = device.verify_is_allowed()
    if is_allowed:
        return 0
    seconds: float = (why["locked_until"] - timezone.now()).total_seconds()
    return max(ceil(seconds), 1)


def new_key() -> str:
    """A secret for an app, in hexadecimal digits."""
    return secrets.token_hex(_BYTES)


def readable(key: str) -> str:
    """The secret as one types it into an app: `ABCD EFGH …`."""
    text = b32encode(bytes.fromhex(key)).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def uri(user: User, key: str) -> str:
    """What an app reads from the picture."""
    return str(TOTPDevice(user=user, key=key).config_url)


def picture(text: str) -> SafeString:
    """A QR code as SVG: drawn here, since nobody else may see the secret."""
    drawn = segno.make(text, error="m", micro=False)
    svg = drawn.svg_inline(scale=5, border=4, light="#fff", dark="#000", omitsize=True)
    return mark_safe(svg)  # noqa: S308  segno wrote it, of squares


@transaction.atomic
def set_up(user: User, key: str, code: str, *, instead: bool = False) -> list[str] | None:
    """The recovery codes, once the app of this key showed the code; None where it is wrong, or where
    another one was set up meanwhile and this one is not meant to stand instead."""
    # One at a time: of two sessions that set one up, the first one's stays.
    User.objects.select_for_update().get(pk=user.pk)
    totp = TOTP(bytes.fromhex(key))
    totp.time = time.time()
    code = _plain(code)
    is_right = bool(_APP_CODE.fullmatch(code)) and totp.verify(int(code), tolerance=1)
    if not is_right or (device_of(user) and not instead):
        return None
    TOTPDevice.objects.filter(user=user).delete()
    # `last_t`: the code that was just shown is not taken again.
    TOTPDevice.objects.create(user=user, name="App", key=key, drift=totp.drift, last_t=totp.t())
    return new_codes(user)


@transaction.atomic
def new_codes(user: User) -> list[str]:
    """Recovery codes, which no one can be told again; those of before are good no more."""
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="Recovery codes")
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(CODES)]
    for code in codes:
        device.token_set.create(token=_kept(user, code))
    return ["-".join(re.findall("....", code)) for code in codes]


@transaction.atomic
def remove(user: User) -> bool:
    """Afterwards they have none, and sessions that came in by it are over; whether they had one."""
    StaticDevice.objects.filter(user=user).delete()
    return bool(TOTPDevice.objects.filter(user=user).delete()[0])


def _meant(user: User, code: str) -> TOTPDevice | StaticDevice | None:
    if _APP_CODE.fullmatch(code):
        return device_of(user)
    if _RECOVERY_CODE.fullmatch(code):
        return StaticDevice.objects.filter(user=user, confirmed=True).order_by("pk").first()
    return None


def _plain(text: str) -> str:
    return re.sub(r"[\s-]", "", text).lower()


def _kept(user: User, code: str) -> str:
    """What the database has of a recovery code: a hash, in the sixteen letters of its column."""
    salt = f"daily papers, operator {user.pk}".encode()
    return b32encode(pbkdf2_hmac("sha256", code.encode(), salt, _ROUNDS, dklen=10)).decode()
