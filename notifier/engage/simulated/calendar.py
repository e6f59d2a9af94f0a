"""Where appointments lie in time: so that a query looks at those that it may find, and not at a million others."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator
from typing import Final

from notifier.engage.simulated.row import Row

SLOT: Final = 15 * 60 * 1_000_000
"""Microseconds of a quarter of an hour: appointments begin at quarters, so that nothing is gained by finer ones."""


class Calendar:
    """The ids of an enterprise's rows by quarter of an hour and status, those without a start apart; not locked."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[str | None, list[str]]] = {}
        self._numbers: list[int] = []  # of the slots, ascending; one that became empty stays
        self._undated: dict[str | None, list[str]] = {}
        self._reach = 0  # the most microseconds that ever lay between a row's start and its end

    def add(self, row: Row) -> None:
        """Note a row where it lies."""
        self._shelf(row).setdefault(row.status, []).append(row.id)
        if row.start is not None and row.end is not None:
            self._reach = max(self._reach, abs(row.end - row.start))

    def discard(self, row: Row) -> None:
        """Forget a row that was noted as it is."""
        self._shelf(row)[row.status].remove(row.id)

    def near(self, since: int | None, until: int | None, statuses: Collection[str] | None) -> Iterator[str]:
        """The ids of all rows that touch a time, and of some more, but only of those with one of the statuses.

        Undated ones are among them where no time is asked for.
        """
        dated = since is not None or until is not None
        first = 0 if since is None else bisect_left(self._numbers, (since - self._reach) // SLOT)
        last = len(self._numbers) if until is None else bisect_right(self._numbers, (until + self._reach) // SLOT)
        shelves = [self._slots[number] for number in self._numbers[first:last]]
        for shelf in shelves if dated else [*shelves, self._undated]:
            for status in shelf if statuses is None else statuses:
                yield from shelf.get(status, ())

    def _shelf(self, row: Row) -> dict[str | None, list[str]]:
        if row.start is None:
            return self._undated
        number = row.start // SLOT
        if number not in self._slots:
            insort(self._numbers, number)
            self._slots[number] = {}
        return self._slots[number]
