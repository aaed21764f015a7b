"""A name server on this machine: real questions by UDP, and answers from a table."""

import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """Answers on a free port of 127.0.0.1 while its `with` block lasts.

    `records` has texts as they stand in a zone, by (name, kind); a name that has none is NXDOMAIN.
    A name in `silent` gets no answer.
    """

    def __init__(self):
        self.records = {}
        self.asked = []
        self.silent = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.socket.close()

    def text(self, name, *values):
        """TXT records, in pieces where they are longer than one may be."""
        self.records[name, "TXT"] = [
            " ".join(f'"{value[n : n + 255]}"' for n in range(0, len(value), 255))
            for value in values
        ]

    def mail(self, name, *hosts):
        self.records[name, "MX"] = [f"10 {host}" if host != "." else "0 ." for host in hosts]

    def _serve(self):
        while not self.is_over.is_set():
            try:
                data, client = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            if (reply := self._reply(dns.message.from_wire(data))) is not None:
                self.socket.sendto(reply.to_wire(), client)

    def _reply(self, query):
        question = query.question[0]
        name, kind = question.name.to_text().rstrip("."), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if found := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *found))
        elif not any(name == known for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
