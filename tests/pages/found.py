"""The pages of an installation: the public ones, a reader's own, and what its forms answer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from html import unescape

import requests
from django.urls import Resolver404, resolve

from tests.flows.mailbox import link, mail_with
from tests.flows.processes import Installation

READER = "page-reader@example.org"
PUBLIC = (
    "/", "/?all=1", "/papers/2026-08-20/", "/papers/2026-W34/", "/papers/2026-08/",
    "/papers/2026-08-22/", "/papers/2608.16590/", "/trending/", "/topics/", "/topics/agents/",
    "/search/", "/search/?q=robot+learning", "/search/?q=zzzqqq", "/api/v1/docs", "/status/",
    "/subscribe/", "/preferences/", "/embed/", "/embed/form/", "/outbox/",
)  # fmt: skip
# What has an address but is no page that a reader looks at.
NO_PAGES = {
    "site:alive": "text for machines",
    "site:ready": "text for machines",
    "site:metrics": "text for machines",
    "site:outbox_body": "the frame in site:outbox_mail, and looked at there",
    "site:preview_mail": "a frame of site:preferences, in a mail's own HTML",
    "site:version": "leads to site:paper",
    "site:icon": "leads to a picture",
    "site:cite": "a download",
    "site:opened": "answers with nothing",
    "site:preview": "a part of site:preferences",
    "site:count": "a part of site:preferences",
    "site:authors": "a part of site:preferences",
    "site:organizations": "a part of site:preferences",
    "site:daily_feed": "for feed readers",
    "site:weekly_feed": "for feed readers",
    "site:topic_feed": "for feed readers",
    "site:own_feed": "for feed readers",
    "site:robots": "for search engines",
    "site:sitemap": "for search engines",
    "site:sitemap_part": "for search engines",
    "subscriptions:my_data": "a download",
}
_OWN = re.compile(r"/(?:preferences|unsubscribe|my-data|digests|address|opinions?|more|less)/.")


@dataclass(frozen=True)
class Found:
    """A page as it was answered. `name` is its view's, `address` without the installation's."""

    address: str
    name: str
    html: str
    policy: str
    is_answer: bool = False
    """Whether it came from a form that was sent, so that opening its address shows another."""

    def __str__(self) -> str:
        return f"{self.name} ({self.address[:60]}{', sent' if self.is_answer else ''})"


def pages(installation: Installation) -> list[Found]:
    """Every page: it subscribes a reader, whose own pages it follows from the mails they got."""
    visitor = _Visitor(installation.url)
    public = [found for address in PUBLIC if (found := visitor.open(address))]
    answers = list(_signing_up(installation, visitor))
    mail = mail_with(installation, "List-Id", "Daily Papers")
    # Before the reader's own browser, in which these lead on at once.
    stranger = list(_as_a_finder(_Visitor(installation.url), mail))
    own = list(_followed(visitor, [found.html for found in answers] + [_html(mail)]))
    moving = list(_moving(installation, visitor, own))
    outbox = list(_followed(visitor, [visitor.open("/outbox/").html], re.compile("/outbox/.")))
    return [
        *public,
        *answers,
        *stranger,
        *own,
        *moving,
        *outbox,
        *_leaving(visitor, link(mail, "unsubscribe")),
    ]


def _html(mail) -> str:
    return mail.get_body(("html",)).get_content()


def _signing_up(installation: Installation, visitor: "_Visitor") -> Iterator[Found]:
    """Each step of subscribing, from a wrong address to a digest that is on its way."""
    yield visitor.send("/subscribe/", email="ada at example")
    yield visitor.send("/subscribe/", email=READER)
    confirm = link(mail_with(installation, "Subject", "Confirm"), "confirm")
    visitor.session.cookies.clear()  # As on another device, where the link shows its button.
    yield visitor.open(confirm)
    yield (confirmed := visitor.send(confirm))
    yield visitor.send(_address_of(confirmed, "/preferences/.+/topics/"), topics=["robotics"])
    yield visitor.send(_address_of(confirmed, "/digests/send/"))
    yield visitor.send("/preferences/", email=READER)


def _moving(installation: Installation, visitor: "_Visitor", own: list[Found]) -> Iterator[Found]:
    """A change of address, up to the button: pressing it would end the reader's other links."""
    ask = next(found.address for found in own if found.name == "subscriptions:ask_address")
    yield visitor.send(ask, email="new at example")
    yield visitor.send(ask, email=f"new-{READER}")
    yield visitor.open(link(mail_with(installation, "To", f"new-{READER}"), "address"))


def _as_a_finder(visitor: "_Visitor", mail: EmailMessage) -> Iterator[Found]:
    """What the links of a digest show where nobody is known."""
    for part in ("manage", "more", "unsubscribe"):
        yield visitor.open(link(mail, part))


def _leaving(visitor: "_Visitor", unsubscribe: str) -> Iterator[Found]:
    yield visitor.send(unsubscribe, instead="pause-14")
    yield (
        left := visitor.send(
            unsubscribe, **{"List-Unsubscribe": "One-Click", "button": "unsubscribe"}
        )
    )
    yield visitor.send(unsubscribe, undo=re.search(r'name="undo" value="([^"]+)"', left.html)[1])


def _address_of(found: Found, part: str) -> str:
    return unescape(re.search(rf'action="({part}[^"]*)"', found.html)[1])


def _followed(
    visitor: "_Visitor", sources: list[str], pattern: re.Pattern[str] = _OWN
) -> Iterator[Found]:
    """One page of each view that links lead to from here, and from the pages so found."""
    seen: set[str] = set()
    while sources:
        for address in visitor.links(sources.pop()):
            name = _name_of(address)
            if not pattern.match(address) or name in seen or name in NO_PAGES:
                continue
            seen.add(name)
            if found := visitor.open(address):
                yield found
                sources.append(found.html)


def _name_of(address: str) -> str:
    """The name of the view that answers there; "" where none does."""
    try:
        return resolve(address.partition("?")[0]).view_name
    except Resolver404:
        return ""


class _Visitor:
    """A reader's program: it keeps cookies and runs no scripts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def open(self, address: str) -> Found | None:
        """The page at this address; None for what is no page, as a download."""
        address = address.removeprefix(self.url)
        answer = self.session.get(self.url + address, timeout=20)
        assert answer.ok, f"{address} answered {answer.status_code}"
        return _found(address, answer)

    def send(self, address: str, **fields: object) -> Found:
        """What a form that was filled in so answers."""
        address = address.removeprefix(self.url)
        answer = self.session.post(self.url + address, fields, timeout=20)
        assert answer.status_code in (200, 400), f"{address} answered {answer.status_code}"
        return _found(address, answer, is_answer=True)

    def links(self, html: str) -> list[str]:
        """The addresses on this site that the page links to, without the site's own part."""
        found = (unescape(href) for href in re.findall(r'(?:href|src)="([^"]+)"', html))
        return [each for href in found if (each := href.removeprefix(self.url)).startswith("/")]


def _found(address: str, answer: requests.Response, *, is_answer: bool = False) -> Found | None:
    headers: Mapping[str, str] = answer.headers
    if not headers["Content-Type"].startswith("text/html"):
        return None
    policy = headers.get("Content-Security-Policy", "")
    return Found(address, _name_of(address), answer.text, policy, is_answer)
