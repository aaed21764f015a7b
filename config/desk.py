"""How the operator's desk looks and what its menu leads to, in the words of django-unfold."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy


def _item(
    title: str,
    icon: str,
    model: str,
    permission: str,
    *,
    page: str = "changelist",
    empty: str = "",
) -> dict[str, Any]:
    """An entry. Its title is what the page is called, there and everywhere (`naming.py`); `empty` is
    what a list says that has nothing yet: what would stand there, and when."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_{page}"),
        "permission": lambda request: request.user.has_perm(permission),
        "empty": empty,
    }


def _is_at_batches(request: HttpRequest) -> bool:
    """What is in doubt has an entry of its own below the batches."""
    address = reverse("admin:digest_batch_changelist")
    return request.path.startswith(address) and "/in-doubt/" not in request.path


def _is_at_closed_editions(request: HttpRequest) -> bool:
    """What is to come has entries of its own above the editions."""
    begins = reverse("admin:digest_edition_changelist")
    others = (reverse("admin:edition_coming"), reverse("admin:edition_expected"))
    return request.path.startswith(begins) and not request.path.startswith(others)


THEME: dict[str, Any] = {
    "SITE_TITLE": "Daily Papers",
    "SITE_HEADER": "Daily Papers",
    "SITE_SUBHEADER": "The operator's desk",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("daily_papers/mark.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("daily_papers/mark.svg"),
        }
    ],
    "LOGIN": {"form": "config.login.LoginForm"},
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Second factor", "link": reverse_lazy("door:own")},
        ],
    },
    "DASHBOARD_CALLBACK": "digest.admin.dashboard.show",
    "STYLES": [
        lambda request: static("daily_papers/desk.css"),
        lambda request: static("daily_papers/lists.css"),
    ],
    "SCRIPTS": [lambda request: static("daily_papers/desk.js")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "4px",
    # The pages' own green and grays (site.css), from light to dark.
    "COLORS": {
        "base": {
            "50": "#f6f8f5",
            "100": "#e9eee8",
            "200": "#d4dcd5",
            "300": "#b9c4bd",
            "400": "#8a9892",
            "500": "#5f6d68",
            "600": "#495652",
            "700": "#2b3532",
            "800": "#1e2624",
            "900": "#171e1c",
            "950": "#101514",
        },
        "primary": {
            "50": "#eef6f3",
            "100": "#deece6",
            "200": "#b8dacf",
            "300": "#7fd3c0",
            "400": "#4fae9b",
            "500": "#1f7f70",
            "600": "#0a5b50",
            "700": "#07463d",
            "800": "#063f37",
            "900": "#04302a",
            "950": "#04231d",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {
                        "title": "Dashboard",
                        "icon": "dashboard",
                        "link": reverse_lazy("admin:index"),
                    },
                ],
            },
            {
                "title": "Editions",
                "items": [
                    _item(
                        "Coming edition",
                        "edit_calendar",
                        "edition",
                        "digest.view_edition",
                        page="coming",
                    ),
                    _item(
                        "What will go",
                        "event_upcoming",
                        "edition",
                        "digest.view_edition",
                        page="expected",
                    ),
                    _item(
                        "Editions",
                        "newspaper",
                        "digest_edition",
                        "digest.view_edition",
                        empty="No edition is closed yet: each stands here once its day is over.",
                    )
                    | {"active": _is_at_closed_editions},
                    _item(
                        "Papers",
                        "article",
                        "digest_paper",
                        "digest.view_paper",
                        empty="No paper is here yet: they come with the first fetch.",
                    ),
                    _item(
                        "Topics",
                        "label",
                        "subscriptions_topic",
                        "subscriptions.view_topic",
                        empty="No topic is here yet: readers choose from those that you add.",
                    ),
                    _item(
                        "Fetches",
                        "cloud_download",
                        "digest_fetch",
                        "digest.view_fetch",
                        empty="Nothing was fetched yet: each hour a source is asked, and what it brought stands here.",
                    ),
                ],
            },
            {
                "title": "Mail",
                "items": [
                    _item(
                        "Providers",
                        "alt_route",
                        "digest_providerplan",
                        "digest.view_providerplan",
                    ),
                    _item("In doubt", "help", "digest", "digest.view_batch", page="in_doubt"),
                    _item(
                        "Notices",
                        "campaign",
                        "digest_notice",
                        "digest.view_notice",
                        empty="You were told nothing yet: what is late, stuck or in doubt stands here, with what to do.",
                    ),
                    _item(
                        "Batches",
                        "inventory_2",
                        "digest_batch",
                        "digest.view_batch",
                        empty="No batch was made yet: they are once an edition is closed and readers are due.",
                    )
                    | {"active": _is_at_batches},
                    _item(
                        "Deliveries",
                        "outbox",
                        "digest_delivery",
                        "digest.view_delivery",
                        empty="No digest was planned yet: each stands here once its reader is due.",
                    ),
                    _item(
                        "Events",
                        "notifications",
                        "digest_event",
                        "digest.view_event",
                        empty="No provider has told of anything yet: what its webhook says of a mail stands here.",
                    ),
                ],
            },
            {
                "title": "Readers",
                "items": [
                    _item(
                        "Readers",
                        "group",
                        "subscriptions_subscriber",
                        "subscriptions.view_subscriber",
                        empty="Nobody has signed up yet: who does stands here, confirmed or not.",
                    ),
                    _item(
                        "Suppressions",
                        "block",
                        "subscriptions_suppression",
                        "subscriptions.view_suppression",
                        empty="Nobody is suppressed yet: an address whose mail bounced for good, was marked as spam, or that you add stands here.",
                    ),
                    _item(
                        "Consent records",
                        "fact_check",
                        "subscriptions_consentrecord",
                        "subscriptions.view_consentrecord",
                        empty="No consent is on record yet: each sign-up, change and goodbye of a reader stands here.",
                    ),
                    _item(
                        "Reasons to leave",
                        "logout",
                        "subscriptions_leavereason",
                        "subscriptions.view_leavereason",
                        empty="Nobody has said why they left yet: who cares to say it after unsubscribing is counted here.",
                    ),
                ],
            },
            {
                "title": "Staff",
                "items": [
                    _item(
                        "Operators",
                        "badge",
                        "auth_user",
                        "auth.view_user",
                        empty="Nobody works here yet.",
                    ),
                    _item(
                        "Roles",
                        "admin_panel_settings",
                        "auth_group",
                        "auth.view_group",
                        empty="No role is there yet: the next migrate makes the three.",
                    ),
                    _item(
                        "Log",
                        "history",
                        "admin_logentry",
                        "admin.view_logentry",
                        empty="Nothing was changed at the desk yet: who changes what stands here.",
                    ),
                ],
            },
        ],
    },
}
