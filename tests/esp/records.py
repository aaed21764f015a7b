"""What passes between the fake provider's parts: a call, its copies, and what it runs into."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What one call runs into instead of an answer, or, with `accepts`, after being taken."""

    status: int = 0
    """The status to answer with; 0: the connection is cut without a word.

    A call that is taken and answered with 200 gets the provider's real answer.
    """
    retry_after: str = ""
    accepts: bool = False
    stall: float = 0.0
    """Seconds between taking the call (or not) and answering."""
    bad_address: str = ""
    """Refuse exactly what holds this address, as the provider would; stays in force."""
    resets: bool = False
    """Cut by a reset (RST), where `status` is 0; else by an orderly end."""
    down_for: float = 0.0
    """Cut, and refuse every connection for so many seconds."""
    rejects_half: bool = False
    """Every second message is rejected, the first among them; where the provider has one answer
    for all, the call is refused with 400, and the answer names its first reader."""
    body: str | None = None
    """Answer with these words, which need not be JSON."""
    is_truncated: bool = False
    """The answer ends in the middle, short of its Content-Length."""


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
    tags: list[str] = field(default_factory=list)
    provider: str = ""
    message_id: str = ""
    """What the provider calls it in its answer and its events."""
    sender: str = ""


@dataclass
class Call:
    path: str
    readers: list[str]
    size: int
    tracking: dict[str, str]
    """What Mailgun was told about opens and clicks."""
    provider: str = ""
    status: int = 0
    """What was answered; 0: nothing."""
    fault: Fault | None = None


@dataclass(frozen=True)
class Request:
    """A POST with its whole body."""

    path: str
    headers: Any
    """As http.server has them: names in any case, and `get`."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises RefusedError where it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise RefusedError(400, "the body is not JSON") from error


@dataclass
class Offer:
    """What a call asks for: a message to each of `readers`, in this order, one may come twice."""

    readers: list[str]
    copies: Callable[[bool], list[Copy]]
    """Makes the copies; without their subjects, headers and bodies when asked for with False."""
    is_batch: bool = False
    """The answer has a place for each message."""
    rejected: dict[int, str] = field(default_factory=dict)
    """Places in `readers` that the provider itself would not take, and why."""
    tracking: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """The provider takes nothing of this call: the status, the words, and its own code for it."""

    def __init__(self, status: int, words: str, code: str = "") -> None:
        super().__init__(status, words, code)
        self.status, self.words, self.code = status, words, code


@dataclass
class Event:
    """Something that became of a copy."""

    kind: str
    copy: Copy
    at: float
    """Seconds since 1970."""
    event_id: str
    """The provider's id for the event; the same when it is sent again."""


def is_address(text: str) -> bool:
    """Whether a provider would take it for an address."""
    local, _, domain = text.rpartition("@")
    return (
        bool(local)
        and "." in domain
        and not set(text) & set(" <>,;\r\n\t\"'()")
        and len(text) < 255
    )
