"""The operator's page of providers: what it says, and what is changed there."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html as lxml_html

from digest.delivery.esp import plans
from digest.models import Circuit, DayCount, DayFigure, Event, ProviderPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
LIST = "admin:digest_providerplan_changelist"
CHANGE = "/admin/digest/providerplan/mailgun/change/"


@pytest.fixture(autouse=True)
def clock(settings):
    settings.EMAIL_PROVIDERS = ["mailgun", "postmark"]
    settings.SEND_RATES = {"mailgun": 100.0}
    settings.WARM_UP = {"mailgun": (NOW.date(), 500, 2.0)}
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def words(client):
    page = lxml_html.document_fromstring(client.get(reverse(LIST)).content)
    return " ".join(" ".join(page.get_element_by_id("content-main").itertext()).split())


def press(client, action, name, **fields):
    plans.forget()
    return client.post(reverse(f"admin:provider_{action}", args=[name]), fields, follow=True)


def logged():
    return [entry.change_message for entry in LogEntry.objects.order_by("pk")]


def form_of(client):
    page = lxml_html.document_fromstring(client.get(CHANGE).content)
    return dict(page.get_element_by_id("providerplan_form").form_values())


def change(client, **fields):
    return client.post(CHANGE, form_of(client) | fields, follow=True)


def test_page_says_health_messages_and_pace(admin_client):
    Circuit.objects.create(
        name="postmark", open_until=NOW + timedelta(minutes=5), detail="HTTP 503 busy"
    )
    DayCount.objects.create(provider="mailgun", day=NOW.date(), messages=250)
    said = words(admin_client)
    assert "1 mailgun works" in said
    assert "2 postmark rests until Nov 3, 12:05 UTC" in said
    assert "It said last: HTTP 503 busy" in said
    assert "250 of 500 today" in said
    assert "100 messages a second" in said
    assert "1,000, 2,000, 4,000, 8,000" in said


def test_page_says_what_came_back_and_when(admin_client):
    DayCount.objects.create(provider="mailgun", day=NOW.date(), messages=1000)
    for kind, number in (("delivered", 900), ("bounced", 60), ("complained", 4)):
        DayFigure.objects.create(day=NOW.date(), kind=kind, about="mailgun", number=number)
    Event.objects.create(provider="mailgun", event_id="1", type="delivered")
    said = words(admin_client)
    assert "Complained 0.40% Bounced for good 6.00% Delivered 90.00%" in said
    assert "Last event Nov 3, 2026, 12:00 UTC" in said
    assert "Last event never: check its webhook" in said


def test_queries_do_not_grow_with_days_and_events(admin_client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            words(admin_client)
        return len(captured)

    plans.decide("mailgun", rate=5)
    Event.objects.create(provider="mailgun", event_id="0", type="delivered")
    few = queries()
    for n in range(1, 10):
        DayCount.objects.create(provider="mailgun", day=NOW.date() - timedelta(days=n), messages=n)
        Event.objects.create(provider="mailgun", event_id=str(n), type="delivered")
    plans.forget()
    assert queries() <= few + 1


def test_provider_is_paused_with_a_reason_and_resumed(admin_client):
    assert (
        "Digests go by postmark until" in press(admin_client, "pause", "mailgun").content.decode()
    )
    assert (
        "mailgun: paused"
        in press(admin_client, "pause", "mailgun", because="status red").content.decode()
    )
    plan = ProviderPlan.objects.get()
    assert (plan.paused_because, plan.paused_by.username) == ("status red", "admin")
    assert "by admin: status red" in words(admin_client)
    press(admin_client, "resume", "mailgun")
    assert logged() == ["paused, because: status red", "resumed"]


def test_pausing_the_last_one_warns_plainly_before_and_after(admin_client):
    plans.pause("postmark", because="x")
    asked = admin_client.get(reverse("admin:provider_pause", args=["mailgun"])).content.decode()
    assert "no digest goes out until one is resumed" in asked
    press(admin_client, "pause", "mailgun", because="x")
    assert "No digest goes out: no provider that takes digests is in use" in words(admin_client)


@pytest.mark.parametrize("because", ["", "   ", "for ada@example.org"])
def test_pause_needs_a_reason_without_an_address(admin_client, because):
    press(admin_client, "pause", "mailgun", because=because)
    assert not ProviderPlan.objects.exists()
    assert not LogEntry.objects.exists()


def test_values_are_changed_shown_beside_the_setting_and_put_back(admin_client):
    change(admin_client, rate="40", daily_cap="2000", warm_up="none")
    said = words(admin_client)
    assert "40 messages a second changed here; the setting says: 100 messages a second" in said
    assert "2,000 messages changed here; the setting says: any number" in said
    assert logged()[0].startswith("Messages a second: as the setting → 40.0; Most messages a day")
    press(admin_client, "back", "mailgun")
    assert "changed here;" not in words(admin_client)


def test_change_does_not_undo_a_pause_of_meanwhile(admin_client):
    plans.pause("mailgun", because="x")
    change(admin_client, rate="40")
    plan = ProviderPlan.objects.get()
    assert (plan.rate, plan.paused_because) == (40, "x")


def test_older_page_does_not_undo_what_somebody_else_changed_meanwhile(admin_client):
    older = form_of(admin_client)
    change(admin_client, rate="40")
    admin_client.post(CHANGE, older | {"daily_cap": "2000"})
    plan = ProviderPlan.objects.get()
    assert (plan.rate, plan.daily_cap) == (40, 2000)
    assert logged()[1] == "Most messages a day: as the setting → 2000"


def test_warm_ups_of_two_operators_do_not_mix(admin_client):
    own = {"warm_up": "own", "warm_up_from": "2026-11-03", "warm_up_messages": "50"}
    change(admin_client, **own, warm_up_growth="2")
    older = form_of(admin_client)
    change(admin_client, warm_up="", warm_up_from="", warm_up_messages="", warm_up_growth="")
    admin_client.post(CHANGE, older | {"warm_up_growth": "3"})
    plan = ProviderPlan.objects.get()
    assert (plan.warm_up, plan.warm_up_messages, plan.warm_up_growth) == ("own", 50, 3)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"rate": "-1"}, "greater than or equal to 0"),
        ({"rate": "nan"}, "Enter a number"),
        ({"daily_cap": "0"}, "greater than or equal to 1"),
        ({"daily_cap": "9" * 30}, "less than or equal to"),
        ({"warm_up": "own"}, "A warm-up of its own has a first day"),
        ({"warm_up": "own", "warm_up_from": "2026-13-01"}, "Enter a valid date"),
        ({"warm_up_messages": "5"}, "count only with the warm-up"),
        ({"warm_up": "sometimes"}, "not one of the available choices"),
    ],
)
def test_wrong_values_get_one_line_and_change_nothing(admin_client, wrong, line):
    page = change(admin_client, **wrong).content.decode()
    assert page.count(line) == 1
    assert not ProviderPlan.objects.exists()


def test_order_is_changed_and_put_back(admin_client):
    press(admin_client, "move", "postmark", to="up")
    assert "1 postmark" in words(admin_client)
    admin_client.post(reverse("admin:provider_order"))
    plans.forget()
    assert "1 mailgun" in words(admin_client)
    assert logged()[0] == "moved; the order is now postmark, mailgun"


@pytest.mark.parametrize("action", ["pause", "resume", "move", "back"])
def test_provider_that_is_not_configured_is_not_there(admin_client, action):
    assert press(admin_client, action, "smtp", because="x").status_code == 404
    address = reverse("admin:digest_providerplan_change", args=["smtp"])
    assert admin_client.get(address, follow=True).redirect_chain


@pytest.mark.parametrize("action", ["pause", "resume", "move", "back"])
def test_who_may_only_look_changes_nothing(client, action):
    user = User.objects.create_user("helper", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_providerplan"))
    client.force_login(user)
    assert client.get(reverse(LIST)).status_code == 200
    assert press(client, action, "mailgun", because="x").status_code == 403
    assert not ProviderPlan.objects.exists()


def test_who_may_not_look_sees_nothing(client):
    client.force_login(User.objects.create_user("helper", is_staff=True))
    assert client.get(reverse(LIST)).status_code == 403
