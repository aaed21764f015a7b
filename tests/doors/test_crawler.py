"""Every address, as nobody, as a reader and as an operator, by each method: what comes back is never an
error of ours, has its headers, sets no careless cookie, runs nothing that was put in, and leads nowhere else."""

import logging
import re
from base64 import b64encode
from contextlib import nullcontext
from urllib.parse import quote, urlencode, urlsplit

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.test.utils import override_settings
from lxml import html

from tests.builders import know_browser
from tests.doors.addresses import IN_DIGESTS, Address, House, asked_names, patterns

pytestmark = [
    pytest.mark.django_db,
    # Of addresses that it still answers for those who have them.
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning"),
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailDeprecationWarning"),
]

LOOKING = ["GET", "HEAD", "OPTIONS", "TRACE"]
OTHERS = ["PUT", "DELETE", "PROPFIND"]
ELSEWHERE = "https://elsewhere.example/zzq"
HOSTILE = "\"'><script>zzq(3)</script><svg onload=zzq(4)>{{ 7|add:98765 }}\r\nX-Zzq: 1"
INPUTS = [
    HOSTILE,
    ELSEWHERE,
    "//elsewhere.example",
    "javascript:zzq(5)",
    "\x00",
    "9" * 400,
    "-1",
    "",
]

WEBHOOK_KEYS = {
    "WEBHOOK_SECRET": ["somebody:secret"],
    "MAILGUN_WEBHOOK_SIGNING_KEY": "key",
    "MAILERSEND_SIGNING_SECRET": "key",
    "MANDRILL_WEBHOOK_KEY": "key",
    "POSTAL_WEBHOOK_KEY": "key",
    "UNISENDER_GO_API_KEY": "key",
}
AUTH = f"Basic {b64encode(b'somebody:secret').decode()}"
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SCHEMES = ("javascript:", "vbscript:", "data:text")
_LOADING = ("href", "src", "action", "formaction", "data", "poster", "xlink:href", "srcdoc")
_OF_CHOICES = re.compile(r"/(?:preferences|my-data|erase|address)/[\w-]{43,}/")
# What pages that only look write all the same: who is here, and which pages were kept.
_NOT_COUNTED = {"sessions.session"}


@pytest.fixture
def house(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.EMAIL_PROVIDERS = ["outbox", "smtp"]
    settings.ANYMAIL = settings.ANYMAIL | WEBHOOK_KEYS
    cache.clear()
    # Of thousands of refusals nobody reads the lines.
    logging.disable()
    yield House()
    logging.disable(logging.NOTSET)
    cache.clear()


def browser(who, house):
    client = Client(raise_request_exception=False)
    if who == "reader":
        client.post("/subscribe/", {"email": house.reader.email}, secure=True)
        know_browser(client, house.reader)
    if who == "operator":
        client.force_login(User.objects.create_superuser("root", "root@example.org", "x"))
    return client


def as_shown(address):
    """The local outbox is there in embedded mode alone."""
    return override_settings(DEBUG=True) if address.is_outbox else nullcontext()


def rows():
    """What is in the tables, so that two of them can be compared."""
    return {
        model._meta.label_lower: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model._meta.label_lower not in _NOT_COUNTED
    }


class Visits:
    """Asks, each time from another client's address, and says what was wrong. What does more than look is
    undone afterwards."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.count = 0
        self.wrong: list[str] = []

    def ask(self, method: str, address: Address, path: str = "", **fields):
        self.count += 1
        sent = {
            "REMOTE_ADDR": f"10.{self.count >> 16 & 255}.{self.count >> 8 & 255}.{self.count & 255}",
            "HTTP_USER_AGENT": HOSTILE.replace("\r\n", " "),
            "HTTP_REFERER": ELSEWHERE,
            "HTTP_ACCEPT_LANGUAGE": "<script>zzq(6)</script>,de",
            "HTTP_X_FORWARDED_FOR": "1.2.3.4, zzq",
            "HTTP_X_FORWARDED_HOST": "elsewhere.example",
        }
        if address.is_webhook:
            sent["HTTP_AUTHORIZATION"] = AUTH
        if method == "POST" and address.is_webhook:
            fields = {"data": "{}", "content_type": "application/json"}
        with transaction.atomic(), as_shown(address):
            answer = (
                self.client.generic(method, path or address.path, secure=True, **(fields | sent))
                if method != "POST"
                else self.client.post(path or address.path, secure=True, **(fields | sent))
            )
            # Streamed, it is read while what it reads is there.
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            transaction.set_rollback(method not in LOOKING)
        for line in faults(method, address, answer, body):
            self.wrong.append(f"{method} {address.name} {path[:60]}: {line}")
        return answer


def summed_up(wrong):
    """Each fault with how often it was met, and where first."""
    found = {}
    for line in wrong:
        where, _, what = line.partition(": ")
        count, first = found.get(what, (0, where))
        found[what] = (count + 1, first)
    return found


def faults(method, address, answer, body):
    yield from faults_of_headers(address, answer)
    yield from faults_of_cookies(answer)
    # 503 says that there is no broker, as is so here.
    is_sick = address.name == "site:ready" and answer.status_code == 503
    if answer.status_code >= 500 and not is_sick:
        yield f"answers {answer.status_code}"
    if method == "TRACE" and answer.status_code == 200 and b"elsewhere.example" in body:
        yield "echoes what was asked"
    if "X-Zzq" in answer.headers:
        yield "lets a header in"
    target = urlsplit(answer.headers.get("Location", ""))
    if target.hostname not in (None, "testserver", "papers.example.org"):
        yield f"leads to {target.hostname}"
    if answer.headers.get("Content-Type", "").startswith("text/html") and body:
        yield from faults_of_html(body)


def faults_of_headers(address, answer):
    headers = answer.headers
    for name, value in EVERYWHERE.items():
        if headers.get(name) != value:
            yield f"{name} is {headers.get(name)}"
    if headers.get("Referrer-Policy") not in ("same-origin", "no-referrer"):
        yield f"Referrer-Policy is {headers.get('Referrer-Policy')}"
    if "camera=()" not in headers.get("Permissions-Policy", ""):
        yield "no Permissions-Policy"
    if not headers.get("Strict-Transport-Security", "").startswith("max-age=31536000"):
        yield "no Strict-Transport-Security"
    is_frame = address.name == "subscriptions:embed_form" and answer.status_code == 200
    wanted = "cross-origin" if is_frame else "same-origin"
    if headers.get("Cross-Origin-Resource-Policy") != wanted:
        yield f"Cross-Origin-Resource-Policy is {headers.get('Cross-Origin-Resource-Policy')}"
    if headers.get("X-Frame-Options") not in ([None] if is_frame else ["DENY", "SAMEORIGIN"]):
        yield f"X-Frame-Options is {headers.get('X-Frame-Options')}"
    # Where errors are shown, Django's own page of them has its styles in it.
    if not (address.is_outbox and answer.status_code == 404):
        policy = headers.get("Content-Security-Policy", "")
        yield from faults_of_policy(address, policy, is_frame=is_frame)
    kept = "private" if address.name == "site:own_feed" else "no-store"
    is_shown = address.has_token and answer.status_code == 200
    if is_shown and kept not in headers.get("Cache-Control", ""):
        yield f"Cache-Control is {headers.get('Cache-Control')}"


def faults_of_policy(address, policy, *, is_frame):
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
    if rules.get("default-src") != ["'none'"] or rules.get("base-uri") != ["'none'"]:
        yield f"policy is {policy}"
    framing = rules.get("frame-ancestors", ["none said"])
    if framing not in (["'none'"], ["'self'"]) and not is_frame:
        yield f"frame-ancestors {framing}"
    scripts = set(rules.get("script-src", []))
    allowed = {"'self'", "'unsafe-eval'"} if address.is_desk else {"'self'"}
    if not scripts <= allowed:
        yield f"script-src {scripts}"


def faults_of_cookies(answer):
    for name, cookie in answer.cookies.items():
        if not cookie.value:  # it is taken away
            continue
        if not cookie["secure"]:
            yield f"cookie {name} is not Secure"
        if cookie["samesite"] not in ("Lax", "Strict"):
            yield f"cookie {name} has SameSite {cookie['samesite']}"
        if not cookie["httponly"]:
            yield f"cookie {name} is not HttpOnly"


def faults_of_html(body):
    text = body.decode()
    if "98772" in text:
        yield "a template was put in"
    page = html.fromstring(body)
    for element in page.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag == "script" and "zzq" in (element.text or ""):
            yield "a script was put in"
        for name, value in element.attrib.items():
            if re.match(r"on\w+$", name):
                yield f"<{element.tag} {name}> was put in"
            if name in _LOADING and value.strip().lower().startswith(_SCHEMES):
                yield f"<{element.tag} {name}={value[:30]}>"
            if (
                name in ("src", "action", "formaction")
                and "elsewhere.example" in value.split("?")[0]
            ):
                yield f"<{element.tag} {name}={value[:30]}>"


@pytest.mark.parametrize("who", ["nobody", "reader", "operator"])
def test_looking_at_any_page_changes_nothing_and_its_answer_has_all_headers(house, who):
    visits = Visits(browser(who, house))
    addresses = house.addresses(is_forged=who == "nobody")
    before = rows()
    for address in addresses:
        for method in LOOKING:
            visits.ask(method, address)
    changed = [name for name, then in rows().items() if then != before[name]]
    assert changed == []
    assert summed_up(visits.wrong) == {}
    assert visits.count == len(LOOKING) * len(patterns())


@pytest.mark.parametrize("who", ["nobody", "reader", "operator"])
def test_every_page_answers_what_it_was_not_made_for_with_all_its_headers(house, who):
    visits = Visits(browser(who, house))
    for address in house.addresses(is_forged=who == "nobody"):
        for method in ["POST", *OTHERS]:
            visits.ask(method, address)
    assert summed_up(visits.wrong) == {}
    assert visits.count == (1 + len(OTHERS)) * len(patterns())


@pytest.mark.parametrize("who", ["nobody", "reader", "operator"])
def test_what_is_put_into_any_page_stays_text(house, who):
    visits = Visits(browser(who, house))
    names = asked_names()
    # Each name has another of the inputs on each of these visits, and all have none on the last.
    rounds = [[INPUTS[(at + turn) % len(INPUTS)] for at in range(len(names))] for turn in range(3)]
    rounds.append([""] * len(names))
    for address in house.addresses():
        for put in rounds:
            fields = dict(zip(names, put, strict=True))
            visits.ask("GET", address, f"{address.path}?{urlencode(fields)}")
            visits.ask("POST", address, data=fields)
    assert summed_up(visits.wrong) == {}


@pytest.mark.parametrize("put", [HOSTILE, "../../etc/passwd", "\x00", "ａｇｅｎｔｓ", "9" * 3000])
def test_what_is_put_into_an_address_stays_text(house, put):
    visits = Visits(browser("operator", house))
    for address in house.addresses():
        head, _, _last = address.path.rstrip("/").rpartition("/")
        visits.ask("GET", address, f"{head}/{quote(put)}/")
    assert summed_up(visits.wrong) == {}


def test_forged_links_open_nothing(house):
    visits = Visits(browser("nobody", house))
    opened = [
        f"{method} {address.name} {status}"
        for address in house.addresses(is_forged=True)
        if address.has_token
        for method in ("GET", "POST")
        for status in [visits.ask(method, address).status_code]
        if not 400 <= status < 500
    ]
    assert opened == []


def test_there_is_something_behind_every_address(house):
    visits = [Visits(browser(who, house)) for who in ("reader", "operator")]
    not_there = [
        address.name
        for address in house.addresses()
        if all(each.ask("POST" if address.is_webhook else "GET", address).status_code == 404
               for each in visits)
    ]  # fmt: skip
    # The API's root has nothing to say.
    assert not_there == ["api-v1:api-root"]


def test_digest_that_somebody_finds_leads_to_nothing_that_its_reader_chose(house):
    links = [address for address in house.addresses() if address.name in IN_DIGESTS]
    opened = {}
    for who in ("nobody", "reader"):
        visits = Visits(browser(who, house))
        opened[who] = [
            f"{method} {address.name}"
            for address in links
            for method in ("GET", "POST")
            for answer in [visits.ask(method, address)]
            if _OF_CHOICES.search(f"{answer.headers.get('Location')} {answer.content.decode()}")
        ]
    assert opened["nobody"] == []
    assert "GET site:manage" in opened["reader"]


@pytest.mark.parametrize("who", ["nobody", "reader"])
def test_desk_opens_to_nobody_else(house, who):
    visits = Visits(browser(who, house))
    let_in = [
        f"{method} {address.name}"
        for address in house.addresses()
        if address.is_desk and address.name not in ("admin:login", "admin:logout", "admin:jsi18n")
        for method in [*LOOKING, "POST", *OTHERS]
        for answer in [visits.ask(method, address)]
        if answer.status_code < 300
        or (answer.status_code < 400 and not answer["Location"].startswith("/admin/login/"))
    ]
    assert let_in == []


def test_name_of_another_host_is_refused_and_never_repeated(house):
    client = browser("nobody", house)
    for address in house.addresses():
        answer = client.get(address.path, secure=True, headers={"Host": "elsewhere.example"})
        assert answer.status_code == 400 or b"elsewhere.example" not in answer.content
