"""Sends of an edition while something breaks: whom our ledger and the provider's count disagree on.

`subscribers` is the crowd whose workers are killed; the other scenarios have a twentieth of it.
"""

from collections.abc import Iterator

from tests.flows import fault_scenarios as scenarios
from tests.flows import faults
from tests.flows.disk_full import play_disk_full
from tests.flows.postgres_server import PostgresServer, postgres_server

HEADINGS = faults.HEADINGS
_FEWEST = 200
WITHOUT_EVENTS = [
    scenarios.MURDER, *scenarios.SERVICES, *scenarios.PROVIDER, *scenarios.storms(),
]  # fmt: skip
WITH_EVENTS = [
    scenarios.MURDER, *scenarios.SERVICES, scenarios.WEB_KILLED, *scenarios.PROVIDER,
    *scenarios.EVENTS, *scenarios.storms(),
]  # fmt: skip


def run(*, subscribers: int) -> list[tuple[str, ...]]:
    """A row for each scenario, first with the provider's events, then without."""
    return list(_rows(subscribers))


def _rows(subscribers: int) -> Iterator[tuple[str, ...]]:
    few = max(subscribers // 20, _FEWEST)
    with postgres_server() as postgres:
        faults.make_seed(postgres, few=few, many=subscribers)
        yield from _played(postgres, WITH_EVENTS, has_webhooks=True)
        yield from _played(postgres, WITHOUT_EVENTS, has_webhooks=False)
    try:
        yield play_disk_full(readers=few).as_text()
    except OSError as error:
        yield "disk full under the embedded database", f"not played: {error}"


def _played(
    postgres: PostgresServer, chosen: list[faults.Scenario], *, has_webhooks: bool
) -> Iterator[tuple[str, ...]]:
    kind = "with webhooks" if has_webhooks else "without webhooks"
    with faults.stage(postgres, has_webhooks=has_webhooks) as stage:
        for scenario in chosen:
            row = stage.play(scenario)
            yield row._replace(scenario=f"{row.scenario}, {kind}").as_text()
