"""Dockerfile, docker-compose.yml, units and proxies are what their own programs take for right."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from tests.flows.deployment import BIN, PROCESSES, ROOT, UNITS, building, composed, copied, unit
from tests.flows.processes import clean_environment, free_port
from tests.services import missing

ENV = "SITE_URL=https://papers.example.org\nPOSTGRES_PASSWORD=word\n"
OURS = (*PROCESSES, "migrate")


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    return composed(tmp_path_factory.mktemp("compose"), ENV)


def wanted(program):
    """The path of a program that comes with Debian."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    return found or missing(f"no {program}")


def said(*command, **options):
    """What a program said, and with which status it ended."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_hadolint_finds_nothing_in_the_dockerfile():
    done = said(BIN / "hadolint", ROOT / "Dockerfile")
    assert (done.stdout, done.returncode) == ("", 0)


def test_image_runs_as_nobody_special_and_says_whether_it_is_well():
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^HEALTHCHECK .*\n +CMD \[", text, re.MULTILINE)
    last = text.split("\nFROM ")[-1]
    assert "apt-get" not in last
    assert "org.opencontainers.image.version" in last


def test_image_holds_all_that_the_project_needs_and_no_more(tmp_path):
    app = copied(tmp_path / "app")
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "DEBUG": "0"}
    done = said("sh", "-ec", building(app, tmp_path / "build"), cwd=app, env=environment)
    assert done.returncode == 0, done.stderr
    assert (app / "staticfiles" / "staticfiles.json").exists()
    assert not (tmp_path / "build").exists()
    assert {".env", "tests", "docs", ".git", "var"}.isdisjoint(path.name for path in app.iterdir())


def test_every_process_is_in_the_compose_file(services):
    assert {*OURS, "proxy", "postgres", "redis"} == set(services)


def test_every_image_of_others_names_its_version(services):
    images = {name: service.rest["image"] for name, service in services.items()}
    others = {name: image for name, image in images.items() if image != "daily-papers"}
    assert {*others} == {"proxy", "postgres", "redis"}
    assert [image for image in others.values() if not re.search(r":\d", image)] == []


def test_no_secret_is_written_into_a_file_of_the_deployment():
    files = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "deploy").rglob("*.*")]
    texts = {path: path.read_text() for path in files if path.is_file()}
    given = (
        r"\b(?:PASSWORD|\w+_PASSWORD|SECRET_KEY|\w+_SECRET|\w+_TOKEN|\w+_KEY)(?:=|: )[\"']?(\w+)"
    )
    found = {value for text in texts.values() for value in re.findall(given, text)}
    assert found == {"build"}


def test_only_the_proxy_listens_to_the_outside(services):
    assert [name for name, service in services.items() if service.rest.get("ports")] == ["proxy"]
    for name in ("postgres", "redis"):
        assert [*services[name].rest["networks"]] == ["inside"]


@pytest.mark.parametrize("name", OURS)
def test_container_can_change_nothing_but_its_own_files(services, name):
    rest = services[name].rest
    assert rest["read_only"] is True
    assert rest["cap_drop"] == ["ALL"]
    assert rest["security_opt"] == ["no-new-privileges:true"]
    assert rest["init"] is True


def test_every_service_has_bounded_logs_and_memory(services):
    for name, service in services.items():
        assert service.rest["logging"]["options"]["max-size"] == "10m", name
        if name != "migrate":
            assert int(service.rest["deploy"]["resources"]["limits"]["memory"]) > 0, name


def test_the_hosts_of_the_compose_file_are_in_its_settings(services):
    for name in OURS:
        environment = services[name].environment
        assert environment["DEBUG"] == "0"
        assert environment["DATABASE_URL"] == "postgres://papers:word@postgres/papers"
        assert environment["REDIS_URL"] == "redis://redis:6379/0"
        assert environment["TRUSTED_PROXIES"] == "1"


@pytest.mark.parametrize("text", ["POSTGRES_PASSWORD=word\n", "SITE_URL=https://a.example\n"])
def test_what_is_missing_stops_compose_with_its_name(tmp_path, text):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        composed(tmp_path, text)
    assert re.search(r"set (SITE_URL|POSTGRES_PASSWORD) in \.env", caught.value.stderr)


def test_secrets_may_come_from_files(tmp_path):
    env_file = "SITE_URL=https://papers.example.org\nPOSTGRES_PASSWORD=\n"
    services = composed(tmp_path, env_file, "deploy/compose.secrets.yml")
    environment = services["web"].environment
    assert environment["DATABASE_URL"] == ""
    assert environment["DATABASE_URL_FILE"] == "/run/secrets/database_url"
    assert "POSTGRES_PASSWORD" not in services["postgres"].environment
    sources = {secret["source"] for secret in services["sender"].rest["secrets"]}
    assert sources == {"database_url", "secret_key", "webhook_secret"}


def test_database_and_broker_may_be_others(tmp_path):
    others = "DATABASE_URL=postgres://host/name\nREDIS_URL=redis://host\n"
    environment = composed(tmp_path, ENV + others)["web"].environment
    assert environment["DATABASE_URL"] == "postgres://host/name"
    assert environment["REDIS_URL"] == "redis://host"


def test_own_proxy_of_the_production_page_takes_the_place_of_ours(tmp_path):
    page = (ROOT / "docs" / "production.md").read_text()
    (override,) = re.findall(r"`(services: \{proxy.*?)`", page)
    file = tmp_path / "override.yml"
    file.write_text(override)
    services = composed(tmp_path, ENV, str(file))
    assert "proxy" not in services
    assert services["web"].rest["ports"][0]["host_ip"] == "127.0.0.1"


@pytest.mark.parametrize("name", OURS)
def test_unit_starts_what_the_container_does(services, name):
    program, *arguments = unit(name).command
    assert program.startswith("/opt/daily-papers/.venv/bin/")
    ours = [word.replace("127.0.0.1:8000", "0.0.0.0:8000") for word in arguments]
    assert [program.rpartition("/")[2], *ours] == services[name].command


def test_unit_has_the_time_to_end_that_the_container_has(services):
    for name in ("web", "worker", "sender"):
        assert unit(name).grace == services[name].grace


def test_systemd_takes_the_units_for_right(tmp_path):
    analyze = wanted("systemd-analyze")
    # Where the project will be, there is nothing yet.
    folder = shutil.copytree(UNITS, tmp_path / "units")
    for path in folder.glob("*.service"):
        text = path.read_text()
        path.write_text(re.sub(r"/opt/daily-papers/\.venv/bin/\w+", "/bin/true", text))
    environment = {"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": os.environ["PATH"]}
    units = folder.glob("daily-papers*[et]")
    done = said(analyze, "verify", "--man=no", *units, env=environment)
    ours = [line for line in done.stderr.splitlines() if "daily-papers" in line]
    assert (ours, done.returncode) == ([], 0), done.stderr


def test_migration_waits_for_a_database_that_comes_late(tmp_path):
    text = (UNITS / "daily-papers-migrate.service").read_text()
    first, wait = re.findall(r"^ExecStartPre=(.+)", text, re.MULTILINE)
    python = shlex.join([sys.executable, "manage.py"])
    environment = clean_environment(
        VAR_DIR=tmp_path, DEBUG="1", DATABASE_URL=f"postgres://a:b@127.0.0.1:{free_port()}/papers"
    )
    first, wait = (
        shlex.split(line.replace("/opt/daily-papers/.venv/bin/python manage.py", python))
        for line in (first, wait)
    )
    assert said(*first, cwd=ROOT, env=environment).returncode == 0
    with subprocess.Popen(
        wait, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as waiting:
        assert "is away" in waiting.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2)
        os.killpg(waiting.pid, signal.SIGKILL)
    environment["DATABASE_URL"] = ""
    assert said(*wait, cwd=ROOT, env=environment).returncode == 0


@pytest.mark.parametrize("name", OURS)
def test_systemd_finds_little_exposed(name):
    analyze = wanted("systemd-analyze")
    path = UNITS / f"daily-papers-{name}.service"
    done = said(analyze, "security", "--offline=true", "--threshold=20", path)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@pytest.mark.parametrize("site", ["https://papers.example.org", "http://127.0.0.1:8080"])
def test_caddy_takes_its_file_for_right(site):
    file = f"--config={ROOT}/deploy/Caddyfile"
    environment = {"SITE_URL": site, "HOME": "/nonexistent"}
    done = said(wanted("caddy"), "validate", "--adapter=caddyfile", file, env=environment)
    assert done.returncode == 0, done.stderr


def test_nginx_sends_nobody_to_a_host_that_a_client_named():
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    assert re.findall(r"^ *return 301 (.+);", text, re.MULTILINE) == [
        "https://$server_name$request_uri"
    ]


def test_image_can_be_built():
    docker = shutil.which("docker")
    if not docker or said(docker, "info").returncode:
        # Not `missing`: Docker runs in few places where the tests do.
        pytest.skip("no Docker engine: the image is not built")
    done = said(docker, "build", "-q", ".", cwd=ROOT)
    assert done.returncode == 0, done.stderr
