"""Selections: equal ones have an equal key, for ever."""

import pytest

from subscriptions.records import Selection


def test_key_of_old_wishes_stays_as_it_was_before_there_were_more():
    assert Selection(topics=("theory",), keywords=("x",)).key == "621c6cec417acf63ee2e9d9b25210c9a"


@pytest.mark.parametrize("later", [{"organizations": ("EPFL",)}, {"dial": 3}, {"dial": 0}])
def test_later_wish_makes_another_key(later):
    assert Selection(**later).key != Selection().key


def test_order_of_organizations_makes_no_other_key():
    selections = [Selection(organizations=names) for names in (("A", "B"), ("B", "A"))]
    assert selections[0].key == selections[1].key
