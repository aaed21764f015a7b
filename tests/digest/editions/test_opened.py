"""Papers that readers opened: kept where they allow it, counting a little, and not for long."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from digest import tasks
from digest.editions import opened, taste
from digest.models import Opinion, Taste
from digest.papers import vectors
from subscriptions import tokens
from subscriptions.models import Subscriber
from tests.builders import make_subscriber
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db
ROBOTS = "Robots that fold laundry with two arms learn grasping from demonstrations of people."
CLOTH = "Two arms of robots fold cloth as people do."
VIRUS = "A virus protein is folded by molecular dynamics, and its mutations bind to cells."


@pytest.fixture
def reader():
    return make_subscriber(learns=True)


def paper(title, abstract=ROBOTS):
    made = make_paper(title=title, abstract=abstract)
    vectors.write([made.pk])
    return made


def holder(reader):
    return tokens.read_opened(tokens.make_opened(reader))


def open_page(reader, made):
    opened.record(holder(reader), made.arxiv_id)


def say(reader, made, **said):
    defaults = {"verdict": "", "opened_at": None, **said}
    Opinion.objects.update_or_create(subscriber=reader, paper=made, defaults=defaults)


def score(reader, made):
    taste.learn(reader.pk)
    reader.refresh_from_db()
    return taste.model(reader.taste).score(taste.placed([made.pk])[made.pk])


def test_opened_paper_is_kept_once(reader):
    made = paper("Laundry robots")
    open_page(reader, made)
    first = Opinion.objects.get()
    open_page(reader, made)
    assert Opinion.objects.get().opened_at == first.opened_at
    assert (first.paper, first.verdict, first.is_saved) == (made, "", False)


@pytest.mark.parametrize(
    "change",
    [
        {"learns": False},
        {"state": "unsubscribed", "slot": None},
        {"token_version": 2},
    ],
    ids=["not allowed", "left", "links renewed"],
)
def test_nothing_is_kept_of_who_does_not_allow_it_any_more(reader, change):
    mine = holder(reader)
    Subscriber.objects.update(**change)
    opened.record(mine, paper("Laundry robots").arxiv_id)
    assert not Opinion.objects.exists()


def test_erased_reader_and_unknown_paper_are_no_error(reader):
    mine = holder(reader)
    opened.record(mine, "2608.99999")
    reader.delete()
    opened.record(mine, paper("Laundry robots").arxiv_id)
    assert not Opinion.objects.exists()


@pytest.mark.parametrize("said", [{"verdict": "less"}, {"is_saved": True}])
def test_what_was_said_of_a_paper_stays_when_it_is_opened(reader, said):
    made = paper("Laundry robots")
    say(reader, made, **said)
    open_page(reader, made)
    kept = Opinion.objects.get()
    assert kept.opened_at is None
    assert {name: getattr(kept, name) for name in said} == said


@pytest.mark.parametrize(
    "said", [{}, {"opened_at": datetime(2026, 8, 20, tzinfo=UTC), "verdict": "more"}]
)
def test_opinion_is_either_said_or_opened(reader, said):
    with pytest.raises(IntegrityError):
        Opinion.objects.create(subscriber=reader, paper=paper("Laundry robots"), **said)


def test_opened_paper_moves_others_a_third_as_far_as_more(reader):
    other = make_subscriber()
    robots, cloth = paper("Laundry robots"), paper("Arms that grasp", CLOTH)
    open_page(reader, robots)
    say(other, robots, verdict="more")
    assert 0.2 < score(reader, cloth) / score(other, cloth) < 0.4


def test_opening_more_of_a_kind_counts_for_it(reader):
    other, cloth = make_subscriber(), paper("Arms that grasp", CLOTH)
    liked = paper("Laundry robots")
    for each in (reader, other):
        say(each, liked, verdict="more")
    open_page(reader, paper("Robots at home", CLOTH))
    assert score(reader, cloth) > score(other, cloth)


def test_word_outweighs_that_the_paper_was_opened(reader):
    robots, cloth = paper("Laundry robots"), paper("Arms that grasp", CLOTH)
    open_page(reader, robots)
    assert score(reader, cloth) > 0
    say(reader, robots, verdict="less")
    assert score(reader, cloth) < 0


def test_words_count_however_many_papers_were_opened(reader, monkeypatch):
    monkeypatch.setattr(taste, "MOST_OPINIONS", 2)
    virus = paper("Proteins", VIRUS)
    say(reader, virus, verdict="less")
    for number in range(3):
        open_page(reader, paper(f"Laundry robots {number}"))
    assert score(reader, virus) < 0


def test_sweep_learns_what_was_opened(reader):
    open_page(reader, paper("Laundry robots"))
    tasks.learn_tastes()
    assert Taste.objects.get().opinions == 1


def test_forgetting_takes_back_what_was_learned_from_opened_papers(reader):
    virus, robots, cloth = paper("Proteins", VIRUS), paper("Robots"), paper("Arms", CLOTH)
    say(reader, virus, verdict="more")
    before = score(reader, cloth)
    open_page(reader, robots)
    assert score(reader, cloth) > before
    assert opened.forget(reader.pk)
    assert not opened.forget(reader.pk)
    tasks.learn_tastes()
    assert taste.unlearned() == []
    assert score(reader, cloth) == before


def test_sweep_leaves_no_taste_of_who_had_only_opened_papers(reader):
    open_page(reader, paper("Laundry robots"))
    tasks.learn_tastes()
    opened.forget(reader.pk)
    tasks.learn_tastes()
    reader.refresh_from_db()
    assert (reader.taste, Taste.objects.count(), taste.unlearned()) == ("", 0, [])


def test_opened_papers_are_forgotten_after_half_a_year_and_words_are_not(reader):
    old, new, saved = (paper(title) for title in ("Old", "New", "Saved"))
    say(reader, saved, is_saved=True)
    for made in (old, new):
        open_page(reader, made)
    Opinion.objects.filter(paper=old).update(opened_at=timezone.now() - timedelta(days=181))
    Opinion.objects.filter(paper=new).update(opened_at=timezone.now() - timedelta(days=179))
    tasks.forget()
    assert {opinion.paper for opinion in Opinion.objects.all()} == {new, saved}


def test_nightly_forgetting_takes_what_turning_off_left(reader):
    open_page(reader, paper("Laundry robots"))
    Subscriber.objects.update(learns=False)
    assert opened.forget_old(timezone.now()) == 1
    assert opened.forget_old(timezone.now()) == 0
