"""The life of deliveries in any order that workers, kills, providers, readers and operators may make of it.

Real functions on a real database; only the provider is ours, and it counts what it is handed. Rules that
do several things at once lead to where single ones seldom come.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import time_machine
from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, F, Q
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
READERS = 12
WITNESSES = 40
LATER = 5000
"""Seconds after which a claim is stale, and an offer long ago."""
TAKEN = [Result.SENT] * 7
some = st.integers(0, READERS)
answered = st.lists(st.sampled_from(Result), min_size=7, max_size=7)
kinds = st.sampled_from(["delivered", "deferred", "bounced", "complained", "rejected"])


class Life(RuleBasedStateMachine):
    """Twelve readers in six batches of one edition; nobody may be handed to the provider twice but
    after a release, nothing settled changes, and the ledger adds up after each step."""

    steps = calls = proofs = 0
    """Of all machines of this process: steps, calls of the provider, deliveries released by evidence."""

    def __init__(self) -> None:
        super().__init__()
        self.around = transaction.atomic()
        self.around.__enter__()
        self.travel = time_machine.travel(NOW, tick=False)
        self.clock = self.travel.start()
        self.workers: list[tuple[sending.Work, outbox.Claim]] = []
        self.answers: list[tuple[sending.Work, outbox.Claim, list[Outcome]]] = []
        self.handed: Counter[int] = Counter()
        self.batches: dict[int, int] = {}
        """That events of each delivery name, where all of the batch was in one call; else 0."""
        self.told: dict[int, int] = {}
        """Deliveries of which events that are not applied say that the provider took them, and the
        batches that they name."""
        self.released: Counter[int] = Counter()
        self.settled: dict[int, str] = {}
        self.ids: list[int] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.around.__exit__(None, None, None)
        self.travel.stop()
        cache.clear()

    @initialize(only=st.sampled_from(["", "", "resend"]))
    def plan(self, only: str) -> None:
        self.provider = PROVIDERS[only or "mailgun"]
        readers = [make_subscriber(f"reader{n}@example.org") for n in range(READERS)]
        for first, last in ((0, 4), (4, 6), (6, 7), (7, 9), (9, 10), (10, READERS)):
            batch = make_batch(readers[first:last], DAY, deliveries="pending", claimed_at=None,
                               offered_at=None, attempts=0, provider="")  # fmt: skip
        self.edition = batch.edition
        Edition.objects.filter(pk=self.edition.pk).update(due_count=READERS)
        # The newest one is never forgotten.
        Edition.objects.create(frequency="daily", date=DAY + timedelta(days=1))
        self.ids = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
        # Of another edition, whose readers were erased since.
        self.witnesses = make_batch([None] * WITNESSES, DAY - timedelta(days=1), deliveries="sent",
                                    provider=self.provider.name)  # fmt: skip
        Edition.objects.filter(pk=self.witnesses.edition_id).update(closed_at=NOW)
        self.readers = [reader.pk for reader in readers]

    # --- Workers ---------------------------------------------------------------------------------

    @rule(size=st.integers(1, 8), most=st.integers(1, 3))
    def claim(self, size: int, most: int) -> None:
        self.workers += self._claim(size, most)

    def _claim(self, size: int, most: int) -> list[tuple[sending.Work, outbox.Claim]]:
        claims = outbox.claim(timezone.now(), size=size, most_batches=most)
        work = sending.Work(claims)
        return [(work, claim) for claim in claims]

    @precondition(lambda self: self.workers)
    @rule(which=some, results=answered)
    def offer(self, which: int, results: list[Result]) -> None:
        self._offer(*self.workers.pop(which % len(self.workers)), results)

    def _offer(self, work: sending.Work, claim: outbox.Claim, results: list[Result]) -> None:
        """As `sending`: nothing is handed over for a claim that is somebody else's by now."""
        if not work.begin(claim, self.provider):
            return
        type(self).calls += 1
        found = []
        for pk, result in zip(claim.readers, results, strict=False):
            assert claim.only_provider in {"", self.provider.name}
            if result in MAY_BE_OUT and not (claim.only_provider and self.handed[pk]):
                self.handed[pk] += 1
            is_down = result is Result.DEFERRED
            found.append(
                Outcome(pk, claim.batch_id, result, self.provider.name, is_provider_down=is_down)
            )
        out = [o.delivery_id for o in found if o.result in MAY_BE_OUT]
        work.offered.update(out)
        self.batches |= dict.fromkeys(out, claim.batch_id if len(out) == len(found) else 0)
        self.answers.append((work, claim, found))

    @rule(size=st.integers(1, 8), most=st.integers(1, 3), results=answered)
    def work(self, size: int, most: int, results: list[Result]) -> None:
        for work, claim in self._claim(size, most):
            self._offer(work, claim, results)

    @rule(size=st.integers(1, 8))
    def get_no_answer(self, size: int) -> None:
        self.work(size, 1, [Result.UNCERTAIN] * 7)
        if self.answers:
            self.record(-1)

    @rule(size=st.integers(1, 8))
    def die_and_be_followed(self, size: int) -> None:
        """A worker dies after its calls, and once it is missed another one takes what is open."""
        asked = len(self.answers)
        self.work(size, 1, TAKEN)
        del self.answers[asked:]
        self.later()
        self.work(8, 3, TAKEN)

    @rule(size=st.integers(1, 8))
    def oversleep(self, size: int) -> None:
        """A claim goes stale, and others work meanwhile; but the worker's clock stood still, and only
        what is on record holds it back."""
        mine = self._claim(size, 1)
        self.later()
        self.work(8, 3, TAKEN)
        now = timezone.now()
        for work, claim in mine:
            self.clock.move_to(claim.claimed_at)
            self._offer(work, claim, TAKEN)
        self.clock.move_to(now)

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

    @rule()
    def later(self) -> None:
        self.wait(LATER)
        self.find_stale()

    @precondition(lambda self: +self.handed)
    @rule(which=some, kind=kinds, names_batch=st.booleans())
    def hear(self, which: int, kind: str, names_batch: bool) -> None:
        """The provider tells of what it was handed; never of another."""
        pk = self._handed(which)
        batch = self.batches[pk] if names_batch else 0
        self._store(self.provider.name, kind, pk, batch)
        if kind in events.TAKEN:
            self.told[pk] = batch or self.told.get(pk, 0)

    @rule()
    def apply(self) -> None:
        """Who is told of is settled, where it is on record that the provider was given them."""
        told = Delivery.objects.filter(pk__in=self.told)
        theirs = Q(provider=self.provider.name) | Q(batch__provider=self.provider.name)
        theirs |= Q(pk__in=[pk for pk, batch in self.told.items() if batch])
        settled = list(told.filter(theirs).values_list("pk", flat=True))
        events.apply_pending()
        self.told.clear()
        waiting = Delivery.objects.filter(state__in=[State.PENDING, State.UNCERTAIN])
        assert not waiting.filter(pk__in=settled).exists()

    @precondition(lambda self: +self.handed)
    @rule(which=some, kind=kinds, names_batch=st.booleans())
    def be_told(self, which: int, kind: str, names_batch: bool) -> None:
        self.hear(which, kind, names_batch)
        self.apply()

    @precondition(lambda self: +self.handed)
    @rule(which=some, kind=kinds, names_delivery=st.booleans())
    def hear_of_it_from_another(self, which: int, kind: str, names_delivery: bool) -> None:
        """A provider that was handed nothing of it tells of it, and nothing changes."""
        self.apply()
        before, pk = self._rows(), self._handed(which)
        self._store("brevo", kind, pk if names_delivery else 0, self.batches[pk])
        self.apply()
        assert self._rows() == before

    def _handed(self, which: int) -> int:
        taken = sorted(self.handed)
        return taken[which % len(taken)]

    def _store(self, provider: str, kind: str, *about: int) -> None:
        self.clock.shift(1)
        named = dict(zip(("delivery", "batch"), about, strict=True))
        metadata = {name: str(pk) for name, pk in named.items() if pk}
        intake.store([intake.Report(provider=provider, event_id=f"{timezone.now()}{about}", type=kind,
                                    metadata=metadata, occurred_at=timezone.now())])  # fmt: skip

    @rule()
    def look_for_evidence(self) -> None:
        before = self._in_doubt()
        found = evidence.settle(timezone.now())
        type(self).proofs += found["released"]
        if not self.provider.is_idempotent:
            self._note_released(before)

    @rule(size=st.integers(1, 8))
    def prove(self, size: int) -> None:
        """All readers of another edition that went out beside a batch in doubt are heard of at once;
        nobody of the batch is."""
        self.get_no_answer(size)
        doubtful = Batch.objects.filter(state=Batch.State.UNCERTAIN, offered_at__isnull=False)
        now = timezone.now()
        for batch in doubtful[:1]:
            Batch.objects.filter(pk=self.witnesses.pk).update(offered_at=batch.offered_at)
            self.clock.move_to(batch.offered_at)
            for pk in self.witnesses.deliveries.values_list("pk", flat=True):
                self._store(self.provider.name, "delivered", pk, 0)
            self.clock.move_to(max(now, timezone.now()))
            self.wait(1000)
        self.look_for_evidence()

    @rule(which=some)
    def release(self, which: int) -> None:
        before = self._in_doubt()
        settling.release(Delivery.objects.filter(pk=self.ids[which % READERS]))
        self._note_released(before)

    @rule(which=some)
    def drop(self, which: int) -> None:
        settling.drop(Delivery.objects.filter(pk=self.ids[which % READERS]))

    @rule(which=some, is_blocked=st.booleans())
    def leave(self, which: int, is_blocked: bool) -> None:
        reader = Subscriber.objects.get(pk=self.readers[which % READERS])
        if is_blocked:
            services.suppress(reader, Suppression.Reason.BOUNCED)
        else:
            services.unsubscribe_all([reader.pk])

    @rule(months=st.sampled_from([False, False, False, True]))
    def purge(self, months: bool) -> None:
        if months and not self.workers and not self.answers:
            self.clock.shift(100 * 86_400)
        purging.purge(timezone.now(), until=timezone.now() + timedelta(hours=1))

    def _rows(self) -> list[list[tuple[Any, ...]]]:
        models = (Delivery, Batch, Subscriber, Suppression)
        return [list(model.objects.order_by("pk").values_list()) for model in models]

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
            assert found.due == READERS

    @invariant()
    def nobody_is_handed_over_twice_unless_released(self) -> None:
        twice = {pk for pk, times in self.handed.items() if times > 1 + self.released[pk]}
        assert not twice

    @invariant()
    def what_is_settled_stays(self) -> None:
        mine = Delivery.objects.filter(pk__in=self.ids)
        now = dict(mine.values_list("pk", "state"))
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
