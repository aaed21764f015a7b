"""Files as spreadsheets write them: encodings, separators, quotes, and what is left of broken rows."""

from io import BytesIO, FileIO

import pytest

from subscriptions import importing
from subscriptions.errors import PermanentError

TEXT = "E-Mail;Name\nada@example.org;Zoë\nbob@müller.example;Bob\n"
ENCODINGS = {
    "UTF-8": TEXT.encode(),
    "UTF-8 with a mark": TEXT.encode("utf-8-sig"),
    "UTF-16, little end first": "\ufeff".encode("utf-16-le") + TEXT.encode("utf-16-le"),
    "UTF-16, big end first": "\ufeff".encode("utf-16-be") + TEXT.encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "Windows-1252": TEXT.encode("cp1252"),
    "line ends of Windows": TEXT.replace("\n", "\r\n").encode("cp1252"),
    "line ends of old Macs": TEXT.replace("\n", "\r").encode(),
}


def rows_of(text):
    return list(importing.table(text.splitlines(keepends=True)).rows)


@pytest.mark.parametrize("name", ENCODINGS)
def test_text_is_what_it_was_in_the_spreadsheet(name, tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(ENCODINGS[name])
    with importing.opened(FileIO(path)) as lines:
        table = importing.table(lines)
        cells = [(row.line, row.cells) for row in table.rows]
    assert table.headings == ["E-Mail", "Name"]
    assert cells == [(2, ["ada@example.org", "Zoë"]), (3, ["bob@müller.example", "Bob"])]


def test_other_encodings_are_named():
    with importing.opened(BytesIO("email\nада@пример.рф\n".encode("cp1251")), "cp1251") as lines:
        assert next(importing.table(lines).rows).cells == ["ада@пример.рф"]
    with pytest.raises(PermanentError, match="no encoding 'martian'"):
        importing.opened(BytesIO(b""), "martian")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_is_found(separator):
    (row,) = rows_of(f"Name{separator}Email\nAda{separator}ada@example.org\n")
    assert row.cells == ["Ada", "ada@example.org"]


def test_hint_for_excel_is_no_heading():
    (row,) = rows_of("sep=;\nemail;topics\nada@example.org;\n")
    assert (row.line, row.cells) == (3, ["ada@example.org", ""])


@pytest.mark.parametrize(
    "heading", ["E-MAIL", "Email Address", "email_address", "E-Mail-Adresse", "  eMail ", '"Email"']
)
def test_column_of_addresses_has_many_names(heading):
    (row,) = rows_of(f"{heading}\nada@example.org\n")
    assert row.cells == ["ada@example.org"]


def test_file_without_headings_is_told_what_it_lacks():
    with pytest.raises(PermanentError, match="put the names of the columns above it"):
        rows_of("ada@example.org\n")


def test_cell_with_line_breaks_loses_nothing_and_moves_no_line_number():
    rows = rows_of('email,note\na@x.org,"one\n\n""two""\nthree"\nb@x.org,\n')
    assert [(row.line, row.cells) for row in rows] == [
        (2, ["a@x.org", 'one\n\n"two"\nthree']),
        (6, ["b@x.org", ""]),
    ]


BROKEN = {
    "never closed": 'email,note\n"a@x.org,\nb@x.org,\nc@x.org,\n',
    "closed by another row's quote": 'email,note\n"a@x.org,\nb@x.org,"note"\nc@x.org,\n',
    "closed far away": 'email,note\na@x.org,"note\n' + "b@x.org,\n" * 150 + 'c@x.org,"last"\n',
    "in the address": 'email,note\n"a@x.org\nb@x.org"\nc@x.org,\n',
}


@pytest.mark.parametrize("how", BROKEN)
def test_quote_left_open_spoils_its_own_row_only(how):
    first, *others = rows_of(BROKEN[how])
    assert first.line == 2
    assert "quote left open" in first.problem
    addresses = [row.cells[0].strip('"') for row in others]
    assert addresses[0] == "b@x.org"
    assert addresses[-1] == "c@x.org"


def test_rows_of_separators_alone_are_none():
    rows = rows_of("email,note\n,\n , \n\na@x.org,\n")
    assert [(row.line, row.cells) for row in rows] == [(5, ["a@x.org", ""])]


def test_many_open_quotes_take_no_long_time():
    rows = rows_of("email,note\n" + 'a@x.org,"\n' * 20_001)
    assert len(rows) >= 10_000
