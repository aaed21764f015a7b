"""Public pages are kept for a minute, compressed, and answered with 304."""

import gzip
import socket
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

import pytest
import time_machine
from django.core.cache import caches
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from digest.models import Paper
from digest.site import caching
from subscriptions.models import Topic
from tests.digest.builders import make_edition, make_paper

DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
PAGES = ["/", "/papers/2026-08-20/", "/papers/2026-W34/", "/papers/2026-08/", "/trending/",
         "/papers/2608.00001/", "/papers/2608.00001/cite.bib", "/topics/", "/topics/agents/",
         "/sitemap.xml", "/sitemap-papers.xml", "/robots.txt", "/feeds/daily.atom",
         "/feeds/weekly.json", "/feeds/topics/agents.atom"]  # fmt: skip
MEMORY = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "pages": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "pages",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
ODD_PAGES = ["0", "00", "01", "-1", "+1", " 1", "1 ", "1\n", "1.0", "1_0", "last", "", "x", "\0", "10000",
             "\u0664", "\uff11"]  # fmt: skip
ODD = [
    *(f"/trending/?page={quote(number)}" for number in ODD_PAGES),
    "/search/?topic=agents&page=0", "/topics/agents/?page=last", "/trending/?all=2", "/?all=",
    "/sitemap-papers.xml?p=01", "/sitemap-papers.xml?p=%201",
    "/search/?topic=none", "/search/?topic=%00", "/search/?topic=Agents", "/search/?topic=agents%0A",
    "/search/?q=first&topic=none", "/search/?year=1800", "/search/?year=02026", "/search/?year=x",
    "/search/?topic=agents&order=x", "/search/?topic=agents&order=Votes",
]  # fmt: skip
GOOD = ["/trending/?page=1", "/trending/?topic=agents", "/papers/2026-08-20/?topic=&all=1",
        "/topics/agents/?page=2", "/sitemap-papers.xml?p=1", "/search/", "/search/?q=first",
        "/search/?topic=agents&year=2026&order=votes&page=1",
        "/search/?q=&topic=&year=&order=best"]  # fmt: skip


@pytest.fixture
def kept(settings, db):
    settings.CACHES = MEMORY
    caches["pages"].clear()
    with time_machine.travel(NOW, tick=False) as clock:
        topic = Topic.objects.get(slug="agents")
        make_edition(DAY, [make_paper(arxiv_id="2608.00001", title="First", topics=[topic])])
        yield clock
        settings.CACHES = MEMORY
        caches["pages"].clear()


def queries_of(client, address, **headers):
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address, headers=headers)
    assert response.status_code in (200, 304)
    return len(captured), response


def keys():
    return set(caches["pages"]._cache)


@pytest.mark.parametrize("address", PAGES)
def test_second_reader_costs_no_query(client, kept, address):
    _, first = queries_of(client, address)
    number, second = queries_of(client, address)
    assert number == 0
    assert second.content == first.content
    assert second["Content-Type"] == first["Content-Type"]
    seconds = 900 if "/feeds/" in address else 60
    assert second["Cache-Control"] == f"public, max-age={seconds}"


def test_feed_says_itself_when_it_changed(client, kept):
    Paper.objects.update(updated_at=NOW + timedelta(hours=1))
    kept.shift(timedelta(days=1))
    assert client.get("/feeds/daily.atom")["Last-Modified"] == "Fri, 21 Aug 2026 10:30:00 GMT"


def test_page_is_made_anew_after_a_minute(client, kept):
    client.get("/papers/2608.00001/")
    Paper.objects.update(title="Second")
    kept.shift(timedelta(seconds=59))
    assert b"First" in client.get("/papers/2608.00001/").content
    kept.shift(timedelta(seconds=2))
    assert b"Second" in client.get("/papers/2608.00001/").content


@pytest.mark.parametrize("address", PAGES)
def test_who_has_the_page_is_told_that_it_is_the_same(client, kept, address):
    first = client.get(address)
    assert first["ETag"].startswith('W/"')
    for headers in (
        {"if-none-match": first["ETag"]},
        {"if-modified-since": first["Last-Modified"]},
    ):
        number, second = queries_of(client, address, **headers)
        assert (second.status_code, second.content, number) == (304, b"", 0)
        assert second["ETag"] == first["ETag"]
        assert "Accept-Encoding" in second["Vary"]


def test_page_with_other_papers_is_another_page(client, kept):
    first = client.get("/papers/2608.00001/")
    Paper.objects.update(title="Second")
    kept.shift(timedelta(seconds=61))
    response = client.get("/papers/2608.00001/", headers={"if-none-match": first["ETag"]})
    assert response.status_code == 200
    assert response["Last-Modified"] != first["Last-Modified"]


def test_stamp_of_the_form_makes_no_other_page(client, kept):
    first = client.get("/topics/")
    kept.shift(timedelta(minutes=59))
    second = client.get("/topics/")
    assert second.content != first.content
    assert second["ETag"] == first["ETag"]
    assert second["Last-Modified"] == first["Last-Modified"]


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br"])
def test_page_is_kept_and_sent_compressed(client, kept, accepted):
    plain = client.get("/")
    number, packed = queries_of(client, "/", **{"accept-encoding": accepted})
    assert number == 0
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content) / 2
    assert packed["ETag"] == plain["ETag"]
    assert "Content-Encoding" not in plain


@pytest.mark.parametrize("accepted", ["gzip;q=1.0", "br, GZIP ; q=0.001", "gzip;q=0.5, identity"])
def test_page_is_compressed_for_who_takes_it_at_any_weight(client, kept, accepted):
    response = client.get("/", headers={"accept-encoding": accepted})
    assert response["Content-Encoding"] == "gzip"


REFUSED = ["gzip;q=0", "br, gzip; q=0.000", "x-gzip", "gzip-2", "*;q=0", "identity", ""]


@pytest.mark.parametrize("address", ["/", "/papers/2026-08-19/", "/api/v1/papers"])
@pytest.mark.parametrize("accepted", REFUSED)
def test_nothing_is_compressed_for_who_does_not_take_it(client, kept, accepted, address):
    response = client.get(address, headers={"accept-encoding": accepted})
    assert "Content-Encoding" not in response
    assert "Accept-Encoding" in response["Vary"]


def test_answer_depends_on_encoding_and_language_alone(client, kept):
    varies = {word.strip() for word in client.get("/")["Vary"].split(",")}
    assert varies == {"Accept-Encoding", "Accept-Language"}


def test_each_language_has_its_own_page(client, kept):
    client.get("/", headers={"accept-language": "en"})
    number, german = queries_of(client, "/", **{"accept-language": "de"})
    assert number > 0
    assert b'lang="de"' in german.content


@pytest.mark.parametrize("address", ["/", "/search/?q=first", "/api/v1/papers"])
def test_cookie_chooses_no_language(client, kept, address):
    client.cookies["django_language"] = "de"
    response = client.get(address, headers={"accept-language": "en"})
    assert response["Content-Language"] == "en"
    assert b'lang="de"' not in response.content


def test_known_parameters_have_pages_of_their_own(client, kept):
    client.get("/papers/2026-08-20/")
    number, _ = queries_of(client, "/papers/2026-08-20/?topic=agents")
    assert number > 0


def test_unknown_parameters_are_passed_over(client, kept):
    first = client.get("/?utm_source=x")
    number, second = queries_of(client, "/?utm_source=y&fbclid=z")
    assert (number, second.content) == (0, first.content)


@pytest.mark.parametrize("address", ODD)
def test_odd_value_is_answered_and_not_kept(client, kept, address):
    assert client.get(address).status_code == 200
    assert keys() == set()


@pytest.mark.parametrize("address", GOOD)
def test_value_of_a_link_of_ours_is_kept(client, kept, address):
    queries_of(client, address)
    number, _ = queries_of(client, address)
    assert number == 0


def test_nothing_is_noted_of_questions(client, kept):
    for word in ("first", "second", "third"):
        client.get("/search/", {"q": word})
    assert len(keys()) == 3


def test_no_more_pages_are_kept_than_there_are_places(kept):
    view = caching.public("page")(lambda request: HttpResponse(request.GET["page"]))
    asked = [RequestFactory().get(f"/x/?page={number}") for number in range(1, 10_000)]
    answers = [[view(request).content.decode() for request in asked] for _ in range(2)]
    assert answers == [[request.GET["page"] for request in asked]] * 2
    assert len(keys()) <= 2 * caching.MOST_KEPT < 2 * len(asked)


def test_address_too_long_is_answered_and_not_kept(client, kept):
    address = "/papers/2026-08-20/?page=" + "9" * 500
    client.get(address)
    number, _ = queries_of(client, address)
    assert number > 0


@pytest.mark.parametrize("address", ["/papers/2608.99999/", "/?topic=none", "/topics/none/"])
def test_errors_are_not_kept(client, kept, address):
    assert client.get(address).status_code == 404
    response = client.get(address)
    assert response.status_code == 404
    assert "ETag" not in response


def test_head_has_the_same_headers_and_no_body(client, kept):
    whole = client.get("/")
    head = client.head("/")
    assert head.content == b""
    assert head["ETag"] == whole["ETag"]


def test_other_methods_are_refused(client, kept):
    client.get("/")
    assert client.post("/").status_code == 405


def test_empty_page_is_not_kept(client, kept):
    assert client.get("/papers/2026-08-19/")["Cache-Control"] == "no-cache"


def answer_of(view, path="/x/"):
    return caching.public()(view)(RequestFactory().get(path))


def test_answer_that_sets_a_cookie_goes_out_as_it_is(kept):
    def view(request):
        response = HttpResponse("for one reader")
        response.set_cookie("who", "ada")
        return response

    response = answer_of(view)
    assert "Cache-Control" not in response
    assert answer_of(lambda request: HttpResponse("other")).content == b"other"


@pytest.fixture
def mute_port():
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("is_mute", [False, True])
def test_pages_are_made_where_the_cache_is_away(client, kept, settings, mute_port, is_mute):
    port = mute_port if is_mute else 9
    settings.CACHES = MEMORY | {
        "pages": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{port}/0",
            "OPTIONS": {"socket_timeout": 0.05, "socket_connect_timeout": 0.05},
        }
    }
    response = client.get("/")
    assert b"First" in response.content
    assert response["ETag"]
