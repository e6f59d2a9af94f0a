"""Laws of slices: however a span moves and its parts grow, the slices are exactly the span."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.slices import FARTHEST, FILL, MOST_PARTS, NARROWEST, Slice, cut, plan_slices
from notifier.core.sweep import Span

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MOMENTS = st.integers(-(10**8), 10**8).map(lambda seconds: NOW + timedelta(seconds=seconds))
LIMITS = st.integers(1, 5000)
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
    return tuple(Slice(Span(start, end), draw(st.integers(0, 20_000)), draw(LIMITS)) for start, end in pairwise(points))


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


@given(spans(), learnt(), LIMITS)
def test_slices_are_exactly_the_span(span: Span, before: tuple[Slice, ...], limit: int) -> None:
    """Whatever was learnt of whatever other span, nothing of this one is left out and nothing read twice."""
    are_exactly(plan_slices(span, before, limit, NOW), span)


@given(spans(), st.integers(0, 10**6), LIMITS)
def test_cutting_keeps_the_span(span: Span, rows: int, limit: int) -> None:
    """The parts of a slice are the slice."""
    are_exactly(cut(Slice(span, rows, limit), NOW), span)


@given(spans(), st.integers(0, 10**6), LIMITS)
def test_a_cut_slice_is_small_or_narrow(span: Span, rows: int, limit: int) -> None:
    """Evenly filled parts hold what they may, unless they are as narrow, or as many, as can be, or open."""
    parts = cut(Slice(span, rows, limit), NOW)
    for part in parts if len(parts) < MOST_PARTS else ():
        if part.span.start is None or part.span.end is None:
            continue
        narrow = part.span.end - part.span.start < 3 * NARROWEST
        assert part.rows <= limit or narrow or None in (span.start, span.end)


@given(spans(), LIMITS)
def test_cutting_comes_to_an_end(span: Span, limit: int) -> None:
    """Even where every part is said to be too full again and again, each is at last left as it is."""
    todo, steps = [Slice(span, limit + 1, limit)], 0
    if span.start is not None and span.end is not None:
        todo = [Slice(Span(span.start, min(span.end, span.start + timedelta(days=2))), limit + 1, limit)]
    while todo:
        whole = todo.pop()
        parts = cut(whole, NOW)
        steps += 1
        assert steps < 10_000
        if len(parts) > 1:
            last = parts[-1] if parts[-1].span.end is None else parts[0]
            todo.append(Slice(last.span, limit + 1, limit))


@given(learnt(), st.integers(0, 30))
def test_an_even_plan_is_kept(before: tuple[Slice, ...], minutes: int) -> None:
    """A span that moves by a little is cut where it was cut before, so that what was learnt of its parts stays true."""
    full = tuple(Slice(one.span, 100, 100) for one in before)
    start, end = full[0].span.start, full[-1].span.end
    assert start is not None
    assert end is not None
    later = Span(start, end + timedelta(minutes=minutes))
    inner = {one.span.end for one in full[:-1]}
    assert inner == {one.span.end for one in plan_slices(later, full, 100, NOW)[:-1]}


def test_small_neighbours_become_one() -> None:
    """What shrank is read in as few requests as it needs."""
    day = timedelta(days=1)
    before = [Slice(Span(NOW + day * number, NOW + day * (number + 1)), 10, 100) for number in range(10)]
    slices = plan_slices(Span(NOW, NOW + 10 * day), before, 100, NOW)
    assert [one.rows for one in slices] == [80, 20]
    assert all(one.rows <= 100 * FILL for one in slices)


def test_a_list_without_dates_is_one_slice() -> None:
    """What can't be asked for by start can't be cut by start."""
    assert plan_slices(Span(None, None), (), 10, NOW) == (Slice(Span(None, None), 0, 10),)
    assert len(cut(Slice(Span(None, None), 10**6, 10), NOW)) == 1


def test_an_open_end_is_cut_at_growing_reach_and_not_for_ever() -> None:
    """An open end that stays too full is cut a year off, then twice as far, until nothing sane can lie there."""
    last = Slice(Span(NOW, None), 11, 10)
    reaches = []
    while len(parts := cut(last, NOW)) > 1:
        last = Slice(parts[-1].span, 11, 10)
        assert last.span.start is not None
        reaches.append(last.span.start - NOW)
    assert reaches[0] < timedelta(days=367)
    assert FARTHEST <= reaches[-1] < 3 * FARTHEST
    assert len(reaches) < 10
