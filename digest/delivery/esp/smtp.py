"""Django's SMTP back end: one kept connection for single messages, a few pipelined ones for many.

Of each mail it says what became of it: taken, surely not taken, or nobody knows.
"""

import selectors
import smtplib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

from digest.records import Result

from . import answers
from .answers import Answer, HungUpError
from .pipelining import IN_DOUBT, LOST, Job, Link, LostError, Mail

__all__ = ["EmailBackend", "Mail"]

REST = 1.0
"""Seconds after which the server may have hung up: it is asked before a message is offered."""
CONNECTIONS = 4
"""How many connections many mails share."""
WORTH_ONE = 5
"""How many mails are worth one connection more."""
LONGEST_SILENCE = 600.0
"""Seconds of waiting for a reply where EMAIL_TIMEOUT sets no limit (RFC 5321, 4.5.3.2.6)."""


class _NotesContent:
    """A connection that knows whether a message's content was on its way when it was lost."""

    is_in_doubt = False

    def send(self, s: Any) -> None:
        # smtplib writes commands as text, and only content as bytes.
        self.is_in_doubt = isinstance(s, bytes)
        super().send(s)  # type: ignore[misc]


class _Smtp(_NotesContent, smtplib.SMTP):
    pass


class _SmtpOverTls(_NotesContent, smtplib.SMTP_SSL):
    pass


class EmailBackend(smtp.EmailBackend):
    """A server that hung up in between would else leave the next message in doubt."""

    used_at = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.kept: list[smtplib.SMTP] = []
        """Connections of earlier calls of `offer_many`; nothing is on its way over them."""
        self._kept_at = 0.0

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpOverTls if self.use_ssl else _Smtp

    def open(self) -> bool | None:
        rested = time.monotonic() - self.used_at
        if self.connection is not None and rested > REST and not _is_alive(self.connection):
            self.close()
        opened = super().open()
        self.used_at = time.monotonic()
        return opened

    def close(self) -> None:
        """Closes every connection."""
        for connection in self.kept:
            with suppress(OSError):
                connection.quit()
            connection.close()
        self.kept.clear()
        super().close()

    def _send(self, email_message: EmailMessage) -> bool:
        try:
            return bool(super()._send(email_message))  # type: ignore[misc]
        except smtplib.SMTPServerDisconnected as error:
            if getattr(self.connection, "is_in_doubt", True):
                raise
            raise HungUpError(*error.args) from error

    def offer_many(self, mails: Sequence[Mail]) -> dict[int, Answer]:
        """Offers all mails over a few kept connections, and says by key what became of each.

        Nothing of the network is raised. A mail whose connection was lost before its end was
        written is tried once more, on a fresh connection. Once an answer says that the server is
        down, whoever the reader is, it is the answer to all that was not offered yet, too.
        Raises ValueError, before anything is offered, for keys that are not unique and for
        addresses that would not stand in a command.
        """
        _check(mails)
        with self._lock:
            self._drop_dead()
            call = _Call(self, mails)
            try:
                call.run()
            finally:
                self.kept += call.reusable()
                self._kept_at = time.monotonic()
        return call.answers()

    def open_fresh(self) -> smtplib.SMTP:
        """A connection of its own, opened as Django would; what is raised is an OSError."""
        single, self.connection = self.connection, None
        try:
            super().open()
            fresh = cast("smtplib.SMTP", self.connection)
        finally:
            self.connection = single
        fresh.ehlo_or_helo_if_needed()
        return fresh

    def _drop_dead(self) -> None:
        if time.monotonic() - self._kept_at > REST:
            alive = [connection for connection in self.kept if _is_alive(connection)]
            for connection in self.kept:
                if connection not in alive:
                    connection.close()
            self.kept = alive


def _is_alive(connection: smtplib.SMTP) -> bool:
    ok = 250
    try:
        return connection.noop()[0] == ok
    except (OSError, smtplib.SMTPException):
        return False


def _check(mails: Sequence[Mail]) -> None:
    if len({mail.key for mail in mails}) != len(mails):
        raise ValueError("two mails have one key")
    for mail in mails:
        for address in (mail.sender, mail.recipient):
            is_plain = address.isascii() and address.isprintable()
            if not address or not is_plain or not set(address).isdisjoint("<> "):
                raise ValueError(f"an address of mail {mail.key} would not stand in a command")


class _Call:
    """One call of `offer_many`: the mails that wait, and the connections that take them."""

    def __init__(self, backend: EmailBackend, mails: Iterable[Mail]) -> None:
        self.backend = backend
        self.jobs = [Job(mail) for mail in mails]
        self.waiting = deque(self.jobs)
        self.again: deque[Job] = deque()
        """Mails that wait for a fresh connection."""
        self.links: set[Link] = set()
        self.may_open = True
        self.fruitless = 0
        """How many connections in a row were lost before they had brought an answer."""
        self.down: Answer | None = None
        self.patience = backend.timeout or LONGEST_SILENCE
        self.selector = selectors.DefaultSelector()

    def answers(self) -> dict[int, Answer]:
        """What became of each mail."""
        return {job.mail.key: job.answer or IN_DOUBT for job in self.jobs}

    def run(self) -> None:
        """Returns when every mail has its answer."""
        self._employ()
        while busy := [link for link in self.links if link.is_busy]:
            silent_since = min(link.moved_at for link in busy)
            pause = max(silent_since + self.patience - time.monotonic(), 0)
            for key, events in self.selector.select(pause):
                if (link := key.data) in self.links:
                    can_read = bool(events & selectors.EVENT_READ)
                    self._attempt(link, lambda: link.move(can_read=can_read))  # noqa: B023
            self._lose_silent()
            self._employ()

    def reusable(self) -> list[smtplib.SMTP]:
        """The connections over which nothing is on its way; the others are closed."""
        self.selector.close()
        for link in self.links:
            if link.is_busy:
                link.smtp.close()
            else:
                link.sock.settimeout(self.backend.timeout)
        return [link.smtp for link in self.links if not link.is_busy]

    def _next_job(self, link: Link) -> Job | None:
        """The next mail for a connection; those too large for the server are answered."""
        while self.waiting and self.down is None:
            job = self.waiting.popleft()
            if link.takes(job.mail):
                return job
            job.answer = answers.of(smtplib.SMTPSenderRefused(552, b"5.3.4 too large", ""))
        return None

    def _employ(self) -> None:
        """Gives idle connections work, and opens more where there is enough of it."""
        for link in [link for link in self.links if not link.is_busy]:
            self._begin(link, self._next_job(link))
        while (
            self.down is None
            and (self.may_open or not self.links)
            and len(self.links) < CONNECTIONS
            and (self.again or len(self.waiting) > WORTH_ONE * len(self.links))
        ):
            self._open_one()
        if self.down is not None:
            self._answer_rest(self.down)
        elif not self.may_open:
            for job in self.again:
                job.answer = LOST
            self.again.clear()

    def _answer_rest(self, said: Answer) -> None:
        for job in (*self.again, *self.waiting):
            job.answer = replace(said, result=Result.DEFERRED, is_dead_address=False)
        self.again.clear()
        self.waiting.clear()

    def _open_one(self) -> None:
        is_used = bool(self.backend.kept) and not self.again
        try:
            connection = self.backend.kept.pop() if is_used else self.backend.open_fresh()
            link = Link(connection, self._next_job, was_used=is_used)
        except OSError as error:
            # The others may be all that the server grants us.
            self.may_open = False
            if not self.links:
                self.down = answers.down(error)
            return
        self.links.add(link)
        self.selector.register(link.sock, selectors.EVENT_READ, link)
        self._begin(link, self.again.popleft() if self.again else self._next_job(link))

    def _begin(self, link: Link, job: Job | None) -> None:
        if job is not None:
            self._attempt(link, lambda: link.begin(job))

    def _attempt(self, link: Link, work: Callable[[], None]) -> None:
        try:
            work()
        except LostError as error:
            self._lose(link, error.said)
        else:
            self._watch(link)
        self.down = self.down or link.down

    def _watch(self, link: Link) -> None:
        wanted = selectors.EVENT_READ
        if link.wants_to_write:
            wanted |= selectors.EVENT_WRITE
        if self.selector.get_key(link.sock).events != wanted:
            self.selector.modify(link.sock, wanted, link)

    def _lose_silent(self) -> None:
        latest = time.monotonic() - self.patience
        for link in [link for link in self.links if link.is_busy and link.moved_at <= latest]:
            self._lose(link, LOST)

    def _lose(self, link: Link, said: Answer) -> None:
        """Takes a connection out, answers the mail that was its turn, and puts back what followed.

        Connections that stay fruitless mean that the server is down.
        """
        self.links.remove(link)
        self.selector.unregister(link.sock)
        link.smtp.close()
        # They are as old, and the server may have left them, too.
        while self.backend.kept:
            self.backend.kept.pop().close()
        jobs = link.unanswered()
        if jobs:
            self._answer_lost(jobs.pop(0), link, said)
        self.waiting.extendleft(reversed(jobs))
        self.fruitless = 0 if link.has_answered else self.fruitless + 1
        if self.fruitless >= CONNECTIONS:
            self.down = replace(said, is_provider_down=True)

    def _answer_lost(self, job: Job, link: Link, said: Answer) -> None:
        if link.has_ended(job):
            job.answer = IN_DOUBT
        elif job.is_second_try:
            job.answer = said
            self.down = self.down or (said if said.is_provider_down else None)
        else:
            job.is_second_try = True
            job.ends_at = None
            self.again.append(job)
