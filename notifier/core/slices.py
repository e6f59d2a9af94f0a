"""Slices: stretches of start times, each small enough to be held in memory and read before its rows slip.

A sweep is cut by what the source said the stretches held when they were last read. Nothing is known of how its
appointments lie in time, so a stretch that holds too many is cut into equal parts, and what turns out too small is
joined to its neighbour the next time.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from notifier.core.sweep import Span

FILL = 0.8
"""Of what a slice may hold, the share that it is cut to: room to grow before it is cut again."""

NARROWEST = timedelta(minutes=2)
"""No slice is cut into parts that are narrower; appointments that all begin at once can't be told apart by start."""

MOST_PARTS = 256
"""A slice is cut into no more at once; a part that is still too large is cut again."""

FIRST_REACH = timedelta(days=366)
"""How far from now an open end is cut at first; each further cut lies twice as far."""

OVERCOUNT = 1.5
"""How many times what the whole held its parts may hold; rows at the seams are in two of them."""

ALIKE = 1.1
"""A slice that holds up to so many times as many as a part of it was cut in vain as well."""

FARTHEST = timedelta(days=36500)
"""Beyond a century from now an open end is not cut any more."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of start times, with what is known of its size."""

    span: Span
    #: How many appointments it held when it was last read; 0 for one that never was.
    rows: int
    #: How many it may hold; more, and it is cut.
    limit: int
    #: Whether cutting it was of no use, so that it is read as it is.
    fixed: bool = False

    @property
    def overfull(self) -> bool:
        """Whether it holds more than it may."""
        return self.rows > self.limit


def plan_slices(span: Span, learnt: Iterable[Slice], limit: int, now: datetime) -> tuple[Slice, ...]:
    """Returns the slices to read, which together are exactly the span, neighbours sharing one moment.

    Args:
        span: what is to be read; one without dates is one slice.
        learnt: the slices that were read last, in their order; the span may have moved since.
        limit: how many appointments a new slice may hold.
        now: from where open ends are cut.
    """
    if not span.dated:
        return (Slice(span, sum(one.rows for one in learnt), limit),)
    found = [clipped for one in learnt if (clipped := _clipped(one, span))] or [Slice(span, 0, limit)]
    return tuple(piece for one in _joined(_contiguous(found, span)) for piece in cut(one, now))


def cut(whole: Slice, now: datetime) -> tuple[Slice, ...]:
    """Returns the slice in as many parts as its size asks for; itself where it is small, or can't be cut further."""
    if not whole.overfull or not whole.span.dated:
        return (whole,)
    ends = [whole.span.start, *_points(whole, now), whole.span.end]
    rows = whole.rows // (len(ends) - 1)
    return tuple(Slice(Span(start, end), rows, whole.limit) for start, end in pairwise(ends))


def _points(whole: Slice, now: datetime) -> Sequence[datetime]:
    """Returns the moments at which a slice is cut; none where its parts would be too narrow."""
    start, end = whole.span.start, whole.span.end
    if start is None or end is None:
        reach = now - end if end is not None else start - now if start is not None else timedelta(0)
        return [_cut_of_open(whole.span, now)] if reach < FARTHEST else []
    parts = min(math.ceil(whole.rows / (whole.limit * FILL)), (end - start) // NARROWEST, MOST_PARTS)
    return [_between(start + (end - start) / parts * number) for number in range(1, parts)]


def _cut_of_open(span: Span, now: datetime) -> datetime:
    """Returns where a stretch with an open end is cut: beyond the year around now, and each time twice as far."""
    if span.end is None:
        ahead = timedelta(0) if span.start is None else span.start - now
        return _between(now + max(ahead * 2, FIRST_REACH))
    return _between(now - max((now - span.end) * 2, FIRST_REACH))


def _between(moment: datetime) -> datetime:
    """Returns a moment near by at which hardly any appointment starts: the middle of a minute."""
    return moment.replace(second=30, microsecond=0)


def _clipped(one: Slice, span: Span) -> Slice | None:
    """Returns what of a slice lies within the span, its size in proportion; None for nothing."""
    start, end = _later(one.span.start, span.start), _earlier(one.span.end, span.end)
    if start is not None and end is not None and start >= end:
        return None
    return replace(one, span=Span(start, end), rows=round(one.rows * _share(one.span, Span(start, end))))


def _share(whole: Span, part: Span) -> float:
    if None in (whole.start, whole.end, part.start, part.end):
        return 1.0
    assert whole.start is not None
    assert whole.end is not None
    assert part.start is not None
    assert part.end is not None
    return (part.end - part.start) / (whole.end - whole.start)


def _contiguous(found: Sequence[Slice], span: Span) -> Iterator[Slice]:
    """Yields the slices without gaps between them or at the ends, where the span has moved on."""
    start = span.start
    for number, one in enumerate(found):
        end = found[number + 1].span.start if number + 1 < len(found) else span.end
        yield replace(one, span=Span(start, end))
        start = end


def _joined(slices: Iterable[Slice]) -> Iterator[Slice]:
    """Yields the slices, neighbours made one where both fit well into what either may hold."""
    held: Slice | None = None
    for one in slices:
        if held is None:
            held = one
            continue
        limit, rows = min(held.limit, one.limit), held.rows + one.rows
        if rows <= limit * FILL and not (held.fixed or one.fixed):
            held = Slice(Span(held.span.start, one.span.end), rows, limit)
        else:
            yield held
            held = one
    if held is not None:
        yield held


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)
