"""While an operator writes a topic, the page says which of the newest papers it would take."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from kombu.exceptions import OperationalError
from lxml import html as lxml_html

from config.celery import app as celery_app
from digest import tasks
from digest.models import PaperTopic, TopicCorrection
from digest.papers.topics import TopicRule, tag, trial
from tests.builders import make_topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


@pytest.fixture
def gardening():
    topic = make_topic("gardening")
    topic.phrases = ["tomato"]
    topic.save()
    return topic


def titles(taken):
    return [each.paper.title for each in taken]


def test_trial_looks_for_no_more_than_the_form_takes(admin_client, monkeypatch):
    """Half a megabyte in one phrase held a thread for a quarter of a minute."""
    tried = []
    monkeypatch.setattr(
        trial, "run", lambda rule: tried.append(rule) or trial.Trial(0, [], [], [], [])
    )
    typed = {
        "slug": "new",
        "phrases": "x " * 300_000 + "\n" + "leek\n" * 600,
        "categories": "cs.CL",
    }
    admin_client.post(reverse("admin:topic_trial"), typed)
    (rule,) = tried
    assert rule.phrases == ("leek",) * 500
    assert rule.categories == ("cs.CL",)


def test_phrases_that_are_not_saved_yet_are_tried(admin_client):
    make_paper(title="Tomatoes at night")
    make_paper(title="A study of doors")
    answer = admin_client.post(
        reverse("admin:topic_trial"), {"slug": "new", "phrases": "tomato\nleek", "categories": ""}
    )
    said = answer.content.decode()
    assert "Takes 1 of the newest 2 papers" in said
    assert "Tomatoes at night" in said
    assert "A study of doors" not in said
    assert not PaperTopic.objects.exists()


@pytest.fixture
def saved(admin_client, gardening):
    """The page after the topic's form was sent with another phrase."""

    def save():
        address = reverse("admin:subscriptions_topic_change", args=[gardening.pk])
        form = lxml_html.document_fromstring(admin_client.get(address).content).get_element_by_id(
            "topic_form"
        )
        form.fields["phrases"] = "leek"
        response = admin_client.post(address, dict(form.form_values()))
        return admin_client.get(response.url).content.decode()

    return save


@pytest.mark.django_db(transaction=True)
def test_saved_topic_takes_the_newest_papers(saved):
    make_paper(title="Leeks at noon")
    with celery_app.pool.acquire(block=True) as connection:
        connection.default_channel.queue_purge("digest")
        assert "The newest 5,000 papers get their topics anew" in saved()
        assert connection.default_channel.basic_get("digest").headers["task"].endswith("tag_newest")
    tasks.tag_newest()
    assert PaperTopic.objects.get().paper.title == "Leeks at noon"


@pytest.mark.django_db(transaction=True)
def test_saved_topic_is_said_to_wait_while_the_broker_is_away(saved, monkeypatch):
    def away(*_args):
        raise OperationalError

    monkeypatch.setattr(tasks.tag_newest, "delay", away)
    assert "The broker is away: papers get the topic by manage.py tag_papers." in saved()


def test_trial_takes_what_tagging_takes(gardening):
    papers = [
        make_paper(title="Tomatoes at night"),
        make_paper(title="Doors", abstract="A tomato is not a door."),
        make_paper(title="Soil", abstract="A tomato and a tomato and one more tomato."),
    ]
    tag([paper.pk for paper in papers])
    tagged = set(PaperTopic.objects.values_list("paper__title", flat=True))
    found = trial.run(TopicRule("gardening", ("tomato",)))
    assert set(titles(found.taken)) == tagged == {"Tomatoes at night", "Soil"}


def test_each_phrase_says_what_it_does():
    make_paper(title="Tomato soup at night")
    make_paper(title="Doors", abstract="A leek is not a door.")
    rule = TopicRule("gardening", ("tomato soup", "soup", "leek", "Radishes"))
    found = {each.text: each for each in trial.run(rule).phrases}
    assert titles_of(found["tomato soup"].taken) == ["Tomato soup at night"]
    assert (found["soup"].found_in, found["soup"].within) == (0, "tomato soup")
    assert (found["leek"].found_in, list(found["leek"].taken)) == (1, [])
    assert (found["Radishes"].found_in, found["Radishes"].within) == (0, "")


def titles_of(papers):
    return [paper.title for paper in papers]


def test_page_explains_phrases_that_take_nothing(admin_client):
    make_paper(title="Tomato soup at night", abstract="A leek is not a door.")
    lines = "tomato soup\nsoup\nleek\nradish"
    answer = admin_client.post(reverse("admin:topic_trial"), {"slug": "new", "phrases": lines})
    said = answer.content.decode()
    assert "tomato soup: 1 taken" in said
    assert "soup: only within “tomato soup”, which counts instead" in said
    assert "radish: no paper of the newest 1 has it" in said


def test_page_of_a_topic_says_what_it_takes(admin_client, gardening):
    make_paper(title="Tomatoes at night")
    page = admin_client.get(reverse("admin:subscriptions_topic_change", args=[gardening.pk]))
    assert "Tomatoes at night" in page.content.decode()


@pytest.mark.parametrize(("said", "stays"), [("no", False), ("yes", True)])
def test_correction_by_hand_holds_at_once(admin_client, gardening, said, stays):
    paper = make_paper(title="Tomatoes at night" if said == "no" else "A study")
    tag([paper.pk])
    address = reverse("admin:topic_correct", args=[gardening.pk])
    admin_client.post(address, {"paper": paper.arxiv_id, "is_about": said})
    assert PaperTopic.objects.filter(paper=paper).exists() is stays
    found = trial.run(TopicRule("gardening", ("tomato",)))
    assert [bool(found.kept_out), bool(found.added)] == [said == "no", said == "yes"]
    admin_client.post(address, {"paper": paper.arxiv_id, "is_about": ""})
    assert PaperTopic.objects.filter(paper=paper).exists() is not stays
    assert not TopicCorrection.objects.exists()


def test_paper_that_is_not_there_is_named(admin_client, gardening):
    address = reverse("admin:topic_correct", args=[gardening.pk])
    page = admin_client.post(address, {"paper": "9999.99999", "is_about": "yes"}, follow=True)
    assert "There is no paper" in page.content.decode()


def test_who_may_not_see_topics_sees_no_trial(client):
    client.force_login(User.objects.create_user("helper", is_staff=True))
    assert client.post(reverse("admin:topic_trial"), {"phrases": "tomato"}).status_code == 403


def test_number_of_queries_does_not_grow_with_papers(django_assert_num_queries):
    for _ in range(30):
        make_paper(title="Tomatoes at night")
    with django_assert_num_queries(2):
        trial.run(TopicRule("gardening", ("tomato",)))
