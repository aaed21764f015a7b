"""The latent space, fitted and read."""

import random

import numpy as np
import pytest

from digest.errors import VectorsError
from digest.papers.vectors import analysis, fitting, space

GROUPS = [
    ["robot", "grasp", "walk", "stair", "leg"],
    ["cook", "bake", "oven", "flour", "salt"],
    ["quark", "lepton", "boson", "proton", "photon"],
]


def packed(words: list[str]) -> bytes:
    return analysis.packed(analysis.terms((1, " ".join(words))))


@pytest.fixture(scope="module")
def fitted() -> space.LsaSpace:
    dice = random.Random(1)
    rows = [
        packed([*dice.sample(words, 3), dice.choice(["alpha", "beta", "gamma"])])
        for _ in range(200)
        for words in GROUPS
    ]
    return fitting.fit(rows, dimensions=3)


def cosine(found: space.LsaSpace, first: str, second: str) -> float:
    one, two = (found.vector(analysis.terms((1, text))) for text in (first, second))
    return float(one @ two)


def test_words_that_go_together_lie_near_each_other(fitted):
    assert cosine(fitted, "robots", "stairs") > 0.5
    assert cosine(fitted, "robots", "baking flour") < 0.2


def test_a_text_without_a_known_word_has_no_place(fitted):
    assert fitted.vector(analysis.terms((1, "unheard"))) is None
    assert fitted.vector(analysis.terms()) is None


def test_a_space_is_the_same_after_writing_and_reading(fitted):
    again = space.read(space.written(fitted))

    assert again.name == fitted.name
    assert (again.places == fitted.places).all()


def test_a_vector_takes_a_byte_a_number_and_hardly_changes():
    vector = space.normal(np.random.default_rng(1).normal(size=128).astype(np.float32))
    dense = space.unpacked(space.packed(vector))

    assert len(space.packed(vector)) == 132
    assert np.abs(dense.numbers * dense.scale - vector).max() < 0.005
    assert space.packed(None) == b""


def test_a_few_papers_are_not_enough():
    with pytest.raises(VectorsError, match="too few"):
        fitting.fit([packed(GROUPS[0])] * 10)


def test_the_space_that_comes_with_the_project_is_small_and_knows_the_field():
    start = space.read(space.START.read_bytes())

    assert space.START.stat().st_size < 1_500_000
    assert cosine(start, "diffusion", "image generation") > cosine(
        start, "diffusion", "agent tools"
    )
