"""The checks in the order in which they are told, and how they are run: what asks the database one
after the other, what waits for others all at once, and nothing for ever.
"""

import logging
import queue
import threading
import time
from collections.abc import Collection, Iterator, Mapping

from digest.records import Finding, Verdict

from . import domain, installation, processes, sender, site
from .findings import Asked, Check

logger = logging.getLogger(__name__)

HERE: Mapping[str, Check] = {
    "settings": installation.check_settings,
    "database": installation.check_database,
    "migrations": installation.check_migrations,
    "cache": installation.check_cache,
    "clock": processes.check_database_clock,
    "events": sender.check_events,
    "tracking": sender.check_tracking,
}
"""They use this thread's connection to the database."""
ELSEWHERE: Mapping[str, Check] = {
    "broker": installation.check_broker,
    "workers": processes.check_workers,
    "beat": processes.check_beat,
    "clock": processes.check_clock,
    "providers": sender.check_providers,
    "webhook": sender.check_webhooks,
    "spf": domain.check_spf,
    "dkim": domain.check_dkim,
    "dmarc": domain.check_dmarc,
    "mx": domain.check_mx,
    "site": site.check_site,
    "https": site.check_https,
    "one_click": site.check_one_click,
}
"""They wait for others, each in a thread of its own."""
NAMES = (
    "settings", "database", "migrations", "cache", "broker", "workers", "beat", "clock",
    "providers", "webhook", "events", "tracking", "spf", "dkim", "dmarc", "mx", "site", "https", "one_click",
)  # fmt: skip


def run(asked: Asked, *, only: Collection[str] = (), seconds: float = 60) -> list[Finding]:
    """What the checks found, in their order; one that has no answer within `seconds` has failed."""
    wanted = [name for name in NAMES if not only or name in only]
    done: queue.SimpleQueue[tuple[str, list[Finding]]] = queue.SimpleQueue()
    waiting = [name for name in wanted if name in ELSEWHERE]
    ends_at = time.monotonic() + seconds
    for name in waiting:
        # A daemon: whoever still waits for an answer then must not hold up the end.
        threading.Thread(
            target=lambda name=name: done.put((name, _all(ELSEWHERE[name], name, asked))),
            daemon=True,
        ).start()
    found = {name: _all(HERE[name], name, asked) for name in wanted if name in HERE}
    for name, more in _come_in(done, len(waiting), ends_at):
        found[name] = found.get(name, []) + more
        waiting.remove(name)
    for name in waiting:
        late = Finding(name, Verdict.FAIL, f"no answer within {seconds:.0f} seconds", "Try --only.")
        found[name] = [*found.get(name, []), late]
    return [finding for name in wanted for finding in found[name]]


def _come_in(
    done: "queue.SimpleQueue[tuple[str, list[Finding]]]", number: int, ends_at: float
) -> Iterator[tuple[str, list[Finding]]]:
    for _ in range(number):
        try:
            yield done.get(timeout=max(ends_at - time.monotonic(), 0.01))
        except queue.Empty:
            return


def _all(check: Check, name: str, asked: Asked) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(asked))
    except Exception as error:
        # A check that stumbles says so, and the others go on.
        logger.exception("check failed", extra={"check": name})
        kind = type(error).__name__
        found.append(Finding(name, Verdict.FAIL, f"the check itself failed ({kind})", "Report it."))
    return found
