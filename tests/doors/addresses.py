"""Every address of the house, each with something behind it: read off the URL configuration, so that no
page can be added without being tried."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.urls import URLResolver, get_resolver, reverse

from digest.delivery import sending
from digest.delivery.due import planning
from digest.delivery.esp import local_outbox
from digest.models import Batch, Delivery, Edition, Event, Fetch, Notice, Paper
from digest.site.preferences import trying
from subscriptions import logbook, selectors, tokens
from subscriptions.models import ConsentRecord, LeaveReason, Subscriber, Suppression, Topic
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_listing, make_paper

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.now(UTC).date()
HOSTILE_TITLE = (
    '<script>zzq(1)</script>"><img src=x onerror=zzq(2)> {{ 7|add:98765 }} \u202egpj.exe'
)
_ASKED = re.compile(r"""(?:GET|POST)(?:\.get|\.getlist)?[(\[]\s*"([\w-]+)\"""")


@dataclass(frozen=True)
class Address:
    """A page's name and where it is."""

    name: str
    path: str

    @property
    def is_desk(self) -> bool:
        return self.path.startswith("/admin/")

    @property
    def has_token(self) -> bool:
        return self.name in TOKENS

    @property
    def is_outbox(self) -> bool:
        return self.name.startswith("site:outbox")

    @property
    def is_webhook(self) -> bool:
        return self.path.startswith("/webhooks/")


def _address_token(reader: Subscriber) -> str:
    reader.new_email = "new-ada@example.org"
    reader.save()
    return tokens.make_address(reader)


def _digest_token(reader: Subscriber) -> str:
    return tokens.make_digest(reader.public_id, Edition.objects.earliest("pk").pk)


TOKENS = {
    "site:digest": _digest_token,
    "site:opinion": _digest_token,
    "site:own_feed": tokens.make_feed,
    "site:history": tokens.make_preferences,
    "site:manage": lambda reader: tokens.make_manage(reader.public_id),
    "site:opinions": tokens.make_preferences,
    "site:preferences": tokens.make_preferences,
    "site:preview": tokens.make_preferences,
    "site:preview_mail": tokens.make_preferences,
    "site:send_now": tokens.make_preferences,
    "subscriptions:address": _address_token,
    "subscriptions:ask_address": tokens.make_preferences,
    "subscriptions:confirm": tokens.make_confirm,
    "subscriptions:erase": tokens.make_erase,
    "subscriptions:first_topics": tokens.make_preferences,
    "subscriptions:my_data": tokens.make_erase,
    "subscriptions:unsubscribe": lambda reader: tokens.make_unsubscribe(reader.public_id),
}
"""What opens each page that wants a link of the reader's."""
IN_DIGESTS = ["site:digest", "site:manage", "site:opinion", "subscriptions:unsubscribe"]
"""What digests lead to, and so whoever finds one."""

_PK = {
    "admin_logentry": LogEntry,
    "auth_group": Group,
    "auth_user": User,
    "digest_batch": Batch,
    "digest_delivery": Delivery,
    "digest_edition": Edition,
    "digest_event": Event,
    "digest_fetch": Fetch,
    "digest_notice": Notice,
    "digest_paper": Paper,
    "subscriptions_consentrecord": ConsentRecord,
    "subscriptions_leavereason": LeaveReason,
    "subscriptions_subscriber": Subscriber,
    "subscriptions_suppression": Suppression,
    "subscriptions_topic": Topic,
}
_BY_PAGE = {
    "site:sitemap_part": {"name": "pages"},
    "site:cite": {"form": "bib"},
}


@dataclass
class House:
    """One of everything, with a paper whose words are meant to do harm, and a reader who got it."""

    reader: Subscriber = field(init=False)
    tried: str = field(init=False)
    """By which the digest that the reader tries is found."""

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        day = TODAY - timedelta(days=1)
        paper = make_paper(
            title=HOSTILE_TITLE,
            abstract=HOSTILE_TITLE,
            authors=[HOSTILE_TITLE, "Ada Lovelace"],
            topics=[Topic.objects.get(slug="agents")],
        )
        make_edition(day, [paper])
        make_listing(paper, TODAY)
        self.reader = make_subscriber(
            "ada@example.org",
            topics=[Topic.objects.get(slug="agents")],
            keywords=("zzq",),
            next_digest_at=now,
            frequency="daily",
        )
        planning.plan(now)
        sending.send_pending()
        Event.objects.create(
            provider="smtp",
            event_id="1",
            type="bounced",
            received_at=now,
            description=HOSTILE_TITLE,
        )
        Fetch.objects.create(source="arxiv", day=TODAY, started_at=now, error=HOSTILE_TITLE)
        Notice.objects.create(kind="late", created_at=now)
        ConsentRecord.objects.create(
            subscriber=self.reader, action="confirmed", user_agent=HOSTILE_TITLE
        )
        LeaveReason.objects.create(reason="other", said_on=TODAY)
        Suppression.objects.create(address_hash="0" * 64, reason="manual")
        User.objects.create_user("olga", is_staff=True)
        logbook.note(self.reader, HOSTILE_TITLE)
        self.tried = trying.tried(selectors.selection_of(self.reader), self.reader.pk).key

    def addresses(self, *, is_forged: bool = False) -> list[Address]:
        """All of them; with links that nobody signed where `is_forged`."""
        return [
            Address(name, reverse(name, kwargs=self._values(name, wanted, is_forged=is_forged)))
            for name, wanted in patterns()
        ]

    def _values(self, name: str, wanted: list[str], *, is_forged: bool) -> dict[str, Any]:
        known = self._known(name) | _BY_PAGE.get(name, {})
        if name == "site:preview_mail":
            known["key"] = self.tried
        if "token" in wanted:
            token = TOKENS[name](self.reader)
            forged = ("B" if token[0] == "A" else "A") + token[1:]
            known["token"] = forged if is_forged else token
        return {each: known[each] for each in wanted}

    def _known(self, name: str) -> dict[str, Any]:
        table = name.removeprefix("admin:").rpartition("_")[0]
        edition = Edition.objects.earliest("pk")
        return {
            "app_label": "digest",
            "arxiv_id": Paper.objects.latest("pk").arxiv_id,
            "content_type_id": ContentType.objects.get_for_model(Paper).pk,
            "day": f"{edition.date:%Y-%m-%d}",
            "edition_id": edition.pk,
            "form": "atom",
            "frequency": "daily",
            "id": User.objects.get(username="olga").pk,
            "key": next(local_outbox.maildir().iterkeys()),
            "month": f"{edition.date:%Y-%m}",
            "name": edition.name if name == "api-v1:get_edition" else "smtp",
            "object_id": self._key(table),
            "pk": self.reader.pk,
            "slug": "agents",
            "topic_id": Topic.objects.get(slug="agents").pk,
            "verdict": "more",
            "view": "html",
            "week": f"{edition.date:%G-W%V}",
        }

    def _key(self, table: str) -> Any:
        if table not in _PK:
            return "smtp"
        if table == "auth_user":
            return User.objects.get(username="olga").pk
        return _PK[table].objects.latest("pk").pk


def patterns() -> list[tuple[str, list[str]]]:
    """The name of each page, and what stands in its address; those without a name lead to one with."""
    found = {name: wanted for name, wanted in _walked(get_resolver(), "") if not name.endswith(":")}
    return sorted(found.items())


def _walked(resolver: URLResolver, space: str) -> Iterator[tuple[str, list[str]]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            below = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from _walked(pattern, space + below)
        else:
            yield f"{space}{pattern.name or ''}", list(pattern.pattern.regex.groupindex)


def asked_names() -> list[str]:
    """What pages read from their addresses and forms, as the code says it."""
    files = [*ROOT.glob("digest/**/*.py"), *ROOT.glob("subscriptions/**/*.py")]
    found = {name for path in files for name in _ASKED.findall(path.read_text())}
    # Django's own, and those of forms and of the API, which stand in no such line.
    return sorted(
        found
        | {
            "q",
            "p",
            "o",
            "s",
            "term",
            "next",
            "_popup",
            "_to_field",
            "_changelist_filters",
            "cursor",
        }
        | {
            "date",
            "topic",
            "email",
            "topics",
            "username",
            "password",
            "headline",
            "stamp",
            "website",
        }
        | {
            "keywords",
            "authors",
            "organizations",
            "timezone",
            "hour",
            "language",
            "note",
            "because",
        }
    )
