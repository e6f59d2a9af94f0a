"""The course of a reading: parts in the place of wholes, wholes again where cutting is of no use, and not for ever."""

from datetime import UTC, datetime, timedelta

import pytest

from notifier.core.course import PATIENCE, SPARE, Course, Part
from notifier.core.cuts import cut_equally
from notifier.core.slices import Slice, plan_slices
from notifier.core.sweep import Span

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def piece(first: float, last: float, rows: int = 0, limit: int = 10) -> Slice:
    """Returns a slice from so many days from now to so many."""
    return Slice(Span(NOW + first * DAY, NOW + last * DAY), rows, limit)


def read(one: Slice, rows: int, *, slipped: bool = False) -> Part:
    """Returns that a slice was read and held so many."""
    whole = Slice(one.span, rows, one.limit, one.fixed)
    return Part(whole, came=rows, known=0, rejected=0, slipped=slipped)


def take(course: Course) -> Slice:
    """Returns the next slice, which there has to be."""
    one = course.take()
    assert one is not None
    return one


def test_parts_come_in_the_place_of_the_whole() -> None:
    """What is cut is read before what follows it."""
    course = Course([piece(0, 4), piece(4, 8)])
    assert course.take() == piece(0, 4)
    course.cut(piece(0, 4, 20), [piece(0, 2, 10), piece(2, 4, 10)])
    assert [course.take() for _ in range(4)] == [piece(0, 2, 10), piece(2, 4, 10), piece(4, 8), None]


def test_what_was_read_is_counted() -> None:
    """Slices, appointments, and what slipped."""
    course = Course([piece(0, 4, 7), piece(4, 8, 9)])
    assert (course.left, course.came) == (16, 0)
    for rows, slipped in ((6, False), (5, True)):
        course.read(read(take(course), rows, slipped=slipped))
    assert (course.left, course.came) == (0, 11)
    assert [part.piece.span for part in course.slipped] == [piece(4, 8).span]


def test_a_cut_that_helps_stays() -> None:
    """Parts that hold together what the whole held, but for a few at the seams, are what is learnt."""
    course = Course([piece(0, 4)])
    course.take()
    course.cut(piece(0, 4, 20), [piece(0, 2), piece(2, 4)])
    for rows in (10, 11):
        course.read(read(take(course), rows))
    assert [part.piece.rows for part in course.done] == [10, 11]
    assert course.take() is None


def test_a_cut_whose_seams_are_crowded_is_undone_for_this_time() -> None:
    """Parts that hold much more than the whole are given up for it; by what is known then, the next run may cut it."""
    course = Course([piece(0, 4)])
    course.take()
    course.cut(piece(0, 4, 20), [piece(0, 1), piece(1, 2), piece(2, 3), piece(3, 4)])
    for _ in range(3):
        course.read(read(take(course), 13))
    whole = take(course)
    assert (whole.span, whole.fixed, course.take()) == (piece(0, 4).span, True, None)
    course.read(read(whole, 20))
    assert [part.piece.span for part in course.done] == [whole.span]
    (planned,) = plan_slices(whole.span, [course.done[0].piece], 10, 5)
    assert not planned.fixed
    assert planned.overfull


def test_parts_that_are_expected_to_hold_more_may_do_so() -> None:
    """Where it is known how many appointments lie across the cuts, they are no reason to give up."""
    course = Course([piece(0, 4)])
    course.take()
    course.cut(piece(0, 4, 20), [piece(number, number + 1, 13) for number in range(4)])
    for _ in range(4):
        course.read(read(take(course), 13))
    assert [part.piece.rows for part in course.done] == [13] * 4


def test_what_parts_of_parts_hold_counts_for_the_whole() -> None:
    """Where each cut is fine by itself, and all together are not, the whole is read as it is."""
    course = Course([piece(0, 4)])
    course.take()
    course.cut(piece(0, 4, 40), [piece(0, 2, 20), piece(2, 4, 20)])
    course.take()
    course.cut(piece(0, 2, 26), [piece(0, 1, 13), piece(1, 2, 13)])
    for _ in range(2):
        course.read(read(take(course), 18))
    assert take(course) == piece(2, 4, 20)
    course.cut(piece(2, 4, 26), [piece(2, 3, 13), piece(3, 4, 13)])
    assert take(course).span == piece(0, 4).span
    assert (course.take(), course.done) == (None, [])


def drive(course: Course, holds: int) -> int:
    """Reads a source that gives as many for any dates; returns how many slices were looked at."""
    for steps in range(1000):
        one = course.take()
        if one is None:
            return steps
        whole = Slice(one.span, holds, one.limit, one.fixed)
        parts = () if one.fixed else cut_equally(whole, NOW)
        if len(parts) > 1:
            course.cut(whole, parts)
        else:
            course.read(read(one, holds))
    raise AssertionError("the reading does not end")


def test_a_source_that_does_not_heed_dates_is_soon_read_as_one() -> None:
    """The whole comes back as it was before the first cut, to be read as it is, and nothing is learnt of its parts."""
    for holds in (2, 11, 30, 1000):
        course = Course([piece(0, 400, limit=1), piece(400, 401, limit=10**6)])
        assert drive(course, holds) < 100
        assert [part.piece.span for part in course.done] == [piece(0, 400).span, piece(400, 401).span]
        assert course.done[0].piece.fixed
        again = plan_slices(piece(0, 401).span, [part.piece for part in course.done], 10, 5)
        assert (again[0].fixed, again[0].overfull) == (True, False)


def test_what_begins_all_at_once_is_no_reason_to_give_up() -> None:
    """Where one part holds nearly everything and the others nothing, the cuts are right."""
    course = Course([piece(0, 100)])
    crowded = NOW + 33.3 * DAY
    for _ in range(1000):
        one = course.take()
        if one is None:
            break
        assert one.span.start is not None
        assert one.span.end is not None
        rows = 50 if one.span.start <= crowded < one.span.end else 0
        parts = cut_equally(Slice(one.span, rows, one.limit), NOW)
        if len(parts) > 1:
            course.cut(Slice(one.span, rows, one.limit), parts)
        else:
            course.read(read(one, rows))
    assert sum(part.came for part in course.done) == 50
    assert not any(part.piece.fixed for part in course.done)
    assert len(course.done) > 10


def test_parts_that_take_many_more_requests_are_not_worth_it() -> None:
    """A slice may as well be read again, which has a chance to be whole; so does a part that holds nearly all of it."""
    course = Course([], 10)
    assert course.worth_cutting(piece(0, 1, 19), [piece(0, 0.5, 10), piece(0.5, 1, 10)])
    assert course.worth_cutting(piece(0, 1, 19), [piece(0, 0.2, 5)] * 4)
    assert not course.worth_cutting(piece(0, 1, 19), [piece(0, 0.2, 5)] * 5)
    assert not course.worth_cutting(piece(0, 1, 19), [piece(0, 0.5, 17), piece(0.5, 1, 17), piece(0.5, 1, 17)])
    assert not course.worth_cutting(piece(0, 1, 19), [piece(0, 1, 19)])
    assert not course.worth_cutting(piece(0, 1, 19), [piece(0, 0.5, 1), piece(0.5, 1, 18)])
    assert course.worth_cutting(piece(0, 1, 19), [piece(0, 0.5, 2), piece(0.5, 1, 17)])


@pytest.mark.parametrize("slices", [1, 5, 40])
def test_a_storm_takes_a_small_multiple_of_a_plain_reading(slices: int) -> None:
    """However much slips: each slice is read once, and nothing again after some times as many requests as that."""
    course = Course([piece(number, number + 1, 100) for number in range(slices)], 10)
    plain = slices * 11
    spent = 0
    while (one := course.take()) is not None:
        while True:
            course.spend(11, 100)
            spent += 11
            if not course.affords([one]):
                break
        course.read(read(one, 100, slipped=True))
    assert plain * PATIENCE - 11 < spent <= plain * PATIENCE + SPARE


def test_parts_are_no_reason_for_more_patience() -> None:
    """What a reading may take goes by what was to be read in the beginning, not by what was made of it."""
    course = Course([piece(0, 1, 10)], 10)
    one = take(course)
    course.spend(1, 10)
    assert course.affords([piece(0, 1, 1)] * (PATIENCE + SPARE - 1))
    assert not course.affords([piece(0, 1, 1)] * (PATIENCE + SPARE))
    course.cut(one, [piece(0, 0.5, 5), piece(0.5, 1, 5)])
    course.take()
    course.spend(1, 5)
    assert course.affords([piece(0, 1, 1)] * (PATIENCE + SPARE - 3))
    assert not course.affords([piece(0, 1, 1)] * (PATIENCE + SPARE - 2))
