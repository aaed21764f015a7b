"""Many mails over few connections: each answer is what really became of its mail."""

import itertools
import random
import shutil
import ssl
import subprocess
import threading
from collections import Counter

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.core.mail import EmailMessage

from digest.delivery.esp import answers, smtp
from digest.delivery.esp.smtp import EmailBackend, Mail
from digest.records import Result
from tests.flows.processes import free_port
from tests.services import missing
from tests.smtp import HANG_UP, TAKE_AND_HANG_UP, Sink, agree, fast_sink

SENDER = "digest@papers.example.org"
TEXT = b"Subject: Hello\r\n\r\nA text.\r\n"


def mails(count, content=TEXT):
    return [Mail(n, SENDER, f"reader{n}@example.org", content) for n in range(count)]


@pytest.fixture
def connect():
    opened = []

    def backend(port, **options):
        options = {"username": "", "password": "", "timeout": 5} | options
        opened.append(EmailBackend(host="127.0.0.1", port=port, **options))
        return opened[-1]

    yield backend
    for link in opened:
        link.close()


@pytest.fixture
def offer(connect):
    """What became of so many mails, and the sink that decided it."""

    def offered(decide=agree, count=30, content=TEXT, **options):
        timeout = options.pop("timeout", 5)
        with fast_sink(decide, **options) as sink:
            backend = connect(sink.port, timeout=timeout)
            found = backend.offer_many(mails(count, content))
            backend.close()
        return [found[n] for n in range(count)], sink

    return offered


def results(found):
    return [answer.result for answer in found]


def at(point, reply, *, times=None, recipient=""):
    """Gives the reply at a point, to one recipient or to all, so many times."""
    left = itertools.count() if times is None else iter(range(times))

    def decide(asked, to):
        if asked == point and recipient in to and next(left, None) is not None:
            return reply
        return agree(asked, to)

    return decide


PIPELINED = pytest.mark.parametrize("extensions", [["PIPELINING"], []], ids=["pipelined", "plain"])


@PIPELINED
def test_every_mail_is_taken_once(offer, extensions):
    found, sink = offer(count=200, extensions=extensions)
    assert results(found) == [Result.SENT] * 200
    assert sink.taken == Counter({f"reader{n}@example.org": 1 for n in range(200)})


def test_mails_share_a_few_connections(offer):
    _, sink = offer(count=200)
    assert sink.connections == smtp.CONNECTIONS


def test_few_mails_are_not_worth_a_second_connection(offer):
    _, sink = offer(count=3)
    assert sink.connections == 1


def test_commands_go_together_where_the_server_takes_that(offer):
    """RFC 2920."""
    _, sink = offer(extensions=["PIPELINING"])
    assert sink.ahead >= 2 * 30


def test_commands_wait_for_each_other_where_the_server_does_not(offer):
    _, sink = offer(extensions=[])
    assert sink.ahead == 0


def test_nothing_is_no_reason_to_connect(connect):
    assert connect(9).offer_many([]) == {}


@PIPELINED
@pytest.mark.parametrize(
    "content",
    [b".\r\n..\r\n.a\r\n\r\n.\r\n", b".", b"", bytes(range(14, 256)) + b"\r\n"],
)
def test_content_arrives_as_it_is(offer, content, extensions):
    """RFC 5321, 4.5.2: a dot at the start of a line ends nothing and is not lost."""
    found, sink = offer(count=8, content=content, extensions=extensions)
    assert results(found) == [Result.SENT] * 8
    whole = content if content.endswith(b"\r\n") else content + b"\r\n"
    assert {taken for _, taken in sink.mails} == {whole}


def test_dot_between_bare_line_feeds_ends_nothing(offer):
    """Some servers take it for the end, and what follows for commands."""
    found, sink = offer(count=1, content=b"a\n.\nMAIL FROM:<eve@example.org>\r\n")
    assert results(found) == [Result.SENT]
    assert b"\n.\n" not in sink.mails[0][1]


def test_large_mails_arrive_whole(offer):
    content = (b"x" * 74 + b"\r\n") * 40_000
    found, sink = offer(count=12, content=content)
    assert results(found) == [Result.SENT] * 12
    assert {taken for _, taken in sink.mails} == {content}


def test_size_is_declared_and_a_mail_beyond_the_limit_is_not_offered(offer):
    """RFC 1870."""
    found, sink = offer(count=2, content=b"x" * 200 + b"\r\n", extensions=["SIZE 200"])
    assert [(a.result, a.detail) for a in found] == [(Result.DEFERRED, "SMTP 552 5.3.4")] * 2
    assert not any(line.startswith("MAIL") for line in sink.commands)


def test_eight_bits_are_declared(offer):
    """RFC 6152; and the size, where the server wants to know it."""
    _, sink = offer(count=1, content="é\r\n".encode(), extensions=["8BITMIME", "SIZE 99"])
    assert f"MAIL FROM:<{SENDER}> SIZE=4 BODY=8BITMIME" in sink.commands


@PIPELINED
@pytest.mark.parametrize("nobody", ["354 go on", "503 5.5.1 no", "554 5.5.1 nobody"])
def test_refused_recipient_hurts_no_other(offer, extensions, nobody):
    """RFC 2920, 3.1: the server may say 354 though no recipient was taken."""
    refusal = at("RCPT", "550 5.1.1 no such user", recipient="reader7@")

    def decide(point, recipient):
        return nobody if point == "nobody" else refusal(point, recipient)

    found, sink = offer(decide, extensions=extensions)
    assert found.pop(7) == answers.Answer(Result.FAILED, "SMTP 550 5.1.1", is_dead_address=True)
    assert results(found) == [Result.SENT] * 29
    assert (sink.taken.total(), sink.connections) == (29, smtp.CONNECTIONS)


@PIPELINED
@pytest.mark.parametrize("point", ["RCPT", "DATA", "dot"])
@pytest.mark.parametrize(
    ("reply", "result"), [("450 4.2.1 later", Result.DEFERRED), ("552 5.2.2 full", Result.FAILED)]
)
def test_refusal_of_one_mail_is_the_answer_to_that_mail(offer, extensions, point, reply, result):
    found, sink = offer(at(point, reply, recipient="reader7@"), extensions=extensions)
    assert found.pop(7).result is result
    assert results(found) == [Result.SENT] * 29
    assert "reader7@example.org" not in sink.taken


@pytest.mark.parametrize("lines", ["550-5.1.1 no such\r\n550-5.1.1 user\r\n550 5.1.1 here"])
def test_reply_in_many_lines_is_one_reply(offer, lines):
    found, _ = offer(at("RCPT", lines, recipient="reader7@"))
    assert found[7].is_dead_address
    assert Counter(results(found))[Result.SENT] == 29


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "dot"])
def test_refusal_of_us_is_the_answer_to_all_that_wait(offer, point):
    """EMAIL_STANDARDS 3: the sender's rate or name, whoever the reader is."""
    found, sink = offer(at(point, "451 4.7.0 slow down"), count=200)
    assert {(a.result, a.is_provider_down) for a in found} == {(Result.DEFERRED, True)}
    assert sum(line.startswith("MAIL") for line in sink.commands) <= 3 * smtp.CONNECTIONS


def test_server_that_cannot_be_reached_takes_nothing(connect):
    found = connect(9).offer_many(mails(3))
    assert {(a.result, a.is_provider_down) for a in found.values()} == {(Result.DEFERRED, True)}


def test_server_that_grants_one_connection_gets_all_over_it(offer):
    greetings = iter(["220 sink"])

    def decide(point, recipient):
        return next(greetings, "421 4.3.2 busy") if point == "connect" else agree(point, recipient)

    found, _ = offer(decide, count=60)
    assert results(found) == [Result.SENT] * 60


@PIPELINED
def test_server_that_ends_each_connection_after_some_mails_gets_all(offer, extensions):
    """A limit that many servers have; no mail is to blame for it."""
    found, sink = offer(count=100, mails_each=7, extensions=extensions)
    assert results(found) == [Result.SENT] * 100
    assert set(sink.taken.values()) == {1}


@PIPELINED
@pytest.mark.parametrize("point", ["connect", "MAIL", "RCPT", "DATA"])
def test_mail_whose_connection_was_lost_before_its_end_is_tried_again(offer, extensions, point):
    found, sink = offer(at(point, HANG_UP, times=1), count=4, extensions=extensions)
    expected = Result.DEFERRED if point == "connect" else Result.SENT
    assert results(found) == [expected] * 4
    assert set(sink.taken.values()) <= {1}


def test_mail_that_was_cut_off_in_its_middle_is_tried_again(offer):
    """More than sockets hold, so that its end was surely not written."""
    content = (b"x" * 74 + b"\r\n") * 300_000
    found, sink = offer(at("body", HANG_UP, times=1), count=1, content=content)
    assert results(found) == [Result.SENT]
    assert [taken == content for _, taken in sink.mails] == [True]


def test_mail_whose_connection_is_lost_each_time_is_deferred_and_no_other(offer):
    found, sink = offer(at("RCPT", HANG_UP, recipient="reader7@"))
    assert found.pop(7) == answers.Answer(Result.DEFERRED, "connection lost")
    assert results(found) == [Result.SENT] * 29
    assert sink.taken.total() == 29


def test_server_that_hangs_up_on_everybody_is_down(offer):
    found, sink = offer(at("MAIL", HANG_UP), count=200)
    assert {a.result for a in found} == {Result.DEFERRED}
    assert Counter(a.is_provider_down for a in found)[True] >= 190
    assert sink.connections <= 3 * smtp.CONNECTIONS


@PIPELINED
@pytest.mark.parametrize("reply", [HANG_UP, TAKE_AND_HANG_UP])
def test_silence_after_the_end_is_a_doubt_about_one_mail(offer, extensions, reply):
    found, sink = offer(at("dot", reply, recipient="reader7@"), extensions=extensions)
    assert found.pop(7).result is Result.UNCERTAIN
    assert results(found) == [Result.SENT] * 29
    assert set(sink.taken.values()) == {1}


def test_server_that_says_nothing_after_the_end_leaves_a_doubt(offer):
    found, sink = offer(at("dot", "", recipient="reader0@"), count=3, timeout=0.3)
    assert results(found) == [Result.UNCERTAIN, Result.SENT, Result.SENT]
    assert sink.taken.total() == 2


def test_server_that_says_nothing_before_the_end_took_nothing(offer):
    found, _ = offer(at("RCPT", "", recipient="reader0@"), count=3, timeout=0.3)
    assert results(found) == [Result.DEFERRED, Result.SENT, Result.SENT]


@pytest.mark.parametrize("reply", ["hello", "999 what", "100 a", "250", "x" * 70_000])
def test_server_that_talks_nonsense_breaks_nothing(offer, reply):
    found, sink = offer(at("RCPT", reply, recipient="reader7@"), timeout=0.5)
    assert len(found) == 30
    assert set(sink.taken.values()) == {1}


def refusing_at_random(seed, extensions):
    """Decides by chance; keeps what it told whom at the last point, where that is final."""
    chance = random.Random(seed)
    told = {}
    choices = {
        "connect": [HANG_UP], "RCPT": ["550 5.1.1 no", "450 4.2.0 later", "421 4.3.2 bye", HANG_UP],
        "MAIL": ["421 4.3.2 bye", HANG_UP], "DATA": ["554 5.6.0 no", "451 4.3.0 later", HANG_UP],
        "body": [HANG_UP],
        "dot": ["554 5.6.0 no", "451 4.3.0 later", "421 4.3.2 bye", HANG_UP, TAKE_AND_HANG_UP],
        "nobody": ["354 go on", "503 5.5.1 no", "421 4.3.2 bye"],
    }  # fmt: skip

    def decide(point, recipient):
        rate = 0.5 if point == "nobody" else 0.04
        reply = chance.choice(choices[point]) if chance.random() < rate else agree(point, recipient)
        if recipient and point in ("RCPT", "DATA", "body", "dot"):
            told[recipient] = (point, reply)
        return reply

    return decide, told


@pytest.mark.parametrize("seed", range(40))
@PIPELINED
def test_answers_are_what_the_server_took(offer, seed, extensions):
    """Refusals and hang-ups at every point: sent is what was taken once, and nothing is twice."""
    decide, told = refusing_at_random(seed, extensions)
    content = b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (seed % 3) * 2000
    found, sink = offer(decide, count=120, content=content, extensions=extensions)
    for n, answer in enumerate(found):
        recipient = f"reader{n}@example.org"
        assert answer.result in allowed(told.get(recipient, ("", ""))), recipient
        if answer.result is not Result.UNCERTAIN:
            assert sink.taken[recipient] == (answer.result is Result.SENT), recipient
    assert set(sink.taken.values()) <= {1}


def allowed(last):
    """The results that may follow what the server last did about a mail."""
    point, reply = last
    if point == "dot" and reply in (HANG_UP, TAKE_AND_HANG_UP):
        return {Result.UNCERTAIN}
    if point == "body" and reply == HANG_UP:
        # The end may have been in the socket's buffer already.
        return {Result.UNCERTAIN, Result.DEFERRED}
    if reply.startswith("5"):
        return {Result.FAILED}
    return {Result.SENT} if (point, reply[:3]) == ("dot", "250") else {Result.DEFERRED}


def test_connections_are_kept_between_calls(connect):
    with fast_sink() as sink:
        backend = connect(sink.port)
        for _ in range(3):
            backend.offer_many(mails(50))
        backend.close()
    assert sink.connections == smtp.CONNECTIONS
    assert sink.taken.total() == 150


def test_connection_left_after_a_refusal_takes_the_next_mail(connect):
    with fast_sink(at("RCPT", "550 5.1.1 no", times=1)) as sink:
        backend = connect(sink.port)
        assert results(backend.offer_many(mails(1)).values()) == [Result.FAILED]
        assert results(backend.offer_many(mails(1)).values()) == [Result.SENT]
        backend.close()
    assert sink.connections == 1


def test_connections_that_were_ended_in_a_rest_are_opened_anew(connect):
    with fast_sink() as sink:
        backend = connect(sink.port)
        backend.offer_many(mails(50))
        for connection in backend.kept:
            connection.sock.shutdown(2)
        backend._kept_at -= smtp.REST + 1
        assert set(results(backend.offer_many(mails(50)).values())) == {Result.SENT}
        backend.close()
    assert set(sink.taken.values()) == {2}


def test_kept_connections_that_all_died_unseen_lose_no_mail(connect):
    with fast_sink() as sink:
        backend = connect(sink.port)
        backend.offer_many(mails(50))
        for connection in backend.kept:
            connection.sock.shutdown(2)
        assert set(results(backend.offer_many(mails(50)).values())) == {Result.SENT}
        backend.close()


def test_single_messages_and_many_go_side_by_side(connect):
    with fast_sink() as sink:
        backend = connect(sink.port)
        backend.send_messages([message()])
        backend.offer_many(mails(2))
        backend.send_messages([message()])
        backend.close()
    assert sink.taken["ada@example.org"] == 2


def test_calls_at_once_do_not_mix(connect):
    with fast_sink() as sink:
        backend = connect(sink.port)
        threads = [
            threading.Thread(target=backend.offer_many, args=[mails(100)[n::3]]) for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        backend.close()
    assert set(sink.taken.values()) == {1}


@pytest.mark.parametrize(
    "address", ["a@b\r\nDATA", "a@b>", "<a@b", "a b@c", "", "é@example.org", "a@b\x00"]
)
def test_address_that_would_not_stand_in_a_command_is_refused(connect, address):
    with pytest.raises(ValueError, match="address"):
        connect(9).offer_many([Mail(1, SENDER, address, TEXT)])


def test_key_that_two_mails_have_is_refused(connect):
    with pytest.raises(ValueError, match="key"):
        connect(9).offer_many([*mails(1), *mails(1)])


def message():
    return EmailMessage("Hello", "A text.", SENDER, ["ada@example.org"])


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA"])
def test_single_message_whose_connection_was_lost_before_its_content_was_not_taken(connect, point):
    with fast_sink(at(point, HANG_UP)) as sink:
        with pytest.raises(answers.HungUpError) as raised:
            connect(sink.port).send_messages([message()])
        assert answers.of(raised.value).result is Result.DEFERRED


def test_single_message_whose_connection_was_lost_after_its_content_is_a_doubt(connect):
    with fast_sink(at("dot", TAKE_AND_HANG_UP)) as sink:
        with pytest.raises(answers.smtplib.SMTPServerDisconnected) as raised:
            connect(sink.port).send_messages([message()])
        assert answers.of(raised.value).result is Result.UNCERTAIN


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    if shutil.which("openssl") is None:
        missing("no openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-batch",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path, "-out", path.with_suffix(".crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def server_tls(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def trusting(backend, certificate):
    backend.ssl_context = ssl.create_default_context(cafile=certificate.with_suffix(".crt"))
    return backend


def test_pipeline_runs_over_tls(connect, server_tls, certificate):
    content = (b"x" * 74 + b"\r\n") * 10_000
    with fast_sink(tls=server_tls) as sink:
        backend = trusting(connect(sink.port, use_ssl=True), certificate)
        found = backend.offer_many(mails(40, content))
        backend.close()
    assert set(results(found.values())) == {Result.SENT}
    assert Counter(taken for _, taken in sink.mails) == {content: 40}


def test_starttls_and_password_come_before_the_mails(connect, server_tls, certificate):
    def knows(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"user", b"secret"))

    handler = Sink()
    server = Controller(
        handler, hostname="127.0.0.1", port=free_port(), tls_context=server_tls,
        require_starttls=True, auth_required=True, authenticator=knows,
    )  # fmt: skip
    server.start()
    options = {"username": "user", "password": "secret", "use_tls": True}
    backend = trusting(connect(server.port, **options), certificate)
    found = backend.offer_many(mails(20))
    backend.close()
    server.stop()
    assert set(results(found.values())) == {Result.SENT}
    assert sorted(handler.taken) == sorted(f"reader{n}@example.org" for n in range(20))


def test_wrong_password_is_about_us_and_not_about_readers(connect):
    with fast_sink(extensions=["AUTH PLAIN"]) as sink:
        backend = connect(sink.port, username="user", password="wrong")
        found = backend.offer_many(mails(2))
        backend.close()
    assert {(a.result, a.is_provider_down) for a in found.values()} == {(Result.DEFERRED, True)}
