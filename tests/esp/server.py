"""The fake provider itself: takes calls, counts each reader, and keeps what each would see."""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from . import accounts, control, faults, mailgun
from .events import PROVIDERS, Events, Postman
from .faults import Chances
from .listening import Listener, Reply
from .records import Call, Copy, Fault, Offer, RefusedError, Request

_OK = 200
_MOMENT = 0.1
_SHOWN = 20


class FakeEsp:
    """Four providers on one port of 127.0.0.1, while the `with` block lasts.

    `url` is what MAILGUN_API_URL and BREVO_API_URL should be, `root` what POSTMARK_API_URL and
    the endpoint of SES should be; `anymail()` has all of it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        events: Events | None = None,
        keeps_copies: bool = True,
        is_lean: bool = False,
    ) -> None:
        self.lock = threading.Lock()
        self.faults: list[Fault] = []
        """What the next calls run into, one each."""
        self.chances = Chances()
        """What befalls a call for which `faults` has nothing."""
        self.calls: list[Call] = []
        self.inbox: dict[str, list[Copy]] = defaultdict(list)
        self.accepted: Counter[str] = Counter()
        """How many copies for each address were taken; kept also where copies are not."""
        self.answered: Counter[str] = Counter()
        """By status, `none` for a silence: how calls were answered."""
        self.accounts: dict[str, dict[str, Any]] = {}
        """What is said of the account in the place of `accounts.GOOD`."""
        self.keeps_copies, self.is_lean = keeps_copies, is_lean
        self.postman = Postman(events) if events is not None else None
        self.closing = threading.Event()
        self.server = Listener(port, self)
        self.port = self.server.server_port
        self._call_number = 0
        self._is_listening = False
        self._turning = threading.Lock()
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> Self:
        self._listen()
        if self.postman is not None:
            self.postman.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for timer in self._timers:
            timer.cancel()
        self.pause()
        if self.postman is not None:
            self.postman.close()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v3"

    def anymail(self, *, timeout: float = 5.0) -> dict[str, Any]:
        """Settings for Anymail with which all four providers are this one."""
        return {
            "MAILGUN_API_KEY": "key",
            "MAILGUN_SENDER_DOMAIN": "papers.example.org",
            "MAILGUN_API_URL": self.url,
            "BREVO_API_KEY": "key",
            "BREVO_API_URL": f"{self.url}/",
            "POSTMARK_SERVER_TOKEN": "token",
            "POSTMARK_API_URL": f"{self.root}/",
            "AMAZON_SES_CLIENT_PARAMS": {
                "endpoint_url": self.root,
                "region_name": "eu-west-1",
                "aws_access_key_id": "key",
                "aws_secret_access_key": "secret",
                "config": {
                    "retries": {"total_max_attempts": 1},
                    "connect_timeout": timeout,
                    "read_timeout": timeout,
                },
            },
            "REQUESTS_TIMEOUT": timeout,
        }

    def pause(self, seconds: float | None = None) -> None:
        """Ends all connections and refuses new ones: until `resume`, or for so many seconds."""
        with self._turning:
            if self._is_listening:
                self._is_listening = False
                self.server.shutdown()
            self.server.server_close()
            self.server.hang_up()
        if seconds is not None:
            self._later(seconds, self.resume)

    def pause_soon(self, seconds: float) -> None:
        """As `pause`, a moment from now, so that who asks for it gets an answer."""
        self._later(_MOMENT, lambda: self.pause(seconds))

    def resume(self) -> None:
        """Listens again, on the same port; nothing happens where it does already."""
        with self._turning:
            if not self._is_listening and not self.closing.is_set():
                self.server = Listener(self.port, self)
                self._listen()

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _listen(self) -> None:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        self._is_listening = True

    def reset(self) -> None:
        """Forgets calls, copies, counts, faults and open events."""
        with self.lock:
            self.faults.clear()
            self.chances = Chances()
            self._call_number = 0
            for kept in (self.calls, self.inbox, self.accepted, self.answered):
                kept.clear()
        if self.postman is not None:
            self.postman.forget()

    def set_faults(self, words: str) -> None:
        """The scenario that the words stand for (`faults.scenario`), in the place of any other."""
        script, chances = faults.scenario(words)
        with self.lock:
            self.faults[:], self.chances = script, chances

    def counts(self) -> dict[str, Any]:
        """What was taken, in numbers, and the first of those who got more than one copy."""
        with self.lock:
            by_address = self.accepted.copy()
            calls, answered = self._call_number, dict(self.answered)
        twice = sorted(address for address, n in by_address.items() if n > 1)
        return {
            "calls": calls,
            "answered": answered,
            "accepted": by_address.total(),
            "readers": len(by_address),
            "readers_twice": len(twice),
            "twice": twice[:_SHOWN],
        }

    def fault_for(self, readers: Sequence[str], number: int) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.bad_address:
                    if fault.bad_address in readers:
                        return fault
                    continue
                self.faults.remove(fault)
                return fault
        return self.chances.of(number) if self.chances.shares else None

    def take(self, request: Request) -> Reply:
        """The reply to a provider's call; whoever it accepts is counted before it returns."""
        provider = next((p for p in PROVIDERS.values() if p.has(request.path)), None)
        if provider is None:
            return _reply(404, {"message": "not found"})
        with self.lock:
            self._call_number += 1
            number = self._call_number
        read = mailgun.read_lean if self.is_lean and provider is mailgun else provider.read
        offer, fault = Offer([], lambda whole: []), None
        try:
            offer = read(request)
            fault = self.fault_for(offer.readers, number)
            rejected = _rejected(provider, offer, fault)
        except RefusedError as refused:
            reply = _refusal(provider, refused.status, refused.words, refused.code)
        else:
            reply = self._answer(provider, offer, fault, rejected, number)
        with self.lock:
            self.answered[str(reply.status or "none")] += 1
            if self.keeps_copies:
                size = len(request.body)
                call = Call(request.path, offer.readers, size, offer.tracking, provider.NAME)
                call.status, call.fault = reply.status, fault
                self.calls.append(call)
        if fault is not None:
            self.closing.wait(fault.stall)
            if fault.down_for:
                self.pause(fault.down_for)
        return reply

    def _answer(
        self,
        provider: Any,
        offer: Offer,
        fault: Fault | None,
        rejected: Mapping[int, str],
        number: int,
    ) -> Reply:
        call_name = f"{time.time_ns()}.{number}"

        def names(place: int) -> str:
            return provider.name(call_name, place)

        reply = None
        if fault is None or fault.accepts or fault.rejects_half or fault.bad_address:
            self._accept(offer, rejected, names)
            reply = _reply(*provider.answer(offer, names, rejected))
        return reply if fault is None else _spoilt(provider, fault, reply)

    def _accept(
        self, offer: Offer, rejected: Mapping[int, str], names: Callable[[int], str]
    ) -> None:
        readers = offer.readers
        if rejected:
            readers = [r for place, r in enumerate(readers) if place not in rejected]
        copies: list[Copy] = []
        if self.keeps_copies or self.postman is not None:
            for place, copy in enumerate(offer.copies(self.keeps_copies)):
                copy.message_id = names(place)
                if place not in rejected:
                    copies.append(copy)
        with self.lock:
            self.accepted.update(readers)
            if self.keeps_copies:
                for copy in copies:
                    self.inbox[copy.to].append(copy)
        if self.postman is not None:
            self.postman.add(copies)

    def account(self, request: Request) -> Reply:
        """The reply to who asks about the account."""
        status, data, headers = accounts.answer(request, self.accounts)
        reply = _reply(status, data)
        reply.headers |= headers
        return reply

    def control(self, method: str, path: str, body: bytes) -> Reply:
        return _reply(*control.answer(self, method, path, body))


def _rejected(provider: Any, offer: Offer, fault: Fault | None) -> dict[int, str]:
    """The places of rejected readers; raises RefusedError where the provider takes all or none."""
    rejected = dict(offer.rejected)
    places: Sequence[int] = ()
    if fault is not None and fault.rejects_half:
        places = range(0, len(offer.readers), 2)
    elif fault is not None and fault.bad_address:
        places = [n for n, reader in enumerate(offer.readers) if reader == fault.bad_address]
    if places and not provider.REJECTS_EACH:
        raise provider.bad_reader(offer.readers[places[0]])
    return rejected | dict.fromkeys(places, "")


def _spoilt(provider: Any, fault: Fault, good: Reply | None) -> Reply:
    """The reply that the fault leaves of a good one; there is none where nothing was taken."""
    if good is not None and (fault.rejects_half or fault.bad_address):
        return good
    if fault.down_for or not fault.status:
        return Reply(resets=fault.resets)
    if fault.body is not None:
        return Reply(fault.status, fault.body.encode(), {"Content-Type": "text/html"})
    is_good = good is not None and fault.status == _OK
    reply = good if is_good else _refusal(provider, fault.status, "no", "")
    if fault.retry_after:
        reply.headers["Retry-After"] = fault.retry_after
    reply.is_truncated = fault.is_truncated
    return reply


def _refusal(provider: Any, status: int, words: str, code: str) -> Reply:
    data, headers = provider.refusal(status, words, code)
    reply = _reply(status, data)
    reply.headers |= headers
    return reply


def _reply(status: int, data: Any) -> Reply:
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json"})
