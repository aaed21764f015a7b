"""A row per paper, kept up with the papers, and the index that is kept up with the rows."""

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from digest import tasks
from digest.models import Paper, PaperVector, VectorSpace
from digest.papers import ingest, vectors
from digest.papers.vectors import embeddings, live, storing
from digest.records import PaperRecord
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


def near(text: str) -> list[int]:
    vectors.refresh()
    return [paper.paper_id for paper in vectors.near_text(text, most=10)]


def store(**fields) -> Paper:
    defaults = {
        "arxiv_id": "2608.00001",
        "title": "Zithers",
        "abstract": "They sound.",
        "authors": ("Ada Lovelace",),
        "published_at": datetime(2026, 8, 18, tzinfo=UTC),
    }
    ingest.store([PaperRecord(**defaults | fields)], source="hugging_face")
    return Paper.objects.get(arxiv_id=(defaults | fields)["arxiv_id"])


def test_ingest_writes_rows_and_follows_changed_words():
    paper = store()
    assert near("zithers") == [paper.pk]

    store(title="Xylophones")

    assert near("xylophones") == [paper.pk]
    assert near("zithers") == []


def test_votes_do_not_write_the_row_again():
    paper = store()
    before = PaperVector.objects.get(paper=paper).changed_at

    store(upvotes=7)

    assert PaperVector.objects.get(paper=paper).changed_at == before


def test_a_deleted_paper_is_not_found():
    paper, other = make_paper(title="Zithers"), make_paper(title="Zithers again")
    assert set(near("zithers")) == {paper.pk, other.pk}

    other.delete()

    assert near("zithers") == [paper.pk]


def test_missing_rows_are_filled_once():
    make_paper(title="Zithers")
    PaperVector.objects.all().delete()

    assert vectors.write_missing() == 1
    assert vectors.write_missing() == 0
    assert len(near("zithers")) == 1


def test_what_was_written_long_before_it_was_committed_is_found_too():
    make_paper(title="Newest")
    vectors.refresh()
    late = make_paper(title="Zithers")
    PaperVector.objects.filter(paper=late).update(changed_at=timezone.now() - timedelta(minutes=5))

    assert near("zithers") == [late.pk]


GROUPS = (
    "robot grasp walk stair leg", "cook bake oven flour salt", "quark lepton boson proton photon",
    "zither xylophone flute drum chord",
)  # fmt: skip


def make_many(number: int = 220) -> None:
    papers = []
    for place in range(number):
        words = GROUPS[place % 4].split()
        start = place // 4 % 5
        papers.append(
            Paper(
                arxiv_id=f"2601.{place:05}",
                title=" ".join((words + words)[start : start + 3]),
                published_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
    Paper.objects.bulk_create(papers)
    vectors.write_missing()


def test_a_fitted_space_takes_all_papers_in_and_the_index_follows():
    make_many()
    vectors.refresh()
    before = live.current().name

    call_command("fit_vectors")
    vectors.refresh()

    assert live.current().name == VectorSpace.objects.get().name != before
    assert set(PaperVector.objects.values_list("space", flat=True)) == {live.current().name}
    vector = PaperVector.objects.first()
    assert len(bytes(vector.dense)) > 4


def test_until_all_papers_are_moved_the_index_stays_in_its_space():
    make_many()
    vectors.refresh()
    before = live.current().name

    vectors.fit()
    vectors.refresh()
    assert live.current().name == before

    vectors.write_missing()
    vectors.refresh()
    assert live.current().name != before


def test_too_few_papers_are_told_to_the_operator():
    with pytest.raises(CommandError, match="too few"):
        call_command("fit_vectors")


def test_the_command_writes_a_space_to_a_file_and_uses_it_nowhere(tmp_path):
    make_many()

    call_command("fit_vectors", output=tmp_path / "space.npz")

    assert (tmp_path / "space.npz").stat().st_size > 500
    assert not VectorSpace.objects.exists()


@pytest.mark.parametrize(
    ("papers", "fitted_to", "days", "expected"),
    [(900, 0, 0, False), (1000, 0, 0, True), (1300, 1000, 2, False), (1400, 1000, 2, True),
     (1400, 1000, 0, False)],
)  # fmt: skip
def test_the_space_is_fitted_again_once_the_archive_has_grown(papers, fitted_to, days, expected):
    make_many(papers)
    if fitted_to:
        VectorSpace.objects.create(
            name="old", data=storing.space.START.read_bytes(), papers=fitted_to
        )
        VectorSpace.objects.update(created_at=timezone.now() - timedelta(days=days))

    assert vectors.fit_if_grown() is expected


def test_the_task_may_run_twice():
    make_many(1000)

    tasks.fit_vectors()
    tasks.fit_vectors()

    (space,) = VectorSpace.objects.all()
    assert not PaperVector.objects.exclude(space=space.name).exists()


def test_web_processes_do_not_load_scikit_learn():
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; "
        "django.setup(); import config.urls, digest.tasks; print('sklearn' in sys.modules or 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


# --- The operator's embeddings -----------------------------------------------------------------

TOPICS = (("zither", "xylophone"), ("quark", "lepton"))


def by_topic(texts: Sequence[str]) -> list[list[float]]:
    """Music one way, physics the other."""
    return [
        [float(any(w in text.lower() for w in words)) + 0.01 for words in TOPICS] for text in texts
    ]


def of_the_wrong_shape(texts: Sequence[str]) -> list[float]:
    return [1.0]


def broken(texts: Sequence[str]) -> list[list[float]]:
    raise RuntimeError("no such model")


@pytest.fixture
def music_and_physics(settings):
    settings.EMBEDDINGS = f"{__name__}.by_topic"
    return make_paper(title="Zithers", abstract=""), make_paper(title="Quarks", abstract="")


def test_own_embeddings_find_other_words(music_and_physics):
    music, _ = music_and_physics
    assert near("xylophone") == []

    vectors.write_missing()

    assert near("xylophone")[0] == music.pk
    (first, *_) = vectors.near_text("xylophone", most=1)
    assert first.meaning > 0.9
    assert first.wording == 0


def test_changing_the_function_places_all_papers_again(settings, music_and_physics):
    vectors.write_missing()
    settings.EMBEDDINGS = ""

    assert vectors.write_missing() == 2
    assert set(PaperVector.objects.values_list("space", flat=True)) == {storing.current().name}


@pytest.mark.parametrize("name", ["broken", "of_the_wrong_shape", "missing"])
def test_a_function_that_fails_is_logged_once_and_words_go_on(
    settings, caplog, music_and_physics, name
):
    settings.EMBEDDINGS = f"{__name__}.{name}"

    with caplog.at_level(logging.ERROR):
        vectors.write_missing()
        found = near("zithers")
        near("quarks")

    assert found == [music_and_physics[0].pk]
    assert [entry.message for entry in caplog.records] == [
        "embeddings failed, search goes on without them"
    ]


def test_a_number_that_is_none_places_a_paper_nowhere(settings):
    settings.EMBEDDINGS = f"{__name__}.by_topic"
    assert embeddings._called(lambda texts: [[np.nan, 1.0]], ["text"]) == [None]


def test_placing_anew_asks_for_every_paper_again(music_and_physics):
    vectors.write_missing()

    vectors.unplace()

    assert vectors.write_missing() == 2


@pytest.mark.django_db(transaction=True)
def test_many_papers_are_read_beside_the_page():
    make_many(live.FEW + 1)

    assert vectors.near_text("zither", most=5) == []
    assert vectors.near_paper(Paper.objects.first().pk, most=5) is None

    for thread in threading.enumerate():
        if thread.name == "vectors":
            thread.join(30)
    assert vectors.near_text("zither", most=5)
