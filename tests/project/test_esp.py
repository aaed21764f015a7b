"""The fake provider itself: what it takes, what it counts, and how it runs by itself."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

import pytest
import requests
from anymail.exceptions import AnymailError, AnymailRequestsAPIError

from tests.esp import FakeEsp
from tests.esp.mailgun import unquoted
from tests.esp.offers import ADA, ALL, BATCHES, BOB, batch, form, post, send, single

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def esp(settings):
    with FakeEsp() as running:
        settings.ANYMAIL = settings.ANYMAIL | running.anymail()
        yield running


@pytest.fixture
def lean():
    with FakeEsp(keeps_copies=False, is_lean=True) as running:
        yield running


@pytest.mark.parametrize("name", ALL)
def test_reader_gets_the_message_whole(esp, name):
    send(name, single())
    (copy,) = esp.inbox[ADA]
    assert (copy.subject, copy.text.strip(), copy.html) == (
        "Hello", "A text.", "<p>A text, für alle.</p>",
    )  # fmt: skip
    assert copy.visible_to == [ADA]
    assert copy.headers["List-Id"] == "Daily Papers <daily.papers.example.org>"
    assert (copy.metadata, copy.tags) == ({"delivery": "7"}, ["digest"])


@pytest.mark.parametrize("name", ALL)
def test_answer_names_the_message_as_the_events_will(esp, name):
    message = single()
    send(name, message)
    (copy,) = esp.inbox[ADA]
    assert message.anymail_status.message_id == copy.message_id


@pytest.mark.parametrize("name", BATCHES)
def test_each_reader_of_a_batch_gets_their_own(esp, name):
    send(name, batch(ADA, BOB))
    for reader in (ADA, BOB):
        (copy,) = esp.inbox[reader]
        assert copy.visible_to == [reader]
        assert copy.headers["List-Unsubscribe"] == f"<https://x/{reader[:3]}>"
        assert copy.metadata == {"delivery": reader[:3]}
    assert esp.accepted == {ADA: 1, BOB: 1}


def test_mailgun_shows_all_readers_where_there_are_no_variables(esp):
    message = single()
    message.to = [ADA, BOB]
    send("mailgun", message)
    assert esp.inbox[ADA][0].visible_to == [ADA, BOB]


def test_mailgun_takes_multipart_with_a_file(esp):
    message = batch(ADA, BOB)
    message.attach("notes.txt", "words", "text/plain")
    send("mailgun", message)
    assert esp.inbox[BOB][0].metadata == {"delivery": "bob"}


@pytest.mark.parametrize("name", ["mailgun", "brevo"])
def test_call_beyond_the_limit_is_refused(esp, name):
    readers = [f"reader{n}@example.org" for n in range(1001)]
    with pytest.raises(AnymailRequestsAPIError, match="400"):
        send(name, batch(*readers))
    assert not esp.accepted


def test_postmark_refuses_more_than_500_a_call(esp):
    with pytest.raises(AnymailRequestsAPIError, match="422"):
        send("postmark", batch(*[f"reader{n}@example.org" for n in range(501)]))
    assert not esp.accepted


@pytest.mark.parametrize("name", ["mailgun", "brevo", "amazon_ses"])
def test_invalid_address_is_refused(esp, name):
    with pytest.raises(AnymailError, match=r"400|Illegal"):
        send(name, single("ada@nodot"))
    assert not esp.accepted


def test_postmark_refuses_only_the_invalid_one(esp):
    assert send("postmark", batch(ADA, "ada@nodot")) == {ADA: "sent", "ada@nodot": "invalid"}
    assert esp.accepted == {ADA: 1}


def test_mailgun_refuses_variables_that_do_not_cover_every_reader(esp):
    assert post(esp.root, form([ADA, BOB], {ADA: {"unsubscribe": "1"}})) == 400
    assert not esp.accepted


def test_lean_counts_a_whole_batch(lean):
    assert (
        post(lean.root, form([ADA, BOB], {ADA: {"unsubscribe": "1"}, BOB: {"unsubscribe": "2"}}))
        == 200
    )
    assert lean.accepted == {ADA: 1, BOB: 1}


@pytest.mark.parametrize(
    "variables",
    [
        {ADA: {"unsubscribe": "1"}},
        {ADA: {"unsubscribe": "1"}, BOB: {}},
        {ADA: {"unsubscribe": "1"}, BOB: {"unsubscribe": ""}},
        {ADA: {"unsubscribe": "1"}, BOB: {"unsubscribe": "1"}},
        {n: {"unsubscribe": n} for n in (ADA, BOB, "eve@example.org")},
        {},
        "none",
    ],
)
def test_lean_refuses_what_does_not_fit_the_readers(lean, variables):
    assert post(lean.root, form([ADA, BOB], variables)) == 400
    assert not lean.accepted


def test_lean_takes_single_messages_too(lean, settings):
    settings.ANYMAIL = settings.ANYMAIL | lean.anymail()
    send("mailgun", single())
    assert lean.accepted == {ADA: 1}


@pytest.mark.parametrize(
    "text", ["a_b=c&d+e f%g", "=3D_=\r\n=", "ü €🙂", " \t", "a=\n", "", "=%zz%%"]
)
def test_fast_decoding_is_exact(text):
    assert unquoted(quote_plus(text).encode()).decode() == text


@pytest.mark.parametrize("raw", ["a=b_c%3D", "x%0A%0Dy", "_%5F=%", "trailing+", "a%\nb"])
def test_fast_decoding_agrees_on_what_no_client_would_write(raw):
    assert unquoted(raw.encode()).decode() == unquote_plus(raw)


def test_call_that_ends_in_the_middle_is_none(esp):
    with socket.create_connection(("127.0.0.1", esp.port)) as link:
        link.sendall(b"POST /v3/x/messages HTTP/1.1\r\nContent-Length: 999\r\n\r\nto=ada")
    time.sleep(0.1)
    assert esp.counts()["calls"] == 0


@pytest.fixture
def process():
    """The address of a fake provider that is a process."""
    command = [sys.executable, "-m", "tests.esp", "--mode", "copies", "--faults", "cut-after"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        yield running.stdout.readline().strip()
        running.terminate()
        assert running.wait(10) == 0


def ask(url, room, data=None):
    call = requests.get if data is None else requests.post
    response = call(f"{url}/_control/{room}", json=data, timeout=5)
    assert response.status_code == 200, response.text
    return response.json()


def test_process_answers_for_itself(process):
    body = form([ADA], {ADA: {"v:delivery": "7"}})
    with pytest.raises(requests.ConnectionError):
        post(process, body)
    assert post(process, body) == 200
    assert ask(process, "counts") == {
        "calls": 2, "answered": {"none": 1, "200": 1}, "accepted": 2,
        "readers": 1, "readers_twice": 1, "twice": [ADA],
    }  # fmt: skip
    assert ask(process, "readers") == {ADA: 2}
    assert ask(process, f"copies?to={ADA}")[0]["metadata"] == {"delivery": "7"}
    assert ask(process, "events") == {"open": 0}


def test_process_takes_its_orders(process):
    ask(process, "faults", {"faults": ""})
    post(process, form([ADA, BOB], {}))
    ask(process, "reset", {})
    ask(process, "faults", {"faults": "429*2 500=0.1"})
    assert ask(process, "faults") == {"left": 2, "by_chance": 1}
    assert ask(process, "counts")["calls"] == 0


def is_there(url):
    try:
        return ask(url, "counts")["calls"] == 0
    except requests.ConnectionError:
        return False


def wait_until(is_true):
    end = time.perf_counter() + 10
    while not is_true():
        assert time.perf_counter() < end
        time.sleep(0.02)


def test_process_is_away_for_as_long_as_it_is_told(process):
    ask(process, "pause", {"seconds": 1})
    wait_until(lambda: not is_there(process))
    wait_until(lambda: is_there(process))


def test_control_says_what_is_wrong(esp):
    response = requests.post(f"{esp.root}/_control/faults", json={"faults": "odd"}, timeout=5)
    assert response.status_code == 400
    assert "odd is no fault" in response.json()["error"]
