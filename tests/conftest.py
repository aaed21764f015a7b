"""What all tests share; no test reaches an address outside this machine (see pyproject.toml)."""

import pytest

from digest.delivery.esp import circuit, pacing, plans, providers
from digest.delivery.mails import content
from digest.papers import vectors
from digest.papers.vectors import embeddings
from digest.site.preferences import counting, trying

pytest_plugins = ["tests.services"]


@pytest.fixture(autouse=True)
def _fresh_caches():
    """What a process keeps for ever, a test must not: ids and settings come again."""
    content.rendered_edition.cache_clear()
    counting._index.cache_clear()
    trying._candidates.cache_clear()
    providers.connection.cache_clear()
    circuit.forget()
    plans.forget()
    pacing._uncounted.clear()
    vectors.forget()
    embeddings.forget()
