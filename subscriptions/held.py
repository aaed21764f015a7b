"""All that is held about a subscriber, for them to download."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db.models import Field, ManyToOneRel, Model, QuerySet
from django.db.models.options import Options

from . import logbook, selectors
from .models import Subscriber

Rows = list[dict[str, Any]]
_more: dict[str, Callable[[Subscriber], Rows]] = {}


def also(name: str, rows: Callable[[Subscriber], Rows]) -> None:
    """Afterwards the download has these rows under this name: for what another app holds and no key of
    its tables leads to in words."""
    _more[name] = rows


def data(subscriber: Subscriber) -> dict[str, Any]:
    """All that is held about the subscriber, in any table of any app, ready for JSON."""
    suppressed = selectors.suppressions_of(subscriber).order_by("pk")
    return {
        **_values(subscriber),
        "suppressions": [_values(row) for row in suppressed],
        "acts_of_operators": logbook.acts_on(subscriber),
        **_rows_about(subscriber),
        **{name: rows(subscriber) for name, rows in _more.items()},
    }


def _rows_about(subscriber: Subscriber) -> dict[str, Rows]:
    """Found by their foreign keys, so that a new table is never forgotten: rows of the subscriber,
    and rows about those."""
    found: dict[str, Rows] = defaultdict(list)
    for model, path in _paths_to(Subscriber):
        further = [(m, f"{step}__{path}") for m, step in _paths_to(model)]
        for about, keys in [(model, path), *further]:
            name = str(_meta(about).verbose_name_plural).replace(" ", "_")
            others = [field.name for field in _columns(about) if field.is_relation]
            rows: QuerySet[Any] = QuerySet(about).filter(**{keys: subscriber})
            rows = rows.order_by("pk").prefetch_related(*others)
            found[name] += [_values(row) for row in rows]
    return found


def _paths_to(model: type[Model]) -> list[tuple[type[Model], str]]:
    """The models with a foreign key to this one, and its name."""
    relations = _meta(model).get_fields(include_hidden=True)
    return [
        (relation.related_model, relation.field.name)
        for relation in relations
        if isinstance(relation, ManyToOneRel)
    ]


def _values(row: Model) -> dict[str, Any]:
    values = {field.name: getattr(row, field.name) for field in _columns(type(row))}
    return {
        name: str(value) if isinstance(value, Model) else _readable(value)
        for name, value in values.items()
    }


def _readable(value: Any) -> Any:
    """Bytes as hexadecimal digits, which JSON can hold."""
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _columns(model: type[Model]) -> list[Field[Any, Any]]:
    """All but its own id and its subscriber's, which say nothing to a reader."""
    return [
        field
        for field in _meta(model).concrete_fields
        if not field.primary_key and field.related_model is not Subscriber
    ]


def _meta(model: type[Model]) -> Options[Any]:
    return model._meta  # noqa: SLF001  it has no other name
