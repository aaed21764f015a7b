"""Whatever breaks while an edition is sent, nobody is lost and nobody gets a second copy.

With events every doubt is settled; without them the ledger lists who is in doubt, and nobody else
is missing.
"""

import pytest

from tests.flows import fault_scenarios as scenarios
from tests.flows import faults
from tests.flows.disk_full import play_disk_full
from tests.flows.postgres_server import postgres_server, programs
from tests.services import missing

pytestmark = pytest.mark.flow
FEW, MANY = 600, 20_000
WITH, WITHOUT = "with webhooks", "without webhooks"


@pytest.fixture(scope="module")
def postgres():
    if programs() is None:
        missing("no PostgreSQL server to start")
    with postgres_server() as server:
        faults.make_seed(server, few=FEW, many=MANY)
        yield server


@pytest.fixture(scope="module")
def stage(request, postgres):
    with faults.stage(postgres, has_webhooks=request.param == WITH) as made:
        yield made


def names(chosen):
    return [scenario.name for scenario in chosen]


def check(row, *, is_settled):
    """Found: everybody, once; or listed."""
    assert (row.lost, row.repeated, row.is_balanced) == (0, 0, True), row
    assert row.sent + row.failed + row.uncertain == row.due, row
    assert not is_settled or row.uncertain == 0, row


def test_judge_finds_who_is_lost_repeated_or_denied():
    states = {"a": "sent", "b": "sent", "c": "failed", "d": "uncertain", "e": "sent"}
    found = faults.judge(states, {"a": 1, "b": 2, "c": 1}, due=list("abcdef"))
    # Of f there is not even a row.
    assert found == {
        "sent": 3, "failed": 1, "lost": 2, "repeated": 1, "uncertain": 1, "denied": 1,
    }  # fmt: skip


def test_full_disk_loses_nobody_of_the_embedded_database():
    try:
        row = play_disk_full(readers=FEW)
    except OSError as error:
        missing(str(error))
    check(row, is_settled=True)


SETTLED = [
    scenarios.MURDER,
    *scenarios.SERVICES,
    scenarios.WEB_KILLED,
    scenarios.ANY_EVENTS,
    scenarios.storm("mailgun"),
    scenarios.storm("amazon_ses"),
]
IN_DOUBT = [scenarios.storm("brevo")]


@pytest.mark.parametrize("stage", [WITH], indirect=True)
@pytest.mark.parametrize("scenario", SETTLED, ids=names(SETTLED))
def test_everybody_gets_one_copy(stage, scenario):
    check(stage.play(scenario), is_settled=True)


@pytest.mark.parametrize("stage", [WITHOUT], indirect=True)
@pytest.mark.parametrize("scenario", IN_DOUBT, ids=names(IN_DOUBT))
def test_nobody_is_missing_but_those_who_are_listed(stage, scenario):
    row = stage.play(scenario)
    check(row, is_settled=False)
    assert row.uncertain > 0
