"""Settles batches in doubt by evidence: what the provider's events about other batches say about
its silence about these.

An event about a delivery settles it when it is applied (`events.py`). What is left here is silence.
It says that the provider did not take a batch where it would have told of it by now:

-   Witnesses are deliveries that the provider surely took, in batches offered at the time of this
    one: from NEAR before it on, the nearest first, and UNCERTAIN_AFTER ago at least, so that they
    had their time. Only events that name a delivery count. Those of confirm mails and the like do
    not: they come by another stream, perhaps by another webhook, and without our delivery ids.
-   The webhook works: events about WITNESSES of them or more were received after this batch was
    offered. Older ones prove nothing, and neither does a send in which all is silent.
-   It is not late, and it tells of all: a share of the witnesses was heard of within a third of the
    time that this batch has waited (a third, as it may be slower today). What one reader's silence
    is worth is the share of those who were not. Readers of one call are silent together, so it is
    raised to the power of their number, up to MOST_COUNTED, because they are not independent: a
    provider that tells of bounces only never says enough.

Where that comes to MOST_DOUBT or less, the batch is released. Any event about it, applied or not,
speaks against that. Should a late one come after the release, what is still pending is stopped by
it (`settling.accept`); a second copy that is out by then has the same Message-ID.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet

from digest.delivery import batches, notices, settling
from digest.delivery.esp import pacing, providers
from digest.delivery.esp.providers import Provider
from digest.models import Batch, Delivery, Edition, Event

from . import events

logger = logging.getLogger(__name__)

WITNESSES = 10
NEAR = timedelta(minutes=5)
MOST_DOUBT = 0.01
MOST_COUNTED = 10
SAFETY = 3
ASK_AGAIN = timedelta(minutes=1)
"""After which a provider that knows the call by its key is asked again."""
USEFUL = timedelta(hours=20)
"""How long after its planning a digest is still sent. Keys are forgotten after a day."""
RECENT = timedelta(days=3)
_EACH_SIDE = 10
"""Batches of witnesses before and after."""
_DELIVERED_BY_NOW = timedelta(hours=1)


def settle(now: datetime) -> dict[str, int]:
    """Afterwards what silence proves about batches in doubt is done. Returns how many deliveries
    were `released`, are `asked` for again under their key, `wait` for more evidence, or are
    `hopeless`: nothing will settle them but the operator, who is told once an edition and cause.

    Any number of these may run side by side.
    """
    counts: Counter[str] = Counter(released=0, asked=0, wait=0, hopeless=0)
    doubtful = Batch.objects.filter(state=Batch.State.UNCERTAIN).select_related("edition")
    for batch in list(doubtful.order_by("pk")):
        in_doubt = Delivery.objects.filter(
            # As it was read: it may have been released, offered again, and be in doubt anew.
            batch=batch,
            state=Delivery.State.UNCERTAIN,
            batch__state=Batch.State.UNCERTAIN,
            batch__offered_at=batch.offered_at,
        )
        names = set(in_doubt.values_list("provider", flat=True)) or {""}
        # Each by the provider that was asked for it; another one may have taken the rest.
        name = min(names)
        found = in_doubt.filter(provider=name)
        batch.provider = name or batch.provider
        size, planned_at = found.aggregate(n=Count("pk"), at=Min("created_at")).values()
        if not size:
            batches.close([batch.pk])
            continue
        provider = providers.PROVIDERS.get(batch.provider)
        if because := why_hopeless(batch, provider, now - planned_at, has_told=has_told):
            _tell(batch.edition, batch.provider, because)
            counts["hopeless"] += size
        elif provider and provider.is_idempotent:
            counts[_ask_again(batch, found, now)] += size
        elif provider and _is_refuted(batch, provider, size, now):
            counts["released"] += settling.release(found)
        else:
            counts["wait"] += size
    _check_webhooks(now)
    if any(counts.values()):
        logger.info("deliveries in doubt looked into", extra=dict(counts))
    return dict(counts)


def why_hopeless(
    batch: Batch,
    provider: Provider | None,
    age: timedelta,
    *,
    has_told: Callable[[str], bool],
) -> str:
    """Why nothing but the operator's word will settle the batch; "" where evidence may."""
    if provider is None or batch.offered_at is None:
        return "it is not on record who was offered them"
    if age > USEFUL:
        return "they are too old to be sent again"
    if provider.name in providers.MIME_PROVIDERS:
        return f"{provider.name} tells nothing of what became of a mail"
    if not provider.is_idempotent and not has_told(provider.name):
        return f"{provider.name} has never told of a digest, so its silence proves nothing"
    return ""


def _tell(edition: Edition, provider: str, because: str) -> None:
    notices.tell(
        "in_doubt",
        f"{edition.pk} {provider} {because}",
        what=f"Digests of edition {edition.name} are in doubt, and {because}.",
        mend="Look for them at the provider, then type: "
        f"{notices.command('settle_deliveries', edition)} --release, or --drop",
        link="/admin/digest/batch/in-doubt/",
    )


def _ask_again(batch: Batch, found: QuerySet[Delivery], now: datetime) -> str:
    if batch.offered_at is None or now < batch.offered_at + ASK_AGAIN:
        return "wait"
    settling.release(found, to=batch.provider)
    return "asked"


def _is_refuted(batch: Batch, provider: Provider, size: int, now: datetime) -> bool:
    """Whether the provider would have told of the batch by now, had it taken it."""
    offered_at = batch.offered_at
    patience = timedelta(seconds=settings.UNCERTAIN_AFTER)
    if offered_at is None or now < offered_at + patience:
        return False
    if heard_of([batch.pk], in_one_call=bool(provider.merge)):
        return False
    found = weigh(batch, now)
    return found.fresh >= WITNESSES and found.doubt(provider, size) <= MOST_DOUBT


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the provider told of other batches of that time."""

    taken: int
    """Deliveries that it surely took."""
    heard: int
    """Of them, of whom it told within a third of the time that this batch has waited."""
    fresh: int
    """Of them, of whom it told since this batch was offered."""

    def doubt(self, provider: Provider, size: int) -> float:
        """How likely the silence is although it took a batch of this size."""
        in_one_call = min(size, MOST_COUNTED) if provider.merge else 1
        return (1 - min(self.heard / max(self.taken, 1), 1.0)) ** in_one_call


def weigh(batch: Batch, now: datetime) -> Testimony:
    """What the silence about a batch that was offered is worth by now."""
    offered_at = batch.offered_at or now
    patience = timedelta(seconds=settings.UNCERTAIN_AFTER)
    witnesses = _witnesses(batch, offered_at, until=now - patience)
    return _testimony(witnesses, offered_at, within=(now - offered_at) / SAFETY)


def heard_of(batch_ids: Collection[int], *, in_one_call: bool) -> set[int]:
    """The batches of which any event speaks: of the deliveries in doubt, or of others that may have
    been in the same call; those that are not applied yet will settle it. Two queries."""
    about = Event.objects.filter(delivery__batch__in=batch_ids)
    if not in_one_call:
        about = about.filter(delivery__state=Delivery.State.UNCERTAIN)
    unapplied = Event.objects.filter(batch_id__in=batch_ids, applied_at__isnull=True)
    found: set[int | None] = set(
        about.order_by().values_list("delivery__batch", flat=True).distinct()
    )
    found.update(unapplied.order_by().values_list("batch_id", flat=True).distinct())
    return {batch_id for batch_id in found if batch_id is not None}


def _witnesses(batch: Batch, offered_at: datetime, *, until: datetime) -> list[Batch]:
    recent = Edition.objects.filter(closed_at__gte=until - RECENT).values_list("pk", flat=True)
    others = Batch.objects.filter(
        # Numbers, not a query: only then the index of editions is used.
        edition__in={*recent, batch.edition_id},
        provider=batch.provider,
        state=Batch.State.DONE,
        offered_at__gte=offered_at - NEAR,
        offered_at__lte=until,
    ).exclude(pk=batch.pk)
    after = others.filter(offered_at__gte=offered_at).order_by("offered_at")[:_EACH_SIDE]
    before = others.filter(offered_at__lt=offered_at).order_by("-offered_at")[:_EACH_SIDE]
    return list(chain(before, after))


def _testimony(witnesses: list[Batch], offered_at: datetime, *, within: timedelta) -> Testimony:
    """Heard of in time is who was told of `within` that time of the offer."""
    in_time = Q()
    for each in witnesses:
        in_time |= Q(
            delivery__batch=each, received_at__lte=(each.offered_at or offered_at) + within
        )
    taken = Delivery.objects.filter(batch__in=witnesses, state=Delivery.State.SENT)
    told = _events().filter(delivery__batch__in=witnesses, delivery__state=Delivery.State.SENT)
    found = told.aggregate(
        heard=Count("delivery_id", distinct=True, filter=in_time),
        fresh=Count("delivery_id", distinct=True, filter=Q(received_at__gt=offered_at)),
    )
    return Testimony(taken.count(), found["heard"], found["fresh"])


def _events() -> QuerySet[Event]:
    return Event.objects.filter(type__in=events.TAKEN, delivery__isnull=False)


def has_told(provider: str) -> bool:
    """Whether the provider's webhook has ever told of a digest."""
    return _events().filter(provider=provider).exists()


def _check_webhooks(now: datetime) -> None:
    """Says once a day whose webhook has never been seen to work, though digests went that way."""
    recent = Edition.objects.filter(closed_at__gte=now - RECENT).order_by().values("pk")
    for provider in providers.configured():
        if provider.name in providers.MIME_PROVIDERS or not provider.takes_digests:
            continue
        went = Batch.objects.filter(
            edition__in=recent,
            provider=provider.name,
            state=Batch.State.DONE,
            offered_at__lt=now - _DELIVERED_BY_NOW,
        )
        if went.exists() and not has_told(provider.name):
            notices.tell(
                "silent_webhook",
                f"{provider.name} {pacing.today()}",
                what=f"{provider.name} took digests, and its webhook has never told of one: bounces "
                "and complaints are not seen, and what is in doubt stays so.",
                mend="Give the provider the webhook's address, for all events: docs/providers.md.",
                link="/admin/digest/providerplan/",
                level=logging.WARNING,
            )
