"""A provider on this machine that speaks Mailgun's and Brevo's wire formats and fails on demand.

    with FakeEsp() as esp:
        esp.faults.append(Fault(status=429, retry_after="2"))   # the next call only
        ...
        esp.inbox["reader@example.org"]                          # what that reader would see

It counts every reader, fills each one's copy in as the provider would, and keeps the calls.
"""

import contextlib
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from tests.servers import LocalServer


@dataclass(frozen=True)
class Fault:
    """What one call runs into instead of an answer, or, with `accepts`, after being taken."""

    status: int = 0
    """The status to answer with; 0: the connection is cut without a word."""
    retry_after: str = ""
    accepts: bool = False
    stall: float = 0.0
    bad_address: str = ""
    """Refuse with 400 exactly the calls that hold this address; stays in force."""


@dataclass
class Copy:
    """The message as one reader would get it."""

    to: str
    visible_to: list[str]
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    metadata: dict[str, str]


@dataclass
class Call:
    path: str
    readers: list[str]
    size: int
    tracking: dict[str, str]
    """What Mailgun was told about opens and clicks."""


class FakeEsp(LocalServer):
    """The provider; its `url` is what MAILGUN_API_URL or BREVO_API_URL should be."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.inbox: dict[str, list[Copy]] = defaultdict(list)
        super().__init__(_handler(self))

    @property
    def url(self) -> str:
        return f"{super().url}/v3"

    def fault_for(self, readers: list[str]) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.bad_address:
                    if fault.bad_address in readers:
                        return fault
                    continue
                self.faults.remove(fault)
                return fault
        return None


@dataclass
class _Form:
    """A form in the order it was sent, with repeated names."""

    pairs: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def one(self, name: str, default: str = "") -> str:
        return next(iter(self.all(name)), default)

    def prefixed(self, prefix: str) -> dict[str, str]:
        return {key.removeprefix(prefix): v for key, v in self.pairs if key.startswith(prefix)}


def _read_form(content_type: str, body: bytes) -> _Form:
    if not content_type.startswith("multipart/"):
        return _Form(parse_qsl(body.decode(), keep_blank_values=True))
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    return _Form(
        [
            (
                part.get_param("name", header="content-disposition"),
                part.get_payload(decode=True).decode(),
            )
            for part in parts
        ]
    )


def mailgun_copies(form: _Form) -> list[Copy]:
    """What Mailgun makes of a call: a copy each where recipient variables are given.

    Without them, everybody in `to` sees everybody's address.
    """
    readers = [parseaddr(entry)[1] for entry in form.all("to")]
    variables = json.loads(form.one("recipient-variables", "{}"))
    copies = []
    for reader in readers:
        mine = {str(key): str(value) for key, value in variables.get(reader, {}).items()}

        def fill(text: str, mine: dict[str, str] = mine) -> str:
            return re.sub(r"%recipient\.([^%]+)%", lambda m: mine.get(m[1], m[0]), text)

        headers = {name: fill(value) for name, value in form.prefixed("h:").items()}
        copies.append(
            Copy(
                to=reader,
                visible_to=[reader] if variables else readers,
                subject=fill(form.one("subject")),
                html=fill(form.one("html")),
                text=fill(form.one("text")),
                headers={name: value for name, value in headers.items() if value},
                metadata={name: fill(value) for name, value in form.prefixed("v:").items()},
            )
        )
    return copies


def brevo_copies(data: dict) -> list[Copy]:
    """What Brevo makes of a call: a copy for each message version, else one that all see."""
    versions = data.get("messageVersions") or [{"to": data["to"]}]
    copies = []
    for version in versions:
        readers = [entry["email"] for entry in version["to"]]
        params = version.get("params", data.get("params", {}))
        # The headers of a version replace those of the call.
        headers = dict(version.get("headers") or data.get("headers") or {})

        def fill(text: str, params: dict[str, str] = params) -> str:
            return re.sub(
                r"{{\s*params\.(\w+)\s*}}", lambda m: str(params.get(m[1], "")), text or ""
            )

        custom = headers.pop("X-Mailin-custom", "{}")
        copies += [
            Copy(
                to=reader,
                visible_to=readers,
                subject=fill(data["subject"]),
                html=fill(data.get("htmlContent", "")),
                text=fill(data.get("textContent", "")),
                headers=headers,
                metadata=json.loads(custom),
            )
            for reader in readers
        ]
    return copies


def _handler(esp: FakeEsp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_brevo = self.path.endswith("/smtp/email")
            form = _Form() if is_brevo else _read_form(self.headers["Content-Type"], body)
            copies = brevo_copies(json.loads(body)) if is_brevo else mailgun_copies(form)
            readers = [copy.to for copy in copies]
            with esp.lock:
                tracking = {n: v for n, v in form.pairs if n.startswith("o:tracking")}
                esp.calls.append(Call(self.path, readers, len(body), tracking))
            fault = esp.fault_for(readers)
            if fault is None or fault.accepts:
                with esp.lock:
                    for copy in copies:
                        esp.inbox[copy.to].append(copy)
            if fault is not None:
                self.fail(fault)
            elif is_brevo:
                ids = [f"<{n}.{time.time_ns()}@brevo.example>" for n in range(len(copies))]
                self.answer(201, {"messageIds": ids} if len(ids) > 1 else {"messageId": ids[0]})
            else:
                name = f"<{time.time_ns()}@mailgun.example>"
                self.answer(200, {"id": name, "message": "Queued. Thank you."})

        def fail(self, fault: Fault) -> None:
            time.sleep(fault.stall)
            status = 400 if fault.bad_address else fault.status
            if not status:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(2)
                return
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self.answer(status, {"message": "no"}, headers)

        def answer(self, status: int, data: dict, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(data).encode()
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

    return Handler
