"""What ingest leaves of LaTeX, as HTML; the texts are from real abstracts."""

import pytest

from digest.site.formulas import marked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("applying O(N^2) attention", "applying O(N<sup>2</sup>) attention"),
        ("human judgment c^*. Building", "human judgment c<sup>*</sup>. Building"),
        ("denoted as ZS^2, capable", "denoted as ZS<sup>2</sup>, capable"),
        ("360^circ panorama", "360° panorama"),
        ("called G_{stack}, exhibits", "called G<sub>stack</sub>, exhibits"),
        ("the π_{0.5} robot", "the π<sub>0.5</sub> robot"),
        ("such as V_0), which", "such as V<sub>0</sub>), which"),
        ("constant ell_2 norm", "constant ell<sub>2</sub> norm"),
        ("10^-3 and a^{n+1}", "10<sup>-3</sup> and a<sup>n+1</sup>"),
        ("(i)~the physics on Track~2.0", "(i)\u00a0the physics on Track\u00a02.0"),
        ("of 41.6% vs.\\ 33.5%", "of 41.6% vs.\u00a033.5%"),
        ("19.63\\,FPS", "19.63\u00a0FPS"),
    ],
)
def test_formula_is_readable(text, shown):
    assert marked(text) == shown


@pytest.mark.parametrize(
    "text",
    ["~47k tools", "by ~50-64 points", "github.com/unZhou/TRACE_exp", "rec_gsm8k.py",
     "my_variable_name", "https://example.org/~ada/x_1/y", "", "5 ^ 3", "_", "^", "a^^b"],
)  # fmt: skip
def test_what_is_no_formula_stays(text):
    assert marked(text) == text


@pytest.mark.parametrize("text", ["<b>", "a^{<b>}", "x_{\"'&}", "O(<script>^2)"])
def test_markup_is_shown_as_text(text):
    assert "<b>" not in marked(text)
    assert "<script" not in marked(text)
    assert '"' not in marked(text)


def test_long_text_comes_out_whole():
    assert len(marked("a^{" * 20_000 + "x_" * 20_000)) >= 100_000
