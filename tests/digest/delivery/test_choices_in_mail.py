"""What a reader chose about the mail itself: plain text, a language, fewer papers."""

from datetime import date

import pytest
from django.utils import timezone

from digest.delivery import outbox
from digest.delivery.esp import providers
from digest.delivery.mails import content, messages
from digest.editions import audiences
from subscriptions import selectors
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


def audience_of(reader, edition):
    selection = selectors.selection_of(reader)
    reader.selection_key = selection.key
    reader.save(update_fields=["selection_key"])
    return audiences.of_selection(edition, selection.key)


def message_to(reader, edition):
    audience = audience_of(reader, edition)
    addressee = selectors.addressees([reader.pk])[reader.pk]
    readers = content.readers_of(
        {1: addressee}, edition_id=edition.pk, now=timezone.now(),
        language=audience.language,
    )  # fmt: skip
    claim = outbox.Claim(0, edition.pk, 0, 0, timezone.now(), {})
    call = messages.Call(claim, edition, content.body_of(audience), readers)
    return messages.single_message(providers.PROVIDERS["outbox"], call), call


@pytest.fixture
def edition():
    return make_edition(DAY, [make_paper(upvotes=votes) for votes in (2, 30)])


def test_reader_of_plain_text_gets_no_html(edition):
    message, call = message_to(make_subscriber(format="text"), edition)
    mime = message.message()
    assert mime.get_content_type() == "text/plain"
    headers = dict.fromkeys(("To", "Date", "List-Unsubscribe", "Message-ID"), "x")
    values = dict.fromkeys(content.rendering.READER_TOKENS, "value")
    assert b"text/html" not in call.template.fill(headers=headers, values=values)


def test_other_readers_get_both_parts(edition):
    message, _ = message_to(make_subscriber(), edition)
    parts = [part.get_content_type() for part in message.message().walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


def test_reader_of_plain_text_can_look_at_the_digest_in_a_browser(edition):
    audience = audience_of(make_subscriber(format="text"), edition)
    assert content.body_of(audience, is_for_browser=True).html_parts


def test_papers_with_too_few_votes_are_left_out(edition):
    audience = audience_of(make_subscriber(least_votes=10), edition)
    assert audience.paper_count == 1


def test_follower_of_a_category_gets_its_papers():
    paper = make_paper(categories=["cs.CL", "cs.LG"])
    edition = make_edition(DAY, [paper, make_paper(categories=["cs.CV"], upvotes=0)])
    reader = make_subscriber()
    reader.categories.create(name="cs.LG")
    assert audience_of(reader, edition).cards == [
        [paper.pk, "You follow cs.LG", "category-cs.LG", ""]
    ]


@pytest.mark.parametrize("opinion", ["More like this", "Less like this"])
def test_each_paper_has_links_for_an_opinion_in_both_parts(edition, opinion):
    message, _ = message_to(make_subscriber(), edition)
    html = message.alternatives[0][0]
    assert html.count(f">{opinion}</a>") == message.body.count(f"{opinion}:") == 2


def test_links_of_opinions_bear_the_readers_token(edition):
    reader = make_subscriber()
    message, _ = message_to(reader, edition)
    token = content.tokens.make_digest(reader.public_id, edition.pk)
    assert f"/digests/{token}/more/" in message.body
