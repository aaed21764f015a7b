"""The fake provider's faults: each does what its name says, and takes what it says."""

import time

import pytest
import requests
from anymail.exceptions import AnymailError, AnymailRequestsAPIError

from tests.esp import Chances, FakeEsp, Fault, scenario
from tests.esp.offers import ADA, ALL, BOB, batch, form, post, send, single


@pytest.fixture
def esp(settings):
    with FakeEsp() as running:
        settings.ANYMAIL = settings.ANYMAIL | running.anymail()
        yield running


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("words", "is_taken"),
    [
        ("429", 0), ("429:2", 0), ("500", 0), ("503", 0), ("500-after", 1),
        ("reset-before", 0), ("reset-after", 1), ("cut-before", 0), ("cut-after", 1),
        ("refused:0.2", 0), ("not-json", 1), ("truncated", 1),
    ],
)  # fmt: skip
def test_fault_is_an_error_and_takes_what_its_name_says(esp, name, words, is_taken):
    esp.set_faults(words)
    with pytest.raises((AnymailError, requests.RequestException, ValueError)):
        send(name, single())
    assert esp.accepted[ADA] == is_taken


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("words", "is_taken"), [("timeout-before:3", 0), ("timeout-after:3", 1)])
def test_timeout_is_one_and_takes_what_its_name_says(esp, settings, name, words, is_taken):
    settings.ANYMAIL = settings.ANYMAIL | esp.anymail(timeout=0.5)
    esp.set_faults(words)
    with pytest.raises((AnymailError, requests.RequestException), match=r"timed out|timeout"):
        send(name, single())
    assert esp.accepted[ADA] == is_taken


@pytest.mark.parametrize(("words", "header"), [("429", None), ("429:2", "2"), ("503:9", "9")])
def test_status_comes_with_the_wait_that_is_written(esp, words, header):
    esp.set_faults(words)
    with pytest.raises(AnymailRequestsAPIError) as caught:
        send("mailgun", single())
    assert caught.value.response.headers.get("Retry-After") == header


@pytest.mark.parametrize(
    ("words", "code"), [("429", "TooManyRequestsException"), ("400", "BadRequestException")]
)
def test_ses_says_errors_as_aws_does(esp, words, code):
    esp.set_faults(words)
    with pytest.raises(AnymailError, match=code):
        send("amazon_ses", single())


def test_reset_is_one(esp):
    esp.set_faults("reset-before")
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        post(esp.root, form([ADA], {ADA: {}}))


def test_slow_answer_is_the_real_one(esp):
    esp.set_faults("slow:0.2")
    started = time.perf_counter()
    assert send("brevo", single()) == {ADA: "queued"}
    assert time.perf_counter() - started >= 0.2


def test_paused_provider_refuses_connections_until_it_resumes(esp):
    esp.pause()
    with pytest.raises(requests.ConnectionError, match="refused"):
        post(esp.root, form([ADA], {ADA: {}}))
    esp.resume()
    assert post(esp.root, form([ADA], {ADA: {}})) == 200


def test_half_of_a_batch_is_rejected_where_each_has_an_answer(esp):
    esp.set_faults("half")
    said = send("postmark", batch(ADA, BOB))
    assert said == {ADA: "rejected", BOB: "sent"}
    assert esp.accepted == {BOB: 1}


@pytest.mark.parametrize("name", ["mailgun", "brevo"])
def test_half_means_a_named_reader_where_one_answer_is_for_all(esp, name):
    esp.set_faults("half")
    with pytest.raises(AnymailRequestsAPIError, match=ADA):
        send(name, batch(ADA, BOB))
    assert not esp.accepted


def test_bad_address_stays_bad(esp):
    esp.set_faults(f"bad:{ADA}")
    for _ in range(2):
        with pytest.raises(AnymailRequestsAPIError):
            send("mailgun", batch(ADA, BOB))
    assert send("mailgun", batch(BOB)) == {BOB: "queued"}


def test_script_is_in_the_order_of_its_words():
    script, chances = scenario("429:2 ok*2 reset-after")
    ok = Fault(status=200, accepts=True)
    wait = Fault(status=429, retry_after="2")
    assert script == [wait, ok, ok, Fault(accepts=True, resets=True)]
    assert chances == Chances()


def test_chances_of_a_seed_are_always_the_same():
    _, chances = scenario("seed=7 500=0.2 timeout-after:2=0.1")
    faults = [chances.of(number) for number in range(1000)]
    assert faults == [chances.of(number) for number in range(1000)]
    assert 150 < faults.count(Fault(status=500)) < 250
    assert 60 < faults.count(Fault(accepts=True, stall=2.0)) < 140


@pytest.mark.parametrize("words", ["nonsense", "500=0.7 503=0.7", "bad:a@b.c=0.1", "200"])
def test_scenario_that_means_nothing_is_an_error(words):
    with pytest.raises(ValueError, match=r"fault|like|shares"):
        scenario(words)
