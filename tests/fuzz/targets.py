"""What takes input of strangers: from where the inputs come, and what must hold for each of them."""

import json
import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, partial
from io import BytesIO
from typing import Any
from uuid import UUID

import time_machine
from django.test import Client
from django.test.utils import override_settings
from hypothesis import strategies as st

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

from . import webhooks
from .mutating import ODD_TEXTS, WORDS, Mutator
from .running import Tried, generated, mutated, undone

DAY = date(2026, 8, 20)
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


# --- What programs ask -----------------------------------------------------------------------------

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
        *(spoilt(f"webhook of {name}", webhooks.check_of(name), partial(webhooks.seeds, name))
          for name in webhooks.NAMES),
        made("API requests", check_api, requests),
    ]  # fmt: skip
