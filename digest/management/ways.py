"""Which provider a command is about, and what is left to send by."""

import json

from django.core.management.base import CommandError

from digest.delivery.esp import plans, providers
from digest.errors import ProviderSettingsError


def chosen(name: str) -> str:
    """Raises CommandError, with one line, where mail does not go by it."""
    try:
        names = [way.name for way in providers.configured()]
    except ProviderSettingsError as error:
        raise CommandError(str(error)) from error
    if name not in names:
        raise CommandError(f"{name!r} is not in EMAIL_PROVIDERS, which has {', '.join(names)}.")
    return name


def answer(name: str, said: str, *, is_json: bool) -> str:
    """What became of the provider, and a plain warning where no digest goes out any more."""
    left = [way.name for way in plans.in_use() if way.takes_digests]
    if is_json:
        is_paused = plans.of(name).is_paused
        return json.dumps({"provider": name, "paused": is_paused, "in_use": left})
    warning = "No digest goes out now: no provider that takes digests is in use."
    return said if left else f"{said}\n{warning}"
