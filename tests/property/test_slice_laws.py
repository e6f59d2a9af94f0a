"""Laws of slices: however a span moves and its parts grow, they are exactly the span, and no request is wasted."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.slices import FILL, Slice, asked_for, pages_of, plan_slices, requests_of
from notifier.core.sweep import Span

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENTS = st.integers(-(10**8), 10**8).map(lambda seconds: NOW + timedelta(seconds=seconds))
LIMITS = st.integers(1, 5000)
PAGES = st.integers(1, 1000)
OPEN = st.one_of(st.none(), MOMENTS)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span with dates, open at one end or at none."""
    start, end = draw(OPEN), draw(OPEN)
    if start is None and end is None:
        start = NOW
    if start is not None and end is not None and start >= end:
        end = start + timedelta(minutes=draw(st.integers(1, 10**6)))
    return Span(start, end)


@st.composite
def learnt(draw: st.DrawFn) -> tuple[Slice, ...]:
    """What an earlier sweep of another span left: slices side by side, of any size."""
    points = sorted(draw(st.sets(MOMENTS, min_size=2, max_size=12)))
    return tuple(
        Slice(Span(start, end), draw(st.integers(0, 20_000)), draw(LIMITS), draw(st.booleans()))
        for start, end in pairwise(points)
    )


def are_exactly(slices: tuple[Slice, ...], span: Span) -> None:
    """The slices stand side by side, each has some width, and they begin and end where the span does."""
    assert slices[0].span.start == span.start
    assert slices[-1].span.end == span.end
    for one, other in pairwise(slices):
        assert one.span.end is not None
        assert one.span.end == other.span.start
    for one in slices:
        if one.span.start is not None and one.span.end is not None:
            assert one.span.start < one.span.end


def days(*rows: int, limit: int = 100) -> list[Slice]:
    """Returns slices of a day each that hold so many."""
    return [Slice(Span(NOW + DAY * number, NOW + DAY * (number + 1)), one, limit) for number, one in enumerate(rows)]


def planned(before: list[Slice], limit: int = 100, page_rows: int = 20) -> list[int]:
    """Returns how many each slice holds that is planned from others, whose span did not move."""
    span = Span(before[0].span.start, before[-1].span.end)
    return [one.rows for one in plan_slices(span, before, limit, page_rows)]


@given(spans(), learnt(), LIMITS, PAGES)
def test_slices_are_exactly_the_span(span: Span, before: tuple[Slice, ...], limit: int, page_rows: int) -> None:
    """Whatever was learnt of whatever other span, nothing of this one is left out and nothing read twice."""
    are_exactly(plan_slices(span, before, limit, page_rows), span)


@given(learnt(), LIMITS, PAGES)
def test_what_is_planned_takes_no_more_requests(before: tuple[Slice, ...], limit: int, page_rows: int) -> None:
    """Neighbours become one where that saves a request, within what either may hold, and never otherwise."""
    span = Span(before[0].span.start, before[-1].span.end)
    slices = plan_slices(span, before, limit, page_rows)
    assert sum(one.rows for one in slices) == sum(one.rows for one in before)
    assert requests_of(slices, page_rows) <= requests_of(before, page_rows)
    for one in slices:
        first = next(number for number, part in enumerate(before) if part.span.start == one.span.start)
        last = next(number for number, part in enumerate(before) if part.span.end == one.span.end)
        parts = before[first : last + 1]
        if len(parts) > 1:
            assert one.rows <= min([limit, *(part.limit for part in parts if not part.fixed)])
            assert pages_of(one.rows, page_rows) < requests_of(parts, page_rows)


@given(learnt(), st.integers(0, 30))
def test_an_even_plan_is_kept(before: tuple[Slice, ...], minutes: int) -> None:
    """A span that moves by a little is cut where it was cut before, so that what was learnt of its parts stays true."""
    full = tuple(Slice(one.span, 100, 100) for one in before)
    start, end = full[0].span.start, full[-1].span.end
    assert start is not None
    assert end is not None
    later = Span(start, end + timedelta(minutes=minutes))
    inner = {one.span.end for one in full[:-1]}
    assert inner == {one.span.end for one in plan_slices(later, full, 100, 10)[:-1]}


@given(st.integers(0, 10_000), PAGES)
def test_pages_are_counted_as_they_are_asked_for(rows: int, page_rows: int) -> None:
    """Each but the first begins with the last record of the one before; pages of one record have no room for that."""
    seam = 1 if page_rows > 1 else 0
    offsets = [0]
    while offsets[-1] + page_rows < rows:
        offsets.append(offsets[-1] + page_rows - seam)
    assert pages_of(rows, page_rows) == len(offsets)


def test_small_neighbours_become_one() -> None:
    """What shrank is read in as few requests as it needs; what takes as many anyhow stays as it is, and slips less."""
    assert planned(days(*[10] * 10)) == [20] * 5
    assert planned(days(12, 12, 12)) == [36]
    assert planned(days(20, 20, 20, 20)) == [20, 20, 20, 20]
    assert planned(days(30, 30, limit=80)) == [30, 30]
    assert planned(days(45, 45)) == [90]
    assert all(one <= 100 * FILL for one in planned(days(*[10] * 30), page_rows=1000))


def test_what_may_be_one_grows_while_nothing_slips() -> None:
    """After a slip a slice holds a page at most; with every calm reading it may hold more, up to what others hold."""
    limits = [days(100)[0].stirred(20)]
    assert limits[0].limit == 20
    while limits[-1].limit < 100:
        limits.append(limits[-1].calmed(100))
        assert limits[-1].limit > limits[-2].limit
    assert len(limits) < 20
    assert limits[-1].calmed(100).limit == 100
    assert limits[0].stirred(50).limit == 20


def test_what_is_of_no_use_to_cut_is_left_alone_until_its_size_changes() -> None:
    """It joins no neighbour and is not cut, at most until it holds twice as many, or a quarter."""
    before = days(5, 40, 5, 5, limit=10)
    before[1] = before[1].made_fixed(lasting=True)
    assert planned(before, limit=10) == [5, 40, 10]
    for rows, fixed in ((80, True), (81, False), (11, True), (10, False)):
        changed = Slice(before[1].span, rows, before[1].limit, fixed=True)
        (found,) = plan_slices(changed.span, [changed], 10, 20)
        assert found.fixed == fixed
        assert found.limit == (80 if fixed else 10)
    (found,) = plan_slices(before[1].span, [before[1].made_fixed(lasting=False)], 10, 20)
    assert not found.fixed


def test_what_is_of_no_use_to_cut_grows_only_with_its_source() -> None:
    """Where it is all there is, it takes in what comes into the span; else that is a slice of its own."""
    alone = [days(40)[0].made_fixed(lasting=True)]
    among = [days(5)[0], days(0, 40)[1].made_fixed(lasting=True)]
    for before, count in ((alone, 1), (among, 3)):
        slices = plan_slices(Span(NOW, NOW + 3 * DAY), before, 10, 20)
        assert len(slices) == count
        are_exactly(slices, Span(NOW, NOW + 3 * DAY))


def test_a_list_without_dates_is_one_slice() -> None:
    """What can't be asked for by start can't be cut by start."""
    assert plan_slices(Span(None, None), (), 10, 5) == (Slice(Span(None, None), 0, 10),)


def test_more_is_asked_for_than_a_slice() -> None:
    """Much more at the ends of the whole; beyond each slice too where a source lists only what ends there."""
    whole, day, second = Span(NOW, NOW + 10 * DAY), DAY, timedelta(seconds=1)
    inner = Span(NOW + day, NOW + 2 * day)
    assert asked_for(whole, whole, contained=False) == Span(NOW - day / 2, NOW + 10.5 * day)
    assert asked_for(inner, whole, contained=False) == Span(NOW + day - second, NOW + 2 * day + second)
    assert asked_for(inner, whole, contained=True) == Span(NOW + day - second, NOW + 2.5 * day)
    assert asked_for(Span(None, NOW), Span(None, None), contained=False) == Span(None, NOW + second)
