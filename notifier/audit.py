"""The audit: what a made-up enterprise went through, beside what the snapshot and the events say of it.

A real source tells nobody what happened between two polls; a made-up one keeps a journal. States in between may have
merged, which is no fault: what is told must have been true, in its order, and the last that is told must still be.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notifier.core.appointment import Appointment, watched
from notifier.core.change import Kind
from notifier.core.event import Event
from notifier.core.plan import Known
from notifier.core.sweep import Span
from notifier.engage.payload import read_appointment
from notifier.store import history, snapshot
from notifier.store.database import Store

ALL = 10**9
"""More events than there can be."""

ANYWHERE = Span(None, None)

States = Sequence[Appointment | None]
"""What an appointment was, first to last; None while it was not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One appointment of which something is wrong."""

    appointment: str
    what: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What is wrong, and how much there was to get right."""

    #: Changes that no event tells, or that the snapshot does not have.
    lost: tuple[Finding, ...]
    #: Events that tell what never was, or once more.
    invented: tuple[Finding, ...]
    #: Events by which something vanished that was there.
    falsely_vanished: tuple[Finding, ...]
    #: Appointments that changed, and changes that were made.
    changed: int
    changes: int
    events: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.invented or self.falsely_vanished)


class Truth:
    """How things stood at first, and what they became since, as the store's own reading of records would have it."""

    def __init__(self, key: bytes, before: Iterable[tuple[str, bytes]]) -> None:
        self._key = key
        #: Of each appointment that there ever was.
        self.states: dict[str, list[Appointment | None]] = {}
        self.changes = 0
        for name, record in before:
            self.states[name] = [self._read(record)]

    def add(self, name: str, record: bytes | None) -> None:
        """Notes that an appointment became something, or was erased."""
        self.changes += 1
        self.states.setdefault(name, [None]).append(None if record is None else self._read(record))

    def _read(self, record: bytes) -> Appointment:
        return read_appointment(record, self._key).appointment


def audit_store(truth: Truth, store: Store, source: str) -> Audit:
    """Returns what is wrong in a store that was polled until nothing moved any more."""
    with store.reading() as tx:
        known = snapshot.known(tx, source, snapshot.digests_within(tx, source, ANYWHERE).keys() | truth.states.keys())
        events = [record.event for record in reversed(history.events(tx, ALL, source=source))]
    return audit(truth, known, events)


def audit(truth: Truth, known: Mapping[str, Known], events: Sequence[Event]) -> Audit:
    """Returns what is wrong in a snapshot, and in events that come oldest first."""
    told: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        # What the clock makes is no change.
        if event.firing is None:
            told[event.after.id].append(event)
    lost: list[Finding] = []
    invented: list[Finding] = []
    vanished: list[Finding] = []
    for name in sorted(truth.states.keys() | told.keys() | known.keys()):
        states = truth.states.get(name, [None])
        for event, what in _untrue(states, told[name]):
            (vanished if Kind.VANISHED in event.kinds else invented).append(Finding(name, what))
        lost += [Finding(name, what) for what in _missing(states, told[name], known.get(name))]
    changed = sum(len(states) > 1 for states in truth.states.values())
    return Audit(tuple(lost), tuple(invented), tuple(vanished), changed, truth.changes, len(events))


def _untrue(states: States, told: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """Yields the events that fit no state after the one that was told before them."""
    at, last = 0, states[0]
    for event in told:
        gone = Kind.VANISHED in event.kinds
        after = None if gone else event.after
        found = next((number for number in range(at + 1, len(states)) if states[number] == after), None)
        kinds = ", ".join(event.kinds)
        if found is None:
            yield event, f"{kinds} at {event.occurred_at}: it never was so, or that was told before"
        elif event.before is not None and not gone and last is not None and _differ(event.before, last):
            yield event, f"{kinds} at {event.occurred_at}: it was not so before"
        at, last = (at if found is None else found), after


def _missing(states: States, told: Sequence[Event], known: Known | None) -> Iterator[str]:
    """Yields what is true now and is not in the snapshot, or was not told."""
    truth = states[-1]
    stored = None if known is None or known.vanished_at else known.appointment
    if stored != truth:
        yield "it is gone and the snapshot has it" if truth is None else f"the snapshot has {_say(stored)}"
    last = states[0]
    if told:
        last = None if Kind.VANISHED in told[-1].kinds else told[-1].after
    # What was made and erased before anybody looked was never seen.
    unseen = truth is None and states[0] is None and not told
    if not unseen and _differ(last, truth):
        yield f"it was last told to be {_say(last)}"


def _differ(one: Appointment | None, other: Appointment | None) -> bool:
    """Whether there is a difference between two states that anybody is told of."""
    if one is None or other is None:
        return one is not other
    return watched(one) != watched(other)


def _say(state: Appointment | None) -> str:
    return "nothing of it" if state is None else f"{state.status} as of {state.updated_at}"
