"""The tasks of the digest: each calls one function, and may run twice, late or side by side."""

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from digest import forgetting
from digest.delivery import figures, outbox, partitions, sending, settling
from digest.delivery.due import expecting, planning
from digest.delivery.feedback import events, evidence
from digest.delivery.keeping import partitioning, purging
from digest.delivery.watching import alarms, signs, telling, watch
from digest.editions import building, taste
from digest.models import Paper
from digest.papers import fetching, search, topics, vectors

logger = logging.getLogger(__name__)

SENDERS = 4
"""How many wake-up messages one dispatch sends at most; each worker then goes on by itself."""
NEWEST_TAGGED = 5_000
"""Papers that get their topics anew at once where a topic is edited."""
WAKE_SECONDS = 50
"""How long a task that may go on for long does so at a stretch."""


def wake_senders() -> None:
    """Wakes as many senders as there is work for. Where the broker is away, the next sweep does."""
    waiting = outbox.pending(timezone.now())
    for _ in range(min(SENDERS, -(-waiting // sending.batch_size()))):
        if not _wake_sender():
            break


def _wake_sender() -> bool:
    try:
        # The next sweep wakes others: messages that wait longer only pile up.
        send_deliveries.apply_async(expires=WAKE_SECONDS)
    except OperationalError:
        logger.warning("broker is away, senders wake at the next sweep")
        return False
    return True


@shared_task
def fetch_papers() -> None:
    """Today's list and yesterday's, whose votes still move until its cutoff."""
    fetching.fetch_recent(timezone.now())
    topics.date_rows()
    search.index_missing()
    vectors.write_missing()


@shared_task
def fit_vectors() -> None:
    """Fits the space of papers anew where the archive has grown, and moves papers into it."""
    vectors.fit_if_grown()
    # A hundred thousand are moved in a minute; until that is done, pages compare them where they were.
    vectors.write_missing(most=500_000)


@shared_task
def tag_newest() -> None:
    """A topic that was edited takes the newest papers; older ones wait for `tag_papers`."""
    topics.tag(Paper.objects.order_by("-pk").values_list("pk", flat=True)[:NEWEST_TAGGED])


@shared_task
def learn_taste(subscriber_id: int) -> None:
    """What a reader just said of a paper counts from the next digest on."""
    taste.learn(subscriber_id)


@shared_task
def learn_tastes() -> None:
    """What was said while no worker could be woken is learned, too."""
    for subscriber_id in taste.unlearned():
        taste.learn(subscriber_id)


@shared_task
def build_editions() -> None:
    """Closes every edition that is past its cutoff."""
    building.build_due(timezone.now())


@shared_task
def count_expected() -> None:
    """Who is due in the next days, for the operator who looks."""
    expecting.keep(timezone.now())


@shared_task
def dispatch_digests() -> None:
    """Closes what is past its cutoff, plans who is due, and wakes as many senders as that needs."""
    now = timezone.now()
    signs.note(signs.WORKER_SEEN, now)
    try:
        planning.plan(now, batch_size=sending.batch_size(), page_planned=wake_senders)
    finally:
        # What was planned before waits, whatever became of the rest.
        wake_senders()


@shared_task
def send_deliveries() -> None:
    """Sends what is pending, for a minute at most; then another takes over, so that other tasks
    of the worker get their turn."""
    until = timezone.now() + timedelta(seconds=WAKE_SECONDS)
    sending.send_pending(until=until)
    if timezone.now() >= until:
        _wake_sender()


@shared_task
def settle_deliveries() -> None:
    """Claims whose worker never came back become uncertain."""
    settling.find_stale(timezone.now())


@shared_task
def apply_events() -> None:
    """Applies what providers reported, for a minute at most; the next one goes on."""
    events.apply_all(until=timezone.now() + timedelta(seconds=WAKE_SECONDS))


@shared_task
def settle_by_evidence() -> None:
    """Asks what the silence about batches in doubt means; what is released is sent again."""
    events.apply_all(until=timezone.now() + timedelta(seconds=WAKE_SECONDS))
    evidence.settle(timezone.now())
    wake_senders()


@shared_task
def watch_sends() -> None:
    """Holds what must stop, and tells the operator of it and of what did not happen by its time."""
    try:
        watch.check(timezone.now())
    finally:
        telling.send_waiting(timezone.now())


@shared_task
def keep_figures() -> None:
    """What the operator's desk shows is counted anew."""
    figures.keep(timezone.now())


@shared_task
def count_readers() -> None:
    """Readers are counted now, as after an import."""
    figures.count_readers(timezone.now())


@shared_task
def purge_deliveries() -> None:
    """Forgets who was sent which digest long ago, for a minute at most; the next one goes on."""
    now = timezone.now()
    partitioning.drop_leftover()
    partitions.make_ahead(now)
    alarms.check_partitions()
    purging.purge(now, until=now + timedelta(seconds=WAKE_SECONDS))


@shared_task
def forget() -> None:
    """Forgets old events, what former readers followed, and what was opened long ago."""
    logger.info("forgotten", extra=forgetting.forget(timezone.now()))
    # Once a night, as it looks at a part of every partition.
    partitions.refresh()
