"""What may break while an edition is sent: the scenarios that tests and the benchmark play."""

import itertools
import random
import signal
import time

import redis

from tests.flows.faults import Scenario, Stage
from tests.flows.faults_seed import MANY
from tests.flows.postgres_server import QUICK

KILLS = 50
_SLOWLY = "slow:0.03=1"
"""For a call a reader, so that the send is still on when something breaks."""


def kill_workers(stage: Stage) -> None:
    """One at a time, at random moments: mostly the child that sends, sometimes all of a worker, or
    only its parent, so that an orphan goes on for a while."""
    for _ in range(KILLS):
        time.sleep(random.uniform(0.05, 0.5))
        fate = random.random()
        stage.crew.kill(random.choice(stage.workers), child=fate < 0.84, group=fate < 0.92)


def kill_and_double_beat(stage: Stage) -> None:
    stage.start_beat("second beat")
    for name in itertools.islice(itertools.cycle(["beat", "second beat"]), 6):
        time.sleep(random.uniform(0.5, 1.5))
        stage.crew.kill(name)
    stage.crew.dismiss("second beat")


def trouble_redis(stage: Stage) -> None:
    with redis.Redis(port=stage.redis.port) as client:
        for _ in range(5):
            client.flushall()
            time.sleep(0.2)
    stage.redis.stop()
    time.sleep(1)
    stage.redis.start()
    time.sleep(1)
    # It is there, and says nothing.
    process = stage.redis.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)


def restart_postgres(stage: Stage) -> None:
    for mode in (QUICK, "fast", QUICK):
        time.sleep(1)
        stage.postgres.stop(mode)
        time.sleep(0.5)
        stage.postgres.start()


def kill_web(stage: Stage) -> None:
    for _ in range(5):
        time.sleep(random.uniform(0.3, 1.2))
        stage.crew.kill("web")


MURDER = Scenario(
    f"{KILLS} times a worker killed", faults="slow:0.2=1", disturb=kill_workers, crowd=MANY
)
SERVICES = [
    Scenario("beat killed and doubled", is_planned_by_beat=True, disturb=kill_and_double_beat),
    Scenario(
        "Redis flushed, restarted, silent", _SLOWLY, disturb=trouble_redis, provider="postmark"
    ),
    Scenario("PostgreSQL restarted", _SLOWLY, disturb=restart_postgres, provider="postmark"),
]
PROVIDER = [
    Scenario("429 with Retry-After", "429:2=0.1"),
    Scenario("429 without Retry-After", "429=0.1"),
    Scenario("500", "500=0.2"),
    Scenario("500 though it was taken", "500-after=0.2"),
    Scenario("refused", "ok*9 refused:2 ok*9 refused:2"),
    Scenario("reset before it was taken", "reset-before=0.2"),
    Scenario("reset after it was taken", "reset-after=0.2"),
    Scenario("time-out before it was taken", "timeout-before:3=0.1"),
    Scenario("time-out after it was taken", "timeout-after:3=0.1"),
    Scenario("half of a batch rejected", "half=0.1"),
    Scenario("slow as a snail", "slow:1.5=1"),
]
_DOUBT = "500-after=0.1 reset-before=0.1 reset-after=0.1"
WEB_KILLED = Scenario("web killed while events come in", _DOUBT, {"spread": 3}, kill_web)
EVENTS = [
    Scenario("events late", _DOUBT, {"delay": 4}),
    Scenario("events doubled", _DOUBT, {"doubled": 1, "doubles_anew": True, "spread": 2}),
    Scenario("events out of order", _DOUBT, {"spread": 4, "deferred": 0.5}),
    Scenario("events never", _DOUBT, {"share": 0}, leaves_doubt=True),
]
ANY_EVENTS = Scenario(
    "events late, doubled, out of order",
    _DOUBT,
    {"delay": 1, "spread": 3, "doubled": 1, "doubles_anew": True, "deferred": 0.3},
)
_ALL_AT_ONCE = (
    "429:1={0} 429={0} 500={0} 500-after={0} reset-before={0} reset-after={0} cut-after={0} "
    "timeout-before:3={0} timeout-after:3={0} half={0} not-json={0} truncated={0} slow:1={0}"
)


def storm(provider: str) -> Scenario:
    """Everything at once."""
    is_batch = provider in ("mailgun", "brevo")
    faults = _ALL_AT_ONCE.format(0.03 if is_batch else 0.002)
    return Scenario(f"all at once, {provider}", faults, provider=provider)


def storms() -> list[Scenario]:
    return [storm(name) for name in ("mailgun", "brevo", "postmark", "amazon_ses")]
