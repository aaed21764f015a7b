"""SMTP servers on this machine that keep every mail, and refuse what they are told to.

`sink` is strict; `FastSink` is fast, takes commands without waiting, and can hang up anywhere.
`python -m tests.smtp` is a fast one in a process of its own.
"""

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller

from digest.delivery.esp import providers
from tests.flows.processes import free_port


class Sink:
    """What the server took: recipients and bytes of each mail, and how many connections it saw."""

    def __init__(self):
        self.mails = []
        self.sessions = set()
        self.refuse = {}
        """The reply to a recipient, or to `data`, in the place of 250."""

    @property
    def taken(self):
        return [address for recipients, _ in self.mails for address in recipients]

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.refuse.get(address, "250 OK")

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.sessions.add(session.peer)
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return self.refuse.get("data", "250 OK")


@contextmanager
def sink(settings, **options) -> Iterator[Sink]:
    """The provider `smtp` is this server while the block lasts; `options` are aiosmtpd's."""
    handler = Sink()
    server = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    server.start()
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield handler
    providers.connection("smtp").close()
    server.stop()


HANG_UP = "hang up"
TAKE_AND_HANG_UP = "take and hang up"
REPLIES = {
    "connect": "220 sink",
    "DATA": "354 go on",
    "nobody": "554 5.5.1 nobody",
    "over": "421 4.3.2 too many mails",
}


def agree(point, recipient):
    """Refuses nothing."""
    return REPLIES.get(point, "250 2.0.0 OK")


class FastSink:
    """A server whose replies `decide` gives for each point and recipient.

    The points are connect, MAIL, RCPT, DATA, nobody (DATA without a recipient), body (its first
    bytes came), dot, and over (MAIL beyond `mails_each`). A reply may be "" (silence from then on), HANG_UP, and for the dot
    TAKE_AND_HANG_UP. A mail is taken where its dot is answered with 250.
    """

    def __init__(
        self,
        decide=agree,
        *,
        extensions=("PIPELINING", "8BITMIME"),
        keeps=True,
        tls=None,
        mails_each=0,
    ):
        self.tls = tls
        self.mails_each = mails_each
        """After how many mails a connection is ended; 0 for never."""
        self.decide = decide
        self.extensions = extensions
        self.keeps = keeps
        self.mails = []
        self.taken = Counter()
        self.connections = 0
        self.commands = []
        self.ahead = 0
        """How many commands came together with a later one."""
        self.sessions = set()
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()

    def serve(self):
        """Serves until `stop`."""
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            self.loop.create_server(lambda: _Session(self), "127.0.0.1", 0, ssl=self.tls)
        )
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        for session in list(self.sessions):
            session.transport.abort()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(server.wait_closed())
        self.loop.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


class _Session(asyncio.Protocol):
    """One connection to a FastSink."""

    def __init__(self, sink):
        self.sink = sink
        self.received = bytearray()
        self.recipient = ""
        self.is_content = False
        self.is_mute = self.accepted = self.has_sender = False
        self.begun = 0
        self.searched = 0

    def connection_made(self, transport):
        self.transport = transport
        self.sink.connections += 1
        self.sink.sessions.add(self)
        self.answer("connect")

    def connection_lost(self, error):
        self.sink.sessions.discard(self)

    def data_received(self, data):
        self.received += data
        while not (self.transport.is_closing() or self.is_mute):
            if not (self.take_content() if self.is_content else self.take_command()):
                break

    def answer(self, point):
        reply = self.sink.decide(point, self.recipient)
        if reply in (HANG_UP, TAKE_AND_HANG_UP):
            self.transport.close()
        elif reply:
            self.transport.write(f"{reply}\r\n".encode())
            if reply.startswith("421"):
                self.transport.close()
        else:
            self.transport.pause_reading()
            self.is_mute = True
        return reply

    def take_command(self):
        end = self.received.find(b"\n")
        if end < 0:
            return False
        line = self.received[:end].decode("ascii").strip()
        del self.received[: end + 1]
        verb = line[:4].upper()
        if self.sink.keeps:
            self.sink.commands.append(line)
        self.sink.ahead += bool(self.received)
        if verb == "EHLO":
            lines = ["250-sink", *(f"250-{name}" for name in self.sink.extensions), "250 HELP"]
            self.transport.write("".join(f"{line}\r\n" for line in lines).encode())
        elif verb in ("NOOP", "RSET", "QUIT"):
            if verb == "RSET":
                self.accepted = self.has_sender = False
            self.transport.write(b"250 OK\r\n")
        elif verb == "AUTH":
            self.transport.write(b"535 5.7.8 wrong\r\n")
        else:
            self.take_transaction(verb, line)
        return True

    def take_transaction(self, verb, line):
        """Sender and recipient as a strict server would: none before its turn."""
        if verb == "MAIL" and not self.has_sender:
            self.begun += 1
            self.recipient = ""
            is_over = self.sink.mails_each and self.begun > self.sink.mails_each
            self.has_sender = self.answer("over" if is_over else verb).startswith("250")
        elif verb == "RCPT" and self.has_sender:
            self.recipient = line.partition("<")[2].partition(">")[0]
            self.accepted = self.answer(verb).startswith("250")
        elif verb == "DATA" and self.accepted:
            self.begin_content(self.answer(verb))
        else:
            # Some servers say 354 even to this (RFC 2920, 3.1).
            reply = self.sink.decide("nobody", self.recipient) if verb == "DATA" else "503 5.5.1 no"
            self.transport.write(f"{reply}\r\n".encode())
            self.begin_content(reply)

    def begin_content(self, reply):
        if reply.startswith("354"):
            self.is_content, self.searched = True, 0
            self.received[:0] = b"\r\n"

    def take_content(self):
        end = self.received.find(b"\r\n.\r\n", max(self.searched - 4, 0))
        if end < 0:
            if self.searched <= 2 < len(self.received) and self.accepted:
                self.hang_up_in_body()
            self.searched = len(self.received)
            return False
        content = bytes(self.received[: end + 2]) if self.sink.keeps else b""
        del self.received[: end + 5]
        self.is_content = False
        if self.accepted:
            self.take(content)
        else:
            self.transport.write(b"554 5.5.1 nobody\r\n")
        self.accepted = self.has_sender = False
        return True

    def hang_up_in_body(self):
        if self.sink.decide("body", self.recipient) == HANG_UP:
            self.transport.abort()

    def take(self, content):
        reply = self.answer("dot")
        if reply.startswith("250") or reply == TAKE_AND_HANG_UP:
            self.sink.taken[self.recipient] += 1
            if self.sink.keeps:
                whole = content.replace(b"\r\n..", b"\r\n.")[2:]
                self.sink.mails.append((self.recipient, whole))


@contextmanager
def fast_sink(decide=agree, **options) -> Iterator[FastSink]:
    """A fast sink in a thread, while the block lasts."""
    server = FastSink(decide, **options)
    thread = threading.Thread(target=server.serve)
    thread.start()
    server.ready.wait()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def main() -> None:
    """Says its port, serves until its input ends, and says how many mails it took."""
    with fast_sink(keeps=False) as server:
        print(server.port, flush=True)
        sys.stdin.read()
    print(server.taken.total())


if __name__ == "__main__":
    main()
