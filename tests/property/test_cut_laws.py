"""Laws of cuts: the parts are exactly the whole, and as small as they have to be where that can be."""

from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.cuts import FARTHEST, MOST_PARTS, NARROWEST, Times, cut, cut_between, cut_equally
from notifier.core.slices import SPAN_MARGIN, Slice, asked_for
from notifier.core.sweep import Span
from tests.property.test_slice_laws import LIMITS, NOW, are_exactly, spans

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@st.composite
def crowds(draw: st.DrawFn, seconds: tuple[int, ...] = (0, 0, 29, 30, 31, 59)) -> list[tuple[datetime, datetime]]:
    """Appointments of some days, many of them at once or long, that begin at such seconds of a minute."""
    starts = draw(st.lists(st.integers(0, 4 * 24 * 60), max_size=60))
    odd = st.sampled_from(seconds)
    lengths = st.sampled_from([0, 1, 30, 30, 60, 600])
    found = [NOW + timedelta(minutes=minutes, seconds=draw(odd)) for minutes in starts]
    return [(start, start + timedelta(minutes=draw(lengths))) for start in found]


def asking(whole: Span) -> partial[Span]:
    """Returns what says what is asked for to get a part."""
    return partial(asked_for, whole=whole, contained=False)


def listed(times: list[tuple[datetime, datetime]], asked: Span) -> int:
    """Returns how many of these a source lists that gives all that takes part of the time."""
    return sum(
        (asked.end is None or start <= asked.end) and (asked.start is None or end >= asked.start)
        for start, end in times
    )


# ---- into equal parts


@given(spans(), st.integers(0, 10**6), LIMITS)
def test_cutting_keeps_the_span(span: Span, rows: int, limit: int) -> None:
    """The parts of a slice are the slice."""
    are_exactly(cut_equally(Slice(span, rows, limit), NOW), span)


@given(spans(), st.integers(0, 10**6), LIMITS)
def test_a_cut_slice_is_small_or_narrow(span: Span, rows: int, limit: int) -> None:
    """Evenly filled parts hold what they may, unless they are as narrow, or as many, as can be, or open."""
    parts = cut_equally(Slice(span, rows, limit), NOW)
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
        parts = cut_equally(whole, NOW)
        steps += 1
        assert steps < 10_000
        if len(parts) > 1:
            last = parts[-1] if parts[-1].span.end is None else parts[0]
            todo.append(Slice(last.span, limit + 1, limit))


def test_parts_are_no_narrower_than_what_is_asked_for_beyond_them() -> None:
    """Where half a day more is asked for with every part, shorter ones would all list the same."""
    whole = Slice(Span(NOW, NOW + timedelta(days=3)), 1000, 10)
    assert len(cut_equally(whole, NOW)) > 100
    assert len(cut_equally(whole, NOW, SPAN_MARGIN)) == 6


def test_a_list_without_dates_is_not_cut() -> None:
    """What can't be asked for by start can't be cut by start."""
    whole = Slice(Span(None, None), 10**6, 10)
    assert cut_equally(whole, NOW) == cut_between(whole, Times.of([]), asking(whole.span)) == (whole,)
    assert cut(whole, None, asking(whole.span), NOW) == ()


def test_an_open_end_is_cut_at_growing_reach_and_not_for_ever() -> None:
    """An open end that stays too full is cut a year off, then twice as far, until nothing sane can lie there."""
    last = Slice(Span(NOW, None), 11, 10)
    reaches = []
    while len(parts := cut_equally(last, NOW)) > 1:
        last = Slice(parts[-1].span, 11, 10)
        assert last.span.start is not None
        reaches.append(last.span.start - NOW)
    assert reaches[0] < timedelta(days=367)
    assert FARTHEST <= reaches[-1] < 3 * FARTHEST
    assert len(reaches) < 10


# ---- between appointments


@given(spans(), crowds(), st.integers(1, 20))
def test_cutting_between_appointments_keeps_the_span(
    span: Span, times: list[tuple[datetime, datetime]], limit: int
) -> None:
    """The parts of a slice are the slice, and nothing begins where it is cut that does not begin at odd seconds."""
    parts = cut_between(Slice(span, len(times) + 1, limit), Times.of(times), asking(span))
    are_exactly(parts, span)
    even = {start for start, _ in times if start.second != 30}
    assert not even & {part.span.end for part in parts[:-1]}


@given(crowds(seconds=(0,)), st.integers(2, 20))
def test_parts_are_small_unless_too_many_lie_at_one_time(times: list[tuple[datetime, datetime]], limit: int) -> None:
    """A part that lists more than it may lists more wherever it is cut; no two neighbours would fit into one part."""
    span = Span(NOW - HOUR, NOW + timedelta(days=5))
    asked = asking(span)
    total = listed(times, asked(span))
    parts = cut_between(Slice(span, total, limit), Times.of(times), asked)
    for part in parts:
        assert part.rows == listed(times, asked(part.span))
        inner = [start for start, _ in times if part.span.holds(start)]
        crowded = any(listed(times, asked(Span(start - MINUTE, start + MINUTE))) > limit for start in inner)
        assert part.rows <= limit or crowded
    for one, other in pairwise(parts):
        assert listed(times, asked(Span(one.span.start, other.span.end))) > limit * 0.9


@given(crowds(), spans())
def test_times_count_what_a_source_may_list(times: list[tuple[datetime, datetime]], asked: Span) -> None:
    """All that takes part of the time that is asked for, whatever its dates mean to the source."""
    found = Times.of(times)
    assert found.listed(asked) == listed(times, asked)
    for told in ([start for start, _ in times], [end for _, end in times]):
        assert sum(asked.holds(one) for one in told) <= found.listed(asked)


def test_an_instant_that_is_too_full_is_kept_apart() -> None:
    """Nothing else is read again and again with what can't be told apart by start."""
    noon = NOW + 3 * HOUR
    times = [(noon, noon + HOUR)] * 30 + [(NOW + number * HOUR, NOW + number * HOUR) for number in range(24)]
    span = Span(NOW, NOW + 24 * HOUR)
    parts = cut_between(Slice(span, len(times), 10), Times.of(times), asking(Span(None, None)))
    full = [part for part in parts if part.rows > 10]
    assert len(full) == 1
    assert full[0].span.start is not None
    assert full[0].span.end is not None
    assert noon - HOUR < full[0].span.start < noon < full[0].span.end <= noon + 2 * HOUR
    assert sum(part.rows for part in parts if part.rows <= 10) < 24


def test_what_is_not_known_is_expected_beside_what_is() -> None:
    """Of a slice of which only half is known, the parts are made half as large, and a little smaller."""
    times = Times.of([(NOW + number * HOUR, NOW + number * HOUR) for number in range(100)])
    whole = Slice(Span(NOW - HOUR, NOW + 101 * HOUR), 200, 50)
    asked = asking(Span(None, None))
    parts = cut(whole, times, asked, NOW)
    assert sum(part.rows for part in parts) == 200
    assert all(part.rows <= 40 for part in parts)
    assert len(parts) <= 6


def test_what_is_mostly_new_is_cut_into_equal_parts() -> None:
    """The few that are known say little of the others."""
    whole = Slice(Span(NOW, NOW + 100 * HOUR), 100, 10)
    few = Times.of([(NOW + HOUR, NOW + HOUR)] * 49)
    asked = asking(Span(None, None))
    assert cut(whole, few, asked, NOW) == cut(whole, None, asked, NOW) == cut_equally(whole, NOW)
    most = Times.of([(NOW + HOUR, NOW + HOUR)] * 50)
    assert cut(whole, most, asked, NOW) != cut_equally(whole, NOW)
