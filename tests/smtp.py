"""An SMTP server on this machine that keeps every mail, and refuses what it is told to."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller

from digest.delivery import providers
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
