"""In which order a list comes: the API documents none, so a client has to work with each of these.

By insertion is how a table is read that nobody sorts. By update time, newest first, every change jumps to the front
while somebody pages. An unstable list comes in another order at each request.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Literal

from notifier.engage.simulated.chance import chance
from notifier.engage.simulated.row import Row

Settled = Literal["insertion", "start", "updated", "id"]
Order = Literal[Settled, "unstable"]


def _by_start(row: Row) -> tuple[bool, int, int]:
    return row.start is None, row.start or 0, row.position


def _by_update(row: Row) -> tuple[bool, int, int]:
    return row.updated is None, -(row.updated or 0), -row.change


# What has no start, or no time of its update that can be read, comes last.
_KEYS: Final[Mapping[Settled, Callable[[Row], Any]]] = {
    "insertion": attrgetter("position"),
    "start": _by_start,
    "updated": _by_update,
    "id": attrgetter("id"),
}


def arrange(rows: Iterable[Row], order: Settled) -> tuple[Row, ...]:
    """Rows in a settled order; ids compare as the text that they are."""
    return tuple(sorted(rows, key=_KEYS[order]))


def shuffle(rows: Sequence[Row], seed: int, number: int) -> tuple[Row, ...]:
    """The rows in the order that belongs to one request."""
    return tuple(chance(seed, number).sample(rows, len(rows)))
