"""What became of the copies, told to our webhooks as the providers do, until it is taken."""

import heapq
import http.client
import random
import re
import secrets
import threading
import time
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from . import brevo, mailgun, postmark, ses
from .records import Copy, Event

PROVIDERS: Mapping[str, ModuleType] = {p.NAME: p for p in (mailgun, brevo, postmark, ses)}
_FATES = ("bounced_hard", "bounced_soft", "deferred")
_LATER = ("complained", "unsubscribed")
_TIMEOUT = 30.0
_NOT_ACCEPTABLE = 406


@dataclass(frozen=True)
class Events:
    """Which events are sent, where to, and when. Numbers named shares are between 0 and 1."""

    to: str
    """Where our pages are, such as http://127.0.0.1:8000; nowhere outside this machine."""
    secret: str = ""
    """user:word, as in WEBHOOK_SECRET."""
    signing_key: str = ""
    """Mailgun's."""
    share: float = 1.0
    """Of copies that anything is ever said about."""
    bounced_hard: float = 0.0
    """Share of copies that bounce hard, and are not delivered; soft likewise."""
    bounced_soft: float = 0.0
    deferred: float = 0.0
    """Share that is deferred first, and then delivered."""
    complained: float = 0.0
    """Share whose reader complains after the delivery; unsubscribed likewise."""
    unsubscribed: float = 0.0
    delay: float = 0.0
    """Seconds between taking a copy and its event."""
    spread: float = 0.0
    """Each event comes up to so many seconds later by chance, and so out of order."""
    doubled: float = 0.0
    """Share of events sent twice."""
    doubles_anew: bool = False
    """The second one has an id of its own."""
    workers: int = 2
    """So many at once; with 1, and without spread and refusals, in the order of acceptance."""
    backoff: float = 0.5
    """Seconds before the second attempt; twice as long each time, up to `longest`."""
    longest: float = 30.0
    headers: Mapping[str, str] = field(default_factory=dict)
    """More HTTP headers, such as the Host that Django allows."""
    seed: int = 0

    def __post_init__(self) -> None:
        if urlsplit(self.to).hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(f"{self.to} is not on this machine")


def options(words: str) -> dict[str, Any]:
    """Options of Events as words: `share=0.5 bounced_hard=0.01 spread=2 doubles_anew=1`."""
    kinds = {f.name: type(f.default) for f in fields(Events) if f.name not in ("to", "headers")}
    pairs = [word.partition("=")[::2] for word in re.split(r"[\s,]+", words.strip()) if word]
    if unknown := [name for name, _ in pairs if name not in kinds]:
        raise ValueError(f"{unknown[0]} is none of {', '.join(kinds)}")
    return {n: value == "1" if kinds[n] is bool else kinds[n](value) for n, value in pairs}


def kinds_of(copy: Copy, chosen: Events) -> list[str]:
    """What becomes of the copy, in its order; the same for the same seed, reader and message."""
    # Several times as fast as a text for a seed.
    chance = random.Random(zlib.crc32(f"{chosen.seed}:{copy.to}:{copy.metadata}".encode()))
    if chance.random() >= chosen.share:
        return []
    point = chance.random()
    kinds = ["delivered"]
    for fate in _FATES:
        share = getattr(chosen, fate)
        if 0 <= point < share:
            kinds = [fate, "delivered"] if fate == "deferred" else [fate]
        point -= share
    if "delivered" in kinds:
        kinds += [kind for kind in _LATER if chance.random() < getattr(chosen, kind)]
    return kinds


def path_of(event: Event) -> str:
    return f"/webhooks/{event.copy.provider}/tracking/"


def request_of(event: Event, chosen: Events) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the POST, as the provider would make it."""
    headers, body = PROVIDERS[event.copy.provider].event_request(event, chosen.signing_key)
    if chosen.secret:
        headers["Authorization"] = f"Basic {b64encode(chosen.secret.encode()).decode()}"
    return headers | dict(chosen.headers), body


class Postman:
    """Sends the events of copies from threads of its own, from `start` until `close`."""

    def __init__(self, chosen: Events) -> None:
        self.chosen = chosen
        self.taken: Counter[str] = Counter()
        """By kind: events that our server has taken; one that was sent twice counts twice."""
        self.refused: Counter[str] = Counter()
        """By status: attempts that it did not take; `none` where it did not answer."""
        self.given_up = 0
        self._waiting: list[tuple[float, int, int, Event]] = []
        self._number = 0
        self._in_flight = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(self.chosen.workers)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the threads; what is still open is never sent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def add(self, copies: Sequence[Copy]) -> None:
        """Makes the copies' events; they are sent when they are due."""
        chosen, now = self.chosen, time.time()
        made = [
            Event(kind, copy, now + chosen.delay, secrets.token_hex(25))
            for copy in copies
            for kind in kinds_of(copy, chosen)
        ]
        with self._changed:
            for event in made:
                self._put(event, chosen.delay + random.random() * chosen.spread)
                if random.random() < chosen.doubled:
                    own = secrets.token_hex(25) if chosen.doubles_anew else event.event_id
                    again = Event(event.kind, event.copy, event.at, own)
                    self._put(again, chosen.delay + random.random() * chosen.spread)
            self._changed.notify_all()

    def counts(self) -> dict[str, Any]:
        with self._changed:
            return {
                "open": len(self._waiting) + self._in_flight,
                "taken": dict(self.taken),
                "refused": dict(self.refused),
                "given_up": self.given_up,
            }

    def forget(self) -> None:
        """Drops what is open, and counts from 0; what is on its way stays on its way."""
        with self._changed:
            self._waiting.clear()
            self.taken.clear()
            self.refused.clear()
            self.given_up = 0
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Whether all events were taken within so many seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._in_flight, timeout
            )

    def _put(self, event: Event, delay: float, attempt: int = 0) -> None:
        self._number += 1
        # perf_counter is not among the clocks that tests set.
        due = time.perf_counter() + delay
        heapq.heappush(self._waiting, (due, self._number, attempt, event))

    def _work(self) -> None:
        target = urlsplit(self.chosen.to)
        link = http.client.HTTPConnection(target.hostname, target.port or 80, timeout=_TIMEOUT)
        try:
            while (item := self._next()) is not None:
                event, attempt = item
                self._settle(event, attempt, self._post(link, event))
        finally:
            link.close()

    def _next(self) -> tuple[Event, int] | None:
        with self._changed:
            while not self._is_closed:
                left = self._waiting[0][0] - time.perf_counter() if self._waiting else None
                if left is not None and left <= 0:
                    _, _, attempt, event = heapq.heappop(self._waiting)
                    self._in_flight += 1
                    return event, attempt
                self._changed.wait(left)
        return None

    def _post(self, link: http.client.HTTPConnection, event: Event) -> int:
        """The status of the answer; 0 when there was none."""
        headers, body = request_of(event, self.chosen)
        try:
            link.request("POST", path_of(event), body, headers)
            with link.getresponse() as response:
                response.read()
                return response.status
        except (OSError, http.client.HTTPException):
            link.close()
            return 0

    def _settle(self, event: Event, attempt: int, status: int) -> None:
        chosen = self.chosen
        with self._changed:
            self._in_flight -= 1
            if 200 <= status < 300:
                self.taken[event.kind] += 1
            else:
                self.refused[str(status or "none")] += 1
                if event.copy.provider == "mailgun" and status == _NOT_ACCEPTABLE:
                    # Mailgun takes this status for a no that is meant.
                    self.given_up += 1
                else:
                    pause = min(chosen.backoff * 2**attempt, chosen.longest)
                    self._put(event, pause * random.uniform(0.8, 1.2), attempt + 1)
            self._changed.notify_all()
