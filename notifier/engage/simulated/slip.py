"""Slips: something happens in the enterprise between two pages of a list, so that the next offset is not what it was.

A slip comes before a page with an offset, drawn by share from a seed and the number of such pages so far. It acts on
rows before and behind that offset, and keeps within what the list asks for, so that the list itself shifts.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random
from threading import Lock
from typing import Final, Self

from notifier.engage.simulated.chance import chance
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.life import Life
from notifier.engage.simulated.row import Row


class SlipKind(StrEnum):
    """What happens between two pages."""

    LIFE = "life"
    """A step of a life, anywhere in the enterprise."""
    INSERT = "insert"
    """A new appointment takes a place before the offset: a row comes twice."""
    REMOVE = "remove"
    """A row before the offset is erased: another does not come."""
    MOVE_BACK = "move-back"
    """A row before the offset is rescheduled and goes behind it: it comes twice, another does not come."""
    MOVE_FRONT = "move-front"
    """A row behind the offset is rescheduled and goes before it: it does not come, another comes twice."""
    REORDER = "reorder"
    """A row before the offset goes behind it, as it is: it comes twice, another does not come. Nobody changed it."""


@dataclass(frozen=True, slots=True)
class Slip:
    """How many pages with an offset are preceded by a slip, and by which."""

    share: float = 0.0  # from 0 (off) to 1
    seed: int = 1
    kinds: Collection[SlipKind] = tuple(SlipKind)

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError("the share of slips must lie between 0 and 1")
        # A set has another order in each process.
        object.__setattr__(self, "kinds", tuple(kind for kind in SlipKind if kind in self.kinds))


NEVER: Final = Slip()


@dataclass(frozen=True, slots=True)
class _Gap:
    """Where a slip acts: between what has been handed out of a list and what has not."""

    enterprise: Enterprise
    passed: Sequence[Row]  # not empty
    coming: Sequence[Row]
    now: datetime

    @classmethod
    def at(cls, enterprise: Enterprise, found: Sequence[Row], offset: int, now: datetime) -> Self:
        return cls(enterprise, found[:offset], found[offset:], now)


class Slips:
    """The slips of one simulator so far; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pages = 0  # with an offset
        self._counts: Counter[SlipKind] = Counter()
        self._lives: dict[tuple[Enterprise, int], Life] = {}

    @property
    def counts(self) -> Counter[SlipKind]:
        """How often each kind happened."""
        with self._lock:
            return self._counts.copy()

    def before_page(self, slip: Slip, enterprise: Enterprise, found: Sequence[Row], offset: int, now: datetime) -> None:
        """Let something happen, or nothing, before the page of a list that begins at this offset."""
        with self._lock:
            self._pages += 1
            draws = chance(slip.seed, self._pages)
            if not (found and slip.kinds and draws.random() < slip.share):
                return
            kind, gap = draws.choice(tuple(slip.kinds)), _Gap.at(enterprise, found, offset, now)
            with suppress(KeyError):  # somebody else erased the row meanwhile
                if kind is SlipKind.LIFE:
                    self._life(enterprise, slip.seed).step(now)
                elif not _ACTS[kind](gap, draws):
                    return
                self._counts[kind] += 1

    def _life(self, enterprise: Enterprise, seed: int) -> Life:
        return self._lives.setdefault((enterprise, seed), Life(enterprise, seed))


def _insert(gap: _Gap, draws: Random) -> bool:
    gap.enterprise.shift(_one_like(gap, draws.choice(gap.passed)), "front")
    return True


def _remove(gap: _Gap, draws: Random) -> bool:
    gap.enterprise.remove(draws.choice(gap.passed).id)
    return True


def _move_back(gap: _Gap, draws: Random) -> bool:
    if not gap.coming:
        return False
    moved = _move(gap, draws.choice(gap.passed), draws.choice(gap.coming))
    gap.enterprise.shift(moved, "back")
    return True


def _move_front(gap: _Gap, draws: Random) -> bool:
    if not gap.coming:
        return False
    moved = _move(gap, draws.choice(gap.coming), draws.choice(gap.passed))
    gap.enterprise.shift(moved, "front")
    return True


def _reorder(gap: _Gap, draws: Random) -> bool:
    if not gap.coming:
        return False
    gap.enterprise.shift(draws.choice(gap.passed).id, "back")
    return True


_ACTS: Final[Mapping[SlipKind, Callable[[_Gap, Random], bool]]] = {
    SlipKind.INSERT: _insert,
    SlipKind.REMOVE: _remove,
    SlipKind.MOVE_BACK: _move_back,
    SlipKind.MOVE_FRONT: _move_front,
    SlipKind.REORDER: _reorder,
}


def _one_like(gap: _Gap, row: Row) -> str:
    """Make an appointment that the same filters find, if they can find a new one, at the same time."""
    booking = Booking(
        start=row.starts_at,
        end=row.ends_at,
        office=row.office or "11",
        subject=row.subject or "51",
        customer=next(iter(row.customers), "201"),
        employee=next(iter(row.employees), "301"),
        meeting_type=row.meeting_type or "OFFICE",
    )
    if row.start is None:
        return gap.enterprise.invite(gap.now, booking)
    asked = row.status == "INCOMING_REQUEST"
    return gap.enterprise.create(gap.now, booking, "INCOMING_REQUEST" if asked else "ACCEPTED")


def _move(gap: _Gap, row: Row, beside: Row) -> str:
    """Change an appointment to the time of another; one without a time gets a note, which changes it too."""
    if row.start is None or beside.starts_at is None or beside.ends_at is None:
        return gap.enterprise.edit(row.id, gap.now, {"internalNotes": f"Moved ({gap.now:%H:%M:%S})"})
    return gap.enterprise.reschedule(row.id, gap.now, beside.starts_at, beside.ends_at)
