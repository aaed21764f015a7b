"""Cuts the connections of a request when its time is over, wherever in an answer it is.

A time-out of a socket is about two bytes: a source that sends one before each ends never meets it, in
a header or the length of a chunk, which are read to their end in one call.
"""

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """Within its block, connections of `Adapter` end after these seconds; whoever reads from one then
    sees its end, which may look like the end of an answer: ask `is_over`."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
        self._timer.cancel()
        # Only then is nobody about to shut down a number that may soon be another socket's.
        self._timer.join()
        for each in self._sockets:
            each.close()

    def watch(self, connection: socket.socket) -> None:
        """Afterwards the connection ends with the time, or has, if that is over."""
        # Of its own number: TLS takes the socket over, and closing it leaves this one.
        self._sockets.append(connection.dup())
        if self.is_over:
            self._end()

    def _end(self) -> None:
        # First of all, so that a connection that comes now is cut by one thread or the other.
        self.is_over = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


_current: ContextVar[Deadline] = ContextVar("deadline")


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _current.get().watch(made)
        return made


class _Tls(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _current.get().watch(made)
        return made


class Adapter(HTTPAdapter):
    """Connects within the block of a `Deadline`, and never outside one."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """See there."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _Tls if pool.scheme == "https" else _Plain
        return pool
