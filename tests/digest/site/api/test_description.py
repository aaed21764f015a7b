"""The API is as its description says, tried out by Schemathesis; and the page that shows it."""

from datetime import date

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from lxml import html

from tests.builders import make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DESCRIPTION = "/api/v1/openapi.json"


schema = schemathesis.openapi.from_wsgi(DESCRIPTION, get_wsgi_application())


@pytest.fixture
def archive(settings):
    """Something to find, and no limits that end the trial."""
    cache.clear()
    settings.API_RATE = settings.SIGNUP_RATE_CLIENT = "100000/h"
    papers = [make_paper(topics=[make_topic("agents")]) for _ in range(3)]
    make_edition(papers[0].published_at.date(), papers)
    # As Django's own client does: the connection holds the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.usefixtures("archive")
def test_every_operation_answers_as_described(case):
    # Werkzeug's client takes bodies as they come, so none may be compressed.
    case.call_and_validate(headers={"Accept-Encoding": "identity"})


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/papers/{arxiv_id}", {"arxiv_id": "2608.16590"}),
        ("/papers/{arxiv_id}", {"arxiv_id": "hep-ex/0406020"}),
        ("/papers/{arxiv_id}/similar", {"arxiv_id": "2608.16590"}),
        ("/editions/{name}", {"name": "2026-08-20"}),
    ],
)
@pytest.mark.usefixtures("archive")
def test_what_is_found_is_as_described(path, values):
    papers = [make_paper(arxiv_id=arxiv_id) for arxiv_id in ("2608.16590", "hep-ex/0406020")]
    make_edition(date(2026, 8, 20), papers)
    case = schema[f"/api/v1{path}"]["GET"].Case(path_parameters=values)
    response = case.call_and_validate(headers={"Accept-Encoding": "identity"})
    assert response.status_code == 200


def test_description_is_openapi_3_1_with_one_form_of_error(client):
    described = client.get(DESCRIPTION).json()
    assert described["openapi"].startswith("3.1")
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"]


# --- The page that shows it ---------------------------------------------------------------------


def test_page_names_every_operation_and_its_parameters(client):
    text = " ".join(html.fromstring(client.get("/api/v1/docs").content).text_content().split())
    for path, methods in client.get(DESCRIPTION).json()["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in text
            assert operation["summary"] in text
            assert all(parameter["name"] in text for parameter in operation["parameters"])


def test_page_has_no_markdown(client):
    assert b"`" not in client.get("/api/v1/docs").content


def test_page_needs_no_script_and_loads_what_is_ours_alone(client):
    response = client.get("/api/v1/docs")
    tree = html.fromstring(response.content)
    loaded = tree.xpath("//script/@src | //link[@rel='stylesheet']/@href | //img/@src")
    assert all(address.startswith("/static/daily_papers/") for address in loaded)
    assert not tree.xpath("//script[not(@src)] | //style | //*[@style]")
    assert "unsafe" not in response["Content-Security-Policy"]


def test_examples_of_the_page_find_something_or_nothing_but_work(client):
    links = html.fromstring(client.get("/api/v1/docs").content).xpath("//main//a/@href")
    assert "/api/v1/papers?topic=agents&limit=5" in links
    assert {client.get(link).status_code for link in links} == {200}
