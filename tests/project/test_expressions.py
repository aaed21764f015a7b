"""No regular expression of ours takes long for any text: none has the form of a catastrophe, and twice
the text takes about twice the time."""

import importlib
import pkgutil
import re
import time
import warnings

import pytest

from digest.management.commands import doctor
from digest.papers.sources import base

with warnings.catch_warnings():
    # It reads expressions by the standard library's parser, which has another name now.
    warnings.simplefilter("ignore", DeprecationWarning)
    from regexploit.ast.sre import SreOpParser
    from regexploit.redos import find

PACKAGES = ("config", "digest", "subscriptions")
# What text is made of that makes expressions look again and again.
PIECES = (
    "a", " ", "-", ".", "a@", "<", '"', "(", "\\", "{", "1", "a.", "&amp;", "$", "/", "%", "+a@a.", "x: ",
    "A", "\n", "_", "http://", "é", "a,", "[", "\\frac{", "-a", "{a", "a b ", ":", "=", "'", "2026-", "\t",
)  # fmt: skip
LETTERS = 2000
# Only ever asked whether the whole of a short text has its form: what an operator typed, a host's name.
WHOLE = {doctor._SERVER.pattern, base._PUBLIC_HOST.pattern}


def expressions():
    """All that a module of ours keeps, wherever in it, by what it is called."""
    found = {}

    def look(name, value, depth=0):
        if isinstance(value, re.Pattern):
            found.setdefault((value.pattern, value.flags), (name, value))
        elif depth < 3 and isinstance(value, list | tuple | set | frozenset):
            for each in value:
                look(name, each, depth + 1)
        elif depth < 3 and isinstance(value, dict):
            for each in value.values():
                look(name, each, depth + 1)

    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if ".migrations." not in module.name:
                for name, value in vars(importlib.import_module(module.name)).items():
                    look(f"{module.name}.{name}", value)
    return sorted(found.values(), key=lambda pair: pair[0])


EXPRESSIONS = expressions()


def catastrophes(pattern, flags=0):
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    return [found.example() for found in find(SreOpParser().parse_sre(text, flags))]


def seconds(expression, piece, letters):
    text = (piece * letters)[:letters] + "\0!"
    text = text.encode() if isinstance(expression.pattern, bytes) else text
    best = 9.0
    for _ in range(3):
        started = time.process_time()
        for _found in expression.finditer(text):
            pass
        best = min(best, time.process_time() - started)
    return best


def growth(expression):
    """By how much the slowest text takes longer when it is twice as long; 1 for what takes no time."""
    worst = 1.0
    for piece in PIECES:
        once = seconds(expression, piece, LETTERS)
        if once > 0.002:
            worst = max(worst, seconds(expression, piece, 2 * LETTERS) / once)
    return worst


def test_there_are_expressions_to_look_at():
    assert len(EXPRESSIONS) > 60


@pytest.mark.parametrize("bad", [r"(a+)+b", r"(\w+\s?)*x", r"\d*\d*\d*x"])
def test_a_catastrophe_is_seen(bad):
    assert catastrophes(bad)


def test_a_growth_with_the_square_is_seen():
    assert growth(re.compile(r"[^\s]+@[^\s]+")) > 3


@pytest.mark.parametrize("pair", EXPRESSIONS, ids=lambda pair: pair[0])
def test_no_expression_is_a_catastrophe(pair):
    _name, expression = pair
    assert catastrophes(expression.pattern, expression.flags) == []


def test_twice_the_text_takes_about_twice_the_time():
    found = {name: growth(each) for name, each in EXPRESSIONS if each.pattern not in WHOLE}
    assert {name: ratio for name, ratio in found.items() if ratio > 3} == {}
