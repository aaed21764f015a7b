"""Records become papers: one per arXiv id, whatever came before."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from digest.errors import SourceError
from digest.models import Listing, Paper
from digest.papers import ingest
from digest.records import BadEntry, PaperRecord
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


def record(number=1, **fields):
    defaults = {
        "arxiv_id": f"2608.{number:05}",
        "title": f"Paper {number}",
        "abstract": "Agents that call tools.",
        "authors": ("Ada Lovelace", "Alan Turing"),
        "published_at": datetime(2026, 8, 18, tzinfo=UTC),
        "listed_on": DAY,
    }
    return PaperRecord(**defaults | fields)


def store(*records, source="hugging_face"):
    return ingest.store(list(records), source=source)


def stored(number=1):
    return Paper.objects.get(arxiv_id=f"2608.{number:05}")


def everything():
    papers = list(Paper.objects.order_by("pk").values())
    listings = list(Listing.objects.order_by("pk").values())
    topics = sorted(Paper.topics.through.objects.values_list("paper_id", "topic_id", "score"))
    return papers, listings, topics


def test_storing_again_changes_nothing():
    records = [record(number) for number in range(1, 251)]
    assert str(store(*records)) == "250 new, 0 updated, 0 skipped, 0 bad"
    before = everything()
    assert str(store(*records)) == "0 new, 0 updated, 250 skipped, 0 bad"
    assert everything() == before


def test_votes_and_comments_and_stars_follow():
    store(record(upvotes=1, comments=0, code_stars=5, code_url="https://github.com/a/b"))
    counts = store(record(upvotes=9, comments=2, code_stars=6, code_url="https://github.com/a/b"))
    paper = stored()
    assert (paper.upvotes, paper.comments, paper.code_stars) == (9, 2, 6)
    assert (counts.new, counts.updated) == (0, 1)


def test_sources_meet_in_one_paper():
    store(record(upvotes=7, summary="One sentence."))
    store(record(categories=("cs.AI",)), source="arxiv")
    paper = stored()
    assert (paper.upvotes, paper.summary, paper.categories) == (7, "One sentence.", ["cs.AI"])
    assert Listing.objects.filter(paper=paper).count() == 2


def test_newer_version_changes_title_and_older_does_not():
    store(record(version=2, title="Second"))
    store(record(version=1, title="First"))
    assert stored().title == "Second"
    store(record(version=3, title="Third"))
    assert (stored().title, stored().version) == ("Third", 3)


def test_publication_only_moves_back():
    store(record())
    store(record(published_at=datetime(2026, 8, 20, tzinfo=UTC)), source="arxiv")
    assert stored().published_at == datetime(2026, 8, 18, tzinfo=UTC)


def test_bad_entries_are_counted_and_named_in_the_log(caplog):
    counts = store(record(1), BadEntry("2608.99999", "no title"), record(2))
    assert str(counts) == "2 new, 0 updated, 0 skipped, 1 bad"
    (line,) = [entry for entry in caplog.records if entry.message == "entry skipped"]
    assert (line.entry, line.reason) == ("2608.99999", "no title")


def test_source_that_breaks_off_keeps_what_came_before_and_the_next_run_completes():
    def broken():
        yield from (record(number) for number in range(1, 151))
        raise SourceError("Source: no answer in time")

    with pytest.raises(SourceError):
        ingest.store(broken(), source="hugging_face")
    assert Paper.objects.count() == 150
    store(*(record(number) for number in range(1, 201)))
    assert Paper.objects.count() == Listing.objects.count() == 200


def test_text_is_made_readable_but_not_escaped():
    store(record(title=r"Learning $\alpha$ <b>& more</b>", authors=('G\\"odel',)))
    assert (stored().title, stored().authors) == ("Learning α <b>& more</b>", ["Gödel"])


def test_name_that_grows_when_it_is_read_still_fits_the_database():
    store(record(organization=r"\today" * 33))
    assert len(stored().organization) == 200


def test_five_hundred_authors_keep_their_order():
    names = tuple(f"Author {number}" for number in range(533))
    store(record(authors=names))
    assert stored().authors == list(names)


def test_paper_on_two_days_has_two_listings():
    store(record(listed_on=DAY), record(2))
    store(record(listed_on=date(2026, 8, 21)))
    assert list(Listing.objects.filter(paper=stored()).values_list("listed_on", flat=True)) == [
        DAY, date(2026, 8, 21),
    ]  # fmt: skip


def test_new_papers_get_their_topics():
    store(record(title="Tool use in language agents", abstract="LLM agents that call tools."))
    assert stored().topics.filter(slug="agents").exists()


def test_topics_of_a_paper_follow_its_day_of_publication():
    store(record(title="Language models and agents"))
    earlier = datetime(2026, 8, 1, tzinfo=UTC)
    store(record(title="Language models and agents", published_at=earlier))
    days = stored().paper_topics.values_list("published_at", flat=True)
    assert set(days) == {earlier}


def test_number_of_queries_does_not_grow_with_the_chunk():
    def queries(first, count):
        with CaptureQueriesContext(connection) as captured:
            store(*(record(number) for number in range(first, first + count)))
        return len(captured)

    assert queries(1, 10) == queries(1000, 40)


@pytest.mark.django_db(transaction=True)
def test_two_fetches_at_once_store_each_paper_once():
    records = [record(number) for number in range(1, 301)]
    errors = []

    def run(order):
        try:
            store(*order)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(order,)) for order in (records, records[::-1], records)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Paper.objects.count() == Listing.objects.count() == 300


def test_what_another_source_leaves_out_empties_nothing():
    make_paper(arxiv_id="2608.00001", summary="Kept", upvotes=5, code_url="https://github.com/a/b")
    store(record(), source="arxiv")
    paper = stored()
    assert (paper.summary, paper.upvotes, paper.code_url) == ("Kept", 5, "https://github.com/a/b")


@pytest.mark.parametrize("title", ["\u3164\u202e", "\u115f\u1160\uffa0", "\u202e$\\,$"])
def test_title_of_which_nothing_can_be_read_is_left_out(title):
    counts = store(record(1, title=title), record(2))
    assert str(counts) == "1 new, 0 updated, 0 skipped, 1 bad"
    assert not Paper.objects.filter(arxiv_id="2608.00001").exists()


def test_title_of_which_nothing_can_be_read_replaces_none():
    store(record(title="A title"))
    store(record(title="\u3164\u202e", version=9))
    assert stored().title == "A title"
