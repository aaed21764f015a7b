"""Servers on this machine that run beside a test, and end with it."""

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class LocalServer:
    """Answers on a free port of 127.0.0.1 while its `with` block lasts."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def raw(*pieces, endless=b"", pause=0.0, again=b"", tls=None):
    """A server that sends these bytes to whoever asks, and `endless` until that one hangs up, with
    pauses between; `again` to who asks once more on the same connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                caller, _ = listener.accept()
                caller = tls.wrap_socket(caller, server_side=True) if tls else caller
            except OSError:
                return
            with caller:
                caller.recv(65_536)
                try:
                    for piece in pieces:
                        caller.sendall(piece)
                    while endless:
                        caller.sendall(endless)
                        time.sleep(pause)
                    if again and caller.recv(65_536):
                        caller.sendall(again)
                        caller.recv(65_536)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    listener.close()


def head(*lines):
    """The head of an answer, with these lines."""
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""])
