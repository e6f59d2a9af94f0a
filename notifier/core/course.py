"""The course of a reading: which slices of a sweep are still to be read, and what the others came to.

A slice that holds too much, or slips while it is read, is cut, and its parts are read in its place. Where that is of
no use it is read as it is: a source may not heed the dates that it is asked for, or its appointments may be longer
than the parts.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from notifier.core.slices import Slice
from notifier.core.sweep import Span

OVERCOUNT = 1.5
"""How many times what the whole held its parts may hold; rows at the seams are in two of them."""

ALIKE = 1.1
"""A slice that holds up to so many times as many as a part of it was cut in vain as well."""


@dataclass(frozen=True, slots=True)
class Part:
    """A slice that was read to its end."""

    #: Its rows are those that the source said it holds.
    piece: Slice
    #: Distinct appointments that came.
    came: int
    #: Of those that we know, how many should have come.
    known: int
    rejected: int
    #: Whether its rows slipped in every pass, so that some may not have been seen.
    slipped: bool


@dataclass
class _Cut:
    """A slice that was cut, while its parts are read."""

    whole: Slice
    #: Parts that are still to be read.
    left: int
    #: What the others held.
    rows: int = 0

    @property
    def useless(self) -> bool:
        """Whether the parts together hold much more than the whole did."""
        return self.rows > self.whole.rows * OVERCOUNT


class Course:
    """The way through the slices of one sweep, from the first to the last."""

    def __init__(self, slices: Iterable[Slice]) -> None:
        self._todo = deque(slices)
        #: The cuts whose parts are being read, the innermost last.
        self._cuts: list[_Cut] = []
        self.done: list[Part] = []

    def take(self) -> Slice | None:
        """Returns the next slice to read; None at the end."""
        return self._todo.popleft() if self._todo else None

    def cut(self, whole: Slice, parts: Sequence[Slice]) -> None:
        """Puts the parts of a slice in its place."""
        if self._helps(whole.rows):
            self._cuts.append(_Cut(whole, len(parts)))
            self._todo.extendleft(reversed(parts))

    def read(self, part: Part) -> None:
        """Takes in a slice that was read."""
        self.done.append(part)
        self._helps(part.piece.rows)

    @property
    def left(self) -> int:
        """How many appointments there seem to be in what is still to be read."""
        return sum(one.rows for one in self._todo)

    @property
    def came(self) -> int:
        """How many distinct appointments came."""
        return sum(part.came for part in self.done)

    @property
    def slipped(self) -> Sequence[Part]:
        """What slipped in every pass."""
        return [part for part in self.done if part.slipped]

    def _helps(self, rows: int) -> bool:
        """Counts a part of the innermost cut; returns whether it is of use to cut at all."""
        if not self._cuts:
            return True
        innermost = self._cuts[-1]
        innermost.left -= 1
        innermost.rows += rows
        if innermost.useless:
            self._undo(innermost)
        elif not innermost.left:
            self._cuts.pop()
        return not innermost.useless

    def _undo(self, useless: _Cut) -> None:
        """Makes one again what was cut in vain, and whatever that was cut from and held no more."""
        whole = useless.whole
        while self._cuts and self._cuts[-1].whole.rows <= useless.whole.rows * ALIKE:
            undone = self._cuts.pop()
            whole = undone.whole
            for _ in range(undone.left):
                self._todo.popleft()
        self.done = [part for part in self.done if not _within(part.piece.span, whole.span)]
        self._todo.appendleft(replace(whole, limit=whole.rows * 2, fixed=True))


def _within(part: Span, whole: Span) -> bool:
    begins = whole.start is None or (part.start is not None and part.start >= whole.start)
    ends = whole.end is None or (part.end is not None and part.end <= whole.end)
    return begins and ends
