"""Slices: stretches of start times, each small enough to be held in memory and read before its rows slip.

A sweep is read in the slices in which it was read last, by what each held then. Neighbours become one where that
saves a request. What may be one grows with every reading in which nothing slipped, and shrinks to a page when
something did: what fits on one page can't slip.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.core.sweep import Span

FILL = 0.98
"""Of what a slice may hold, the share that it is made for: with room to grow, and hardly less than full pages."""

GROWTH = 1.1
"""How many times as much a slice may hold after a reading in which nothing slipped."""

SPAN_MARGIN = timedelta(hours=12)
"""Asked for beyond both ends of a span: the API does not say whether its dates mean starts, ends or overlaps."""

SEAM_MARGIN = timedelta(seconds=1)
"""Asked for beyond the ends of a slice inside a span: the API does not say whether its dates are included.

Where it gives only what lies within them as a whole, what begins in a slice and ends in the next would be in neither:
there `SPAN_MARGIN` is asked for beyond the end of every slice.
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of start times, with what is known of its size."""

    span: Span
    #: How many appointments it held when it was last read, or is thought to hold; 0 where nothing is known.
    rows: int
    #: How many it may hold; more, and it is cut, or taken for fixed no more.
    limit: int
    #: Whether cutting it was of no use, so that it is read as it is.
    fixed: bool = False

    @property
    def overfull(self) -> bool:
        """Whether it holds more than it may."""
        return self.rows > self.limit

    def calmed(self, most: int) -> "Slice":
        """Returns the slice after a reading in which nothing slipped: it may hold more, but never more than `most`."""
        return self if self.fixed else replace(self, limit=min(math.ceil(self.limit * GROWTH), most))

    def stirred(self, page_rows: int) -> "Slice":
        """Returns the slice after a reading in which rows slipped: it may hold no more than a page."""
        return self if self.fixed else replace(self, limit=min(self.limit, page_rows))

    def made_fixed(self, *, lasting: bool) -> "Slice":
        """Returns the slice as one that cutting is of no use for: until it holds twice as many, or for one reading."""
        return replace(self, limit=self.rows * 2 if lasting else self.rows // 2, fixed=True)


def pages_of(rows: int, page_rows: int) -> int:
    """Returns how many requests so many appointments take; each page repeats the last record of the one before."""
    return 1 + math.ceil(max(rows - page_rows, 0) / max(page_rows - 1, 1))


def requests_of(slices: Iterable[Slice], page_rows: int) -> int:
    """Returns how many requests it takes to read each of these once."""
    return sum(pages_of(one.rows, page_rows) for one in slices)


def asked_for(piece: Span, whole: Span, *, contained: bool) -> Span:
    """Returns what is asked for to get a slice: a little more than it, and much more at the ends of the whole.

    Args:
        piece: the start times of the slice.
        whole: those of the sweep.
        contained: whether the source lists only what lies within the dates asked for as a whole.
    """
    begin = SPAN_MARGIN if piece.start == whole.start else SEAM_MARGIN
    end = SPAN_MARGIN if contained or piece.end == whole.end else SEAM_MARGIN
    return Span(piece.start and piece.start - begin, piece.end and piece.end + end)


def plan_slices(span: Span, learnt: Iterable[Slice], limit: int, page_rows: int) -> tuple[Slice, ...]:
    """Returns the slices to read, which together are exactly the span, neighbours sharing one moment.

    Args:
        span: what is to be read; one without dates is one slice.
        learnt: the slices that were read last, in their order; the span may have moved since.
        limit: how many appointments a slice may hold.
        page_rows: how many of them come with one request.
    """
    if not span.dated:
        return (Slice(span, sum(one.rows for one in learnt), limit),)
    found = [_reconsidered(clipped, limit) for one in learnt if (clipped := _clipped(one, span))]
    return _joined(tuple(_contiguous(found or [Slice(span, 0, limit)], span)), page_rows)


def _reconsidered(one: Slice, limit: int) -> Slice:
    """Returns a slice as it is to be taken now: what was of no use to cut may be so no more, once its size changed."""
    if one.fixed and one.limit >= one.rows > one.limit // 8:
        return one
    return replace(one, limit=limit if one.fixed else min(one.limit, limit), fixed=False)


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
        if one.fixed and number and one.span.end not in (None, end):
            # What is as it is for its appointments takes in no others; what is so for its source is alone.
            yield replace(one, span=Span(start, one.span.end))
            yield Slice(Span(one.span.end, end), 0, found[0].limit)
        else:
            yield replace(one, span=Span(start, end))
        start = end


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to join the first slices, up to some one."""

    requests: int
    slices: int
    #: Where its last group begins.
    begin: int

    @property
    def cost(self) -> tuple[int, int]:
        """The fewer requests the better, and of those with as many, the more slices: the fewer slip, or move."""
        return self.requests, -self.slices


def _joined(slices: Sequence[Slice], page_rows: int) -> tuple[Slice, ...]:
    """Returns the slices, neighbours made one where that saves a request."""
    best = [_Way(0, 0, 0)]
    for end in range(1, len(slices) + 1):
        ways = (
            _Way(best[begin].requests + pages_of(rows, page_rows), best[begin].slices + 1, begin)
            for begin, rows in _groups(slices, end)
        )
        best.append(min(ways, key=lambda way: way.cost))
    found: list[Slice] = []
    end = len(slices)
    while end:
        found.append(_one(slices[best[end].begin : end]))
        end = best[end].begin
    return tuple(reversed(found))


def _groups(slices: Sequence[Slice], end: int) -> Iterator[tuple[int, int]]:
    """Yields where a group may begin that ends before this one, and how many appointments it holds."""
    last = slices[end - 1]
    rows, limit = last.rows, last.limit
    yield end - 1, rows
    for begin in range(end - 2, -1, -1):
        rows, limit = rows + slices[begin].rows, min(limit, slices[begin].limit)
        if last.fixed or slices[begin].fixed or rows > math.ceil(limit * FILL):
            return
        yield begin, rows


def _one(group: Sequence[Slice]) -> Slice:
    """Returns neighbours as one slice."""
    if len(group) == 1:
        return group[0]
    whole = Span(group[0].span.start, group[-1].span.end)
    return Slice(whole, sum(one.rows for one in group), min(one.limit for one in group))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)
