"""What a reader says of papers moves the ones to come; it is small, learned by a task, forgotten."""

import json
from datetime import date

import pytest

from digest import tasks
from digest.editions import audiences, building, candidates, choosing, taste
from digest.models import Opinion, Taste
from digest.papers import vectors
from subscriptions import held, selectors, services
from subscriptions.models import Subscriber
from subscriptions.records import Selection
from tests import recorded
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
ROBOTS = "Robots that fold laundry with two arms learn grasping from demonstrations of people."
VIRUS = "A virus protein is folded by molecular dynamics, and its mutations bind to cells."


def paper(title, abstract, **fields):
    made = make_paper(title=title, abstract=abstract, **fields)
    vectors.write([made.pk])
    return made


def say(reader, made, verdict="more"):
    Opinion.objects.update_or_create(subscriber=reader, paper=made, defaults={"verdict": verdict})
    taste.learn(reader.pk)
    reader.refresh_from_db()


@pytest.fixture
def reader():
    return make_subscriber()


def score(reader, made):
    return taste.model(reader.taste).score(taste.placed([made.pk])[made.pk])


def test_one_word_already_moves_papers_like_it(reader):
    robots, virus = paper("Laundry robots", ROBOTS), paper("Proteins", VIRUS)
    other = paper("Arms that grasp", "Two arms of robots fold cloth as people do.")
    say(reader, robots)
    assert score(reader, other) > 0.1
    assert score(reader, other) > score(reader, virus)


def test_less_like_this_moves_papers_down(reader):
    robots = paper("Laundry robots", ROBOTS)
    other = paper("Arms that grasp", "Two arms of robots fold cloth as people do.")
    say(reader, robots, "less")
    assert score(reader, other) < -0.1


def test_opinions_order_the_digest(reader):
    robots, virus = paper("Laundry robots", ROBOTS), paper("Proteins", VIRUS)
    edition = make_edition(DAY, [paper("Cells", VIRUS), paper("Arms that grasp", ROBOTS)])
    papers = candidates.of(edition)

    def first():
        selection = selectors.selection_of(reader)
        cards = choosing.select(selection, papers, taste=taste.model(selection.taste))
        return next(each for each in papers if each.paper_id == cards[0].paper_id).words.texts[0]

    say(reader, robots)
    assert first() == "Arms that grasp"
    say(reader, robots, "less")
    say(reader, virus)
    assert first() == "Cells"


def test_paper_very_much_like_what_was_liked_comes_without_a_topic(reader):
    say(reader, paper("Laundry robots", ROBOTS))
    edition = make_edition(DAY, [paper("Laundry robots again", ROBOTS, upvotes=0)])
    selection = Selection(keywords=("nothing",), taste=reader.taste, dial=4)
    (card,) = choosing.select(selection, candidates.of(edition), taste=taste.model(reader.taste))
    assert (card.reason, card.anchor) == ("Close to what you liked", "taste")


def test_what_is_disliked_is_not_the_different_one(reader):
    say(reader, paper("Laundry robots", ROBOTS), "less")
    wanted = paper("Proteins", VIRUS)
    edition = make_edition(DAY, [wanted, paper("Arms", ROBOTS, upvotes=99)])
    selection = Selection(keywords=("virus",), taste=reader.taste)
    cards = choosing.select(selection, candidates.of(edition), taste=taste.model(reader.taste))
    assert [card.paper_id for card in cards] == [wanted.pk]


def test_readers_of_one_taste_and_selection_share_an_audience(reader):
    other = make_subscriber()
    robots = paper("Laundry robots", ROBOTS)
    edition = make_edition(DAY, [robots])
    audiences.ensure(edition, [reader.selection_key])
    say(reader, robots)
    assert reader.selection_key != other.selection_key
    audiences.ensure(edition, [reader.selection_key, other.selection_key])
    assert edition.audiences.count() == 2


def test_learning_twice_keeps_one_taste(reader):
    say(reader, paper("Laundry robots", ROBOTS))
    assert taste.learn(reader.pk)
    reader.refresh_from_db()
    assert reader.taste == Taste.objects.get().mark


def test_forgetting_leaves_nothing(reader):
    key = reader.selection_key
    say(reader, paper("Laundry robots", ROBOTS))
    assert reader.selection_key != key
    taste.forget(reader.pk, with_opinions=True)
    reader.refresh_from_db()
    assert (reader.taste, reader.selection_key) == ("", key)
    assert not Taste.objects.exists()
    assert not Opinion.objects.exists()


def test_last_opinion_taken_back_forgets_what_was_learned(reader):
    say(reader, paper("Laundry robots", ROBOTS))
    Opinion.objects.all().delete()
    assert not taste.learn(reader.pk)
    reader.refresh_from_db()
    assert reader.taste == ""


def test_choosing_anew_keeps_the_taste(reader):
    say(reader, paper("Laundry robots", ROBOTS))
    services.change_preferences(reader, selectors.preferences_of(reader))
    reader.refresh_from_db()
    assert reader.taste
    assert selectors.selection_of(reader).key == reader.selection_key


def test_erased_reader_is_no_error(reader):
    Subscriber.objects.all().delete()
    services.keep_taste(reader.pk, "0" * 16)


def test_sweep_learns_what_nobody_was_woken_for(reader):
    Opinion.objects.create(subscriber=reader, paper=paper("Robots", ROBOTS), verdict="more")
    assert taste.unlearned() == [reader.pk]
    tasks.learn_tastes()
    assert taste.unlearned() == []
    assert Taste.objects.get().opinions == 1


def test_what_is_held_can_be_downloaded(reader):
    say(reader, paper("Laundry robots", ROBOTS))
    found = json.loads(json.dumps(held.data(reader), default=str))
    assert found["tastes"][0]["weights"] == bytes(Taste.objects.get().weights).hex()


def test_digest_is_made_without_learning(reader, django_assert_max_num_queries):
    say(reader, paper("Laundry robots", ROBOTS))
    edition = building.build(DAY)
    with django_assert_max_num_queries(15):
        audiences.ensure(edition, [reader.selection_key])


@recorded.needed
def test_taste_of_many_opinions_takes_no_more_than_two_kilobytes(reader):
    records = list(recorded.papers().values())[:240]
    for number, record in enumerate(records):
        made = paper(record.title, record.abstract)
        if number < 150:
            Opinion.objects.create(
                subscriber=reader, paper=made, verdict="more" if number % 3 else "less"
            )
    taste.learn(reader.pk)
    weights = bytes(Taste.objects.get().weights)
    assert len(weights) <= 2048
    assert taste.packed(taste.unpacked(weights)) == weights
