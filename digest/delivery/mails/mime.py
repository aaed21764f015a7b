"""Turns a body into the bytes of a mail in which only the reader's values are missing.

Encoding is done once a body; a reader's mail is a join of its pieces.
"""

import binascii
import copy
import html
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.charset import QP, Charset
from typing import Any

from django.core.mail import EmailMultiAlternatives

from . import rendering

OWN_HEADERS = frozenset({"To", "Date", "List-Unsubscribe", "Message-ID"})
"""The headers whose values are a reader's own."""
LINE = 998
"""Octets of a header's line, at most (RFC 5322, 2.1.1)."""

_CRLF = b"\r\n"
_SOFT = b"=\r\n"
# Octets of an encoded line (RFC 2045, 6.7), and what is left of them where a dot is written out.
_LINE = 76
_ROOM = 73
# New in every process, so that no paper's text can stand in for a value.
_SIGN = f"q{secrets.token_hex(8)}q"
_HEADER = re.compile(rf"{_SIGN}([A-Za-z-]+){_SIGN}".encode())
# In a body a value stands on a line of its own, which no encoder breaks.
_VALUE = re.compile(rf"\r\n{_SIGN}([a-z:_]+){_SIGN}\r\n".encode())
_KEYS = {name: (f"text:{name}", f"html:{name}") for name in rendering.READER_TOKENS}
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_LEADING_DOT = re.compile(r"^\..*$", re.MULTILINE)
# What quoted-printable and HTML both leave as it is, on one line.
_PLAIN = re.compile(rf"(?:[A-Za-z0-9_:,()/+-][A-Za-z0-9_:,()/+. -]{{0,{_ROOM - 1}}}(?<! ))?")


class _QuotedPrintable(Charset):
    """UTF-8 as quoted-printable, in which no line begins with a dot: SMTP would double it."""

    def __init__(self, eol: str = "\n") -> None:
        super().__init__("utf-8")
        self.body_encoding = QP
        self.eol = eol

    def body_encode(self, string: Any) -> Any:
        encoded = binascii.b2a_qp(string, istext=True).decode("ascii")
        return _LEADING_DOT.sub(_written_dot, encoded).replace("\n", self.eol)


def _written_dot(line: re.Match[str]) -> str:
    rest = line[0][1:]
    if len(rest) < _ROOM:
        return f"=2E{rest}"
    cut = _cut_of(rest, len(rest) - 10)
    return f"=2E{rest[:cut]}=\n{_LEADING_DOT.sub(_written_dot, rest[cut:])}"


def _cut_of(line: str, cut: int) -> int:
    """A place no later than `cut` at which no encoded octet is cut in two."""
    while "=" in line[cut - 2 : cut]:
        cut -= 1
    return cut


_ENCODING = _QuotedPrintable("\r\n")


@dataclass(frozen=True, slots=True)
class Template:
    """A mail in pieces that alternate: literal bytes, the name of a value, literal bytes, and so on."""

    literals: tuple[bytes, ...]
    names: tuple[str, ...]

    def fill(self, *, headers: Mapping[str, str], values: Mapping[str, str]) -> bytes:
        """The mail for a reader: `headers` one for each of OWN_HEADERS, `values` by READER_TOKENS.

        All lines end with CRLF and none begins with a dot. Raises ValueError where a header is
        missing, or its value would not stand on one line of ASCII; KeyError where a value is.
        """
        if headers.keys() != OWN_HEADERS:
            raise ValueError("a reader lacks a header of their own, or has one too many")
        found = {name: _header(name, value) for name, value in headers.items()}
        for name, (in_text, in_html) in _KEYS.items():
            found[in_text], found[in_html] = _encoded(values[name])
        pieces = [b""] * (2 * len(self.names) + 1)
        pieces[::2] = self.literals
        pieces[1::2] = [found[name] for name in self.names]
        return b"".join(pieces)


def template_of(message: EmailMultiAlternatives, body: rendering.Body) -> Template:
    """The template of a body's mails, made once by Django.

    `message` has what readers share: subject, sender, Reply-To, headers. It is not changed; whom it
    is to, its text and its HTML are put in here. No header but a long Subject is folded, as links in
    folded headers get lost on the way. Raises ValueError for a header with a line break.
    """
    whole = copy.copy(message)
    whole.to, whole.cc, whole.bcc = [_marked("To")], [], []
    own = {name: _marked(name) for name in OWN_HEADERS}
    whole.extra_headers = message.extra_headers | own
    whole.body = _with_marks(body.text_parts, "text")
    whole.alternatives = []
    if body.html_parts:
        whole.attach_alternative(_with_marks(body.html_parts, "html"), "text/html")
    whole.encoding = _QuotedPrintable()
    made: Any = whole.message()
    made.policy = made.policy.clone(max_line_length=LINE)
    return _cut(made.as_bytes(linesep="\r\n"))


def _marked(name: str) -> str:
    return f"{_SIGN}{name}{_SIGN}"


def _with_marks(parts: Iterable[str], kind: str) -> str:
    # A bare CR at the end of a part would become one line break with the mark's.
    filled = [part.replace("\r\n", "\n").replace("\r", "\n") for part in parts]
    filled[1::2] = [f"\n{_marked(f'{kind}:{name}')}\n" for name in filled[1::2]]
    return "".join(filled)


def _cut(mail: bytes) -> Template:
    head, gap, rest = mail.partition(_CRLF + _CRLF)
    *heads, last_head = _HEADER.split(head + gap)
    first_body, *bodies = _joined_softly(_VALUE.split(rest))
    pieces = [*heads, last_head + first_body, *bodies]
    literals = tuple(pieces[::2])
    if any(_SIGN.encode() in literal for literal in literals):
        raise ValueError("a value's place was lost in the encoding")
    return Template(literals, tuple(name.decode() for name in pieces[1::2]))


def _joined_softly(pieces: list[bytes]) -> list[bytes]:
    """The pieces, with soft line breaks for the line breaks that stood around the marks."""
    for n in range(2, len(pieces), 2):
        if not pieces[n - 2].endswith(_CRLF):
            pieces[n - 2] = _with_room(pieces[n - 2]) + _SOFT
        if not pieces[n].startswith(_CRLF):
            pieces[n] = _SOFT + pieces[n]
    return pieces


def _with_room(piece: bytes) -> bytes:
    """The piece, whose last line has room for the sign of a soft line break."""
    start = piece.rfind(b"\n") + 1
    last = piece[start:].decode("ascii")
    if len(last) < _LINE:
        return piece
    cut = _cut_of(last, len(last) - 6)
    tail = _LEADING_DOT.sub(_written_dot, last[cut:])
    return piece[: start + cut] + _SOFT + tail.encode("ascii")


def _header(name: str, value: str) -> bytes:
    if len(name) + len(": ") + len(value) > LINE or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} would not stand on one line of ASCII")
    return value.encode("ascii")


def _encoded(value: str) -> tuple[bytes, bytes]:
    """The value as it stands in encoded text, and in encoded HTML."""
    if _PLAIN.fullmatch(value):
        plain = value.encode("ascii")
        return plain, plain
    return _quoted(value), _quoted(html.escape(value))


def _quoted(value: str) -> bytes:
    return str(_ENCODING.body_encode(value.encode())).encode("ascii")
