"""One bounded GET: time, size and redirects are limited, and every failure is one clear line."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from digest.errors import RetryLaterError, SourceError, SourceRefusedError

MEBIBYTE = 1024 * 1024
_TOO_MANY = 429
_UNAVAILABLE = 503
_DEFAULT_WAIT = 60.0
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much patience and room a response gets."""

    connect: float = 5.0
    read: float = 30.0
    """Seconds between two bytes."""
    whole: float = 120.0
    """Seconds for the whole response."""
    size: int = 32 * MEBIBYTE
    """Bytes after decompression."""
    redirects: int = 3
    patience: float = 30.0
    """The longest Retry-After that is waited out; a longer one is raised."""


@dataclass(slots=True)
class Http:
    """A session with one source. `sleep` is how it waits."""

    source: str
    """What error lines call the source."""
    user_agent: str
    limits: Limits = field(default_factory=Limits)
    sleep: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, url: str, params: Mapping[str, str | int] | None = None) -> bytes:
        """The body of a 200 answer.

        Raises RetryLaterError when the source asks for more patience than we have,
        SourceRefusedError for another 4xx, SourceError for everything else; a body that was cut
        off comes with that as `partial`.
        """
        try:
            return self._get(url, params)
        except RetryLaterError as error:
            if error.seconds > self.limits.patience:
                raise
            self.sleep(error.seconds)
        return self._get(url, params)

    def _get(self, url: str, params: Mapping[str, str | int] | None) -> bytes:
        ends_at = time.monotonic() + self.limits.whole
        for _ in range(self.limits.redirects + 1):
            try:
                with self.session.get(
                    url,
                    params=params,
                    headers={"User-Agent": self.user_agent},
                    timeout=(self.limits.connect, self.limits.read),
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    if response.is_redirect:
                        url, params = self._redirected(url, response), None
                        continue
                    self._check_status(response)
                    return self._body(response, ends_at)
            except requests.RequestException as error:
                raise self._error(_in_words(error)) from error
        raise self._error("redirects in circles")

    def _redirected(self, url: str, response: requests.Response) -> str:
        target = urljoin(url, response.headers.get("Location", ""))
        if urlsplit(target).hostname != urlsplit(url).hostname:
            raise self._error("redirects to another host, which is not followed")
        return target

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        patience = response.headers.get("Retry-After", "")
        # 503 without a time is an ordinary failure; 429 asks for patience in any case.
        if status == _TOO_MANY or (status == _UNAVAILABLE and patience):
            seconds = _retry_after(patience)
            raise RetryLaterError(
                f"{self.source}: HTTP {status}, asks to come back in {seconds:.0f} s",
                seconds=seconds,
            )
        if 400 <= status < 500:  # noqa: PLR2004
            raise SourceRefusedError(
                f"{self.source}: HTTP {status}, the request was refused", status=status
            )
        if status != requests.codes.ok:
            raise self._error(f"HTTP {status}")

    def _body(self, response: requests.Response, ends_at: float) -> bytes:
        body = bytearray()
        try:
            # Unlike iter_content, read1 hands out what came before a cut.
            while chunk := response.raw.read1(64 * 1024, decode_content=True):
                body += chunk
                if len(body) > self.limits.size:
                    raise self._error(f"more than {self.limits.size:,} bytes, given up")
                if time.monotonic() > ends_at:
                    raise self._error(f"slower than {self.limits.whole:.0f} s, given up")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            words = f"{_in_words(error)} after {len(body):,} bytes"
            raise SourceError(f"{self.source}: {words}", partial=bytes(body)) from error
        return bytes(body)

    def _error(self, words: str) -> SourceError:
        return SourceError(f"{self.source}: {words}")


def _in_words(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the answer was cut off"
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "the answer can't be unpacked"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"the request failed ({type(error).__name__})"


def _retry_after(text: str) -> float:
    """Seconds or an HTTP date (RFC 9110, 10.2.3), at most a day; a minute where neither is given."""
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return _DEFAULT_WAIT
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_WAIT)
