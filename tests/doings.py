"""What may happen in an enterprise, said by values that know no appointment by its name.

So they can be drawn before anybody knows which appointments there will be, and mean the same whenever the same was
done before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.row import write_time
from tests.truth import Truth

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

STARTS: Sequence[timedelta | None] = (
    None,
    -30 * DAY,
    -25 * HOUR,
    -5 * HOUR,
    HOUR,
    5 * HOUR,
    26 * HOUR,
    3 * DAY,
    7 * DAY - HOUR,
    7 * DAY,
    7 * DAY + HOUR,
    9 * DAY,
    15 * DAY,
    29 * DAY,
    31 * DAY,
    100 * DAY,
)
"""Where appointments begin, seen from now: in and around the spans of the sweeps; None for no time."""

LENGTHS = (HOUR, 30 * MINUTE, 3 * HOUR)
OFFICES = ("11", "12", "13")


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing that happens in the enterprise."""

    verb: str
    #: Which appointment, counted among those that it may happen to; any number.
    pick: int = 0
    #: Which of the times to begin at, and which of anything else; any numbers.
    start: int = 0
    choice: int = 0


@dataclass(frozen=True, slots=True)
class _Deed:
    """A doing that has found its appointment; none, where it makes one."""

    truth: Truth
    now: datetime
    doing: Doing
    name: str = ""

    @property
    def choice(self) -> int:
        return self.doing.choice

    @property
    def start(self) -> datetime | None:
        """When what is done begins: on a whole minute, as people book."""
        offset = STARTS[self.doing.start % len(STARTS)]
        return None if offset is None else self.now.replace(second=0, microsecond=0) + offset

    @property
    def contents(self) -> Sequence[bytes]:
        """All that its record ever was, oldest first."""
        return [spell.content for spell in self.truth.past[self.name] if spell.content is not None]

    def write(self, changes: Mapping[str, Any], ahead: timedelta | None = timedelta(0)) -> None:
        """Changes its record, with an `updatedAt` so far from now, or with none of its own."""
        raw = self.truth.get(self.name)
        assert raw is not None
        now = {} if ahead is None else {"updatedAt": write_time(self.now + ahead)}
        self.truth.put({**raw, **changes, **now})


def do(truth: Truth, now: datetime, doing: Doing) -> None:
    """Lets something happen in the enterprise; nothing, where there is nothing that it could happen to."""
    if doing.verb in _MAKING:
        _MAKING[doing.verb](_Deed(truth, now, doing))
        return
    gone = doing.verb == "return"
    names = sorted(name for name, past in truth.past.items() if (past[-1].content is None) == gone)
    if names:
        _CHANGING[doing.verb](_Deed(truth, now, doing, names[doing.pick % len(names)]))


def _create(deed: _Deed) -> None:
    length = LENGTHS[deed.choice % len(LENGTHS)]
    booking = Booking(
        start=deed.start,
        end=deed.start and deed.start + length,
        office=OFFICES[deed.choice % len(OFFICES)],
        notes=f"note {deed.choice}",
    )
    if booking.start is None:
        deed.truth.invite(deed.now, booking)
    else:
        deed.truth.create(deed.now, booking, "INCOMING_REQUEST" if deed.choice % 2 else "ACCEPTED")


def _create_many(deed: _Deed) -> None:
    """Several are made, half of the times to begin all at once: such a slice can't be cut into parts."""
    for number in range(3 + deed.choice % 5):
        start = deed.doing.start + (number if deed.choice % 2 else 0)
        do(deed.truth, deed.now, Doing("create", start=start, choice=number))


def _reschedule(deed: _Deed) -> None:
    if deed.start is None:
        deed.write({"start": None, "end": None, "status": "OUTGOING_INVITE"})
    else:
        deed.truth.reschedule(deed.name, deed.now, deed.start, deed.start + LENGTHS[deed.choice % len(LENGTHS)])


def _replace(deed: _Deed) -> None:
    """It goes and another one comes, so that there are as many as before."""
    deed.truth.remove(deed.name)
    _create(deed)


def _return(deed: _Deed) -> None:
    """It is back: byte for byte as it was, or with a new `updatedAt`."""
    now = {"updatedAt": write_time(deed.now)} if deed.choice % 2 else {}
    deed.truth.put({**orjson.loads(deed.contents[-1]), **now})


def _revert(deed: _Deed) -> None:
    """It is byte for byte what it was before."""
    deed.truth.put(orjson.loads(deed.contents[deed.choice % len(deed.contents)]))


def _rewrite(deed: _Deed) -> None:
    """It is the same in other bytes."""
    raw = deed.truth.get(deed.name)
    assert raw is not None
    deed.truth.put(dict(reversed(raw.items())))


def _change(deed: _Deed) -> Mapping[str, Any]:
    changes: Sequence[Mapping[str, Any]] = (
        {"status": ("CANCELLED", "ACCEPTED", "NO_SHOW")[deed.doing.start % 3]},
        {"internalNotes": f"note {deed.doing.start}"},
        {"office": {"id": OFFICES[deed.doing.start % len(OFFICES)]}},
    )
    return changes[deed.choice % len(changes)]


_MAKING: Mapping[str, Callable[[_Deed], None]] = {"create": _create, "create many": _create_many}

_CHANGING: Mapping[str, Callable[[_Deed], object]] = {
    "accept": lambda deed: deed.truth.accept(deed.name, deed.now),
    "cancel": lambda deed: deed.truth.cancel(deed.name, deed.now),
    "miss": lambda deed: deed.truth.no_show(deed.name, deed.now),
    "complete": lambda deed: deed.truth.complete(deed.name, deed.now),
    "reschedule": _reschedule,
    "reassign": lambda deed: deed.truth.reassign(deed.name, deed.now, f"30{deed.choice % 4}"),
    "relocate": lambda deed: deed.truth.relocate(deed.name, deed.now, office=OFFICES[deed.choice % len(OFFICES)]),
    "meet otherwise": lambda deed: deed.truth.relocate(
        deed.name, deed.now, meeting_type=("OFFICE", "VIDEO", "PHONE")[deed.choice % 3]
    ),
    "edit": lambda deed: deed.truth.edit(deed.name, deed.now, {"internalNotes": f"note {deed.choice}"}),
    "remove": lambda deed: deed.truth.remove(deed.name),
    "replace": _replace,
    "return": _return,
    "revert": _revert,
    "change unsigned": lambda deed: deed.write(_change(deed), ahead=None),
    "change dated back": lambda deed: deed.write(_change(deed), ahead=-2 * DAY),
    "change dated ahead": lambda deed: deed.write(_change(deed), ahead=2 * DAY),
    "rewrite": _rewrite,
    # Nothing but `updatedAt` changes.
    "touch": lambda deed: deed.write({}),
    # It can't be read until something else happens to it.
    "spoil": lambda deed: deed.write({"updatedAt": None}, ahead=None),
    "shift": lambda deed: deed.truth.shift(deed.name, "front" if deed.choice % 2 else "back"),
}

VERBS = (*_MAKING, *_CHANGING)
