"""`manage.py index_papers`."""

from io import StringIO

import pytest
from django.core.management import call_command

from digest.models import Paper, SearchEntry
from digest.papers import search
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


def test_all_papers_can_be_found_again_and_again():
    make_paper(title="Walking")
    paper = make_paper(title="Flying")
    SearchEntry.objects.all().delete()
    Paper.objects.filter(pk=paper.pk).update(title="Swimming")

    for _ in range(2):
        out = StringIO()
        call_command("index_papers", stdout=out)
        assert out.getvalue() == "2 papers can be found.\n"

    assert search.find(search.parse("walking")).total == 1
    assert list(search.find(search.parse("swimming"))) == [paper.pk]
