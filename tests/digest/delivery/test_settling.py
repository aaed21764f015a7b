"""Two who settle the same deliveries at once: what one of them settled, the other leaves alone."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from digest.delivery import settling
from digest.models import Delivery
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def states(batch):
    return sorted(batch.deliveries.values_list("state", flat=True))


def settle_in_thread(way):
    try:
        return way(Delivery.objects.all())
    finally:
        connection.close()


def wait_until_somebody_waits():
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while cursor.execute(WAITING).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_event_between_read_and_change_of_a_release_is_not_undone():
    batch = make_batch([make_subscriber() for _ in range(3)])
    first = batch.deliveries.order_by("pk")[0]
    told = []

    def tell(execute, sql, *rest):
        if sql.startswith('UPDATE "digest_delivery"') and not told:
            told.append(first.pk)
            settling.accept(delivery_ids=[first.pk])
        return execute(sql, *rest)

    with connection.execute_wrapper(tell):
        assert settling.release(Delivery.objects.all()) == 2
    assert states(batch) == ["pending", "pending", "sent"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.parametrize(
    ("way", "becomes"), [(settling.release, "pending"), (settling.drop, "failed")]
)
def test_what_an_event_just_settles_is_neither_sent_again_nor_given_up(way, becomes):
    batch = make_batch([make_subscriber() for _ in range(3)])
    first = batch.deliveries.order_by("pk")[0]
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            settling.accept(delivery_ids=[first.pk])
            other = pool.submit(settle_in_thread, way)
            wait_until_somebody_waits()
        assert other.result(timeout=10) == 2
    assert states(batch) == sorted([becomes, becomes, "sent"])
