"""The template of a body's mails, against the message that Django makes for the same reader."""

import email
from email import policy

import pytest
from django.core.mail import EmailMultiAlternatives

from digest.delivery.esp import providers
from digest.delivery.mails import mime
from digest.delivery.mails.rendering import READER_TOKENS, Body
from tests.bench import smtp as bench

HEADERS = {
    "To": "ada@example.org",
    "Date": "Thu, 20 Aug 2026 08:00:00 -0000",
    "Message-ID": "<1@papers.example.org>",
    "List-Unsubscribe": "<https://papers.example.org/unsubscribe/abc/>, <mailto:unsub+abc@papers.example.org>",
}
VALUES = {
    "unsubscribe": "kP3vQ9xT2mLw7RzB5nHc8d",
    "manage": "eyJpZCI6MX0:1tXyZ0:" + "s" * 43,
    "digest": "abc-def_ghi",
    "confirmed_on": "June 3, 2026",
    "next_digest": "Friday, August 21, 07:30 (Berlin)",
}


def body(*, before="Hello,\n", after=".\n", subject="Paper 1, and 2 more papers"):
    """Every token in both forms, with `before` and `after` around each."""
    parts = []
    for name in READER_TOKENS:
        parts += [before, name]
    return Body(subject, (*parts, f"{after}</p>\n"), (*parts, after), 3)


def common(subject="", **options):
    headers = {"List-Id": "Daily Papers <daily.papers.example.org>", "Precedence": "bulk"}
    return EmailMultiAlternatives(
        subject,
        from_email="Daily Papers <digest@papers.example.org>",
        reply_to=["editor@papers.example.org"],
        headers=headers,
        **options,
    )


def made_by_django(digest, headers, values):
    message = common(digest.subject)
    page, text = digest.filled(values)
    message.to = [headers["To"]]
    message.body = text
    message.attach_alternative(page, "text/html")
    message.extra_headers |= {k: v for k, v in headers.items() if k != "To"}
    message.encoding = providers.quoted_printable()
    mime_message = message.message()
    mime_message.policy = mime_message.policy.clone(max_line_length=998)
    return parsed(mime_message.as_bytes(linesep="\r\n"))


def filled(digest, headers=HEADERS, values=VALUES):
    return mime.template_of(common(digest.subject), digest).fill(headers=headers, values=values)


def parsed(raw):
    return email.message_from_bytes(raw, policy=policy.default)


def contents(mail):
    return [(part.get_content_type(), part.get_content()) for part in mail.iter_parts()]


def headers_of(mail):
    return {k: v for k, v in mail.items() if k != "Content-Type"}


BODIES = {
    "plain": body(),
    "values side by side": body(before="", after="!"),
    "value at the end": body(before="Hello ", after=""),
    "inside a line": body(before="See https://papers.example.org/x/", after="/ for more\n"),
    "long lines": body(before="word " * 40, after=" word" * 40),
    "lines of every length": body(before="\n".join("x" * n for n in range(60, 90)), after="."),
    "dots": body(before=".\n..\n.x\n", after=".\n.\n"),
    "dots after a break": body(before="x", after="." * 300),
    "not ASCII": body(before="Ünïcödé – 数学 \N{GRINNING FACE} " * 9, after="é" * 90),
    "spaces at ends": body(before="a \n\t\n ", after=" \n\t"),
    "blank lines": body(before="\n\n", after="\n\n"),
    "carriage returns": body(before="a\rb\r\n\r", after="\r"),
    "equals signs": body(before="=3D=\n=", after="===="),
}
ODD_VALUES = [
    "", " ", ".", "..", "=", "=20", "a b ", " a", "<b>&\"'", "x" * 73, "x" * 74, "x" * 500,
    "." * 200, "é" * 100, "Saturday, August 22 (São Paulo)", "数学" * 40, "a\nb\n", "From me",
    "\N{GRINNING FACE}", "%recipient.x% {{x}}", "--=", "a\tb\t", "(Port-au-Prince)",
]  # fmt: skip


@pytest.mark.parametrize("digest", BODIES.values(), ids=BODIES)
def test_filled_template_is_the_message_that_django_makes(digest):
    """EMAIL_STANDARDS 2 and 8."""
    ours, theirs = parsed(filled(digest)), made_by_django(digest, HEADERS, VALUES)
    assert headers_of(ours) == headers_of(theirs)
    assert contents(ours) == contents(theirs)


@pytest.mark.parametrize("digest", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("value", ODD_VALUES)
def test_any_value_reads_as_it_is_in_django_s_message(digest, value):
    values = dict.fromkeys(READER_TOKENS, value)
    ours = parsed(filled(digest, values=values))
    assert contents(ours) == contents(made_by_django(digest, HEADERS, values))


@pytest.mark.parametrize("digest", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("value", ODD_VALUES)
def test_lines_fit_and_none_begins_with_a_dot(digest, value):
    """RFC 2045, 6.7: 76 characters; RFC 5321, 4.5.2: a leading dot would have to be doubled."""
    mail = filled(digest, values=dict.fromkeys(READER_TOKENS, value))
    head, _, rest = mail.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, rest.split(b"\r\n"))) <= 76
    assert not any(line.startswith(b".") for line in mail.split(b"\r\n"))


@pytest.mark.parametrize("digest", BODIES.values(), ids=BODIES)
def test_lines_end_with_crlf_and_no_mark_survives(digest):
    mail = filled(digest)
    assert mail.count(b"\r\n") == mail.count(b"\n") == mail.count(b"\r")
    assert mime._SIGN.encode() not in mail
    assert mail.isascii()


@pytest.mark.parametrize("subject", ["Ünïcödé " * 12, "A long subject of many words " * 5])
def test_subject_is_the_one_that_django_writes(subject):
    digest = body(subject=subject.strip())
    assert parsed(filled(digest))["Subject"] == subject.strip()
    assert made_by_django(digest, HEADERS, VALUES)["Subject"] == subject.strip()


def test_headers_are_there_once_and_not_folded():
    headers = HEADERS | {"List-Unsubscribe": f"<https://papers.example.org/{'u' * 900}/>"}
    head = filled(body(), headers=headers).partition(b"\r\n\r\n")[0].decode()
    names = [line.partition(":")[0] for line in head.split("\r\n")]
    assert sorted(names) == sorted(
        [
            *HEADERS,
            "Content-Type",
            "MIME-Version",
            "Subject",
            "From",
            "Reply-To",
            "List-Id",
            "Precedence",
        ]
    )


def test_parts_are_text_then_html_both_quoted_printable():
    """EMAIL_STANDARDS 8."""
    mail = parsed(filled(body()))
    assert mail.get_content_type() == "multipart/alternative"
    assert [
        (part.get_content_type(), part.get_content_charset(), part["Content-Transfer-Encoding"])
        for part in mail.iter_parts()
    ] == [
        ("text/plain", "utf-8", "quoted-printable"),
        ("text/html", "utf-8", "quoted-printable"),
    ]


def test_values_of_two_readers_never_mix():
    template = mime.template_of(common("Hello"), body())
    mails = {}
    for reader in ("ada", "alan"):
        values = {name: f"{reader}-{name}" for name in READER_TOKENS}
        headers = dict.fromkeys(HEADERS, f"<{reader}@example.org>")
        mails[reader] = template.fill(headers=headers, values=values)
    assert b"alan" not in mails["ada"]
    assert b"ada" not in mails["alan"]
    assert mails["ada"].replace(b"ada", b"alan") == mails["alan"]


def test_real_digest_is_the_message_that_django_makes():
    digest = bench.body()
    ours = parsed(filled(digest))
    assert contents(ours) == contents(made_by_django(digest, HEADERS, VALUES))
    assert VALUES["unsubscribe"] in ours.get_body(("html",)).get_content()


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize(
    "value", ["a\r\nBcc: eve@example.org", "a\nb", "a\r", "é", "", " a", "a ", "x" * 998]
)
def test_header_that_would_not_stand_on_one_line_is_refused(name, value):
    """EMAIL_STANDARDS 2: CR/LF refused."""
    with pytest.raises(ValueError, match=name):
        filled(body(), headers=HEADERS | {name: value})


@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@example.org", "a\nb"])
def test_common_header_with_a_line_break_is_refused(subject):
    with pytest.raises(ValueError, match="newline"):
        mime.template_of(common(subject), body())


@pytest.mark.parametrize("missing", sorted(HEADERS))
def test_reader_without_a_header_of_their_own_is_refused(missing):
    with pytest.raises(ValueError, match="lacks"):
        filled(body(), headers={k: v for k, v in HEADERS.items() if k != missing})


def test_reader_without_a_value_is_refused():
    with pytest.raises(KeyError):
        filled(body(), values={"digest": "abc"})


def test_message_is_not_changed_by_its_template():
    message = common("Hello")
    mime.template_of(message, body())
    assert (message.to, message.body, message.alternatives) == ([], "", [])
    assert "To" not in message.extra_headers
