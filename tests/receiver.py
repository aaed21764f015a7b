"""A web server on this machine that keeps what is posted to it, and refuses it while it is told to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.servers import LocalServer


@dataclass
class Receiver:
    """What came: the path and the body of each call."""

    url: str = ""
    status: int = 200
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def posted(self) -> list[dict[str, str]]:
        """The JSON objects that came."""
        return [json.loads(body) for _, body in self.calls]

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serves on a free port while the block lasts."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if kept.status == 200:
                kept.calls.append((self.path, body))
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Nothing: the test looks at what was kept."""

    with LocalServer(Handler) as server:
        kept.url = server.url
        yield kept
