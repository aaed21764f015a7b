"""What the files of a deployment say: which process is started how, and how long it may take to end.

Commands are those of docker-compose.yml, as Docker Compose itself reads it, and of the units in
deploy/systemd. `copied` is the folder that the image holds.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flows.processes import ROOT, clean_environment, free_port
from tests.services import missing

BIN = Path(sys.executable).parent
UNITS = ROOT / "deploy" / "systemd"
COMMON = UNITS / "daily-papers-.service.d" / "common.conf"
PROCESSES = ("web", "worker", "sender", "beat", "watch")
"""What has to run, besides what other projects made."""
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60}


def wanted(program: str) -> str:
    """Where the program is; the test is skipped where it is not."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        missing(f"no {program}")
    return str(found)


@dataclass(frozen=True)
class Process:
    command: list[str]
    environment: Mapping[str, str]
    grace: float
    """Seconds that it has to end in."""
    health: str = ""
    """A line of shell that says whether it is well."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    """All that the file says of it."""


def composed(folder: Path, env_file: str, *others: str) -> dict[str, Process]:
    """The services of docker-compose.yml, and of the files that are named after it, with a `.env`
    that holds this text. Raises CalledProcessError where Compose finds anything wrong."""
    (folder / ".env").write_text(env_file)
    files = [ROOT / name for name in ("docker-compose.yml", *others)]
    chosen = [part for file in files for part in ("-f", str(file))]
    done = subprocess.run(
        [BIN / "docker-compose", "--project-directory", folder, *chosen, "config", "--format=json"],
        env=clean_environment(), check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return {name: _service(found) for name, found in json.loads(done.stdout)["services"].items()}


def _service(found: dict[str, Any]) -> Process:
    # Compose shows a dollar as two, as it would have to be written.
    words = [word.replace("$$", "$") for word in found.get("command") or []]
    test = (found.get("healthcheck") or {}).get("test") or [""]
    health = test[1] if test[0] == "CMD-SHELL" else shlex.join(test[1:])
    grace = _seconds(found.get("stop_grace_period") or "10s")
    return Process(
        words, found.get("environment") or {}, grace, health.replace("$$", "$"), rest=found
    )


def _seconds(text: str) -> float:
    """As in `45s`, `5m0s`, `5min`."""
    parts = re.findall(r"(\d+)(min|[sm]?)", text)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def unit(name: str) -> Process:
    """The process of a unit, with what all of them share."""
    lines = [*_lines(COMMON), *_lines(UNITS / f"daily-papers-{name}.service")]
    (command,) = [value for key, value in lines if key == "ExecStart"]
    settings = [word for key, value in lines if key == "Environment" for word in value.split()]
    stops = [value for key, value in lines if key == "TimeoutStopSec"]
    return Process(
        shlex.split(command.replace("%%", "%")),
        dict(setting.split("=", 1) for setting in settings),
        _seconds(stops[-1]) if stops else 90.0,
        rest=dict(lines),
    )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            yield key, value


def copied(target: Path) -> Path:
    """The project as the image has it: what .dockerignore lets through, and no more."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    target.mkdir()
    for rule in rules:
        if rule.startswith("!"):
            source = ROOT / rule.removeprefix("!")
            if source.is_dir():
                without = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(source, target / source.name, ignore=without)
            else:
                shutil.copy(source, target)
    return target


def building(app: Path, scratch: Path) -> str:
    """The Dockerfile's own line that makes the static files, for this folder."""
    (found,) = re.findall(
        r"^RUN (SECRET_KEY=.*?)(?=\n\n|\n#)",
        (ROOT / "Dockerfile").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return found.replace("\\\n", " ").replace("/tmp/build", str(scratch))


def nginx_command(folder: Path, *, port: int, web_port: int) -> list[str]:
    """nginx by the example for it, with its ports and names replaced; its certificate, for localhost, is
    fullchain.pem in the folder."""
    folder.mkdir()
    subprocess.run(
        [wanted("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    site = re.sub(r"listen \[::\].*\n", "", site)
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "papers.example.org;": "localhost;",
        "/etc/letsencrypt/live/papers.example.org": str(folder),
        "127.0.0.1:8000": f"127.0.0.1:{web_port}",
        "/var/log/nginx/error.log": "stderr",
    }.items():
        assert old in site, old
        site = site.replace(old, new)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\nhttp {{ {temporary} {site} }}"
    )
    return [wanted("nginx"), "-e", "stderr", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
