"""The addresses under /_control/, by which other processes steer the fake provider and ask it."""

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from .server import FakeEsp

_Answer = tuple[int, Any]


def answer(esp: "FakeEsp", method: str, path: str, body: bytes) -> _Answer:
    """Status and JSON; 400 says what is wrong with the request."""
    target = urlsplit(path)
    work = _ROOMS.get((method, target.path.removeprefix("/_control/")))
    if work is None:
        return 404, {"error": "not found", "have": [" ".join(room) for room in _ROOMS]}
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    try:
        return 200, work(esp, query | (json.loads(body) if body else {}))
    except (ValueError, TypeError, KeyError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _readers(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    with esp.lock:
        return dict(esp.accepted)


def _copies(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    with esp.lock:
        return [dataclasses.asdict(copy) for copy in esp.inbox.get(data["to"], [])]


def _set_faults(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    esp.set_faults(data["faults"])
    return {"left": len(esp.faults)}


def _faults(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    return {"left": len(esp.faults), "by_chance": len(esp.chances.shares)}


def _events(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    return esp.postman.counts() if esp.postman is not None else {"open": 0}


def _set_events(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    """In force for copies that are taken from now on; the number of threads stays."""
    if esp.postman is None:
        raise ValueError("started without --events-to")
    esp.postman.chosen = dataclasses.replace(esp.postman.chosen, **data)
    return esp.postman.counts()


def _pause(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    """Within a second of the answer, nobody can ask anything for so many seconds."""
    esp.pause_soon(float(data["seconds"]))
    return {}


def _reset(esp: "FakeEsp", data: dict[str, Any]) -> Any:
    esp.reset()
    return {}


_ROOMS: dict[tuple[str, str], Callable[["FakeEsp", dict[str, Any]], Any]] = {
    ("GET", "counts"): lambda esp, _: esp.counts(),
    ("GET", "readers"): _readers,
    ("GET", "copies"): _copies,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _set_faults,
    ("GET", "events"): _events,
    ("POST", "events"): _set_events,
    ("POST", "pause"): _pause,
    ("POST", "reset"): _reset,
}
