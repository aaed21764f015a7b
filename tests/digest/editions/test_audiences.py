"""Readers with equal selections get the same digest."""

from datetime import date

import pytest

from digest.editions import audiences, building
from digest.models import Audience
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_listing, make_paper


@pytest.mark.django_db
def test_readers_with_equal_selections_share_an_audience(django_assert_num_queries):
    topic = make_topic("theory")
    readers = [make_subscriber(topics=[topic]) for _ in range(5)] + [make_subscriber()]
    make_listing(make_paper(), date(2026, 8, 20))
    edition = building.build(date(2026, 8, 20))
    audiences.ensure(edition, {reader.selection_key for reader in readers})
    assert Audience.objects.count() == 2


@pytest.mark.django_db
def test_asking_again_makes_no_second_audience():
    reader = make_subscriber()
    edition = building.build(date(2026, 8, 20))
    audiences.ensure(edition, {reader.selection_key})
    first = Audience.objects.get()
    audiences.ensure(edition, {reader.selection_key})
    assert Audience.objects.get() == first
