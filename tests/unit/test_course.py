"""The course of a reading: parts in the place of wholes, and wholes again where cutting is of no use."""

from datetime import UTC, datetime, timedelta

from notifier.core.course import Course, Part
from notifier.core.slices import Slice, cut
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
        one = course.take()
        assert one is not None
        course.read(read(one, rows, slipped=slipped))
    assert (course.left, course.came) == (0, 11)
    assert [part.piece.span for part in course.slipped] == [piece(4, 8).span]


def test_a_cut_that_helps_stays() -> None:
    """Parts that hold together what the whole held, but for a few at the seams, are what is learnt."""
    course = Course([piece(0, 4)])
    course.take()
    course.cut(piece(0, 4, 20), [piece(0, 2), piece(2, 4)])
    for rows in (10, 11):
        one = course.take()
        assert one is not None
        course.read(read(one, rows))
    assert [part.piece.rows for part in course.done] == [10, 11]
    assert course.take() is None


def drive(course: Course, holds: int) -> int:
    """Reads a source that gives as many for any dates; returns how many slices were looked at."""
    for steps in range(1000):
        one = course.take()
        if one is None:
            return steps
        whole = Slice(one.span, holds, one.limit, one.fixed)
        parts = () if one.fixed else cut(whole, NOW)
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
        assert not course.done[0].piece.overfull or course.done[0].piece.limit >= holds


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
        parts = cut(Slice(one.span, rows, one.limit), NOW)
        if len(parts) > 1:
            course.cut(Slice(one.span, rows, one.limit), parts)
        else:
            course.read(read(one, rows))
    assert sum(part.came for part in course.done) == 50
    assert not any(part.piece.fixed for part in course.done)
    assert len(course.done) > 10
