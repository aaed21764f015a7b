"""One turn for the whole installation."""

import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from digest.errors import RetryLaterError, SourceError
from digest.models import Lease
from digest.papers import lease

PAUSE = timedelta(seconds=0.3)


@pytest.mark.django_db(transaction=True)
def test_turns_never_overlap_and_keep_the_pause():
    spans, errors = [], []

    def run():
        try:
            with lease.turn("arxiv", pause=PAUSE):
                began = time.monotonic()
                time.sleep(0.05)
                spans.append((began, time.monotonic()))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    spans.sort()
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.28


@pytest.mark.django_db
def test_turn_of_a_killed_process_comes_free():
    past = timezone.now() - timedelta(seconds=1)
    Lease.objects.create(name="arxiv", holder="0" * 32, expires_at=past, free_at=past)
    with lease.turn("arxiv", pause=PAUSE):
        assert Lease.objects.get(name="arxiv").expires_at > timezone.now()


@pytest.mark.django_db
def test_turn_that_stays_taken_is_one_clear_line():
    later = timezone.now() + timedelta(minutes=3)
    Lease.objects.create(name="arxiv", holder="0" * 32, expires_at=later, free_at=later)
    with (
        pytest.raises(SourceError, match="the connection is not free"),
        lease.turn("arxiv", pause=PAUSE, wait=timedelta(0), sleep=lambda seconds: None),
    ):
        pass


@pytest.mark.django_db
def test_source_that_asks_for_patience_gets_it_from_everybody():
    """RFC 9110, 10.2.3: Retry-After holds for the whole installation."""
    with pytest.raises(RetryLaterError), lease.turn("arxiv", pause=PAUSE):
        raise RetryLaterError("HTTP 429", seconds=900)
    assert Lease.objects.get(name="arxiv").free_at > timezone.now() + timedelta(minutes=14)
    with pytest.raises(SourceError, match="rests as it was asked to"):
        lease.turn("arxiv", pause=PAUSE).__enter__()


@pytest.mark.django_db
def test_error_inside_gives_the_turn_back():
    with pytest.raises(SourceError), lease.turn("arxiv", pause=PAUSE):
        raise SourceError("no answer in time")
    assert Lease.objects.get(name="arxiv").holder is None
