"""Cuts: where a slice that holds too much, or slips while it is read, is parted.

Between the appointments that are known to lie in it, so that no part lists more than it is to hold; where little is
known of them, into parts that are equally long.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Self

from notifier.core.slices import FILL, Slice
from notifier.core.sweep import Span

MINUTE = timedelta(minutes=1)

NARROWEST = 2 * MINUTE
"""No slice is cut into equal parts that are narrower; what begins all at once can't be told apart by start."""

MOST_PARTS = 256
"""A slice is cut into no more equal parts at once; a part that is still too large is cut again."""

ROOM = 0.8
"""Of what a part may hold, the share that it is made for where not all is known that lies in it."""

UNEVEN = 1.1
"""How many times as many as on an average a part may list, if all are to be about as full."""

FIRST_REACH = timedelta(days=366)
"""How far from now an open end is cut at first; each further cut lies twice as far."""

FARTHEST = timedelta(days=36500)
"""Beyond a century from now an open end is not cut any more."""

Asked = Callable[[Span], Span]
"""Returns what is asked for to get a slice."""


@dataclass(frozen=True, slots=True)
class Times:
    """When the appointments begin and end that are known to lie in a stretch, and around it."""

    starts: Sequence[datetime]
    ends: Sequence[datetime]

    @classmethod
    def of(cls, found: Iterable[tuple[datetime, datetime]]) -> Self:
        """Returns the times of appointments, given as start and end."""
        pairs = tuple(found)
        return cls(sorted(start for start, _ in pairs), sorted(max(pair) for pair in pairs))

    def beginning_in(self, span: Span) -> Sequence[datetime]:
        """Returns the starts within a span."""
        first = 0 if span.start is None else bisect_left(self.starts, span.start)
        last = len(self.starts) if span.end is None else bisect_right(self.starts, span.end)
        return self.starts[first:last]

    def listed(self, asked: Span) -> int:
        """Returns how many a source may list that is asked for these dates: at most all that take part of the time."""
        begun = len(self.starts) if asked.end is None else bisect_right(self.starts, asked.end)
        over = 0 if asked.start is None else bisect_left(self.ends, asked.start)
        return begun - over


def cut(
    whole: Slice, times: Times | None, asked: Asked, now: datetime, narrowest: timedelta = NARROWEST
) -> tuple[Slice, ...]:
    """Returns into what a slice can be cut; nothing where it can't be.

    Args:
        whole: the slice, with what it holds.
        times: when the appointments are that are known to lie in it and around it; None where that is not known.
        asked: says what is asked for to get a part.
        now: from where open ends are cut.
        narrowest: how long equal parts are at least.
    """
    # Of a slice that is mostly new, the known ones say little.
    if times is not None and times.listed(asked(whole.span)) * 2 >= whole.rows:
        parts = cut_between(whole, times, asked)
    else:
        parts = cut_equally(whole, now, narrowest)
    return parts if len(parts) > 1 else ()


def cut_equally(whole: Slice, now: datetime, narrowest: timedelta = NARROWEST) -> tuple[Slice, ...]:
    """Returns the slice in as many parts as its size asks for; itself where it is small, or can't be cut further."""
    if not whole.overfull or not whole.span.dated:
        return (whole,)
    ends = [whole.span.start, *_points(whole, now, narrowest), whole.span.end]
    rows = whole.rows // (len(ends) - 1)
    return tuple(Slice(Span(start, end), rows, whole.limit) for start, end in pairwise(ends))


def cut_between(whole: Slice, times: Times, asked: Asked) -> tuple[Slice, ...]:
    """Returns the slice in parts that list no more than it may hold, as far as that can be; itself where it can't.

    Where so many take part of one time that no part there could be small enough, it is left in one piece.
    """
    if not whole.overfull or not whole.span.dated or not times.listed(asked(whole.span)):
        return (whole,)
    # What is not known will lie like what is known, more or less.
    known = min(times.listed(asked(whole.span)) / whole.rows, 1.0)
    limit = math.ceil(whole.limit * FILL * known * (1.0 if known == 1.0 else ROOM))

    def rows(start: datetime | None, end: datetime | None) -> int:
        return times.listed(asked(Span(start, end)))

    moments = [whole.span.start, *_gaps(times.beginning_in(whole.span), whole.span), whole.span.end]
    parts = _packed(moments, rows, limit)
    even = math.ceil(sum(rows(*part) for part in parts) / len(parts) * UNEVEN)
    parts = min(parts, _packed(moments, rows, min(even, limit)), key=lambda found: _fullness(found, rows))
    return tuple(Slice(Span(*part), round(rows(*part) / known), whole.limit) for part in parts)


_Moments = Sequence[datetime | None]
_Part = tuple[datetime | None, datetime | None]
_Rows = Callable[[datetime | None, datetime | None], int]


def _packed(moments: _Moments, rows: _Rows, limit: int) -> Sequence[_Part]:
    """Returns parts between some of the moments, each as long as it can be without listing more than it may."""
    ends = [moments[0]]
    for (before, start), (_, end) in pairwise(pairwise(moments)):
        # Cut at `start` if with the next piece it does not fit, unless neither the one before nor the next does alone.
        if rows(ends[-1], end) > limit and min(rows(before, start), rows(start, end)) <= limit:
            ends.append(start)
    return list(pairwise([*ends, moments[-1]]))


def _fullness(parts: Sequence[_Part], rows: _Rows) -> tuple[int, int]:
    """Returns what is to be small: how many parts there are, and how much the fullest of them lists."""
    return len(parts), max(rows(*part) for part in parts)


def _gaps(starts: Iterable[datetime], span: Span) -> Sequence[datetime]:
    """Returns the moments within a span right before, and right after, the minutes in which appointments begin."""
    minutes = {_before(start) for start in starts}
    moments = minutes | {moment + MINUTE for moment in minutes}
    inner = (
        one for one in moments if (span.start is None or one > span.start) and (span.end is None or one < span.end)
    )
    return sorted(inner)


def _before(start: datetime) -> datetime:
    """Returns the last moment up to a start at which hardly any appointment starts: the middle of a minute."""
    middle = _between(start)
    return middle if middle <= start else middle - MINUTE


def _points(whole: Slice, now: datetime, narrowest: timedelta) -> Sequence[datetime]:
    """Returns the moments at which a slice is cut; none where its parts would be too narrow."""
    start, end = whole.span.start, whole.span.end
    if start is None or end is None:
        reach = now - end if end is not None else start - now if start is not None else timedelta(0)
        return [_cut_of_open(whole.span, now)] if reach < FARTHEST else []
    parts = min(math.ceil(whole.rows / (whole.limit * FILL)), (end - start) // narrowest, MOST_PARTS)
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
