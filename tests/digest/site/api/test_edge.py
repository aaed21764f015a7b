"""What holds for every answer of the API: problems, limits, origins, what may be kept."""

import json

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from digest.models import Paper
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db
PAPERS = "/api/v1/papers"
SUBSCRIBE = "/api/v1/subscribe"


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def problem(response, status):
    """The problem details of an answer, which are whole."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    found = json.loads(response.content)
    assert {"type", "title", "status", "detail", "instance"} <= found.keys()
    assert found["status"] == status
    assert found["detail"]
    return found


def test_unknown_address_is_a_problem(client):
    found = problem(client.get("/api/nothing/here"), 404)
    assert (found["type"], found["title"]) == ("about:blank", "Not Found")
    assert found["instance"] == "/api/nothing/here"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_wrong_method_is_a_problem_that_names_the_right_ones(client, method):
    response = client.generic(method, PAPERS)
    problem(response, 405)
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_subscribe_can_only_be_posted_to(client):
    response = client.get(SUBSCRIBE)
    problem(response, 405)
    assert response["Allow"] == "POST, OPTIONS"


@pytest.mark.django_db(transaction=True)
def test_fault_of_ours_is_a_problem_that_gives_nothing_away():
    with connection.schema_editor() as editor:
        editor.alter_db_table(Paper, "digest_paper", "digest_paper_away")
    try:
        response = Client(raise_request_exception=False).get(PAPERS)
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Paper, "digest_paper_away", "digest_paper")
    found = problem(response, 500)
    assert "digest_paper" not in str(found)


def test_body_in_pieces_without_its_length_is_a_problem(client):
    body = {"email": "ada@example.org", "topics": ["theory"]}
    pieces = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    found = problem(client.post(SUBSCRIBE, body, "application/json", **pieces), 411)
    assert found["title"] == "Length Required"


def test_host_that_is_not_ours_is_a_problem(client):
    problem(client.get(PAPERS, headers={"Host": "evil.example"}), 400)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 10_000, "application/json", 400),
        (b"email=ada@example.org", "application/x-www-form-urlencoded", 415),
        (b'{"email": "ada@example.org"}', "text/plain", 415),
        (b" " * 20_000, "application/json", 413),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
    ],
)
def test_body_that_we_do_not_take_is_a_problem(client, body, kind, status):
    problem(client.post(SUBSCRIBE, body, content_type=kind), status)


@pytest.mark.parametrize("address", [PAPERS, "/api/v1/topics", "/api/v1/openapi.json"])
def test_client_that_has_it_already_is_told_so(client, address):
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first["Cache-Control"] == "public, max-age=60"
    assert again["Access-Control-Allow-Origin"] == "*"


def test_new_paper_makes_a_new_etag(client):
    first = client.get(PAPERS)
    make_paper()
    assert client.get(PAPERS, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_head_is_get_without_its_body(client):
    make_paper()
    got, head = client.get(PAPERS), client.head(PAPERS)
    assert head.status_code == 200
    assert head.content == b""
    assert (head["ETag"], head["Content-Length"]) == (got["ETag"], got["Content-Length"])


def test_long_answer_is_compressed(client):
    make_paper(abstract="word " * 400)
    response = client.get(PAPERS, headers={"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    known = {"If-None-Match": response["ETag"], "Accept-Encoding": "gzip"}
    assert client.get(PAPERS, headers=known).status_code == 304


def test_errors_are_not_kept(client):
    assert client.get(f"{PAPERS}/2608.99999")["Cache-Control"] == "no-store"


# --- Other origins -----------------------------------------------------------------------------

ORIGIN = {"Origin": "https://elsewhere.example"}


@pytest.mark.parametrize("address", [PAPERS, f"{PAPERS}/2608.99999", "/api/nothing"])
def test_every_origin_may_read(client, address):
    response = client.get(address, headers=ORIGIN)
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response


def test_preflight_for_reading_is_granted(client):
    asked = {**ORIGIN, "Access-Control-Request-Method": "GET"}
    response = client.options(PAPERS, headers=asked)
    assert (response.status_code, response.content) == (204, b"")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_preflight_for_subscribing_is_not(client):
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    response = client.options(SUBSCRIBE, headers=asked)
    assert response.status_code == 204
    assert "Access-Control-Allow-Origin" not in response
    assert response["Allow"] == "POST, OPTIONS"


def test_answer_to_subscribing_can_be_read_by_no_other_origin(client):
    response = client.post(
        SUBSCRIBE, {"email": "ada@example.org"}, content_type="application/json", headers=ORIGIN
    )
    assert response.status_code == 202
    assert "Access-Control-Allow-Origin" not in response


def test_pages_are_not_opened_to_other_origins(client):
    assert "Access-Control-Allow-Origin" not in client.get("/", headers=ORIGIN)


# --- Limits ------------------------------------------------------------------------------------


def test_client_over_its_limit_is_told_when_to_come_back(client, settings):
    settings.API_RATE = "2/h"
    answers = [client.get(PAPERS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    problem(answers[2], 429)
    assert 0 < int(answers[2]["Retry-After"]) <= 3600


def test_refusal_speaks_the_language_of_the_browser_and_of_no_cookie(client, settings):
    settings.API_RATE = "0/h"
    client.cookies["django_language"] = "de"
    found = problem(client.get(PAPERS, headers={"accept-language": "en"}), 429)
    assert found["detail"] == "Too many requests. Please come back later."


def test_limit_is_for_each_client(client, settings):
    settings.API_RATE = "1/h"
    client.get(PAPERS, REMOTE_ADDR="192.0.2.1")
    assert client.get(PAPERS, REMOTE_ADDR="192.0.2.1").status_code == 429
    assert client.get(PAPERS, REMOTE_ADDR="192.0.2.2").status_code == 200


def test_limit_does_not_touch_pages_or_feeds(client, settings):
    settings.API_RATE = "1/h"
    client.get(PAPERS)
    client.get(PAPERS)
    assert client.get("/").status_code == 200
    assert client.get("/feeds/daily.atom").status_code == 200


def test_api_answers_while_the_cache_is_away(client, settings):
    away = "redis://127.0.0.1:9"
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": away}
    }
    assert client.get(PAPERS).status_code == 200
