"""Personalises a claimed batch and hands it to the provider: claim, commit, call, record."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import formatdate, parseaddr
from itertools import chain

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from digest import logs
from digest.delivery.esp import circuit, pacing, plans, providers
from digest.delivery.esp.answers import Answer
from digest.delivery.esp.pipelining import Mail
from digest.delivery.esp.providers import Provider
from digest.delivery.mails import content, messages, rendering
from digest.delivery.mails.messages import Call
from digest.delivery.watching import watch
from digest.models import Audience
from digest.records import Outcome, Reader, Result
from subscriptions import services
from subscriptions.models import Subscriber, Suppression

from . import outbox

logger = logging.getLogger(__name__)

MOST_BATCHES = 25
"""Small batches that are claimed at once."""
WRITE_READERS = 25
DOUBTFUL_READERS = 5
"""Of small batches, whom a kill may leave in doubt where there will be no evidence."""
WRITE_SECONDS = 0.5
"""Outcomes of so many readers, or of so long, are written at the latest."""
KEYS_LAST = timedelta(hours=20)
"""How long a provider surely knows a call by its idempotency key; Resend says a day."""
PATIENCE = 120.0
"""Seconds that a database may be away before what is known of a batch is lost."""


_NOT_NOW = "the provider rests, is paused, or has had its number of today"
_LATE = "the claim took too long"


class Work:
    """The claims that a worker has at the moment, and what it knows of them but has not written."""

    def __init__(self, claims: Sequence[outbox.Claim]) -> None:
        self.claims = {claim.batch_id: claim for claim in claims}
        self.offered: set[int] = set()
        """Deliveries that went into any offer, without those surely not taken."""
        self._begun: dict[int, str] = {}
        self._lost: set[int] = set()
        self._known: list[Outcome] = []
        self._written_at = time.monotonic()

    def begin(self, claim: outbox.Claim, provider: Provider) -> bool:
        """Whether the provider may be called for the claim; that it is called is on record."""
        if self._begun.get(claim.batch_id) != provider.name:
            # What another provider said is written first, or a kill would file its doubt under this one.
            if self._known:
                self.write()
            # Where no event would tell of what a kill leaves in doubt, it is few.
            is_told = provider.name not in providers.MIME_PROVIDERS
            rest = self._ahead(claim, most=WRITE_READERS if is_told else DOUBTFUL_READERS)
            kept = outbox.begin(rest, provider.name)
            self._begun |= {c.batch_id: provider.name for c in rest}
            self._lost |= {c.batch_id for c in rest} - kept
        half = timedelta(seconds=settings.UNCERTAIN_AFTER / 2)
        is_fresh = timezone.now() < claim.claimed_at + half
        return is_fresh and claim.batch_id not in self._lost

    def _ahead(self, claim: outbox.Claim, *, most: int) -> list[outbox.Claim]:
        """The claim and the small ones right after it: whom a kill in the call puts in doubt."""
        later = [other for pk, other in self.claims.items() if pk > claim.batch_id]
        found, readers = [claim], len(claim.readers)
        for other in later:
            readers += len(other.readers)
            if readers > most:
                break
            found.append(other)
        return found

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Afterwards the outcomes are known, and written before long."""
        self._known += outcomes
        is_time = time.monotonic() - self._written_at > WRITE_SECONDS
        if len(self._known) >= WRITE_READERS or is_time:
            self.write()

    def write(self) -> None:
        """Afterwards all that is known is written. A database that is away is waited for: what
        is forgotten here would be in doubt."""
        ends_at = time.monotonic() + PATIENCE
        while True:
            try:
                outbox.record(self.claims, self._known)
            except (OperationalError, InterfaceError):
                if time.monotonic() > ends_at:
                    raise
                logger.warning("database is away, outcomes wait")
                close_old_connections()
                time.sleep(1)
            else:
                break
        self._known = []
        self._written_at = time.monotonic()


def batch_size() -> int:
    """How many readers a batch may hold for the first provider that takes digests."""
    ways = ways_out()
    return pacing.claim_size(ways[0]) if ways else outbox.MOST_READERS


def ways_out() -> list[Provider]:
    """The configured providers that take digests and are not paused, in their order."""
    return [provider for provider in plans.in_use() if provider.takes_digests]


def send_pending(*, until: datetime | None = None) -> int:
    """Claims and sends batches until nothing is pending, or `until` (UTC) has passed.

    Returns how many deliveries it offered. Safe to run many times at once: a claim takes rows
    from the table that nobody else can take.
    """
    offered = 0
    while (ways := circuit.available(ways_out())) and (until is None or timezone.now() < until):
        size = pacing.room(ways[0])
        claims = outbox.claim(timezone.now(), size=size, most_batches=MOST_BATCHES)
        if not claims:
            break
        offered += sum(len(claim.readers) for claim in claims)
        send(claims, ways)
    return offered


def send(claims: Sequence[outbox.Claim], ways: Sequence[Provider]) -> None:
    """Offers each batch to the first provider that is not down, and records the outcomes.

    Whom no provider would take now is offered again later. After an error of our own, the last of
    which is raised in the end, whom surely no provider took is pending again, and the others are
    uncertain; the batches after it are sent all the same.
    """
    work = Work(claims)
    audiences = Audience.objects.select_related("edition").in_bulk(
        [claim.audience_id for claim in claims]
    )
    failure: Exception | None = None
    for claim in claims:
        with logs.bound(edition=claim.edition_id, batch=claim.batch_id):
            try:
                allowed = _allowed(claim, ways)
                call = _call(claim, audiences[claim.audience_id], allowed)
                work.note(_offer_in_turn(work, call, allowed))
            except Exception as error:
                logger.exception("batch failed", extra={"batch": claim.batch_id})
                failure = error
                work.write()
                outbox.give_back(claim, but=work.offered)
                watch.note_error(claim.edition_id)
    work.write()
    if failure is not None:
        raise failure


def _allowed(claim: outbox.Claim, ways: Sequence[Provider]) -> Sequence[Provider]:
    """The providers that the claim may be offered to."""
    if not claim.only_provider:
        return ways
    if timezone.now() > outbox.planned_at(claim) + KEYS_LAST:
        return []
    return [provider for provider in ways if provider.name == claim.only_provider]


def _call(claim: outbox.Claim, audience: Audience, ways: Sequence[Provider]) -> Call:
    # A provider that knows the call by its key wants the same words each time.
    is_repeatable = any(provider.is_idempotent for provider in ways)
    written_at = outbox.planned_at(claim) if is_repeatable else timezone.now()
    readers = content.readers_of(
        claim.readers,
        edition_id=claim.edition_id,
        now=written_at,
        batch_id=claim.batch_id,
        language=audience.language,
    )
    return Call(
        claim,
        audience.edition,
        content.body_of(audience),
        readers,
        counts_clicks=_counts_clicks(claim, audience),
    )


def _counts_clicks(claim: outbox.Claim, audience: Audience) -> bool:
    """Whether the provider may count the clicks of the call's readers. Where one of them has said no since
    it was planned, it counts nobody's."""
    is_wanted = settings.TRACK_CLICKS and audience.counts_clicks
    return is_wanted and all(reader.counts_clicks for reader in claim.readers.values())


def _offer_in_turn(work: Work, call: Call, ways: Sequence[Provider]) -> list[Outcome]:
    """The outcomes of those whom no provider would take now; the others are noted."""
    waiting = [] if ways else [_nobody(call, reader) for reader in call.readers]
    for provider in ways:
        waiting = _through(work, provider, call)
        left = {outcome.delivery_id for outcome in waiting}
        call = replace(call, readers=[r for r in call.readers if r.delivery_id in left])
        if not waiting:
            break
    return waiting


def _nobody(call: Call, reader: Reader) -> Outcome:
    name = call.claim.only_provider
    if timezone.now() <= outbox.planned_at(call.claim) + KEYS_LAST:
        return _put_off(name, reader, "the one provider that may be asked is not there")
    found = _put_off(name, reader, "too late to be asked for again under its key")
    return found._replace(result=Result.UNCERTAIN, is_provider_down=False)


def _through(work: Work, provider: Provider, call: Call) -> list[Outcome]:
    """Offers the call's readers to one provider, and notes what it said.

    What was refused for one of many readers is halved until the bad address is alone.
    Returns the outcomes of those that it surely did not take because it is down, so that another
    provider can be asked.
    """
    size = pacing.call_size(provider)
    groups = [call.readers[n : n + size] for n in range(0, len(call.readers), size)]
    while groups:
        readers = groups.pop(0)
        if not circuit.admit(provider, len(readers)):
            return [_put_off(provider.name, reader, _NOT_NOW) for reader in chain(readers, *groups)]
        if not work.begin(call.claim, provider):
            late = [_put_off(provider.name, reader, _LATE) for reader in chain(readers, *groups)]
            work.note(late)
            return []
        outcomes = _offer(work, provider, replace(call, readers=readers))
        if not outcomes:
            middle = len(readers) // 2
            groups[:0] = [readers[:middle], readers[middle:]]
        work.note([o for o in outcomes if not o.is_provider_down])
        _suppress(call, [o for o in outcomes if o.is_dead_address])
        if down := [outcome for outcome in outcomes if outcome.is_provider_down]:
            left = [reader for group in groups for reader in group]
            return down + [down[0]._replace(delivery_id=reader.delivery_id) for reader in left]
    return []


def _put_off(provider: str, reader: Reader, why: str) -> Outcome:
    """Surely not offered, for a reason that says nothing of the reader, and is no attempt."""
    return Outcome(
        delivery_id=reader.delivery_id,
        batch_id=reader.batch_id,
        result=Result.DEFERRED,
        provider=provider,
        detail=why,
        is_provider_down=True,
    )


def _suppress(call: Call, outcomes: Sequence[Outcome]) -> None:
    """Hard bounces: at once, as SMTP has no webhook that would report them later."""
    ids = {call.claim.readers[outcome.delivery_id].subscriber_id for outcome in outcomes}
    for subscriber in Subscriber.objects.filter(pk__in=ids) if ids else ():
        services.suppress(subscriber, Suppression.Reason.BOUNCED)


def _offer(work: Work, provider: Provider, call: Call) -> list[Outcome]:
    """The outcomes of one call; none where it was refused and any of its readers may be why."""
    if provider.takes_many:
        return _offer_many(work, provider, call)
    of_call = messages.batch_message if provider.merge else messages.single_message
    message = of_call(provider, call)
    ids = {reader.delivery_id for reader in call.readers}
    work.offered.update(ids)
    try:
        answer = providers.offer(provider, message)
    except Exception as error:
        if message.connection is None:
            work.offered.difference_update(ids)
        else:
            answer = Answer(Result.UNCERTAIN, type(error).__name__)
            work.note([_outcome(provider, message, reader, answer) for reader in call.readers])
        raise
    circuit.report(provider, answer, messages=len(call.readers))
    if answer.result in (Result.FAILED, Result.DEFERRED):
        work.offered.difference_update(ids)
    if answer.result is Result.FAILED and len(call.readers) > 1:
        return []
    return [_outcome(provider, message, reader, answer) for reader in call.readers]


def _offer_many(work: Work, provider: Provider, call: Call) -> list[Outcome]:
    """The outcomes of messages that are offered at once, each with an answer of its own."""
    targets, (_, sender) = messages.unsubscribe_targets(), parseaddr(settings.DEFAULT_FROM_EMAIL)
    mails = [
        Mail(reader.delivery_id, sender, reader.email, _content(call, reader, targets))
        for reader in call.readers
    ]
    ids = {reader.delivery_id for reader in call.readers}
    work.offered.update(ids)
    found = providers.offer_many(provider, mails)
    surely_not = (Result.FAILED, Result.DEFERRED)
    work.offered.difference_update(pk for pk in ids if found[pk].result in surely_not)
    worst = [answer for answer in found.values() if answer.is_provider_down]
    if all(answer.result is Result.UNCERTAIN for answer in found.values()):
        worst = list(found.values())
    circuit.report(provider, worst[0] if worst else Answer(Result.SENT), messages=len(mails))
    return [_outcome(provider, None, reader, found[reader.delivery_id]) for reader in call.readers]


def _content(call: Call, reader: Reader, targets: str) -> bytes:
    headers = {"To": reader.email, "Date": formatdate()} | messages.reader_headers(reader, targets)
    return call.template.fill(headers=headers, values=rendering.values_of(reader))


_REJECTED = frozenset({"rejected", "invalid", "failed"})


def _outcome(
    provider: Provider, message: messages.DigestMessage | None, reader: Reader, answer: Answer
) -> Outcome:
    status = getattr(message, "anymail_status", None)
    said = status.recipients.get(reader.email) if status is not None else None
    result, detail, message_id = answer.result, answer.detail, ""
    if result is Result.SENT and said is not None:
        message_id = str(said.message_id or "")
        if said.status in _REJECTED:
            result, detail = Result.FAILED, str(said.status)
    return Outcome(
        delivery_id=reader.delivery_id,
        batch_id=reader.batch_id,
        result=result,
        provider=provider.name,
        message_id=message_id,
        detail=detail,
        retry_after=answer.retry_after,
        is_provider_down=answer.is_provider_down,
        is_dead_address=answer.is_dead_address,
    )
