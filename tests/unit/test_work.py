"""Looking at values takes work, and there is only so much of it."""

from typing import Any

import pytest

from notifier.core.work import LONGEST_TEXT, WORK, Group, Items, Work, WorkUsedUp


def test_work_is_spent_until_there_is_none() -> None:
    """The last unit may be spent; from the first that is not there on, everything fails until it is renewed."""
    work = Work(2)
    work.spend(2)
    assert not work.used_up
    for units in (1, 0):
        with pytest.raises(WorkUsedUp, match="more work than the 2 units that a message may"):
            work.spend(units)
    assert work.used_up
    work.renew()
    work.spend(1)
    assert work.used == 1


@pytest.mark.parametrize(
    ("value", "units"),
    [
        (None, 1),
        (5, 1),
        ("", 1),
        ("x" * 160, 11),
        ([], 1),
        ([1, 2], 3),
        (["x" * 160, [1]], 14),
        ({"a": 1, "b": (1, 2)}, 5),
    ],
)
def test_a_value_weighs_what_it_takes_to_read_it(value: object, units: int) -> None:
    """Texts by their length, lists and groups by all that is in them."""
    work = Work()
    work.weigh(value)
    assert work.used == units


def test_weighing_ends_with_the_work() -> None:
    """A value that holds another twice, and that another, is not gone through to its end."""
    value: list[Any] = [1]
    for _ in range(100):
        value = [value, value]
    work = Work(1000)
    with pytest.raises(WorkUsedUp):
        work.weigh(value)
    assert work.used == 1001


def test_what_is_watched_costs_when_it_is_looked_at() -> None:
    """However it is looked at, and however deep it lies; beside that it is as it was."""
    work = Work()
    value: Any = work.watched({"a": [{"b": "c"}, {"b": "d"}]})
    assert work.used == 0
    assert isinstance(value, Group)
    assert value == {"a": [{"b": "c"}, {"b": "d"}]}
    found: list[Any] = []
    for look in (
        lambda: value["a"],
        lambda: list(value),
        lambda: value["a"][0]["b"],
        lambda: list(value["a"]),
        lambda: value["a"] == [],
        lambda: value["a"] < [],
        lambda: 1 in value["a"],
        lambda: value == {},
    ):
        before = work.used
        found.append(look())
        assert work.used > before
    assert found == [[{"b": "c"}, {"b": "d"}], ["a"], "c", [{"b": "c"}, {"b": "d"}], False, False, False, False]


def test_a_list_without_work_left_is_empty() -> None:
    """Whoever takes an error for the end of a list finds it at once."""
    work = Work(3)
    values = Items(work, range(10))
    with pytest.raises(WorkUsedUp):
        list(values)
    assert len(values) == 0
    assert values.size == 10


def test_texts_are_cut_to_what_a_message_can_show() -> None:
    """A longer one would make every step with it longer."""
    watched: Any = Work().facts({"text": "x" * 5000, "list": ["y" * 5000], "kept": "z" * LONGEST_TEXT})
    assert len(watched["text"]) == len(watched["list"][0]) == len(watched["kept"]) == LONGEST_TEXT
    assert WORK > LONGEST_TEXT
