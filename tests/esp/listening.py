"""HTTP on one port of this machine, with the ways in which a connection can end badly."""

import contextlib
import socket
import struct
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from .records import Request


@dataclass
class Reply:
    """What goes back to the client."""

    status: int = 0
    """0: nothing, and the connection ends."""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    resets: bool = False
    is_truncated: bool = False


class Taker(Protocol):
    """Who answers; any thread may ask."""

    def take(self, request: Request) -> Reply: ...

    def account(self, request: Request) -> Reply: ...

    def control(self, method: str, path: str, body: bytes) -> Reply: ...


class Listener(ThreadingHTTPServer):
    """A listening socket that knows its connections."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int, taker: Taker) -> None:
        self.connections: set[socket.socket] = set()
        self.to_reset: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _handler(taker))

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        if request not in self.to_reset:
            super().shutdown_request(request)
            return
        self.to_reset.discard(request)
        # With this option and nothing said before, closing sends RST in the place of FIN.
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Ends all connections."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _handler(taker: Taker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        server: Listener

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path.startswith("/_control/"):
                self.reply(taker.control("GET", self.path, b""))
            else:
                self.reply(taker.account(Request(self.path, self.headers, b"")))

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size)
            if len(body) < size:
                # The client went away in the middle: nothing was asked for.
                self.close_connection = True
            elif self.path.startswith("/_control/"):
                self.reply(taker.control("POST", self.path, body))
            else:
                self.reply(taker.take(Request(self.path, self.headers, body)))

        def reply(self, reply: Reply) -> None:
            if not reply.status:
                self.close_connection = True
                if reply.resets:
                    self.server.to_reset.add(self.connection)
                return
            head = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}"]
            head += [f"{name}: {value}" for name, value in reply.headers.items()]
            head += [f"Content-Length: {len(reply.body)}", "", ""]
            body = reply.body
            if reply.is_truncated:
                self.close_connection = True
                body = body[: len(body) // 2]
            with contextlib.suppress(OSError):
                self.wfile.write("\r\n".join(head).encode("latin-1") + body)

    return Handler


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Unknown"
