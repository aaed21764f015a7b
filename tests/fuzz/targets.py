"""What takes input of strangers: from where the inputs come, and what must hold for each of them."""

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from io import BytesIO
from typing import Any
from uuid import UUID

import time_machine
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.test.utils import override_settings
from hypothesis import strategies as st

from digest.delivery.esp import providers
from digest.delivery.feedback import events
from digest.errors import DigestError
from digest.papers import ingest, search, text
from digest.papers.sources import stored
from digest.records import PaperRecord
from digest.site import formulas
from subscriptions import addresses, importing, queries, tokens
from subscriptions.errors import AddressError, ChoiceError, PermanentError, TokenError
from subscriptions.models import Subscriber
from tests.recorded import SHARED
from tests.upstream import atom, atom_entry, day_list, hugging_face_entry, hugging_face_page, rss

from .mutating import ODD_TEXTS, WORDS, Mutator
from .running import Tried, generated, mutated

DAY = date(2026, 8, 20)
AUTH = "Basic " + base64.b64encode(b"user:word").decode()
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff\r\n]")


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is tried; `trial` takes seconds and a number that decides the inputs."""

    name: str
    method: str
    trial: Callable[[float, int], Tried]


def spoilt(name: str, check: Callable[[bytes], None], seeds: Callable[[], list[bytes]]) -> Target:
    """A target that gets spoilt copies of files."""

    def trial(seconds: float, number: int) -> Tried:
        return mutated(check, Mutator(seeds(), number), seconds=seconds)

    return Target(name, "mutated files", trial)


def made(name: str, check: Callable[[Any], None], strategy: Any) -> Target:
    """A target that gets what Hypothesis makes."""

    def trial(seconds: float, number: int) -> Tried:
        return generated(check, strategy, seconds=seconds, number=number)

    return Target(name, "hypothesis", trial)


@contextmanager
def undone():
    """Afterwards the database is as it was."""
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


# --- Upstream ------------------------------------------------------------------------------------


def files(*folders: str) -> list[bytes]:
    """The real responses of ../shared, where they are there, small ones first."""
    found = [
        path.read_bytes()
        for folder in folders
        if (SHARED / "upstream" / folder).exists()
        for path in (SHARED / "upstream" / folder).iterdir()
        if path.is_file()
    ]
    return sorted(found, key=len)[:12]


def read_upstream(body: bytes) -> None:
    """A response is read, or refused in one line; its papers are text and links as we promise."""
    said = ""
    try:
        for record in stored.parse(body, DAY):
            if isinstance(record, PaperRecord):
                _check_record(record)
    except DigestError as error:
        said = str(error)
    assert "\n" not in said


def _check_record(record: PaperRecord) -> None:
    texts = [record.title, record.abstract, record.summary, record.organization]
    texts += [*record.authors, *record.keywords, *record.categories]
    assert record.title
    assert not any(_CONTROLS.search(each) for each in texts)
    assert 1991 <= record.published_at.year < 3000
    for link in (record.code_url, record.project_url):
        assert not link or re.fullmatch(r"https?://[^\s<>\"]+", link)
    readable = text.readable(record.title)
    assert not any(unicodedata.bidirectional(char) in _TURNS for char in readable)
    formulas.marked(readable)


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def store_upstream(body: bytes) -> None:
    """What was read goes into the archive, whatever it says."""
    with undone(), suppress(DigestError):
        ingest.store(list(stored.parse(body, DAY))[:2], source="hugging_face")


# --- What readers and operators type --------------------------------------------------------------

letters = st.text(max_size=60) | st.text(
    st.characters(categories=["L", "M", "N", "Cf", "Zs", "Po", "Sm"]), max_size=40
)
words = st.sampled_from([word.decode("utf-8", "replace") for word in WORDS])
domains = st.lists(
    letters | st.sampled_from(["example", "org", "xn--", "xn--bcher-kva", "xn--zz", "bücher", "ß", "👍",
                               "\u200d", "аррӏе", "127.0.0.1", "[::1]", "a" * 64]), min_size=1, max_size=4,
).map(".".join)  # fmt: skip
locals_ = st.one_of(
    letters,
    st.text("abc.+-!#%'{}|~@\"() ", max_size=70),
    st.sampled_from(['"a b"', "a%b@c", "@a,@b:c", "(x)a", "a@b", "\u0430da", "a\\@b"]),
)
typed = st.one_of(
    letters, st.builds("{}@{}".format, locals_, domains), st.lists(words, max_size=6).map("".join)
)


def check_address(entered: str) -> None:
    """One ASCII form that stays as it is, or AddressError."""
    addresses.beginning(entered)
    addresses.masked(entered)
    try:
        kept = addresses.canonical(entered)
    except AddressError:
        return
    assert addresses.canonical(kept) == kept
    assert kept.isascii()
    assert kept.isprintable()
    assert not set(kept) & set(' ,;:<>()[]"\\')
    local, _, domain = kept.partition("@")
    assert "@" not in domain
    assert len(kept) <= 254
    assert len(local) <= 64
    assert all(0 < len(label) <= 63 for label in domain.split("."))
    assert addresses.shown(kept)


PUBLIC_ID = UUID(int=7)
_PURPOSES: dict[str, Callable[[Subscriber], str]] = {
    "unsubscribe": lambda reader: tokens.make_unsubscribe(reader.public_id),
    "manage": lambda reader: tokens.make_manage(reader.public_id),
    "digest": lambda reader: tokens.make_digest(reader.public_id, 5),
    "undo": tokens.make_undo,
    "feed": tokens.make_feed,
    "confirm": tokens.make_confirm,
    "preferences": tokens.make_preferences,
    "address": tokens.make_address,
    "erase": tokens.make_erase,
    "opened": tokens.make_opened,
    "known": tokens.make_known,
}


@cache
def _reader() -> Subscriber:
    return Subscriber(public_id=PUBLIC_ID, token_version=3, new_email="ada@example.org",
                      unsubscribed_at=datetime.now(UTC))  # fmt: skip


@cache
def _ours() -> dict[str, str]:
    """The reader's token for each purpose, all of one moment, so that only the purpose tells them apart."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        return {name: make(_reader()) for name, make in _PURPOSES.items()}


def _token_seeds() -> list[bytes]:
    return [token.encode() for token in _ours().values()]


def check_token(data: bytes) -> None:
    """Good for one purpose at most, and for that only where it is as we made it; TokenError for all else."""
    token = data.decode("utf-8", "replace")
    tokens.public_ids_in(token)
    tokens.is_sign_up_mark(token, "ada@example.org")
    opened = [name for name in _PURPOSES if _opens(name, token)]
    assert opened == [name for name, ours in _ours().items() if ours == token]
    assert len(opened) < 2


def _opens(purpose: str, token: str) -> bool:
    if purpose == "undo":
        return tokens.is_undo(token, _reader())
    try:
        found = getattr(tokens, f"read_{purpose}")(token)
    except TokenError:
        return False
    assert str(PUBLIC_ID) in str(found)
    return True


questions = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(["AND", "OR", "NOT", "(", ")", '"', "a", "deep learning", "-x", "author:", "before:",
                         "topic:agents", 'author:"', "category:cs.CL", "after:2025-06", "\u201c", "*", ":",
                         "&", "|", "!", "<->", "\\", "'", "NEAR", "^", *ODD_TEXTS]), max_size=30,
    ).map(" ".join),
)  # fmt: skip


def check_keyword(question: str) -> None:
    """Read as a query, or ChoiceError; and never an error where it was stored before."""
    queries.read(question).among(1, lambda _: 1)
    queries.fold(question)
    try:
        query = queries.parse(question)
    except ChoiceError:
        return
    assert query.among(1, lambda _: 0) == 0


def check_search(question: str) -> None:
    """Any text whatsoever finds papers or none, and marks them."""
    query = search.parse(question)
    search.find(query)
    marked = search.marked("deep learning of <b> agents", query)
    assert "<b>" not in marked


CSV = (
    b"""email,topics,frequency,timezone,hour,status
ada@example.org,agents;robotics,weekdays,Europe/Berlin,7,active
Bob@Example.ORG,,weekly,UTC,25,suppressed
"eve""@example.org",,,,,
""",
    'sep=;\nE-Mail;Name\nada@bücher.example;"Ada\nLovelace"\n'.encode(),
    "email\tsource\nada@example.org\tx\n".encode("utf-16"),
    b"Email Address,First Name,Optin Time,Unsub\nada@example.org,Ada,2020-01-01,=HYPERLINK(1)\n",
)


def check_import(data: bytes) -> None:
    """Readers are added, rows are told of, or the file is refused in one line."""
    bad: list[str] = []
    with undone():
        try:
            table = importing.table(importing.opened(BytesIO(data)))
            importing.add(table, importing.Outcome(), on_bad=lambda row, why: bad.append(why))
        except PermanentError as error:
            bad.append(str(error))
    assert not any("\n" in each for each in bad)


# --- What providers and programs post -------------------------------------------------------------

_AT = 1_790_000_000
_ONE: dict[str, Any] = {
    "brevo": {"event": "delivered", "email": "ada@example.org", "id": 1, "ts_event": _AT, "ts": _AT,
              "message-id": "<1@x>", "X-Mailin-custom": '{"delivery": "1"}', "tag": "digest", "tags": ["digest"]},
    "mailjet": [{"event": "bounce", "time": _AT, "MessageID": 19421777835146490, "email": "ada@example.org",
                 "hard_bounce": True, "error": "user unknown", "error_related_to": "recipient",
                 "Payload": '{"delivery": "1"}', "CustomID": "digest"}],
    "postmark": {"RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "TypeCode": 1, "MessageID": "x",
                 "Email": "ada@example.org", "BouncedAt": "2026-08-20T08:00:00Z", "Description": "gone",
                 "Details": "550 5.1.1", "Metadata": {"delivery": "1"}, "Tag": "digest"},
    "sendgrid": [{"email": "ada@example.org", "timestamp": _AT, "event": "bounce", "type": "blocked",
                  "sg_event_id": "e", "sg_message_id": "m.f", "reason": "550", "status": "5.1.1",
                  "delivery": "1", "category": ["digest"]}],
    "sparkpost": [{"msys": {"message_event": {"type": "bounce", "event_id": "1", "rcpt_to": "ada@example.org",
                  "rcpt_meta": {"delivery": "1"}, "timestamp": str(_AT), "transmission_id": "6",
                  "bounce_class": "10", "reason": "550", "raw_reason": "550", "raw_rcpt_to": "a@b.org"}}}],
    "mailersend": {"type": "activity.hard_bounced", "created_at": "2026-08-20T08:00:00.000000Z",
                   "data": {"id": "1", "type": "hard_bounced", "morph": {"object": "x", "reason": "gone"},
                            "email": {"recipient": {"email": "ada@example.org"}, "tags": ["digest"],
                                      "message": {"id": "1"}}}},
    "mailtrap": {"events": [{"event": "bounce", "timestamp": _AT, "message_id": "1", "email": "ada@example.org",
                 "event_id": "1", "custom_variables": {"delivery": "1"}, "bounce_category": "x", "response": "5"}]},
    "resend": {"type": "email.bounced", "created_at": "2026-08-20T08:00:00.000Z",
               "data": {"email_id": "1", "to": ["ada@example.org"], "tags": {"delivery": "1"}, "created_at": "x",
                        "headers": [{"name": "X-Metadata", "value": '{"delivery": "1"}'}],
                        "bounce": {"type": "Permanent", "subType": "x", "message": "gone"}}},
    "unisender_go": {"auth": "x", "events_by_user": [{"events": [{"event_name": "transactional_email_status",
                     "event_data": {"job_id": "1", "email": "ada@example.org", "status": "hard_bounced",
                                    "event_time": "2026-08-20 08:00:00", "metadata": {"delivery": "1"},
                                    "delivery_info": {"delivery_status": "err_user_unknown"}}}]}]},
    "mailgun": {"signature": {"timestamp": str(_AT), "token": "t" * 50, "signature": ""},
                "event-data": {"event": "failed", "severity": "permanent", "reason": "bounce", "id": "1",
                               "timestamp": float(_AT), "recipient": "ada@example.org", "tags": ["digest"],
                               "delivery-status": {"code": 550, "message": "5.1.1", "description": ""},
                               "user-variables": {"delivery": "1", "batch": "1"},
                               "message": {"headers": {"message-id": "1@x"}}}},
    "amazon_ses": {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t",
                   "Timestamp": "2026-08-20T08:00:00.000Z", "Signature": "x", "Message": json.dumps({
                       "eventType": "Bounce", "mail": {"messageId": "1", "timestamp": "2026-08-20T08:00:00.000Z",
                       "destination": ["ada@example.org"], "headers": [{"name": "X-Metadata",
                       "value": '{"delivery": "1"}'}], "tags": {}}, "bounce": {"bounceType": "Permanent",
                       "feedbackId": "1", "timestamp": "2026-08-20T08:00:00.000Z",
                       "bouncedRecipients": [{"emailAddress": "ada@example.org", "status": "5.1.1"}]}})},
}  # fmt: skip
KEYS = {
    "WEBHOOK_SECRET": "user:word", "MAILGUN_WEBHOOK_SIGNING_KEY": "key", "MAILERSEND_SIGNING_SECRET": "key",
    "AMAZON_SES_AUTO_CONFIRM_SNS_SUBSCRIPTIONS": False, "UNISENDER_GO_API_KEY": "key",
}  # fmt: skip


def webhook_check(name: str) -> Callable[[bytes], None]:
    """A provider's posts are taken or refused: no answer of 500, and applying them fails on none."""
    client = Client(raise_request_exception=True, SERVER_NAME="papers.example.org")

    def check(body: bytes) -> None:
        signed = hmac.new(b"key", body, hashlib.sha256).hexdigest()
        headers = {"authorization": AUTH, "signature": signed}
        if name == "amazon_ses":
            headers |= {"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": "1"}
        with override_settings(ANYMAIL=settings.ANYMAIL | KEYS), undone():
            answer = client.post(
                f"/webhooks/{name}/tracking/", body, "application/json", headers=headers
            )
            assert answer.status_code < 500
            events.apply_pending()

    return check


def webhook_seeds(name: str) -> Callable[[], list[bytes]]:
    """An event as the provider writes it, signed where its signature stands in the body."""

    def seeds() -> list[bytes]:
        data = _ONE[name]
        if name == "mailgun":
            signed = f"{_AT}{'t' * 50}".encode()
            data["signature"]["signature"] = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
        return [json.dumps(data).encode()]

    return seeds


requests = st.tuples(
    st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
    st.sampled_from(["papers", "papers/{}", "papers/{}/similar", "editions", "editions/{}", "topics", "search",
                     "subscriptions", "openapi.json", "{}"]),
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from(["q", "page", "limit", "offset", "topic", "cursor", "after", "before", "order", "year",
                         "published_after", "published_before", "category", "author"]),
        st.text(max_size=40) | st.integers().map(str) | words | st.dates().map(str), max_size=4),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                     st.sampled_from(["email", "topics", "frequency", "website"]) | st.text(max_size=5), inner,
                     max_size=4), max_leaves=8),
)  # fmt: skip


def check_api(asked: tuple[str, str, str, dict[str, str], Any]) -> None:
    """Every request has an answer that is none of 500, and an error has its one form."""
    method, path, part, query, body = asked
    client = Client(raise_request_exception=True, SERVER_NAME="papers.example.org")
    address = "/api/v1/" + path.format(_quoted(part))
    with override_settings(API_RATE="1000000/s", SIGNUP_RATE_CLIENT="1000000/s"), undone():
        answer = client.generic(
            method, address, json.dumps(body), "application/json",
            query_string="&".join(f"{name}={_quoted(value)}" for name, value in query.items()),
        )  # fmt: skip
    assert answer.status_code < 500
    if answer.status_code >= 400 and method != "HEAD":
        assert answer["Content-Type"].startswith("application/problem+json")


def _quoted(part: str) -> str:
    return "".join(f"%{byte:02X}" for byte in part.encode("utf-8", "replace"))


def targets() -> list[Target]:
    """All of them but the life of a delivery, which is a machine (`deliveries.py`)."""
    made_up = json.dumps(day_list(DAY, 3)).encode()
    one = json.dumps(hugging_face_entry(DAY, 1)["paper"]).encode()
    page = hugging_face_page(DAY, day_list(DAY, 3))
    return [
        spoilt("Hugging Face, a day", read_upstream, lambda: [*files("hf_daily_papers"), made_up]),
        spoilt("Hugging Face, a paper", read_upstream, lambda: [*files("hf_paper", "hf_errors"), one]),
        spoilt("Hugging Face, the page", read_upstream, lambda: [*files("hf_papers_html"), page]),
        spoilt("arXiv, the API's Atom", read_upstream,
               lambda: [*files("arxiv_atom"), atom([atom_entry(DAY, 1), atom_entry(DAY, 2)])]),
        spoilt("arXiv, announcements", read_upstream, lambda: [*files("arxiv_rss"), rss(DAY)]),
        spoilt("arXiv, OAI-PMH", read_upstream, lambda: files("arxiv_oai")[:4] or [b"<OAI-PMH/>"]),
        spoilt("ingest of a day", store_upstream, lambda: [*files("hf_daily_papers")[:4], made_up]),
        made("addresses", check_address, typed),
        spoilt("tokens", check_token, _token_seeds),
        made("keyword queries", check_keyword, questions),
        made("search queries", check_search, questions),
        spoilt("import of CSV", check_import, lambda: list(CSV)),
        *(spoilt(f"webhook of {name}", webhook_check(name), webhook_seeds(name))
          for name in _ONE if name in providers.PROVIDERS),
        made("API requests", check_api, requests),
    ]  # fmt: skip


NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
