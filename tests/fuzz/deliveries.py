"""The life of deliveries in any order that workers, kills, providers, readers and operators may make of it.

Real functions on a real database; only the provider is ours, and it counts what it is handed.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import time_machine
from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from digest.delivery import ledger, outbox, sending, settling
from digest.delivery.esp.providers import PROVIDERS
from digest.delivery.feedback import events, evidence, intake
from digest.delivery.keeping import purging
from digest.models import Batch, Delivery, Edition
from digest.records import Outcome, Result
from subscriptions import services
from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

State = Delivery.State
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
SETTLED = frozenset({State.SENT, State.FAILED, State.SKIPPED, State.SUPPRESSED})
MAY_BE_OUT = frozenset({Result.SENT, Result.UNCERTAIN})
some = st.integers(0, 7)


class Life(RuleBasedStateMachine):
    """Seven readers in three batches of one edition; nobody may be handed to the provider twice but
    after a release, nothing settled changes, and the ledger adds up after each step."""

    steps = 0
    """Of all machines of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.around = transaction.atomic()
        self.around.__enter__()
        self.travel = time_machine.travel(NOW, tick=False)
        self.clock = self.travel.start()
        self.workers: list[tuple[sending.Work, outbox.Claim]] = []
        self.answers: list[tuple[sending.Work, outbox.Claim, list[Outcome]]] = []
        self.handed: Counter[int] = Counter()
        self.released: Counter[int] = Counter()
        self.settled: dict[int, str] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.around.__exit__(None, None, None)
        self.travel.stop()
        cache.clear()

    @initialize(only=st.sampled_from(["", "", "resend"]))
    def plan(self, only: str) -> None:
        self.provider = PROVIDERS[only or "mailgun"]
        readers = [make_subscriber(f"reader{n}@example.org") for n in range(7)]
        for first, last in ((0, 4), (4, 6), (6, 7)):
            batch = make_batch(readers[first:last], DAY, deliveries="pending", claimed_at=None,
                               offered_at=None, attempts=0, provider="")  # fmt: skip
        self.edition = batch.edition
        Edition.objects.filter(pk=self.edition.pk).update(due_count=7)
        # The newest one is never forgotten.
        Edition.objects.create(frequency="daily", date=DAY + timedelta(days=1))
        self.ids = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
        self.readers = [reader.pk for reader in readers]

    # --- Workers ---------------------------------------------------------------------------------

    @rule(size=st.integers(1, 8), most=st.integers(1, 3))
    def claim(self, size: int, most: int) -> None:
        claims = outbox.claim(timezone.now(), size=size, most_batches=most)
        work = sending.Work(claims)
        self.workers += [(work, claim) for claim in claims]

    @precondition(lambda self: self.workers)
    @rule(which=some, results=st.lists(st.sampled_from(Result), min_size=7, max_size=7))
    def offer(self, which: int, results: list[Result]) -> None:
        """As `sending`: nothing is handed over for a claim that is somebody else's by now."""
        work, claim = self.workers.pop(which % len(self.workers))
        if not work.begin(claim, self.provider):
            return
        found = []
        for pk, result in zip(claim.readers, results, strict=False):
            assert claim.only_provider in {"", self.provider.name}
            if result in MAY_BE_OUT and not (claim.only_provider and self.handed[pk]):
                self.handed[pk] += 1
            is_down = result is Result.DEFERRED
            found.append(
                Outcome(pk, claim.batch_id, result, self.provider.name, is_provider_down=is_down)
            )
        work.offered.update(o.delivery_id for o in found if o.result in MAY_BE_OUT)
        self.answers.append((work, claim, found))

    @precondition(lambda self: self.workers)
    @rule(which=some)
    def die_before_the_call(self, which: int) -> None:
        self.workers.pop(which % len(self.workers))

    @precondition(lambda self: self.workers)
    @rule(which=some)
    def die_between_mark_and_call(self, which: int) -> None:
        work, claim = self.workers.pop(which % len(self.workers))
        work.begin(claim, self.provider)

    @precondition(lambda self: self.answers)
    @rule(which=some)
    def record(self, which: int) -> None:
        work, _, found = self.answers.pop(which % len(self.answers))
        work.note(found)
        work.write()

    @precondition(lambda self: self.answers)
    @rule(which=some, part=st.integers(1, 6))
    def record_a_part_and_die(self, which: int, part: int) -> None:
        work, _, found = self.answers.pop(which % len(self.answers))
        work.note(found[:part])
        work.write()

    @precondition(lambda self: self.answers)
    @rule(which=some)
    def die_after_the_call(self, which: int) -> None:
        self.answers.pop(which % len(self.answers))

    @precondition(lambda self: self.answers)
    @rule(which=some)
    def give_back_after_an_error_of_ours(self, which: int) -> None:
        work, claim, _ = self.answers.pop(which % len(self.answers))
        outbox.give_back(claim, but=work.offered)

    # --- Time, evidence, operators -----------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 60, 500, 1000, 5000]))
    def wait(self, seconds: int) -> None:
        self.clock.shift(seconds)

    @rule()
    def find_stale(self) -> None:
        settling.find_stale(timezone.now())

    @precondition(lambda self: +self.handed)
    @rule(which=some, kind=st.sampled_from(["delivered", "deferred", "bounced", "complained", "rejected"]),
          names_batch=st.booleans())  # fmt: skip
    def hear(self, which: int, kind: str, names_batch: bool) -> None:
        """The provider tells of what it was handed; never of another."""
        taken = sorted(self.handed)
        pk = taken[which % len(taken)]
        metadata = {"delivery": str(pk)}
        self.clock.shift(1)
        intake.store([intake.Report(provider=self.provider.name, event_id=f"{timezone.now()}{kind}", type=kind,
                                    metadata=metadata, occurred_at=timezone.now())])  # fmt: skip

    @rule()
    def apply(self) -> None:
        events.apply_pending()

    @rule()
    def look_for_evidence(self) -> None:
        before = self._in_doubt()
        evidence.settle(timezone.now())
        if not self.provider.is_idempotent:
            self._note_released(before)

    @rule(which=some)
    def release(self, which: int) -> None:
        before = self._in_doubt()
        settling.release(Delivery.objects.filter(pk=self.ids[which % 7]))
        self._note_released(before)

    @rule(which=some)
    def drop(self, which: int) -> None:
        settling.drop(Delivery.objects.filter(pk=self.ids[which % 7]))

    @rule(which=some, is_blocked=st.booleans())
    def leave(self, which: int, is_blocked: bool) -> None:
        reader = Subscriber.objects.get(pk=self.readers[which % 7])
        if is_blocked:
            services.suppress(reader, Suppression.Reason.BOUNCED)
        else:
            services.unsubscribe_all([reader.pk])

    @rule(months=st.booleans())
    def purge(self, months: bool) -> None:
        if months and not self.workers and not self.answers:
            self.clock.shift(100 * 86_400)
        purging.purge(timezone.now(), until=timezone.now() + timedelta(hours=1))

    def _in_doubt(self) -> set[int]:
        return set(Delivery.objects.filter(state=State.UNCERTAIN).values_list("pk", flat=True))

    def _note_released(self, before: set[int]) -> None:
        waiting = Delivery.objects.filter(pk__in=before, state=State.PENDING)
        self.released.update(waiting.values_list("pk", flat=True))

    # --- What holds after each step ----------------------------------------------------------------

    @invariant()
    def ledger_adds_up(self) -> None:
        type(self).steps += 1
        if hasattr(self, "edition"):
            found = ledger.of_edition(self.edition)
            assert found.is_balanced, str(found)
            assert found.due == 7

    @invariant()
    def nobody_is_handed_over_twice_unless_released(self) -> None:
        twice = {pk for pk, times in self.handed.items() if times > 1 + self.released[pk]}
        assert not twice

    @invariant()
    def what_is_settled_stays(self) -> None:
        now = dict(Delivery.objects.values_list("pk", "state"))
        for pk, state in self.settled.items():
            assert now.get(pk, state) == state, f"{state} became {now[pk]}"
        self.settled |= {pk: state for pk, state in now.items() if state in SETTLED}
        assert not {pk for pk, state in now.items() if state == State.SENT and not self.handed[pk]}

    @invariant()
    def batches_hold_what_they_say(self) -> None:
        sizes = Batch.objects.annotate(found=Count("deliveries"))
        assert not sizes.exclude(size=F("found")).exists()
        unsettled = Delivery.objects.filter(state__in=[State.PENDING, State.UNCERTAIN])
        assert not unsettled.filter(batch__state=Batch.State.DONE).exists()
        assert not unsettled.filter(state=State.UNCERTAIN, batch__state=Batch.State.OPEN).exists()
