"""One bounded GET: time, size and redirects are limited, and every failure is one clear line."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from digest.errors import RetryLaterError, SourceError, SourceRefusedError

from .deadline import Adapter, Deadline

MEBIBYTE = 1024 * 1024
_PIECE = 64 * 1024
_GZIP_ONLY = 16 + zlib.MAX_WBITS
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN, _GZIP = ("", "identity"), ("gzip", "x-gzip")
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
    """Seconds for all of it: headers, redirects and body."""
    size: int = 16 * MEBIBYTE
    """Bytes after unpacking; and before, as there are packed ones of which nothing comes out."""
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

    def __post_init__(self) -> None:
        # Sources are asked without any memory of what they said before.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, Adapter())

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
        slow = f"slower than {self.limits.whole:.0f} s, given up"
        # The session, too: a connection that it kept would be nobody's to cut the next time.
        with Deadline(self.limits.whole) as deadline, self.session:
            try:
                body = self._followed(url, params)
            except (SourceError, SourceRefusedError) as error:
                if deadline.is_over:
                    raise self._error(slow) from error
                raise
            # What was cut may look whole: the length of an answer is its end where it names none.
            if deadline.is_over:
                raise self._error(slow)
        return body

    def _followed(self, url: str, params: Mapping[str, str | int] | None) -> bytes:
        for _ in range(self.limits.redirects + 1):
            try:
                with self.session.get(
                    url,
                    params=params,
                    headers={"User-Agent": self.user_agent, "Accept-Encoding": "gzip"},
                    timeout=(self.limits.connect, self.limits.read),
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    if response.is_redirect:
                        url, params = self._redirected(url, response), None
                        continue
                    self._check_status(response)
                    return self._body(response)
            # requests lets errors of its own reading of a Location through as they are.
            except (requests.RequestException, ValueError) as error:
                raise self._error(_in_words(error)) from error
        raise self._error("redirects in circles")

    def _redirected(self, url: str, response: requests.Response) -> str:
        """Where it leads: within the origin, or from its http to its https, and so never to a
        machine or a service that the operator did not name."""
        try:
            target = urljoin(url, response.headers.get("Location", ""))
            from_origin, to_origin = _origin(url), _origin(target)
        except ValueError as error:
            raise self._error("redirects to what is no address") from error
        with_tls = ("https", from_origin[1], 443)
        is_raised = from_origin[::2] == ("http", 80) and to_origin == with_tls
        if to_origin[1] != from_origin[1]:
            raise self._error("redirects to another host, which is not followed")
        if to_origin != from_origin and not is_raised:
            raise self._error("redirects to another port or scheme, which is not followed")
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

    def _body(self, response: requests.Response) -> bytes:
        body, read = bytearray(), 0
        unpacker = self._unpacker(response)
        try:
            # Unlike iter_content, read1 hands out what came before a cut. It is not asked to unpack:
            # it would go on reading for as long as nothing comes out.
            while chunk := response.raw.read1(_PIECE, decode_content=False):
                read += len(chunk)
                for piece in unpacker.pieces(chunk):
                    body += piece
                    if max(read, len(body)) > self.limits.size:
                        raise self._error(f"more than {self.limits.size:,} bytes, given up")
            body += unpacker.end()
        except (urllib3.exceptions.HTTPError, OSError, zlib.error, EOFError) as error:
            words = f"{_in_words(error)} after {len(body):,} bytes"
            raise SourceError(f"{self.source}: {words}", partial=bytes(body)) from error
        return bytes(body)

    def _unpacker(self, response: requests.Response) -> "_Unpacker":
        packed = response.headers.get("Content-Encoding", "").strip().lower()
        if packed not in (*_PLAIN, *_GZIP):
            raise self._error("the answer is packed in a way that was not asked for")
        return _Unpacker(is_packed=packed in _GZIP)

    def _error(self, words: str) -> SourceError:
        return SourceError(f"{self.source}: {words}")


class _Unpacker:
    """Takes a stream apart, of gzip in one member or several (RFC 1952) or not packed at all."""

    def __init__(self, *, is_packed: bool) -> None:
        self.stream = zlib.decompressobj(_GZIP_ONLY) if is_packed else None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What comes out of the next bytes, in small pieces: there may be a thousand times as much."""
        if self.stream is None:
            yield chunk
            return
        while chunk:
            if self.stream.eof:
                self.stream = zlib.decompressobj(_GZIP_ONLY)
            yield self.stream.decompress(chunk, _PIECE)
            chunk = self.stream.unconsumed_tail or self.stream.unused_data

    def end(self) -> bytes:
        """What is left; EOFError where the stream is not at its end."""
        left = self.stream.flush() if self.stream else b""
        if self.stream and not self.stream.eof:
            raise EOFError
        return left


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port (RFC 6454) of where it would be fetched from; ValueError where it is none.

    requests writes an address anew before it connects. Only in that form is there one reading of it:
    in `http://a\\@b/` some see the host a, and others b.
    """
    parts = urlsplit(requests.Request("GET", url).prepare().url or "")
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (requests.ConnectTimeout, "no connection in time"),
    (requests.Timeout, "no answer in time"),
    (urllib3.exceptions.TimeoutError, "no answer in time"),
    (urllib3.exceptions.ProtocolError, "the answer was cut off"),
    (EOFError, "the answer was cut off"),
    (zlib.error, "the answer can't be unpacked"),
    (requests.ConnectionError, "no connection"),
    (requests.RequestException, "the request failed"),
    (ValueError, "the answer can't be understood"),
)
"""The first kind that an error is of names it."""


def _in_words(error: Exception) -> str:
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), "the request failed")
    return f"{words} ({type(error).__name__})" if words == "the request failed" else words


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
