"""The course of a reading: which slices of a sweep are still to be read, and what the others came to.

A slice that holds too much, or slips while it is read, is cut, and its parts are read in its place. Where that is of
no use it is read as it is: a source may not heed the dates that it is asked for, or its appointments may be longer
than the parts. What a reading takes is bound by what it takes to read everything once: after that, what slips is
left as it is until the next run.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from notifier.core.slices import Slice, pages_of, requests_of
from notifier.core.sweep import Span

OVERCOUNT = 1.5
"""How many times as many as expected the parts of a slice may hold; one that is at a seam is in two of them."""

ALIKE = 1.1
"""A slice that holds up to so many times as many as a part of it holds no more than that."""

PATIENCE = 3
"""How many times as many requests a reading may take as it takes to read everything once."""

SPARE = 10
"""So many more it may take in any case."""

WORTH = 2
"""How many times as many requests as a slice itself its parts may take: it could be read again as often."""


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
    #: How often it was read.
    passes: int = 1


@dataclass
class _Cut:
    """A slice that was cut, while its parts are read."""

    whole: Slice
    #: How many its parts may hold together, if cutting it is of use.
    most: float
    #: Parts that are still to be read, but for their own parts.
    left: int
    #: What those hold that were looked at.
    rows: int = 0
    #: How many of those hold no less than the whole.
    alike: int = 0

    @property
    def useless(self) -> bool:
        """Whether the parts together hold much more than was to be expected."""
        return self.rows > self.most

    @property
    def counted(self) -> int:
        """What it counts for with the cut around it: what it was known to hold from the first on, and all beyond."""
        return max(self.rows, self.whole.rows)


class Course:
    """The way through the slices of one sweep, from the first to the last."""

    def __init__(self, slices: Iterable[Slice], page_rows: int = 1) -> None:
        #: How many appointments come with one request.
        self.page_rows = page_rows
        self._todo = deque(slices)
        #: Of them, the first so many are parts of others.
        self._parts = 0
        #: The cuts whose parts are being read, the innermost last.
        self._cuts: list[_Cut] = []
        self.done: list[Part] = []
        #: Requests that were made, and as many as it would take to read once what they were for.
        self._spent = 0
        self._once = 0
        #: The slice in hand, as long as it is not among them.
        self._fresh: Slice | None = None

    def take(self) -> Slice | None:
        """Returns the next slice to read; None at the end."""
        if not self._todo:
            return None
        taken = self._todo.popleft()
        # What a part takes was counted with its whole.
        self._fresh = None if self._parts else taken
        self._parts = max(self._parts - 1, 0)
        return taken

    def spend(self, requests: int, rows: int) -> None:
        """Counts the requests of a pass over the slice in hand, which holds so many."""
        self._spent += requests
        self._count(rows)

    def affords(self, slices: Iterable[Slice]) -> bool:
        """Whether these may be read instead of the slice in hand, or once more, and the rest be read all the same."""
        todo = tuple(self._todo)
        more = requests_of([*slices, *todo], self.page_rows)
        fresh = [self._fresh] if self._fresh else []
        once = self._once + requests_of([*fresh, *todo[self._parts :]], self.page_rows)
        return self._spent + more <= PATIENCE * once + SPARE

    def worth_cutting(self, whole: Slice, parts: Sequence[Slice]) -> bool:
        """Whether the parts of a slice are all smaller than it, and take not many more requests than itself."""
        if any(one.rows * ALIKE > whole.rows for one in parts):
            return False
        return len(parts) > 1 and requests_of(parts, self.page_rows) <= WORTH * pages_of(whole.rows, self.page_rows)

    def cut(self, whole: Slice, parts: Sequence[Slice]) -> None:
        """Puts the parts of the slice in hand in its place."""
        self._count(whole.rows)
        if not self._helps(whole.rows, ended=False):
            return
        expected = max(whole.rows, sum(one.rows for one in parts))
        self._cuts.append(_Cut(whole, expected * OVERCOUNT, len(parts)))
        self._todo.extendleft(reversed(parts))
        self._parts += len(parts)

    def read(self, part: Part) -> None:
        """Takes in the slice in hand, which was read."""
        self._count(part.piece.rows)
        self.done.append(part)
        self._helps(part.piece.rows, ended=True)

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

    def _count(self, rows: int) -> None:
        """Counts once what it takes to read the slice in hand once."""
        if self._fresh is not None:
            self._once += pages_of(rows, self.page_rows)
            self._fresh = None

    def _helps(self, rows: int, *, ended: bool) -> bool:
        """Counts a part of the innermost cut, which ended or is to be cut itself; returns whether cutting is of use."""
        if not self._cuts:
            return True
        innermost = self._cuts[-1]
        innermost.left -= 1
        innermost.alike += rows * ALIKE >= innermost.whole.rows
        self._add(rows)
        for number in range(len(self._cuts) - 1, -1, -1):
            if self._cuts[number].useless:
                self._undo(number)
                return False
        while ended and self._cuts and not self._cuts[-1].left:
            self._cuts.pop()
        return True

    def _add(self, rows: int) -> None:
        """Counts what a part holds; for the cuts around only what they have not counted with its whole."""
        for one in reversed(self._cuts):
            counted = one.counted
            one.rows += rows
            rows = one.counted - counted

    def _undo(self, number: int) -> None:
        """Makes one again what was cut in vain, and whatever that was cut from and held no more."""
        alike = self._cuts[number].whole.rows * ALIKE
        while number and self._cuts[number - 1].whole.rows <= alike:
            number -= 1
        undone, self._cuts = self._cuts[number:], self._cuts[:number]
        for _ in range(sum(one.left for one in undone)):
            self._todo.popleft()
            self._parts -= 1
        if self._cuts:
            self._cuts[-1].left += 1
            self._cuts[-1].rows -= undone[0].counted
        whole = undone[0].whole
        # Where dates are heeded, two parts don't both hold all; what is known of the times then helps the next time.
        heedless = any(one.alike > 1 for one in undone)
        self.done = [part for part in self.done if not _within(part.piece.span, whole.span)]
        self._todo.appendleft(whole.made_fixed(lasting=heedless))
        self._parts += 1


def _within(part: Span, whole: Span) -> bool:
    begins = whole.start is None or (part.start is not None and part.start >= whole.start)
    ends = whole.end is None or (part.end is not None and part.end <= whole.end)
    return begins and ends
