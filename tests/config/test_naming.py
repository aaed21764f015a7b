"""Each page of the desk has one name, and it is the menu's; records have theirs."""

from datetime import date

import pytest
from django.contrib import admin
from lxml import html as lxml_html

from config.desk import THEME
from digest.models import Delivery
from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db
ENTRIES = {
    item["title"]: item for group in THEME["SIDEBAR"]["navigation"] for item in group["items"]
}
LISTS = {title: item for title, item in ENTRIES.items() if item.get("empty")}


def read(client, address):
    response = client.get(address, follow=True)
    assert response.status_code == 200
    return lxml_html.document_fromstring(response.content)


def names(page):
    """The tab's title, the heading, and the way back above it."""
    text = [" ".join(each.text_content().split()) for each in page.xpath("//title | //h1")]
    return *text, page.xpath("//nav[@aria-label='Above this page']/a/text()")


@pytest.mark.parametrize("title", ENTRIES)
def test_page_is_called_as_the_menu_calls_it(admin_client, title):
    link = str(ENTRIES[title]["link"])
    response = admin_client.get(link, follow=True)
    assert response.status_code == 200
    tab, heading, above = names(lxml_html.document_fromstring(response.content))
    # The first page of the coming editions is one of theirs, below the entry.
    is_below = response.request["PATH_INFO"] != link
    assert (above if is_below else [heading]) == [title]
    assert tab == f"{heading} | Daily Papers"
    assert is_below == (title == "Coming edition")


def test_filtered_list_keeps_its_name(admin_client):
    page = read(admin_client, f"{ENTRIES['Readers']['link']}?state__exact=active")
    assert names(page) == ("Readers | Daily Papers", "Readers", [])


@pytest.mark.parametrize("title", LISTS)
def test_empty_list_says_what_would_be_there(admin_client, title):
    model = next(
        model for model in admin.site._registry
        if ENTRIES[title]["link"].endswith(f"/{model._meta.app_label}/{model._meta.model_name}/")
    )  # fmt: skip
    if title in {"Operators", "Roles"}:
        return
    # That of consent records deletes none.
    model._base_manager.all().delete()
    said = read(admin_client, str(ENTRIES[title]["link"])).text_content()
    assert " ".join(LISTS[title]["empty"].split()) in " ".join(said.split())
    assert "Create a new item" not in said


def test_list_in_which_nothing_is_found_says_so(admin_client):
    make_subscriber()
    page = read(admin_client, f"{ENTRIES['Readers']['link']}?state__exact=pending")
    assert "Nothing was found." in page.text_content()
    assert LISTS["Readers"]["empty"] not in page.text_content()


def test_records_are_called_by_their_names_below_the_list_that_they_are_in(admin_client):
    reader = make_subscriber("ada@example.org")
    batch = make_batch([reader], day=date(2026, 11, 29))
    delivery = Delivery.objects.get()
    suppression = Suppression.objects.create(address_hash="a" * 64, reason="manual")
    wanted = {
        f"digest/delivery/{delivery.pk}/change/": (
            f"Delivery {delivery.pk} of the edition of Nov 29", "Deliveries"),
        f"digest/batch/{batch.pk}/change/": (f"Batch {batch.pk} of the edition of Nov 29", "Batches"),
        f"subscriptions/subscriber/{reader.pk}/change/": (f"Reader {reader.pk}", "Readers"),
        f"subscriptions/subscriber/{reader.pk}/history/": (
            f"History of reader {reader.pk}", "Readers"),
        f"subscriptions/suppression/{suppression.pk}/delete/": (
            f"Delete suppression {suppression.pk}", "Suppressions"),
        f"subscriptions/topic/{make_topic('bees', name='Bees').pk}/change/": ("Bees", "Topics"),
    }  # fmt: skip
    for address, (name, above) in wanted.items():
        page = read(admin_client, f"/admin/{address}")
        assert names(page) == (f"{name} | Daily Papers", name, [above])


def test_name_of_a_readers_page_has_no_address(admin_client):
    reader = make_subscriber("ada@example.org")
    page = read(admin_client, f"/admin/subscriptions/subscriber/{reader.pk}/change/")
    assert "ada" not in "".join(page.xpath("//title/text()"))
    assert Subscriber.objects.get().email in page.text_content()
