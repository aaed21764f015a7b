"""What a request may cost: bodies, queries and searches without end are refused or cut, and never a 500."""

import time
from base64 import b64encode

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile

from config import bodies
from digest.models import Paper
from digest.papers import search
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db

FORMS = ["/subscribe/", "/preferences/", "/opened/", "/unsubscribe/x/", "/confirm/x/", "/nowhere/"]
DOOR = ["/admin/login/", "/admin/second-factor/", "/admin/second-factor/set-up/"]
PIECES = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
LISTS = ["/", "/search/?q=model", "/topics/theory/", "/trending/", "/sitemap.xml", "/api/v1/papers"]


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


@pytest.mark.parametrize("path", FORMS)
def test_body_larger_than_a_form_is_refused(client, path):
    answer = client.post(path, {"email": "a@example.org", "x": "x" * bodies.MOST_BYTES})
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/admin/", "/admin/digest/paper/", *DOOR])
def test_file_of_who_has_not_signed_in_is_refused_before_it_is_read(client, path):
    file = SimpleUploadedFile("x", b"x" * bodies.MOST_BYTES)
    assert client.post(path, {"file": file}).status_code == 413


@pytest.mark.parametrize("path", DOOR)
def test_nobody_signs_in_by_a_long_form(admin_client, path):
    assert admin_client.post(path, {"x": "x" * bodies.MOST_BYTES}).status_code == 413


def test_operator_may_post_more_than_a_reader(admin_client):
    answer = admin_client.post("/admin/", {"x": "x" * bodies.MOST_BYTES})
    assert answer.status_code not in (400, 413)


@pytest.mark.parametrize("path", [*FORMS, *DOOR, "/webhooks/nobody/"])
def test_form_in_pieces_without_its_length_is_refused_and_not_taken_for_empty(client, path):
    answer = client.post(path, {"email": "a@example.org"}, **PIECES)
    assert answer.status_code == 411


@pytest.mark.parametrize("path", ["/subscribe/", "/preferences/"])
def test_form_with_thousands_of_fields_is_refused(client, path):
    many = "&".join(f"topics=t{number}" for number in range(2000))
    kind = "application/x-www-form-urlencoded"
    assert client.post(path, many, content_type=kind).status_code == 400


def test_form_with_many_parts_is_refused(client):
    answer = client.post("/subscribe/", {f"field{number}": "x" for number in range(1500)})
    assert answer.status_code == 400


def test_webhook_with_megabytes_is_refused(client, settings):
    settings.ANYMAIL = settings.ANYMAIL | {"WEBHOOK_SECRET": "user:word"}
    headers = {"Authorization": f"Basic {b64encode(b'user:word').decode()}"}
    path, body = "/webhooks/brevo/tracking/", b"x" * 2_700_000
    assert client.post(path, body, "text/plain", headers=headers).status_code == 413


@pytest.mark.parametrize("path", LISTS)
def test_query_with_thousands_of_parameters_is_no_fault_of_ours(client, path):
    mark = "&" if "?" in path else "?"
    many = "&".join(f"p{number}=1" for number in range(2000))
    assert client.get(f"{path}{mark}{many}").status_code < 500


@pytest.mark.parametrize("number", ["999999", "-1", "9" * 400, "1e9", "\u0664"])
@pytest.mark.parametrize("path", ["/", "/search/?q=model", "/topics/theory/", "/trending/"])
def test_page_without_end_is_the_last_one_or_the_first(client, path, number):
    make_paper(title="A model", topics=[])
    mark = "&" if "?" in path else "?"
    assert client.get(f"{path}{mark}page={number}").status_code in (200, 404)


@pytest.mark.parametrize("limit", ["0", "-5", "1000000", "9" * 100])
def test_api_gives_no_endless_page(client, limit):
    assert client.get(f"/api/v1/papers?limit={limit}").status_code == 422


@pytest.mark.parametrize("cursor", ["9" * 400, "-1", "AAAA", "e" * 3000])
@pytest.mark.parametrize("path", ["/api/v1/papers", "/api/v1/search?q=model", "/api/v1/editions"])
def test_cursor_that_we_did_not_make_is_refused_or_passed_over(client, path, cursor):
    mark = "&" if "?" in path else "?"
    assert client.get(f"{path}{mark}cursor={cursor}").status_code < 500


HOSTILE = {
    "many ORs": " OR ".join(f"w{number}" for number in range(100)),
    "thousands of words": " ".join(f"w{number}" for number in range(5000)),
    "one long word": "a" * 100_000,
    "quotes": '"' * 3000,
    "open phrases": '"a ' * 300,
    "exclusions": " ".join(f"-w{number}" for number in range(100)) + " model",
    "hyphens": "model " + "-".join("a" * 150),
    "wildcards": "model* % _ %%% ___ \\% *:* " * 10,
    "operators": "model & | ! <-> ( ) :* AND NOT OR " * 10,
    "fields": "author:a " * 100,
    "dates": "before:9999-99-99 after:0000-00-00 " * 20 + "model",
    "other letters": "\u0660\u202e\ufdfa" * 100,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_search_is_bounded(client, text):
    make_paper(title="A model of w1", topics=[])
    search.index(Paper.objects.values_list("pk", flat=True))
    started = time.process_time()
    answer = client.get("/search/", {"q": text})
    assert answer.status_code == 200
    asked = search.parse(text)
    terms = sum(map(len, asked.groups)) + len(asked.excluded) + len(asked.conditions)
    assert terms <= 2 * search.query.MOST_TERMS
    assert time.process_time() - started < 2


def test_client_that_searches_too_much_is_told_when_to_come_back(client, settings):
    settings.API_RATE = "2/m"
    asked = [client.get("/search/", {"q": f"model {n}"}) for n in range(3)]
    assert [answer.status_code for answer in asked] == [200, 200, 429]
    assert 0 < int(asked[-1]["Retry-After"]) <= 60
    assert b"Too many questions for now" in asked[-1].content


def test_form_of_search_and_other_clients_are_not_counted(client, settings):
    settings.API_RATE = "1/m"
    codes = [client.get("/search/").status_code for _ in range(3)]
    mine = [client.get("/search/", {"q": f"a{n}"}).status_code for n in range(2)]
    other = client.get("/search/", {"q": "b"}, REMOTE_ADDR="192.0.2.9").status_code
    assert (codes, mine, other) == ([200] * 3, [200, 429], 200)


@pytest.mark.parametrize("asked", [{"topic": "none"}, {"year": "1800"}, {"order": "x"}])
def test_search_without_words_is_counted(client, settings, asked):
    settings.API_RATE = "1/m"
    codes = [client.get("/search/", asked).status_code for _ in range(2)]
    assert codes == [200, 429]


def test_search_that_is_kept_costs_nothing(client, settings):
    settings.API_RATE = "1/m"
    kept = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "bounds"}
    settings.CACHES = settings.CACHES | {"pages": kept}
    assert [client.get("/search/", {"q": "model"}).status_code for _ in range(3)] == [200] * 3
