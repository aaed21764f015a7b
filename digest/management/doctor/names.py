"""Questions to the DNS: what stands under a name, from the name servers of this machine or another."""

import dns.exception
import dns.resolver

from digest.errors import TemporaryError

_SECONDS = 5.0


class LookupFailedError(TemporaryError):
    """No name server answers, which says nothing about what stands under the name."""


class Names:
    """The DNS as one resolver sees it; every name is asked for once."""

    def __init__(self, server: str = "") -> None:
        self._resolver = dns.resolver.Resolver(configure=not server)
        if server:
            host, _, port = server.rpartition(":")
            self._resolver.nameservers = [host.strip("[]")]
            self._resolver.port = int(port)
        self._known: dict[tuple[str, str], list[str]] = {}

    def texts(self, name: str) -> list[str]:
        """The TXT records, each with its pieces joined."""
        return self._ask(name, "TXT")

    def mail_servers(self, name: str) -> list[str]:
        """The hosts of the MX records; `.` is one that takes no mail (RFC 7505)."""
        return self._ask(name, "MX")

    def has_address(self, name: str) -> bool:
        """Whether the name has an A or AAAA record, where mail goes without MX."""
        return bool(self._ask(name, "A") or self._ask(name, "AAAA"))

    def _ask(self, name: str, kind: str) -> list[str]:
        asked = (name.rstrip(".").lower(), kind)
        if asked not in self._known:
            self._known[asked] = self._look_up(*asked)
        return self._known[asked]

    def _look_up(self, name: str, kind: str) -> list[str]:
        try:
            answer = self._resolver.resolve(f"{name}.", kind, lifetime=_SECONDS)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise LookupFailedError(f"no answer about {name} ({type(error).__name__})") from error
        return [_text(record) for record in answer]


def _text(record: object) -> str:
    pieces: tuple[bytes, ...] = getattr(record, "strings", ())
    if pieces:
        return b"".join(pieces).decode(errors="replace")
    host = getattr(record, "exchange", None)
    return str(host if host is not None else record)


def tags(record: str) -> dict[str, str]:
    """`v=DMARC1; p=none` as names and values (RFC 6376, 3.2)."""
    parts = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in parts}
