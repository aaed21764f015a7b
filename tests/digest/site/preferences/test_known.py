"""What is known of a choice before it is made: rates, counts, and authors."""

from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import Count

from digest.models import Paper
from digest.papers import authors, organizations
from digest.site.preferences import counting, rates
from digest.site.preferences.recent import Recent, recent
from subscriptions import limits
from tests.builders import make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def of_days(number):
    return Recent(tuple(range(number)), DAY - timedelta(days=29), DAY, "x")


@pytest.mark.parametrize(
    ("papers", "line"),
    [
        (88, "about 4 papers a day"),
        (22, "about 1 paper a day"),
        (13, "about 3 papers a week"),
        (4, "about 1 paper a week"),
        (1, "less than one a week"),
        (0, "none lately"),
    ],
)
def test_rate_is_said_by_day_by_week_or_as_less(papers, line):
    assert rates.in_words(papers, of_days(22)) == line


def test_before_the_first_edition_there_is_no_rate():
    assert recent() is None
    assert rates.in_words(0, None) == ""
    assert rates.rates(None) == rates.Rates({}, {})


def test_rates_are_of_papers_in_daily_editions_of_thirty_days():
    topic = make_topic("theory")
    make_edition(DAY - timedelta(days=31), [make_paper(topics=[topic])])
    make_edition(DAY, [make_paper(topics=[topic], categories=["cs.LG", "stat.ML"]), make_paper()])
    make_paper(topics=[topic], categories=["cs.CV"])
    found = rates.rates(recent())
    assert found == rates.Rates({"theory": 1}, {"cs.LG": 1, "stat.ML": 1})


def test_rates_are_counted_once_an_edition(django_assert_num_queries):
    make_edition(DAY, [make_paper(topics=[make_topic("theory")])])
    rates.rates(recent())
    with django_assert_num_queries(1):
        rates.rates(recent())
    make_edition(DAY + timedelta(days=1), [make_paper(topics=[make_topic("theory")])])
    assert rates.rates(recent()).topics == {"theory": 2}


def test_categories_have_names():
    assert rates.category_name("cs.CL") == "Computation and Language"
    assert rates.category_name("xx.YY") == ""


def test_keyword_is_counted_as_a_query():
    make_edition(
        DAY,
        [
            make_paper(title="A vision transformer"),
            make_paper(title="A transformer for text"),
            make_paper(title="Une transformée", abstract="A survey of vision transformers"),
        ],
    )
    assert counting.count("transformer AND vision", recent()) == 2
    assert counting.count("transformer AND vision NOT survey", recent()) == 1


def test_counts_say_singular_plural_and_none():
    assert counting.in_words(12) == "matches 12 papers of the last 30 days"
    assert counting.in_words(1) == "matches 1 paper of the last 30 days"
    assert counting.in_words(0) == "matches no paper of the last 30 days"


def test_page_leaves_out_what_there_was_no_time_to_count(monkeypatch):
    make_edition(DAY, [make_paper(title="Vision")])
    monkeypatch.setattr(counting, "PAGE_SECONDS", -1)
    assert counting.counts(["vision"], recent()) == {}
    counting.count("vision", recent())
    assert counting.counts(["vision"], recent()) == {
        "vision": "matches 1 paper of the last 30 days"
    }


# --- The questions of the page ------------------------------------------------------------------


def test_count_answers_for_what_is_being_typed(client):
    make_edition(DAY, [make_paper(title="Vision"), make_paper(title="Text")])
    response = client.get("/preferences/count/", {"q": "vision OR text"})
    assert response.json() == {"text": "matches 2 papers of the last 30 days"}
    assert not response.cookies


@pytest.mark.parametrize(
    "query", ["", "vision AND", "(", "x" * 201, "a\0b", "((((((((((((x", "é\u202e"]
)
def test_count_of_what_can_not_be_read_has_one_clear_line(client, query):
    response = client.get("/preferences/count/", {"q": query})
    assert response.status_code == 400
    assert response.json()["text"]


def test_count_and_names_are_limited_for_each_client(client, monkeypatch):
    monkeypatch.setattr(limits, "LOOKUP_RATE", "2/m")
    paths = ["count/?q=x", "organizations/?q=yej", "authors/?q=yej"]
    codes = [client.get(f"/preferences/{path}").status_code for path in paths]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize(
    "path", ["/preferences/count/", "/preferences/authors/", "/preferences/organizations/"]
)
def test_questions_are_only_read(client, path):
    assert client.post(path).status_code == 405


def test_authors_are_suggested_by_either_name_without_accents(client):
    authors.count(["Yejin Choi", "José García", "José Álvarez"])
    authors.count(["Jose Garcia"])
    found = client.get("/preferences/authors/", {"q": "garc"}).json()["authors"]
    assert found == [{"name": "José García", "papers": 2}]
    found = client.get("/preferences/authors/", {"q": "JOSÉ"}).json()["authors"]
    assert [each["name"] for each in found] == ["José García", "José Álvarez"]


@pytest.mark.parametrize(
    "beginning", ["", "a", "%", "_", "\0\0", "x" * 5000, "\U0010ffff\U0010ffff"]
)
def test_beginning_of_nobody_suggests_nobody(client, beginning):
    authors.count(["Ada Lovelace"])
    response = client.get("/preferences/authors/", {"q": beginning})
    assert response.json() == {"authors": []}


def test_organizations_are_suggested_by_any_word_with_their_papers(client):
    for name in ("Google", "Google", "Google DeepMind", "École de Google", "EPFL", ""):
        make_paper(organization=name)
    found = client.get("/preferences/organizations/", {"q": "GOOG"}).json()["organizations"]
    assert found == [
        {"name": "Google", "papers": 2},
        {"name": "Google DeepMind", "papers": 1},
        {"name": "École de Google", "papers": 1},
    ]
    found = client.get("/preferences/organizations/", {"q": "ecole de"}).json()["organizations"]
    assert [each["name"] for each in found] == ["École de Google"]


@pytest.mark.parametrize(
    "beginning", ["", "e", "%", "_", "oogle", "@@", "\0\0", "x" * 5000, "\U0010ffff\U0010ffff"]
)
def test_beginning_of_no_organization_suggests_none(client, beginning):
    make_paper(organization="Google DeepMind")
    response = client.get("/preferences/organizations/", {"q": beginning})
    assert response.json() == {"organizations": []}


def test_organization_in_two_spellings_is_one_in_the_more_common_spelling():
    for name in ("alibaba", "Alibaba", "Alibaba"):
        make_paper(organization=name)
    assert organizations.suggest("ali") == [authors.Suggestion("Alibaba", 3)]


def test_organization_that_is_too_long_to_be_followed_is_not_suggested():
    make_paper(organization="Lab " + "x" * 77)
    assert organizations.suggest("lab") == []


def test_organizations_are_counted_once_in_a_while(django_assert_num_queries):
    make_paper(organization="EPFL")
    organizations.suggest("epfl")
    with django_assert_num_queries(0):
        assert organizations.suggest("epf")


def test_first_organizations_are_found_as_soon_as_they_are_there():
    assert organizations.suggest("epfl") == []
    make_paper(organization="EPFL")
    assert [each.name for each in organizations.suggest("epfl")] == ["EPFL"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a small table itself")
def test_organizations_are_counted_in_an_index():
    rows = Paper.objects.exclude(organization="").order_by().values_list("organization")
    plan = rows.annotate(papers=Count("organization")).explain()
    assert "COVERING INDEX paper_organization" in plan
