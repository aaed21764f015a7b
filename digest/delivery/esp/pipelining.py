"""Offers mails over one SMTP connection without waiting for each reply (RFC 2920).

It is driven from outside: told that its socket is ready, it matches each reply to its command, and
each command to its mail. It alone knows whether a mail may have been taken.
"""

import re
import smtplib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from digest.records import Result

from . import answers
from .answers import Answer

LOST = Answer(Result.DEFERRED, "connection lost")
IN_DOUBT = Answer(Result.UNCERTAIN, "connection lost")

_CRLF = b"\r\n"
_DOT = re.compile(rb"\n\.")
_MOST = 65_536
"""Octets read at once, and of a reply's unfinished line."""
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_HANGS_UP = 421
_SEND_IT = 354
_REPLY = re.compile(rb"([2-5]\d\d)(-?)[ \t]?(.*)")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail for one recipient: bare ASCII addresses, and the content as it is to arrive.

    All its lines end with CRLF. Dots are not doubled yet.
    """

    key: int
    """What its answer is found by."""
    sender: str
    recipient: str
    content: bytes


@dataclass(eq=False, slots=True)
class Job:
    """A mail on its way to an answer."""

    mail: Mail
    answer: Answer | None = None
    is_second_try: bool = False
    ends_at: int | None = None
    """The place of its final dot in all that its connection writes."""


class LostError(Exception):
    """The connection is of no use any more; `said` is the answer to the mail that was its turn."""

    def __init__(self, said: Answer = LOST) -> None:
        super().__init__(said.detail)
        self.said = said


class _Kind(Enum):
    RESET = auto()
    SENDER = auto()
    RECIPIENT = auto()
    DATA = auto()
    CONTENT = auto()
    NO_CONTENT = auto()


@dataclass(frozen=True, slots=True)
class _Step:
    """Bytes that the server answers with one reply."""

    kind: _Kind
    job: Job
    sent: bytes


class Link:
    """One connection, and the mails that are on their way over it."""

    def __init__(
        self, smtp: smtplib.SMTP, next_job: Callable[["Link"], Job | None], *, was_used: bool
    ) -> None:
        self.smtp = smtp
        self.sock: socket.socket = smtp.sock  # type: ignore[assignment]
        # A tail that waits for the other side's delayed acknowledgement costs 40 ms a mail.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.moved_at = time.monotonic()
        self.has_answered = False
        self.down: Answer | None = None
        """The answer that says that the server takes nothing, whoever the reader is."""
        self._next_job = next_job
        self._is_pipelining = smtp.has_extn("pipelining")
        size = smtp.esmtp_features.get("size", "").strip()
        self._limit = int(size) if size.isdecimal() else 0
        self._may_be_open = was_used
        """A transaction was begun and not ended; the next one must begin with RSET."""
        self._todo: deque[_Step] = deque()
        self._expected: deque[_Step] = deque()
        self._replies: deque[tuple[int, bytes]] = deque()
        self._line = b""
        self._first: bytes | None = None
        """Of a reply in several lines, the text of the first one."""
        self._out = memoryview(b"")
        self._queued = 0

    @property
    def is_busy(self) -> bool:
        """Whether it owes an answer."""
        return bool(self._expected or self._todo)

    @property
    def wants_to_write(self) -> bool:
        """Whether bytes are left that the socket would not take yet."""
        return bool(self._out)

    def takes(self, mail: Mail) -> bool:
        """Whether the mail is within the server's limit (SIZE, RFC 1870)."""
        return not self._limit or len(mail.content) <= self._limit

    def has_ended(self, job: Job) -> bool:
        """Whether its final dot was written, so that it may have been taken."""
        return job.ends_at is not None and job.ends_at <= self._queued - len(self._out)

    def unanswered(self) -> list[Job]:
        """The mails on their way, in the order in which they went."""
        steps = (*self._expected, *self._todo)
        return list(dict.fromkeys(step.job for step in steps if step.job.answer is None))

    def begin(self, job: Job) -> None:
        """Offers a mail; as every method that moves bytes, raises LostError."""
        self.moved_at = time.monotonic()
        self._plan(job)
        self._write()

    def move(self, *, can_read: bool) -> None:
        """Writes and reads what the socket takes and has."""
        self._flush()
        if can_read:
            self._read()

    def _plan(self, job: Job) -> None:
        mail = job.mail
        options = ""
        if self.smtp.has_extn("size"):
            options += f" SIZE={len(mail.content)}"
        if self.smtp.has_extn("8bitmime") and not mail.content.isascii():
            options += " BODY=8BITMIME"
        steps = [
            (_Kind.SENDER, f"MAIL FROM:<{mail.sender}>{options}\r\n".encode("ascii")),
            (_Kind.RECIPIENT, f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii")),
            (_Kind.DATA, b"DATA\r\n"),
        ]
        if self._may_be_open:
            steps.insert(0, (_Kind.RESET, b"RSET\r\n"))
            self._may_be_open = False
        self._todo += [_Step(kind, job, sent) for kind, sent in steps]

    def _write(self) -> None:
        """Writes what may be written before the next reply: all, or one command."""
        pieces = [bytes(self._out)] if self._out else []
        while self._todo and (self._is_pipelining or not self._expected):
            step = self._todo.popleft()
            self._expected.append(step)
            pieces.append(step.sent)
            self._queued += len(step.sent)
            if step.kind is _Kind.CONTENT:
                step.job.ends_at = self._queued - len(_CRLF)
        self._out = memoryview(b"".join(pieces))
        self._flush()

    def _flush(self) -> None:
        while self._out:
            try:
                written = self.sock.send(self._out)
            except _WOULD_BLOCK:
                return
            except OSError as error:
                # The server's last words may say why.
                self._read()
                raise LostError from error
            self._out = self._out[written:]
            self.moved_at = time.monotonic()

    def _read(self) -> None:
        while True:
            try:
                data = self.sock.recv(_MOST)
            except _WOULD_BLOCK:
                return
            except OSError as error:
                raise LostError from error
            if not data:
                raise LostError
            self.moved_at = time.monotonic()
            self._replies += self._parsed(data)
            while self._replies:
                self._take(*self._replies.popleft())
            # TLS may hold bytes back of which no selector knows.
            if not isinstance(self.sock, ssl.SSLSocket):
                return

    def _parsed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Code and first line of each reply that is complete."""
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            found = _REPLY.match(line.rstrip(b"\r"))
            if found is None:
                raise LostError
            code, goes_on, text = found.groups()
            self._first = text if self._first is None else self._first
            if not goes_on:
                yield int(code), self._first
                self._first = None
        if len(self._line) > _MOST:
            raise LostError

    def _take(self, code: int, text: bytes) -> None:
        """Takes the reply to the command that is next in line."""
        if not self._expected:
            raise LostError
        step = self._expected[0]
        if code == _HANGS_UP and step.kind in (_Kind.RESET, _Kind.SENDER, _Kind.NO_CONTENT):
            # Often a limit on mails per connection: nothing that this mail could help.
            raise LostError(_refused(step, code, text))
        self._expected.popleft()
        if step.kind is _Kind.CONTENT:
            self._take_verdict(step, code, text)
        elif step.kind is _Kind.DATA and code == _SEND_IT:
            self._send_content(step.job)
        elif step.kind not in (_Kind.RESET, _Kind.NO_CONTENT) and not _is_good(step, code):
            self._refuse(step, code, text)
        if self._todo:
            self._write()
        elif not self._expected:
            self._go_on()

    def _go_on(self) -> None:
        if job := self._next():
            self._plan(job)
            self._write()

    def _next(self) -> Job | None:
        return None if self.down else self._next_job(self)

    def _send_content(self, job: Job) -> None:
        """The content, and the next mail's commands right behind it."""
        if job.answer is None:
            self._todo.append(_Step(_Kind.CONTENT, job, _stuffed(job.mail.content) + b".\r\n"))
        else:
            # RFC 2920, 3.1: DATA was taken though no recipient was.
            self._todo.append(_Step(_Kind.NO_CONTENT, job, b".\r\n"))
            self._may_be_open = True
        if following := self._next():
            self._plan(following)

    def _take_verdict(self, step: _Step, code: int, text: bytes) -> None:
        has_ended = self.has_ended(step.job)
        if code // 100 in (4, 5):
            self._refuse(step, code, text)
        else:
            is_sense = code // 100 == 2 and has_ended  # noqa: PLR2004
            self._settle(step.job, Answer(Result.SENT) if is_sense else IN_DOUBT)
        if not has_ended or step.job.answer is IN_DOUBT:
            # It spoke out of turn: no later reply can be trusted.
            raise LostError

    def _refuse(self, step: _Step, code: int, text: bytes) -> None:
        if step.job.answer is None:
            self._settle(step.job, _refused(step, code, text))
        # Of a mail that is refused no further command is sent, if it is not on its way already.
        if step.kind is not _Kind.CONTENT:
            self._todo.clear()
            self._may_be_open = True
        if code == _HANGS_UP:
            raise LostError

    def _settle(self, job: Job, answer: Answer) -> None:
        job.answer = answer
        self.has_answered = True
        if answer.is_provider_down:
            self.down = answer


def _is_good(step: _Step, code: int) -> bool:
    return code // 100 == 2 and step.kind is not _Kind.DATA  # noqa: PLR2004


def _refused(step: _Step, code: int, text: bytes) -> Answer:
    error: smtplib.SMTPException
    if step.kind is _Kind.RECIPIENT:
        error = smtplib.SMTPRecipientsRefused({"": (code, text)})
    elif step.kind in (_Kind.DATA, _Kind.CONTENT):
        error = smtplib.SMTPDataError(code, text)
    else:
        error = smtplib.SMTPSenderRefused(code, text, "")
    return answers.of(error)


def _stuffed(content: bytes) -> bytes:
    """The content with doubled dots, and an end of line at its end (RFC 5321, 4.5.2)."""
    if _DOT.search(content):
        content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(_CRLF) else content + _CRLF
