"""The rows that workers claim: their ids, putting deliveries into new ones, and closing them."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, F, OuterRef, QuerySet

from digest.errors import EditionForgottenError
from digest.models import Batch, Delivery, Edition

State = Delivery.State
_NUMBERS = 32
"""Bits of a batch's id that count the batches of one edition."""


def first_id(edition: Edition) -> int:
    """The id of the edition's next batch, as long as its row is locked.

    Raises EditionForgottenError where that must not be sent any more.
    """
    refuse_forgotten(edition)
    return (edition.pk << _NUMBERS) + edition.batch_count


def refuse_forgotten(edition: Edition) -> None:
    """Raises EditionForgottenError once the edition's deliveries are being forgotten."""
    if edition.forgetting_at is not None:
        raise EditionForgottenError(
            f"Deliveries of edition {edition.name} are forgotten since "
            f"{edition.forgetting_at:%Y-%m-%d} (KEEP_DELIVERIES_DAYS): who had it is not on record, "
            "so it is not sent any more."
        )


def ids_of(edition: Edition) -> tuple[int, int]:
    """The lowest and the highest id that a batch of the edition may have."""
    return edition.pk << _NUMBERS, ((edition.pk + 1) << _NUMBERS) - 1


def deliveries_in(batch_ids: Collection[int]) -> QuerySet[Delivery]:
    """Those of the batches. Their editions are named, too, since a partitioned outbox is only then
    looked up in one partition instead of in each."""
    editions = {batch_id >> _NUMBERS for batch_id in batch_ids}
    return Delivery.objects.filter(batch_id__in=batch_ids, edition_id__in=editions)


def count_up(edition: Edition, *, deliveries: int, batches: int) -> None:
    """How many there are is kept apart from the rows: the ledger compares the two."""
    if deliveries or batches:
        Edition.objects.filter(pk=edition.pk).update(
            due_count=F("due_count") + deliveries, batch_count=F("batch_count") + batches
        )


def move(
    batch: Batch, delivery_ids: Collection[int], *, attempts: int, retry_at: datetime | None = None
) -> None:
    """Puts deliveries into an open batch of their own: what is said of the old one, such as an
    event of the provider, is not said of them. Runs in a transaction."""
    edition = Edition.objects.select_for_update().get(pk=batch.edition_id)
    new = Batch.objects.create(
        pk=first_id(edition),
        edition=edition,
        audience_id=batch.audience_id,
        size=len(delivery_ids),
        attempts=attempts,
        retry_at=retry_at,
        only_provider=batch.only_provider,
        released_at=batch.released_at,
    )
    Edition.objects.filter(pk=edition.pk).update(batch_count=F("batch_count") + 1)
    Batch.objects.filter(pk=batch.pk).update(size=F("size") - len(delivery_ids))
    Delivery.objects.filter(pk__in=delivery_ids, edition=edition).update(batch=new)


def close(batch_ids: Collection[int]) -> None:
    """Afterwards each of the batches is uncertain while one of its deliveries is, and done once
    all are settled. An open one, and one that a worker still has, stays as it is."""
    mine = deliveries_in(batch_ids).filter(batch_id=OuterRef("pk"))
    batches = Batch.objects.filter(pk__in=batch_ids).exclude(state=Batch.State.OPEN)
    batches = batches.filter(~Exists(mine.filter(state=State.PENDING)))
    in_doubt = Exists(mine.filter(state=State.UNCERTAIN))
    batches.filter(in_doubt).update(state=Batch.State.UNCERTAIN)
    batches.filter(~in_doubt).update(state=Batch.State.DONE)
