"""What a page of the desk is called: a page of the menu as the menu calls it, one of a record by the
record's name. The heading, the way back above it and the tab's title all ask here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.template import Library, RequestContext
from django.utils.text import capfirst
from django.utils.translation import gettext

register = Library()


@dataclass(frozen=True, slots=True)
class Page:
    """A page's name, and the entry of the menu that it stands under."""

    name: str
    above: str = ""
    """The entry, where the page is not its own."""
    link: str = ""
    empty: str = ""
    """What the entry's list says while it has nothing."""


@register.simple_tag(takes_context=True)
def desk_page(context: RequestContext) -> Page:
    """The page that is shown."""
    own = _own_name(context)
    entry = _entry(context)
    if entry is None:
        return Page(own)
    title, link = str(entry["title"]), str(entry["link"])
    if context.request.path == link:
        return Page(title, empty=entry.get("empty", ""))
    return Page(own, above=title, link=link)


def _entry(context: RequestContext) -> dict[str, Any] | None:
    """The entry of the menu that the page is, or is below: the longest that leads there."""
    groups = context.get("sidebar_navigation")
    if groups is None:  # within a tag of the admin, which passes on little of the page
        groups = admin.site.each_context(context.request)["sidebar_navigation"]
    active = [item for group in groups for item in group["items"] if item["active"]]
    return max(active, key=lambda item: len(str(item["link"])), default=None)


def _own_name(context: RequestContext) -> str:
    """What the view calls it; the record by name, where that would be “Change reader”."""
    title = str(context.get("title") or context.get("site_title") or "")
    record = context.get("original") or context.get("object")
    if not isinstance(record, Model):
        return title
    name = name_of(record)
    match = context.request.resolver_match
    view = (match and match.url_name) or ""
    if view.endswith("_history"):
        return f"History of {_begun_small(name)}"
    if view.endswith("_delete"):
        return f"Delete {_begun_small(name)}"
    return name if title in _plain_titles(record) else title


def name_of(record: Model) -> str:
    """A record as its admin names it, else as it names itself."""
    named = getattr(admin.site.get_model_admin(type(record)), "name_of", str)
    return str(capfirst(named(record)))


def _begun_small(name: str) -> str:
    is_word = name[1:2].islower() and " " in name
    return name[0].lower() + name[1:] if is_word else name


def _plain_titles(record: Model) -> Iterator[str]:
    kind = record._meta.verbose_name  # noqa: SLF001  Django's own way to it
    for words in ("Add %s", "Change %s", "View %s"):
        yield gettext(words) % kind
