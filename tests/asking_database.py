"""A plugin of pytest for a second run on another database: leaves out what asks none, as it is the same there."""

import pytest

_DATABASE = {"db", "transactional_db", "live_server"}
"""Fixtures that give one, beside the mark."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not _asks_database(item)]
    items[:] = [item for item in items if _asks_database(item)]
    config.hook.pytest_deselected(items=left_out)


def _asks_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(_DATABASE & fixtures)
