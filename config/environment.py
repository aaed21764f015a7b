"""Reads settings from the environment, a `.env` file and secret files; gathers what is wrong."""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

_MOST_DAYS = 36_500
_RATE = re.compile(r"[1-9]\d{0,8}/([1-9]\d{0,3})?[smhd]")
_MONTH = 30 * 86_400
_MOST_A_SECOND = 1_000_000
_MOST_GROWTH = 10


class Environment(Env):
    """`environs` with two habits of this house: secrets from files, and one error for all names."""

    def __init__(self) -> None:
        super().__init__(eager=False)
        self.problems: list[str] = []
        self.secrets: dict[str, str] = {}
        """What `secret` read, by name."""

    def expect(self, name: str, *, that: bool, form: str) -> None:
        """Notes a value that was read well but is not what it should be."""
        if not that:
            self.problems.append(f"{name} should be {form}")

    def expect_url(self, name: str, url: str, *, schemes: Sequence[str], form: str) -> None:
        """Notes a URL, where one is given, of another scheme, without a host or with a bad port."""
        try:
            parts = urlsplit(url)
            is_fit = parts.scheme in schemes and bool(parts.hostname or parts.scheme == "unix")
            is_fit = is_fit and (parts.port or 1) > 0
        except ValueError:
            is_fit = False
        self.expect(name, that=is_fit or not url, form=form)

    def languages(self, name: str, names: dict[str, str]) -> list[tuple[str, str]]:
        """The languages that are listed, each with its own name; all of them where none is."""
        codes = self.entries(name, [*names])
        unknown = [code for code in codes if code not in names]
        self.expect(name, that=bool(codes) and not unknown, form=f"of {', '.join(names)}")
        return [(code, names[code]) for code in codes if code in names] or [*names.items()]

    def expect_rate(self, name: str, rate: str | None) -> None:
        """Notes a rate, how many in how long, that is not written like one."""
        self.expect(name, that=bool(_RATE.fullmatch(rate or "")), form="like 3/d or 20/h")

    def host(self, url: str) -> str:
        """The host of a URL as ALLOWED_HOSTS wants it; "localhost" where it has none."""
        try:
            name = urlsplit(url).hostname or "localhost"
        except ValueError:
            return "localhost"
        return f"[{name}]" if ":" in name else name

    def folder(self, name: str, default: Path) -> Path:
        """A folder that is there and can be written to afterwards.

        One that is made here is for nobody else: it holds readers' addresses and mails.
        """
        path = Path(self.str(name, "") or default)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}: {path} can't be made ({error.strerror})"
            ) from error
        if not os.access(path, os.W_OK):
            raise ImproperlyConfigured(f"{name}: {path} can't be written to")
        return path

    def database(self, url: str, *, is_pooled: bool) -> dict[str, Any]:
        """Django's settings for the database at `url`; DATABASE_URL is what it came from.

        Behind a pooler each transaction may get another session of the database, so that a cursor
        that outlives one is not found again. Statements are prepared in neither case.
        """
        try:
            parsed = dj_database_url.parse(
                url,
                conn_max_age=60,
                conn_health_checks=True,
                disable_server_side_cursors=is_pooled,
            )
            found = dict(parsed)
        except (dj_database_url.UnknownSchemeError, dj_database_url.ParseError, ValueError):
            found = {}
        is_known = str(found.get("ENGINE", "")).rpartition(".")[2] in ("postgresql", "sqlite3")
        form = "like postgres://user:password@host/name"
        self.expect("DATABASE_URL", that=is_known, form=form)
        return found

    def secret(self, name: str) -> str:
        """The value of `NAME`, else what stands in the file that `NAME_FILE` names, else "".

        Docker and Kubernetes hand secrets over as files.
        """
        self.secrets[name] = value = self._secret(name)
        return value

    def _secret(self, name: str) -> str:
        path = self.str(f"{name}_FILE", "")
        value = str(self.str(name, "")).strip()
        if value or not path:
            return value
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            self._errors[f"{name}_FILE"].append(f"{path} can't be read ({error.strerror})")
            return ""

    def hidden(self) -> Iterator[str]:
        """What of the secrets no log may show: of a URL its password and path, else all of it."""
        for name, value in self.secrets.items():
            if not name.endswith("_URL"):
                # The domain that a provider sends for is in every mail.
                yield from [] if name.endswith(("_DOMAIN", "_NAME")) else _entries(value)
                continue
            with suppress(ValueError):
                parts = urlsplit(value)
                yield parts.password or ""
                # Whose path is known may post there; that of a database is its name.
                if parts.scheme in ("http", "https"):
                    yield from (parts.path.rstrip("/"), parts.query)

    def secret_entries(self, name: str) -> list[str]:
        """As `secret`, of a list: one entry a comma, or a line of the file."""
        return _entries(self.secret(name))

    def entries(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """The entries between the commas of a list; `default` where there are none."""
        return _entries(self.str(name, "")) or list(default)

    def days(self, name: str, default: int, *, least: int) -> int:
        """A number of days, no fewer than `least` and no more than a calendar can count back."""
        value: int | None = self.int(name, default)
        # What is no number at all is None here, and noted already.
        is_fit = value is None or least <= value <= _MOST_DAYS
        self.expect(name, that=is_fit, form=f"a number of days from {least} to {_MOST_DAYS}")
        return value or 0

    def seconds(self, name: str, default: int, *, least: int) -> int:
        """A number of seconds, no fewer than `least` and no more than a month."""
        value: int | None = self.int(name, default)
        is_fit = value is None or least <= value <= _MONTH
        self.expect(name, that=is_fit, form=f"a number of seconds from {least} to {_MONTH}")
        return value or default

    def rate(self, name: str) -> float:
        """A number a second; 0: unlimited."""
        value: float | None = self.float(name, 0)
        is_fit = value is None or 0 <= value <= _MOST_A_SECOND
        self.expect(name, that=is_fit, form=f"a number from 0 to {_MOST_A_SECOND}")
        return value if value and is_fit else 0

    def rates(self, name: str) -> dict[str, float]:
        """A number a second for each provider, as in `mailgun:100,smtp:20`."""
        found = {}
        for entry in self.entries(name):
            provider, _, number = entry.partition(":")
            rate = _number(number)
            is_fit = bool(provider) and provider not in found and 0 < rate <= _MOST_A_SECOND
            self.expect(name, that=is_fit, form="like mailgun:100,smtp:20, messages a second")
            found[provider] = rate
        return found

    def warm_ups(self, name: str) -> dict[str, tuple[date, int, float]]:
        """For each provider the first day, the messages on it, and by what each next day's grow."""
        found = {}
        for entry in self.entries(name):
            provider, *rest = entry.split(":")
            day, messages, growth = (*rest, "", "", "")[:3]
            plan = (_day(day), _number(messages), _number(growth))
            is_fit = bool(provider) and provider not in found and len(rest) == len(plan)
            is_fit = is_fit and plan[0] is not None and messages.isdecimal() and plan[1] >= 1
            self.expect(
                name,
                that=is_fit and 1 <= plan[2] <= _MOST_GROWTH,
                form="like mailgun:2026-11-01:500:1.5, provider:first day:messages on it:growth",
            )
            if is_fit and plan[0] is not None:
                found[provider] = (plan[0], int(plan[1]), plan[2])
        return found

    def finish(self, *, missing: list[str]) -> None:
        """Raises one ImproperlyConfigured that names everything wrong; returns if nothing is.

        `missing` are names that production needs; a DEBUG that can't be read says nothing of that.
        """
        problems = []
        try:
            self.seal()
        except EnvError as error:
            details = getattr(error, "error_messages", {}) or {"": [str(error)]}
            problems += [f"{name}: {' '.join(lines)}" for name, lines in details.items()]
        problems += self.problems
        if not any(problem.startswith("DEBUG:") for problem in problems):
            problems += [f"{name} is required when DEBUG=0" for name in missing]
        if problems:
            raise ImproperlyConfigured("; ".join(problems))


def _entries(text: str) -> list[str]:
    # An empty secret would be one that everybody knows.
    return [entry.strip() for entry in re.split(r"[,\n]", text) if entry.strip()]


def _number(text: str) -> float:
    """The number, or one that fits nowhere."""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text.strip(), re.ASCII) else -1


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def kept_secret(path: Path) -> str:
    """The secret kept in `path`, made there on the first call; two processes agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50), encoding="utf-8")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
