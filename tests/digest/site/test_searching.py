"""The search page."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.test import Client

from digest.site import searching
from subscriptions.models import Topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


def page(client: Client, **parameters: str) -> str:
    response = client.get("/search/", parameters)
    assert response.status_code == 200
    return response.content.decode()


def titles(html: str) -> list[str]:
    found = re.findall(r'class="paper__title"><a[^>]*>(.*?)</a>', html)
    return [unescape(re.sub("<[^>]*>", "", title)) for title in found]


def test_without_a_question_there_is_the_form_only(client):
    make_paper(title="Walking")

    response = client.get("/search/")
    html = response.content.decode()

    assert 'name="q"' in html
    assert titles(html) == []
    assert "noindex" not in html
    assert "X-Robots-Tag" not in response
    assert 'href="/search/" aria-current="page"' in html


def test_what_was_found_is_shown_with_the_words_marked(client):
    make_paper(title="Walking & running robots", abstract="A robot walks on stairs.")
    make_paper(title="Flying")

    html = page(client, q="robot walks")

    assert titles(html) == ["Walking & running robots"]
    assert "<mark>Walking</mark> &amp; running <mark>robots</mark>" in html
    assert "A <mark>robot</mark> <mark>walks</mark> on stairs." in html
    assert "1 paper for “robot walks”" in html


def test_results_are_not_for_search_engines(client):
    make_paper(title="Walking")

    response = client.get("/search/", {"q": "walking"})

    assert response["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in response.content.decode()
    assert 'rel="canonical"' not in response.content.decode()


def test_the_words_can_be_followed_as_a_keyword(client):
    make_paper(title="Tool calling", authors=["Ada Lovelace"])

    html = page(client, q='"tool calling" author:lovelace')

    assert 'href="/preferences/?keyword=%22tool+calling%22"' in html
    assert "Follow this as a keyword" not in page(client, q="author:lovelace")


def test_the_part_of_the_abstract_with_the_words_is_shown(client):
    filler = "It says nothing much about anything at all. " * 20
    make_paper(title="Long", abstract=f"{filler}Here pruning saves the day. {filler}")

    html = page(client, q="pruning")

    assert re.search(
        r'class="paper__summary"[^>]*>… Here <mark>pruning</mark> saves the day\. It', html
    )
    assert "Abstract" in html


def test_a_topic_and_a_year_narrow_down(client):
    topic = Topic.objects.create(slug="test-robots", name="Test robots")
    make_paper(title="Walking A", topics=[topic], published_at=datetime(2024, 5, 1, tzinfo=UTC))
    make_paper(title="Walking B", topics=[topic], published_at=datetime(2025, 5, 1, tzinfo=UTC))
    make_paper(title="Walking C", published_at=datetime(2024, 5, 1, tzinfo=UTC))

    html = page(client, q="walking", topic="test-robots", year="2024")

    assert titles(html) == ["Walking A"]
    assert '<option value="test-robots" selected>' in html
    assert '<option value="2024" selected>2024</option>' in html
    assert len(titles(page(client, topic="test-robots"))) == 2


def test_an_order_is_kept_from_page_to_page(client):
    for votes in range(searching.PAGE_SIZE + 1):
        make_paper(title=f"Walking {votes}", upvotes=votes)

    html = page(client, q="walking", order="votes")

    assert titles(html)[:2] == ["Walking 20", "Walking 19"]
    assert '<option value="votes" selected>Most votes</option>' in html
    assert "?q=walking&amp;order=votes&amp;page=2" in html
    assert "order=" not in page(client, q="walking").split("results-head")[1]
    assert len(titles(page(client, q="walking", order="\0"))) == searching.PAGE_SIZE


@pytest.mark.parametrize(
    "parameters",
    [
        {"topic": "nothing"}, {"topic": "\0"}, {"topic": "x" * 5000}, {"year": "1800"},
        {"year": "soon"}, {"year": "٢٠٢٤"}, {"year": "99999999999"},
    ],
)  # fmt: skip
def test_a_filter_that_there_is_not_is_noted_and_left_out(client, parameters):
    make_paper(title="Walking")

    html = page(client, q="walking", **parameters)

    assert titles(html) == ["Walking"]
    assert 'class="notice" role="status"' in html


def test_a_date_that_is_none_is_noted_and_the_rest_is_found(client):
    make_paper(title="Walking")

    html = page(client, q="walking before:soon")

    assert titles(html) == ["Walking"]
    assert "“before:soon” is no date and was left out." in html


def test_a_long_question_is_cut_and_says_so(client):
    make_paper(title="Walking")

    html = page(client, q="walking " * 100)

    assert "Only the first 400 letters were searched for." in html
    assert titles(html) == ["Walking"]


def test_nothing_found_says_what_to_do(client):
    html = page(client, q="<script>qqq</script>")

    assert "Nothing found for “&lt;script&gt;qqq&lt;/script&gt;”." in html
    assert "Try fewer words, or another year." in html
    assert "<script>qqq" not in html


def test_only_exclusions_say_what_is_missing(client):
    assert "Say at least one word that must be there." in page(client, q="-walking")


def test_pages_keep_the_question(client):
    for number in range(45):
        make_paper(title=f"Walking {number}", upvotes=number)

    first, last = page(client, q="walking"), page(client, q="walking", page="3")

    assert titles(first)[0] == "Walking 44"
    assert len(titles(first)) == 20
    assert 'href="?q=walking&amp;page=2"' in first
    assert len(titles(last)) == 5
    assert '<ol class="papers" start="41">' in last


@pytest.mark.parametrize("number", ["0", "-1", "4", "999999999999", "x", "\0", "1.5", "٣"])
def test_a_page_that_there_is_not_shows_the_nearest_one(client, number):
    for index in range(21):
        make_paper(title=f"Walking {index}")

    assert len(titles(page(client, q="walking", page=number))) in {1, 20}


@pytest.mark.parametrize("text", ["\0", "\ud800", '"' * 50, "a" * 10_000, "%", "🙂", "OR", "a:b:c"])
def test_odd_questions_have_an_answer(client, text):
    response = client.get("/search/", QUERY_STRING="q=" + _quoted(text))

    assert response.status_code == 200


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


def test_formulas_stay_readable_beside_what_is_marked(client):
    make_paper(title="Sorting in O(n^2) time")

    html = page(client, q="sorting time")

    assert "<mark>Sorting</mark> in O(n<sup>2</sup>) <mark>time</mark>" in html


def test_the_number_of_queries_does_not_grow_with_the_results(
    client, django_assert_max_num_queries
):
    topic = Topic.objects.create(slug="test-robots", name="Test robots")
    for _ in range(20):
        make_paper(title="Walking", topics=[topic])
    page(client, q="walking")

    # On PostgreSQL each of two questions to the index is a transaction with its own plan: four more.
    with django_assert_max_num_queries(16):
        page(client, q="walking")


def test_papers_near_in_meaning_follow_under_a_heading_of_their_own(client):
    make_paper(title="Zithers and xylophones", abstract="")
    make_paper(title="Zithers", abstract="")

    html = page(client, q="zithers xylophones")

    first, _, others = html.partition('id="near"')
    assert "1 paper for “zithers xylophones”" in first
    assert titles(first) == ["Zithers and xylophones"]
    assert "1 paper is near in meaning" in others
    assert titles(others) == ["Zithers"]
    assert '<ol class="papers" start="2">' in others


def test_a_sentence_says_that_no_paper_has_all_of_its_words(client):
    for number in range(6):
        make_paper(title=f"Quarks {number}", abstract="")
    make_paper(title="Zithers", abstract="")

    html = page(client, q="zithers played by mermaids")

    assert "No paper has all the words of “zithers played by mermaids”" in html
    assert titles(html) == ["Zithers"]


def test_pages_go_on_into_what_is_near(client):
    for number in range(15):
        make_paper(title=f"Zithers and xylophones {number}", abstract="")
    for number in range(15):
        make_paper(title=f"Zithers {number}", abstract="")
    for number in range(80):
        make_paper(title=f"Quarks {number}", abstract="")

    first, second = (page(client, q="zithers xylophones", page=n) for n in (1, 2))

    assert len(titles(first)) == 20
    assert len(titles(second)) == 10
    assert "Page 2 of 2" in second
    assert '<ol class="papers" start="21">' in second
    assert not set(titles(first)) & set(titles(second))
