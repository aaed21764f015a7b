"""What an editor decides about an edition that is to come, and what becomes of it at the close."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection

from digest.editions import building, drafts, editing
from digest.editions.editing import Change
from digest.errors import DraftChangedError, EditionClosedError, PermanentError
from digest.models import Draft, Edition, EditorChoice
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
THURSDAY = date(2026, 8, 20)
FRIDAY = THURSDAY + timedelta(days=1)


@pytest.fixture
def listed():
    """Papers 1 to 5 of Thursday, with 50 votes down to 10."""
    for number in range(1, 6):
        add(number, votes=60 - 10 * number)


def add(number, *, votes, day=THURSDAY):
    paper = make_paper(arxiv_id=f"2608.0000{number}", upvotes=votes)
    make_listing(paper, day)
    return paper


def do(action, number, place=0, *, day=THURSDAY, frequency="daily", **options):
    """As an editor does who has just loaded the page."""
    draft = Draft.objects.filter(frequency=frequency, date=day).first()
    options.setdefault("version", draft.version if draft else 0)
    change = Change(action, f"2608.0000{number}", place)
    return editing.change(frequency, day, paper=change, **options)


def order(day=THURSDAY, frequency="daily"):
    edition = Edition(frequency=frequency, date=day)
    contents = building.contents(edition, drafts.of(edition))
    return "".join(paper.arxiv_id[-1] for paper in contents.papers)


def closed(day=THURSDAY, frequency="daily"):
    places = building.build(day, frequency=frequency).places.order_by("rank")
    return "".join(places.values_list("paper__arxiv_id", flat=True)).replace("2608.0000", "")


def test_without_an_editor_votes_decide(listed):
    assert order() == closed() == "12345"


def test_moved_paper_keeps_its_place_among_papers_that_arrive_later(listed):
    do("move", 5, 2)
    assert order() == "15234"
    add(6, votes=100)
    assert order() == "651234"
    assert closed() == "651234"


@pytest.mark.parametrize(("place", "expected"), [(1, "31245"), (99, "12453"), (0, "31245")])
def test_place_that_is_not_there_is_the_nearest_one(listed, place, expected):
    do("move", 3, place)
    assert order() == expected


def test_what_was_moved_before_stays_where_it_is_seen(listed):
    do("move", 5, 1)
    do("move", 4, 1)
    assert order() == "45123"
    do("leave_out", 4)
    assert order() == "5123"


def test_pinned_papers_lead_and_others_go_no_further_up_than_below_them(listed):
    do("pin", 4)
    do("pin", 2)
    do("move", 5, 1)
    assert order() == "24513"
    do("move", 4, 1)
    assert order() == "42513"
    do("pin", 3)
    assert order() == "42351"
    do("move", 3, 2)
    assert order() == "43251"


def test_paper_without_its_pin_goes_by_votes_again(listed):
    do("pin", 4)
    do("unpin", 4)
    assert order() == "12345"


def test_votes_decide_again_where_a_move_is_undone(listed):
    do("move", 5, 1)
    do("votes", 5)
    assert order() == "12345"
    assert not EditorChoice.objects.exists()


def test_closed_edition_has_order_pins_and_note_as_they_were(listed):
    do("pin", 3, note="Read this.\n\n\n\nAll of it. ")
    do("move", 5, 2)
    edition = building.build(THURSDAY)
    assert edition.note == "Read this.\n\nAll of it."
    assert list(edition.places.values_list("paper__arxiv_id", "is_pinned", "is_moved")[:3]) == [
        ("2608.00003", True, False),
        ("2608.00005", False, True),
        ("2608.00001", False, False),
    ]


def test_paper_that_is_left_out_does_not_come_as_a_straggler(listed):
    do("leave_out", 1)
    assert closed() == "2345"
    add(6, votes=1, day=FRIDAY)
    assert order(FRIDAY) == "6"


def test_paper_that_is_taken_back_comes_with_the_next_edition(listed):
    do("leave_out", 1)
    building.build(THURSDAY)
    friday = Edition(frequency="daily", date=FRIDAY)
    assert [paper.arxiv_id for paper in building.left_out(friday)] == ["2608.00001"]
    do("take_back", 1, day=FRIDAY)
    assert closed(FRIDAY) == "1"


def test_week_goes_without_what_a_day_went_without_unless_it_is_taken_back(listed):
    do("leave_out", 1)
    monday = building.first_day(THURSDAY, "weekly")
    assert order(monday, "weekly") == "2345"
    do("take_back", 1, day=monday, frequency="weekly")
    assert order(monday, "weekly") == "12345"
    assert order() == "2345"


def test_week_has_what_was_left_out_of_a_day_and_sent_on_a_later_one(listed):
    do("leave_out", 1)
    building.build(THURSDAY)
    do("take_back", 1, day=FRIDAY)
    assert closed(FRIDAY) == "1"
    assert closed(THURSDAY, "weekly") == "12345"


def test_paper_that_is_left_out_of_the_week_stays_out_though_a_day_has_it(listed):
    monday = building.first_day(THURSDAY, "weekly")
    building.build(THURSDAY)
    do("leave_out", 1, day=monday, frequency="weekly")
    assert closed(monday, "weekly") == "2345"


def test_weekend_day_whose_own_papers_are_left_out_takes_no_stragglers_alone(listed):
    building.build(THURSDAY)
    saturday = THURSDAY + timedelta(days=2)
    add(6, votes=1, day=THURSDAY)
    add(7, votes=1, day=saturday)
    do("leave_out", 7, day=saturday)
    assert closed(saturday) == ""


def test_two_editors_do_not_overwrite_each_other(listed):
    do("pin", 1, version=0)
    with pytest.raises(DraftChangedError, match="meanwhile"):
        do("leave_out", 1, version=0)
    assert order() == "12345"


def test_what_is_so_already_is_no_change(listed):
    draft, said = do("pin", 1)
    assert said == ["Pinned 2608.00001"]
    again, nothing = do("pin", 1, note="")
    assert (again.version, nothing) == (draft.version, [])


def test_closed_edition_is_not_changed(listed):
    do("pin", 1)
    building.build(THURSDAY)
    with pytest.raises(EditionClosedError):
        do("pin", 2)


@pytest.mark.parametrize(
    ("action", "number"), [("pin", 9), ("erase", 1), ("take_back", 1), ("move", 9)]
)
def test_what_can_not_be_done_changes_nothing(listed, action, number):
    with pytest.raises(PermanentError):
        do(action, number, note="kept?")
    assert not Draft.objects.filter(version__gt=0).exists()


def test_note_that_is_too_long_is_refused(listed):
    with pytest.raises(PermanentError, match="2,001 characters"):
        editing.change("daily", THURSDAY, version=0, note="x" * 2001)


def test_note_loses_control_characters_and_keeps_its_lines():
    assert editing.cleaned(" one \r\ntwo\x00\x1b[0m\r\n\r\n\r\n\r\nthree\n") == (
        "one\ntwo[0m\n\nthree"
    )


def test_edition_without_papers_has_no_note():
    editing.change("daily", THURSDAY, version=0, note="Nothing to see")
    assert building.build(THURSDAY).note == ""


@pytest.mark.django_db(transaction=True)
def test_press_at_the_moment_of_the_close_is_in_the_edition_or_refused(listed):
    barrier, refused = threading.Barrier(2), []

    def press():
        barrier.wait()
        try:
            do("leave_out", 1)
        except EditionClosedError as error:
            refused.append(error)
        connection.close()

    thread = threading.Thread(target=press)
    thread.start()
    barrier.wait()
    papers = closed()
    thread.join()
    assert papers == ("12345" if refused else "2345")


def test_query_count_of_a_change_does_not_grow_with_the_papers(django_assert_max_num_queries):
    for number in range(40):
        make_listing(make_paper(arxiv_id=f"2608.1{number:04}"), THURSDAY)
    with django_assert_max_num_queries(16):
        editing.change("daily", THURSDAY, version=0, paper=Change("pin", "2608.10007"))
