"""What the API reads out: its lists, their pages, and how many queries they take."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from digest.editions import building, editing
from digest.models import Paper
from digest.site.api import paging
from tests.builders import make_topic
from tests.digest.builders import make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


def get(client, address, status=200):
    response = client.get(f"/api/v1/{address}")
    assert response.status_code == status, response.content
    return response.json()


def ids(answer):
    return [item["id"] for item in answer["items"]]


def walked(client, address):
    """The ids of all pages, one after the other."""
    joint = "&" if "?" in address else "?"
    answer = get(client, address)
    found = ids(answer)
    while answer["next"]:
        answer = get(client, f"{address}{joint}cursor={answer['next']}")
        found += ids(answer)
    return found


def archive(count, **fields):
    """Papers of several days, some of the very same moment."""
    start = datetime(2026, 8, 1, tzinfo=UTC)
    papers = [
        make_paper(published_at=start + timedelta(days=n // 3), **fields) for n in range(count)
    ]
    ordered = sorted(papers, key=lambda paper: (paper.published_at, paper.pk), reverse=True)
    return [paper.arxiv_id for paper in ordered]


def test_paper_has_the_promised_fields(client):
    make_paper(
        arxiv_id="2608.16590", title="On it", abstract="So much.", authors=["Ada", "Alan"],
        upvotes=7, comments=2, topics=[make_topic("agents")],
    )  # fmt: skip
    (item,) = get(client, "papers")["items"]
    promised = {
        "id": "2608.16590", "title": "On it", "abstract": "So much.", "authors": ["Ada", "Alan"],
        "published_on": "2026-08-18", "upvotes": 7, "comments": 2, "topics": ["agents"],
        "url": "https://papers.example.org/papers/2608.16590/",
    }  # fmt: skip
    assert promised.items() <= item.items()


def test_empty_archive_is_an_empty_page(client):
    assert get(client, "papers") == {"items": [], "next": None}


def test_papers_come_newest_first_and_no_page_misses_or_repeats_one(client):
    expected = archive(11)
    assert walked(client, "papers?limit=3") == expected


def test_paper_that_comes_in_meanwhile_moves_no_page(client):
    expected = archive(5)
    first = get(client, "papers?limit=2")
    make_paper(published_at=NOW)
    second = get(client, f"papers?limit=2&cursor={first['next']}")
    assert ids(first) + ids(second) == expected[:4]


def test_last_full_page_has_no_next(client):
    archive(3)
    assert get(client, "papers?limit=3")["next"] is None


def test_papers_of_a_topic_are_paged_alike(client):
    expected = archive(7, topics=[make_topic("agents")])
    archive(3, topics=[make_topic("theory")])
    assert walked(client, "papers?topic=agents&limit=2") == expected


def test_papers_of_a_day_are_those_of_its_list_and_of_its_edition(client):
    listed, late = make_paper(upvotes=1), make_paper(upvotes=2)
    make_listing(late, DAY - timedelta(days=1), source="arxiv")
    make_edition(DAY - timedelta(days=1), [])
    make_listing(make_paper(), DAY + timedelta(days=1))
    make_edition(DAY, [listed])
    answer = get(client, f"papers?date={DAY}")
    assert listed.arxiv_id in ids(answer)
    assert len(ids(answer)) == 1


@pytest.mark.parametrize("is_closed", [False, True])
def test_papers_of_a_day_are_without_what_an_editor_left_out(client, is_closed):
    kept, left_out = make_paper(), make_paper()
    for paper in (kept, left_out):
        make_listing(paper, DAY)
    editing.change("daily", DAY, version=0, paper=editing.Change("leave_out", left_out.arxiv_id))
    if is_closed:
        building.build(DAY)
    assert ids(get(client, f"papers?date={DAY}")) == [kept.arxiv_id]


def test_paper_on_two_lists_of_a_day_is_there_once(client):
    paper = make_paper()
    make_listing(paper, DAY)
    make_listing(paper, DAY, source="arxiv")
    assert ids(get(client, f"papers?date={DAY}")) == [paper.arxiv_id]


def test_day_topic_and_pages_go_together(client):
    expected = archive(5, topics=[make_topic("agents")])
    for paper in [*Paper.objects.all(), make_paper(topics=[make_topic("theory")])]:
        make_listing(paper, DAY)
    assert walked(client, f"papers?date={DAY}&topic=agents&limit=2") == expected


@pytest.mark.parametrize("arxiv_id", ["2608.16590", "hep-ex/0406020", "math.GT/0309136"])
def test_paper_is_found_by_its_id(client, arxiv_id):
    make_paper(arxiv_id=arxiv_id)
    assert get(client, f"papers/{arxiv_id}")["id"] == arxiv_id
    assert ids(get(client, f"papers/{arxiv_id}/similar")) == []


@pytest.mark.parametrize(
    "address",
    ["papers/2608.99999", "papers/nonsense", "papers/a%00b", "papers/2608.16590v2", "papers/",
     "papers/٢٦٠٨.16590", "papers/2608.99999/similar", "editions/2026-08-19", "editions/2026-W53",
     "editions/2026-13-01", "editions/2026-W99", "editions/0000-W01", "editions/x", "nothing",
     "papers?topic=nothing", "", "editions/٢٠٢٦-08-20"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client, address):
    make_edition(DAY, [make_paper(arxiv_id="2608.16590")])
    assert get(client, address, 404)["status"] == 404


def test_edition_has_its_papers_by_rank_with_its_own_numbers(client):
    best, second = make_paper(upvotes=9, comments=4), make_paper(upvotes=3)
    make_edition(DAY, [second, best])
    Paper.objects.update(upvotes=100, comments=100)
    answer = get(client, "editions/2026-08-20")
    assert ids(answer) == [best.arxiv_id, second.arxiv_id]
    assert [item["upvotes"] for item in answer["items"]] == [9, 3]
    assert (answer["frequency"], answer["paper_count"]) == ("daily", 2)
    assert answer["url"] == "https://papers.example.org/papers/2026-08-20/"


def test_edition_says_its_editor_s_note(client):
    make_listing(make_paper(), DAY)
    editing.change("daily", DAY, version=0, note="One & two.\n\nThree.")
    building.build(DAY)
    make_edition(DAY - timedelta(days=1), [make_paper()])
    assert get(client, f"editions/{DAY}")["note"] == "One & two.\n\nThree."
    notes = [item["note"] for item in get(client, "editions")["items"]]
    assert notes == ["One & two.\n\nThree.", None]


def test_week_is_an_edition_by_its_iso_name(client):
    make_edition(date(2026, 8, 17), [make_paper()], frequency="weekly")
    answer = get(client, "editions/2026-W34")
    assert (answer["name"], answer["date"], answer["last_day"]) == (
        "2026-W34", "2026-08-17", "2026-08-23",
    )  # fmt: skip


def test_papers_of_an_edition_are_paged_by_rank(client):
    papers = [make_paper(upvotes=50 - n) for n in range(7)]
    make_edition(DAY, papers)
    assert walked(client, "editions/2026-08-20?limit=3") == [paper.arxiv_id for paper in papers]


def test_editions_come_newest_first_in_pages(client):
    days = [DAY - timedelta(days=n) for n in range(5)]
    for day in days:
        make_edition(day, [make_paper()])
    make_edition(date(2026, 8, 17), [], frequency="weekly")
    first = get(client, "editions?limit=3")
    second = get(client, f"editions?limit=3&cursor={first['next']}")
    names = [item["name"] for item in first["items"] + second["items"]]
    assert names == [day.isoformat() for day in days]
    assert second["next"] is None
    weeks = get(client, "editions?frequency=weekly")["items"]
    assert [item["name"] for item in weeks] == ["2026-W34"]


def test_topics_are_the_catalogue(client):
    items = get(client, "topics")["items"]
    assert len(items) == 25
    assert items[0].keys() == {"slug", "name", "description", "url", "feed_url"}
    assert client.get(items[0]["feed_url"]).status_code == 200


def test_search_finds_papers_by_their_words_in_pages(client):
    papers = [make_paper(title=f"Tomatoes {n}") for n in range(5)]
    make_paper(title="Potatoes")
    found = walked(client, "search?q=tomatoes&limit=2")
    assert sorted(found) == sorted(paper.arxiv_id for paper in papers)
    assert get(client, "search?q=tomatoes&limit=2")["total"] == 5


def test_search_orders_as_asked(client):
    least, most, middle = (make_paper(title="Tomatoes", upvotes=votes) for votes in (3, 9, 6))
    found = walked(client, "search?q=tomatoes&order=votes&limit=2")
    assert found == [paper.arxiv_id for paper in (most, middle, least)]
    assert client.get("/api/v1/search?q=tomatoes&order=luck").status_code == 422


def test_search_says_what_it_did_not_understand(client):
    (note,) = get(client, "search?q=before:yesterday")["notes"]
    assert "before:yesterday" in note


def test_search_ends_after_a_thousand(client):
    make_paper(title="Tomatoes")
    cursor = paging.make_cursor(1_000)
    assert get(client, f"search?q=tomatoes&cursor={cursor}")["items"] == []


@pytest.mark.parametrize(
    "query", ["%00", "%22", "OR", "-", "%ff%fe", "author:", "topic:x", "a" * 300]
)
def test_any_text_can_be_searched_for(client, query):
    assert get(client, f"search?q={query}")["next"] is None


@pytest.mark.parametrize("cursor", ["f" * 32, "0" * 32])
@pytest.mark.parametrize(
    "address", ["papers?", "papers?topic=agents&", "papers?date=2026-08-20&", "editions?",
                "editions/2026-08-20?", "search?q=paper&"],
)  # fmt: skip
def test_cursor_of_nowhere_is_read(client, address, cursor):
    make_edition(DAY, [make_paper(topics=[make_topic("agents")])])
    assert "items" in get(client, f"{address}cursor={cursor}")


@pytest.mark.parametrize(
    "query",
    ["papers?date=yesterday", "papers?date=1786000000", "papers?date=2026-02-30", "papers?date=",
     "papers?cursor=x", "papers?limit=0", "papers?limit=101", "papers?limit=many",
     "papers?topic=a%00b", "papers?topic=", "papers?date=٢٠٢٦-08-20", "editions?frequency=hourly",
     "editions?cursor=1", "search", "search?q=", "editions/2026-08-20?limit=-1"],
)  # fmt: skip
def test_value_that_is_not_as_described_is_named(client, query):
    make_edition(DAY, [make_paper()])
    problem = get(client, query, 422)
    (error,) = problem["errors"]
    assert error["parameter"] in ("date", "cursor", "limit", "topic", "frequency", "q")
    assert error["detail"]


@pytest.mark.parametrize(
    "address",
    ["papers", "papers?topic=agents", "papers?date=2026-08-20", "editions/2026-08-20", "editions",
     "search?q=paper", "papers/2608.16590/similar"],
)  # fmt: skip
def test_queries_do_not_grow_with_items(client, address):
    topics = [make_topic("agents"), make_topic("theory")]
    make_paper(arxiv_id="2608.16590", topics=topics)
    make_edition(DAY, [make_paper(topics=topics)])
    # The index of vectors is read once.
    get(client, address)
    with CaptureQueriesContext(connection) as few:
        get(client, address)
    papers = [make_paper(topics=topics) for _ in range(30)]
    for paper in papers:
        make_listing(paper, DAY, source="arxiv")
    edition = make_edition(DAY, [])
    edition.places.model.objects.bulk_create(
        edition.places.model(
            edition=edition, paper=paper, frequency="daily", rank=n + 10, upvotes=1, comments=0
        )
        for n, paper in enumerate(papers)
    )
    with CaptureQueriesContext(connection) as many:
        get(client, address)
    assert len(many) == len(few)


def test_search_tells_how_many_papers_are_near_and_pages_through_them(client):
    make_paper(arxiv_id="2608.00001", title="Zithers and xylophones", abstract="")
    make_paper(arxiv_id="2608.00002", title="Zithers", abstract="")

    first = get(client, "search?q=zithers%20xylophones&limit=1")
    second = get(client, f"search?q=zithers%20xylophones&limit=1&cursor={first['next']}")

    assert (first["total"], first["near"]) == (1, 1)
    assert ids(first) + ids(second) == ["2608.00001", "2608.00002"]
    assert second["next"] is None
