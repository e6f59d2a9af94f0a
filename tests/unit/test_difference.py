"""Two runs over the same events differ in what is new, gone, moved or worded otherwise."""

from dataclasses import replace
from typing import Any

import pytest

from notifier.core.difference import compare_runs
from notifier.core.told import Told
from tests.builders import HOUR, NOW


def told(event: str = "e1", **changes: Any) -> Told:
    usual = Told(at=NOW, channel="team", rule="late", title="A", body="b", events=(event,), appointments=("1",))
    return replace(usual, **changes)


def test_the_same_is_no_difference() -> None:
    """Two runs that tell the same, in whatever order, do not differ."""
    found = compare_runs([told("e1"), told("e2")], [told("e2"), told("e1")])
    assert found.is_empty
    assert found.same == 2


def test_new_and_gone() -> None:
    """What only one of them tells is new or gone; of two that are the same, one is."""
    found = compare_runs([told("e1")], [told("e2")])
    assert (found.new, found.gone) == ((told("e2"),), (told("e1"),))
    assert compare_runs([told()], [told(), told()]).new == (told(),)
    assert compare_runs([told(), told()], [told()]).gone == (told(),)


@pytest.mark.parametrize("changes", [{"channel": "crm"}, {"at": NOW + HOUR}, {"at": NOW + HOUR, "title": "B"}])
def test_moved(changes: dict[str, Any]) -> None:
    """What goes to another channel or at another time is moved, in whatever words."""
    found = compare_runs([told()], [told(**changes)])
    assert [(pair.before, pair.after) for pair in found.moved] == [(told(), told(**changes))]
    assert (found.new, found.gone, found.reworded) == ((), (), ())


@pytest.mark.parametrize("changes", [{"title": "B"}, {"body": "c", "rule": "other"}])
def test_worded_otherwise(changes: dict[str, Any]) -> None:
    """What comes to the same place at the same time in other words is worded otherwise."""
    found = compare_runs([told()], [told(**changes)])
    assert [(pair.before, pair.after) for pair in found.reworded] == [(told(), told(**changes))]


def test_a_rule_of_another_name_tells_the_same() -> None:
    """Whoever reads a message does not see the name of its rule."""
    assert compare_runs([told()], [told(rule="other")]).is_empty


def test_the_surest_pairs_first() -> None:
    """What stayed is paired with itself, so that what is left is what was moved."""
    found = compare_runs([told(), told(channel="crm")], [told(channel="desk"), told()])
    assert [(pair.before.channel, pair.after.channel) for pair in found.moved] == [("crm", "desk")]
    assert found.same == 1
