"""BibTeX and RIS: read back by libraries that know them."""

import re
from datetime import UTC, datetime

import bibtexparser
import pytest
import rispy

from digest.models import Paper
from digest.site import citing
from tests.digest.builders import make_paper

PUBLISHED_AT = datetime(2026, 8, 18, tzinfo=UTC)
HARD = [
    "Plain words",
    "100% of {GPT-4} & more_so #1 costs $5 ~ ^",
    "A lone { brace",
    "A lone } brace",
    r"Left over \alpha and \textbf{bold}",
    "Größe und Überraschung: Łódź, 李明, “quotes” – dashes",
    "Ends with a backslash \\",
    '@misc{evil, title = "x"}',
    "ζ, π ≥ 2",
]


def paper_of(**fields):
    values = {"arxiv_id": "2608.16590", "title": "Zetta: a harness", "published_at": PUBLISHED_AT}
    return Paper(**values | {"authors": ["Ada Lovelace"], "abstract": "It measures."} | fields)


def read_bibtex(paper):
    library = bibtexparser.parse_string(citing.bibtex(paper))
    assert not library.failed_blocks
    (entry,) = library.entries
    return entry


def read_ris(paper):
    (entry,) = rispy.loads(citing.ris(paper))
    return entry


@pytest.mark.parametrize("title", HARD)
def test_any_title_is_bibtex(title):
    entry = read_bibtex(paper_of(title=title))
    value = entry["title"]
    assert value.count("{") == value.count("}")
    assert {field.key for field in entry.fields} >= {"title", "author", "eprint", "url", "doi"}
    assert entry["eprint"] == "2608.16590"


@pytest.mark.parametrize("title", HARD)
def test_any_title_is_ris(title):
    assert read_ris(paper_of(title=title))["title"] == title


def test_words_with_capitals_are_kept_from_styles():
    assert read_bibtex(paper_of(title="SemaPLC: a Harness"))["title"] == "{SemaPLC:} a Harness"


def test_letters_that_latex_knows_are_written_in_latex():
    assert r"\ensuremath{\zeta}" in read_bibtex(paper_of(title="Zetta ζ"))["title"]
    assert r"M\"u" in read_bibtex(paper_of(authors=["Jo Müller"]))["author"]


@pytest.mark.parametrize(
    ("name", "bibtex", "ris"),
    [
        ("Ada Lovelace", "Ada Lovelace", "Lovelace, Ada"),
        ("Ludwig van Beethoven", "Ludwig van Beethoven", "van Beethoven, Ludwig"),
        ("Leonardo da Vinci", "Leonardo da Vinci", "da Vinci, Leonardo"),
        ("Martin Luther King Jr.", "Martin Luther King Jr.", "King, Martin Luther, Jr."),
        ("Sammy Davis, Jr.", "{Sammy Davis, Jr.}", "Davis, Sammy, Jr."),
        ("Plato", "Plato", "Plato"),
        ("李明", "李明", "李明"),
        ("The ATLAS Collaboration", "{The ATLAS Collaboration}", "The ATLAS Collaboration"),
        ("Search and Rescue", "{Search and Rescue}", "Search and Rescue"),
    ],
)
def test_names_are_written_as_each_format_wants_them(name, bibtex, ris):
    paper = paper_of(authors=[name, "Alan Turing"])
    assert read_bibtex(paper)["author"] == f"{bibtex} and Alan Turing"
    assert read_ris(paper)["authors"] == [ris, "Turing, Alan"]


def test_bibtex_finds_each_author():
    paper = paper_of(authors=["Ludwig van Beethoven", "Search and Rescue", "Jo Müller"])
    split = [bibtexparser.middlewares.SeparateCoAuthors()]
    library = bibtexparser.parse_string(citing.bibtex(paper), append_middleware=split)
    assert len(library.entries[0]["author"]) == 3


def test_paper_without_authors_is_cited_all_the_same():
    paper = paper_of(authors=[])
    assert read_bibtex(paper).key == "anonymous2026zetta"
    assert "author" not in read_bibtex(paper).fields_dict
    assert "authors" not in read_ris(paper)


@pytest.mark.parametrize(
    ("authors", "title", "key"),
    [
        (["Xin Ding"], "On the Zetta", "ding2026zetta"),
        (["Ludwig van Beethoven"], "A fugue", "vanbeethoven2026fugue"),
        (["Jörg Müller"], "Größe", "muller2026groe"),
        (["李明"], "一", "anonymous2026"),
    ],
)
def test_key_has_name_year_and_word_in_plain_letters(authors, title, key):
    assert read_bibtex(paper_of(authors=authors, title=title)).key == key


def test_ris_has_what_a_reference_manager_asks_for():
    entry = read_ris(paper_of(categories=["cs.RO"], keywords=["robots"]))
    assert entry["type_of_reference"] == "UNPB"
    assert entry["year"] == "2026"
    assert entry["date"] == "2026/08/18/"
    assert entry["abstract"] == "It measures."
    assert entry["doi"] == "10.48550/arXiv.2608.16590"
    assert entry["keywords"] == ["cs.RO", "robots"]


def test_ris_ends_lines_with_cr_and_lf_and_begins_none_by_a_text():
    text = citing.ris(paper_of(abstract="One.\r\nER  - \nTwo.\u2028Three."))
    assert re.findall(r"(?<!\r)\n|\r(?!\n)", text) == []
    assert text.count("ER  - \r\n") == 1
    assert text.endswith("ER  - \r\n")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("form", "content_type"),
    [("bib", "application/x-bibtex"), ("ris", "application/x-research-info-systems")],
)
@pytest.mark.parametrize("arxiv_id", ["2608.16590", "hep-ex/0406020"])
def test_citation_is_downloaded_under_the_papers_name(client, form, content_type, arxiv_id):
    paper = make_paper(arxiv_id=arxiv_id)
    response = client.get(f"/papers/{arxiv_id}/cite.{form}")
    assert response["Content-Type"] == f"{content_type}; charset=utf-8"
    name = arxiv_id.replace("/", "-")
    assert response["Content-Disposition"] == f'attachment; filename="{name}.{form}"'
    assert paper.title in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/papers/2608.16590/cite.bib", "/papers/2608.16590/cite.txt"])
def test_there_is_no_citation_of_what_is_not_there(client, address):
    assert client.get(address).status_code == 404


@pytest.mark.django_db
def test_page_shows_both_citations(client):
    make_paper(arxiv_id="2608.16590", title="Zetta")
    body = client.get("/papers/2608.16590/").content.decode()
    assert "title  = {Zetta}" in body
    assert "TI  - Zetta" in body
    assert 'href="/papers/2608.16590/cite.bib"' in body
    assert 'href="/papers/2608.16590/cite.ris"' in body
