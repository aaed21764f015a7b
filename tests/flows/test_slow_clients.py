"""Clients that send a byte a second, or read nothing of what they asked for, take nothing from others:
gunicorn as it is deployed, with the proxy's own file before it, and fifteen times as many slow clients as
there are threads. Without a proxy the same clients stop everything."""

import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import requests

from tests.flows.deployment import BIN, nginx_command, unit, wanted
from tests.flows.processes import ROOT, Installation, free_port, wait_for

pytestmark = pytest.mark.flow

SENDERS, READERS = 100, 40
"""So many send headers, as many bodies; and so many ask for what they do not read."""
BOUND = 5
"""Seconds for an honest request."""
LARGE = "/static/admin/js/vendor/jquery/jquery.js"
HEAD = "POST /preferences/ HTTP/1.1\r\nHost: localhost\r\n"
BODY = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\nemail="


class House:
    """The web process of the unit, on SQLite, and where clients find it."""

    def __init__(self, folder):
        self.made = Installation(folder, TRUSTED_PROXIES=1, SIGNUP_RATE_CLIENT="1000/h")
        self.made.environment["SITE_URL"] = "http://localhost"
        self.made.manage("migrate", "-v0")
        self.port = self.web_port = free_port()
        self.session = requests.Session()
        # Or a bundle of certificates that the machine names would count instead of ours.
        self.session.trust_env = False
        self.url, self.context = f"http://localhost:{self.port}", None
        command = [str(BIN / "gunicorn"), *unit("web").command[1:]]
        self.made.start("web", [word.replace(":8000", f":{self.port}") for word in command])
        wait_for(self.is_up, what="the web process")

    def is_up(self):
        try:
            return self.session.get(f"{self.url}/healthz", timeout=BOUND).ok
        except requests.RequestException:
            return False

    def connect(self, *, reads_little=False):
        one = socket.socket()
        if reads_little:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.settimeout(10)
        one.connect(("127.0.0.1", self.port))
        return self.context.wrap_socket(one, server_hostname="localhost") if self.context else one


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("house"))
    try:
        yield made
    finally:
        made.session.close()
        made.made.stop()


@pytest.fixture
def house(web):
    """Without a proxy, and again afterwards."""
    yield web
    if proxy := web.made.processes.pop("proxy", None):
        proxy.terminate()
        proxy.wait(20)
    web.port, web.url, web.context = web.web_port, f"http://localhost:{web.web_port}", None


def put_nginx_before(house):
    folder = house.made.folder / "nginx"
    house.port = free_port()
    house.made.start("proxy", nginx_command(folder, port=house.port, web_port=house.web_port))
    house.url = f"https://localhost:{house.port}"
    house.session.verify = str(folder / "fullchain.pem")
    house.context = ssl.create_default_context(cafile=house.session.verify)
    wait_for(house.is_up, what="nginx")


def put_caddy_before(house):
    """With the buffering that this version of it knows."""
    house.port = free_port()
    house.url = f"http://localhost:{house.port}"
    house.made.environment |= {
        "SITE_URL": house.url, "UPSTREAM": f"127.0.0.1:{house.web_port}",
        "CADDY_OPTIONS": "admin off", "XDG_DATA_HOME": str(house.made.folder),
        "XDG_CONFIG_HOME": str(house.made.folder),
    }  # fmt: skip
    options = ["--adapter=caddyfile", f"--config={ROOT / 'deploy' / 'Caddyfile'}"]
    for known in (
        "request_buffers 256KB",
        "buffer_requests\n max_buffer_size 256KB",
    ):
        house.made.environment["BUFFERING"] = known
        done = subprocess.run(
            [wanted("caddy"), "validate", *options], env=house.made.environment,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
    house.made.start("proxy", [wanted("caddy"), "run", *options])
    wait_for(house.is_up, what="Caddy")


@contextmanager
def slow_clients(house, *, bodies=SENDERS, headers=SENDERS, readers=READERS):
    """They are there, and go on until the end."""
    stop = threading.Event()
    with ExitStack() as stack:
        senders = []
        for beginning in [HEAD + BODY] * bodies + [f"{HEAD}X-Slow: a"] * headers:
            one = stack.enter_context(house.connect())
            one.sendall(beginning.encode())
            senders.append(one)
        for _ in range(readers):
            one = stack.enter_context(house.connect(reads_little=True))
            one.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

        def drip():
            while not stop.wait(1):
                for one in senders:
                    try:
                        one.sendall(b"a")
                    except OSError:
                        continue

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            # They have got as far as they get.
            time.sleep(2)
            yield
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("put_before", [put_nginx_before, put_caddy_before], ids=["nginx", "caddy"])
def test_honest_requests_are_answered_beside_slow_clients(house, put_before):
    put_before(house)
    assert len(house.session.get(f"{house.url}{LARGE}", timeout=BOUND).content) > 200_000
    with slow_clients(house):
        for number in range(15):
            form = {"email": f"reader{number}@example.org"}
            answers = [
                house.session.get(f"{house.url}/healthz", timeout=BOUND),
                house.session.get(f"{house.url}/subscribe/", timeout=BOUND),
                house.session.post(f"{house.url}/preferences/", form, timeout=BOUND),
            ]
            assert [each.status_code for each in answers] == [200, 200, 200]
            assert max(each.elapsed.total_seconds() for each in answers) < BOUND


def is_late(url):
    try:
        requests.get(url, timeout=BOUND)
    except requests.Timeout:
        return True
    return False


# Not those who read nothing: a page, and the largest file, fit into the buffers of the system.
@pytest.mark.parametrize("kind", ["bodies", "headers"])
def test_slow_senders_stop_gunicorn_without_a_proxy(house, kind):
    few = {"bodies": 0, "headers": 0, "readers": 0} | {kind: READERS}
    with ExitStack() as stack:
        # A worker takes more than it has threads for, and may have left the other one idle.
        is_stopped = False
        for _ in range(5):
            stack.enter_context(slow_clients(house, **few))
            if is_stopped := is_late(f"{house.url}/healthz"):
                break
        assert is_stopped
    wait_for(house.is_up, what="the web process, once they are gone")
