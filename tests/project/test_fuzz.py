"""A short run of `make bench BENCH=fuzz`: what takes input of strangers fails on none of it."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.digest.builders import make_paper
from tests.fuzz import targets
from tests.fuzz.deliveries import Life
from tests.fuzz.running import quick

SECONDS = 1.5
SEED = 20_260_820


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support")
@pytest.mark.parametrize("target", targets.targets(), ids=lambda target: target.name)
def test_no_input_is_more_than_it_can_take(target, settings):
    settings.API_RATE = "100000/h"
    make_paper(title="Deep learning of agents")
    tried = target.trial(SECONDS, SEED)
    assert tried.crash is None, f"{tried.crash!r:.2000}\n{tried.words}"
    assert tried.inputs


@pytest.mark.django_db
def test_life_of_deliveries_in_any_order_keeps_its_promises(monkeypatch):
    for name in ("calls", "proofs"):
        monkeypatch.setattr(Life, name, 0)
    lives = quick(max_examples=50, stateful_step_count=40, derandomize=True)
    run_state_machine_as_test(Life, settings=lives)
    # Some 220 and 50, as the code is today.
    assert Life.calls > 100
    assert Life.proofs > 10
