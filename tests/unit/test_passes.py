"""Passes over a list: when nothing can have been missed, and when it is of use to read it again."""

from datetime import UTC, datetime

import pytest

from notifier.core.slices import Slice
from notifier.core.sweep import Span
from notifier.engage.client import PageLook
from notifier.engage.remembered import Listed
from notifier.passes import FEW, MOST_PASSES, PASSES, Pass, Passes

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def page(*ids: str | None, total: int, seamless: bool = True) -> PageLook:
    """Returns a page that lists these."""
    return PageLook(Listed(ids, total, 10), (), b"", NOW, NOW, seamless)


def seen(*pages: PageLook) -> Pass:
    """Returns a pass over these pages."""
    one = Pass()
    for look in pages:
        one.add(look)
    return one


def of(*several: Pass) -> Passes:
    """Returns these passes."""
    passes = Passes()
    for one in several:
        passes.add(one)
    return passes


WHOLE = seen(page("1", "2", total=3), page("2", "3", total=3))


@pytest.mark.parametrize(
    ("one", "whole"),
    [
        (WHOLE, True),
        (seen(page(total=0)), True),
        (seen(page("1", None, total=2)), True),
        (seen(page("1", "2", "3", total=2)), True),
        (seen(page("1", total=2)), False),
        (seen(page("1", "2", total=3), page("2", total=3)), False),
        (seen(page("1", "2", total=3), page("2", "3", total=3, seamless=False)), False),
        (seen(page("1", "2", total=4), page("2", "3", total=3)), False),
    ],
)
def test_a_pass_is_whole_if_nothing_can_have_been_missed(one: Pass, whole: bool) -> None:
    """As many came as the list says from its first page to its last, and no seam tore; one page has none."""
    assert one.whole == whole
    assert of(one).whole == whole


def test_a_pass_that_was_broken_off_is_not_whole() -> None:
    """What is cut after its first page was not read."""
    one = seen(page("1", total=1))
    one.parts = (Slice(Span(NOW, None), 0, 1),)
    assert not one.whole


FIRST = seen(page("1", "2", total=3), page("1", total=3, seamless=False))


def test_what_slipped_from_one_pass_may_come_in_another() -> None:
    """Together they are whole if the list was as long all the time, and has all of it still."""
    assert not FIRST.whole
    together = of(FIRST, seen(page("1", "3", total=3), page("2", total=3, seamless=False)))
    assert (together.whole, together.unsure) == (True, set())
    together = of(FIRST, seen(page("1", "3", total=3), page("1", total=3, seamless=False)))
    assert (together.whole, together.unsure) == (False, {"2"})
    together.confirm([None, "2"])
    assert (together.whole, together.unsure) == (True, set())
    assert of(FIRST, WHOLE).whole


@pytest.mark.parametrize(
    "second",
    [
        FIRST,
        # The list is longer, has what may come twice, or brings on its second page what may be newer than its length.
        seen(page("1", "3", total=4), page("2", total=4, seamless=False)),
        seen(page("1", "3", total=3), page("2", total=4, seamless=False)),
        seen(page("1", "3", total=3), page("2", None, total=3, seamless=False)),
        seen(page("1", "2", total=3), page("3", total=3, seamless=False)),
    ],
)
def test_what_can_not_be_counted_together_is_not_whole(second: Pass) -> None:
    """Nor is the list asked for what did not come again."""
    assert (of(FIRST, second).whole, of(FIRST, second).unsure) == (False, set())


def test_one_that_made_place_for_another_is_not_counted() -> None:
    """The list is as long as before, and as many ids came as it is long; but one of them is gone."""
    together = of(FIRST, seen(page("1", "3", total=3), page("1", total=3, seamless=False)))
    assert together.unsure == {"2"}
    together.confirm(["1"])
    assert not together.whole
    together.add(seen(page("3", "4", total=3), page("1", total=3, seamless=False)))
    assert (together.whole, together.unsure) == (True, set())


def slipping(number: int, slips: int, total: int = 100) -> Pass:
    """Returns a pass in which the list slipped so often."""
    looks = [page(f"{number}", total=total), *[page(f"{number}", total=total, seamless=False)] * slips]
    return seen(*looks)


def test_a_list_that_slips_is_read_a_few_times() -> None:
    """As long as it slips seldom, another pass may be whole."""
    passes = Passes()
    for number in range(PASSES):
        passes.add(slipping(number, FEW, total=100 + number))
        assert passes.hopeful == (number < PASSES - 1)


def test_a_list_that_slips_all_the_time_and_changes_is_read_once() -> None:
    """No pass over it will be whole, and none adds up with another."""
    assert not of(slipping(1, FEW + 1, total=100), slipping(2, FEW + 1, total=101)).hopeful
    assert of(slipping(1, FEW, total=100), slipping(2, FEW, total=101)).hopeful


def test_a_list_in_no_order_is_read_until_all_came() -> None:
    """As long as it is always as long and brings something else each time, though not for ever."""
    passes = Passes()
    for number in range(MOST_PASSES):
        passes.add(slipping(number, FEW + 1))
        assert passes.hopeful == (number < MOST_PASSES - 1)


def test_a_list_that_never_adds_up_is_read_no_more() -> None:
    """If two passes bring the same, a further one will too."""
    assert of(slipping(1, 1), slipping(1, 1)).hopeful
    assert not of(slipping(1, 1), slipping(1, 1), slipping(1, 1)).hopeful
