"""The laws of the poll line, for one poll beside the truth.

Whatever the source does meanwhile: every step that the snapshot takes is one event, and every event is a step; what an
event says was the case while it was detected; nothing is told as vanished that was there; and after a complete reading
the snapshot of its part of the source is the truth. What a first sight means follows from the complete looks before.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.core.appointment import Appointment, watched
from notifier.core.change import Kind, compare, kinds_of
from notifier.core.delivery import State
from notifier.core.event import Event
from notifier.core.sweep import OVERLAP, Span, Sweep, SweepOutcome, SweepRun, passes
from notifier.engage.simulated.row import EPOCH
from tests.truth import HONEST, Spell, Truth


class Law(StrEnum):
    """What may be broken."""

    #: A change was swallowed.
    LOST = "lost"
    #: Something was told that was not so, or not then, or more than once.
    INVENTED = "invented"
    #: What was there all the time was told as vanished.
    FALSELY_VANISHED = "falsely vanished"
    #: The figures of a run do not fit what it did.
    FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Breach:
    """A law that a poll broke, with what shows it."""

    law: Law
    #: Empty where it is about no single one.
    appointment: str
    text: str

    def __str__(self) -> str:
        return f"{self.law.value} {self.appointment}: {self.text}"


@dataclass(frozen=True, slots=True)
class Row:
    """What the snapshot holds of an appointment."""

    appointment: Appointment
    revision: int
    vanished: bool

    def __str__(self) -> str:
        return f"{'vanished ' if self.vanished else ''}{self.appointment}"


@dataclass(frozen=True, slots=True)
class PastLook:
    """A former reading of one part of the source."""

    #: The number of the last change before it.
    moment: int
    #: When it began, by the source's clock, and how far that was ahead of ours.
    began_at: datetime
    skew: timedelta
    sweep: Sweep
    span: Span

    def awaited(self, appointment: Appointment, at: datetime) -> bool:
        """Whether it would have shown this one, had it been so already, and its sweep was to show it at that time."""
        then = self.sweep.span(at - self.skew)
        inside = self.span.holds(appointment.start) and then.holds(appointment.start)
        return inside and passes(appointment, self.sweep.filters)

    def reaches(self, appointment: Appointment, now: datetime) -> bool:
        """Whether its part holds this one now, as its end has moved on with time."""
        end = None if self.sweep.end is None else now + self.sweep.end
        return Span(self.span.start, end).holds(appointment.start) and passes(appointment, self.sweep.filters)


@dataclass(frozen=True, slots=True)
class PastLooks:
    """What had been looked at before a poll."""

    #: In readings that were complete, oldest first.
    complete: Sequence[PastLook]
    #: The last ones that count as looks; where there is no complete one, that is the first.
    counting: Sequence[PastLook]
    #: The last ones that came to anything.
    tried: Sequence[PastLook]

    def owe(self, appointment: Appointment, spell: Spell) -> bool:
        """Whether a sweep that had been looked at before was to show this one."""
        return any(look.moment < spell.since and look.awaited(appointment, spell.at) for look in self.complete)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One poll with what was before it and after it."""

    run: SweepRun
    #: None where the strays were tended.
    sweep: Sweep | None
    #: The sweeps that the strays are in none of; empty where a sweep was polled.
    sweeps: Sequence[Sweep] = ()
    truth: Truth
    key: bytes
    #: Numbers of the last change before it began, and before it ended.
    first: int
    last: int
    ended_at: datetime
    before: Mapping[str, Row]
    after: Mapping[str, Row]
    #: Of each appointment, oldest first.
    events: Mapping[str, Sequence[Event]]
    #: The states of the deliveries of each event.
    deliveries: Mapping[str, Sequence[State]]
    #: Whether no other sweep was polled meanwhile; else the ids that they saw first.
    alone: bool
    others: frozenset[str]
    looks: PastLooks
    #: The number of the last change before each appointment was last in the snapshot.
    known_at: Mapping[str, int]

    def returns(self, name: str) -> bool:
        """Whether an appointment is back that had been let go, and whose events are on record already."""
        return name not in self.before and name in self.known_at

    def spells(self, name: str) -> Sequence[Spell]:
        """Returns what an appointment was at some moment of the poll."""
        return self.truth.during(name, self.first, self.last)

    def read(self, spell: Spell) -> Appointment | None:
        """Returns what an appointment was; None where it was not there, or could not be read."""
        return None if spell.content is None else self.truth.appointment(spell.content, self.key)

    def states(self, name: str) -> Sequence[Appointment]:
        """Returns what could be read of an appointment at some moment of the poll."""
        return [state for spell in self.spells(name) if (state := self.read(spell)) is not None]


_NEVER = Spell(-1, EPOCH, None)
_UNREAD = object()


def breaches_of(poll: Poll) -> Iterator[Breach]:
    """Yields every law that the poll broke."""
    for name in sorted(poll.after.keys() | poll.events.keys()):
        if name not in poll.events and poll.after[name] == poll.before.get(name):
            continue
        yield from _steps(name, poll)
        yield from _stored(name, poll)
        yield from _in_turn(name, poll)
        if name in poll.after and name not in poll.before and name not in poll.others:
            yield from _first_sight(name, poll)
    for name in sorted(poll.before.keys() - poll.after.keys()):
        yield from _forgotten(poll.before[name], poll)
    if poll.sweep is not None and poll.run.outcome is SweepOutcome.OK:
        for name in sorted(poll.truth.concerned(poll.first) | poll.before.keys()):
            yield from _completeness(name, poll, poll.sweep)
    yield from _owed(poll)
    if poll.alone:
        yield from _figures(poll)


def _steps(name: str, poll: Poll) -> Iterator[Breach]:
    """Each event begins where the former one ended, and was true; together they end in the row."""
    row = poll.before.get(name)
    for event in poll.events.get(name, ()):
        if row is None and event.before is not None:
            # Stored in silence, and changed before the poll was over.
            row = Row(event.before, 0, vanished=False)
            yield from _was_true(name, event.before, poll)
        yield from _step(name, row, event, poll)
        row = Row(event.after, (row.revision if row else 0) + 1, Kind.VANISHED in event.kinds)
    found = poll.after.get(name)
    if found is None:
        yield Breach(Law.LOST, name, "it has an event and no row")
        return
    row = row or Row(found.appointment, 0, vanished=False)
    if watched(row.appointment) != watched(found.appointment) or row.vanished != found.vanished:
        yield Breach(Law.LOST, name, f"it became {found} with no event, from {row}")
    if row.revision != found.revision and not poll.returns(name):
        yield Breach(Law.FIGURES, name, f"its revision is {found.revision} after {row.revision} events")


def _step(name: str, row: Row | None, event: Event, poll: Poll) -> Iterator[Breach]:
    if row is not None and (event.before is None or watched(event.before) != watched(row.appointment)):
        yield Breach(Law.INVENTED, name, f"an event leaves {event.before}, but known was {row}")
    if Kind.VANISHED in event.kinds:
        if row is None or row.vanished:
            yield Breach(Law.INVENTED, name, "it vanished without being there")
        if all(spell.content is not None for spell in poll.spells(name)):
            yield Breach(Law.FALSELY_VANISHED, name, f"it was there all the time as {event.after}")
        return
    yield from _was_true(name, event.after, poll)
    if row is not None and event.before is not None:
        kinds = {*kinds_of(compare(event.before, event.after)), *([Kind.DISCOVERED] if row.vanished else [])}
        if not kinds or set(event.kinds) != kinds:
            yield Breach(Law.INVENTED, name, f"an event {event.kinds} where {kinds} happened")


def _was_true(name: str, appointment: Appointment, poll: Poll) -> Iterator[Breach]:
    if appointment not in poll.states(name):
        yield Breach(Law.INVENTED, name, f"during {poll.run.sweep} it never was {appointment}")


def _stored(name: str, poll: Poll) -> Iterator[Breach]:
    """What was stored anew was true, also where nobody watches what differs."""
    found = poll.after.get(name)
    if found is not None and found != poll.before.get(name) and not found.vanished:
        yield from _was_true(name, found.appointment, poll)


def _in_turn(name: str, poll: Poll) -> Iterator[Breach]:
    """Nothing is told, or stored, after what followed it."""
    told = [None if Kind.VANISHED in event.kinds else event.after for event in poll.events.get(name, ())]
    found = poll.after.get(name)
    if found is not None and found != poll.before.get(name):
        told.append(None if found.vanished else found.appointment)
    rest = deque(None if one.content is None else (poll.read(one) or _UNREAD) for one in poll.spells(name))
    for state in told:
        while rest and rest[0] != state:
            rest.popleft()
        if not rest:
            yield Breach(Law.INVENTED, name, f"it had been something else since it was {state or 'away'}")
            return


def _first_sight(name: str, poll: Poll) -> Iterator[Breach]:
    """What changed since a complete look is news; what was there before it, and where nobody looked, is not."""
    events = poll.events.get(name, ())
    seen = (events[0].before or events[0].after) if events else poll.after[name].appointment
    told = bool(events) and events[0].before is None
    # It may have been stored as any that nobody could tell from it, and written anew since.
    states = ((one, state) for one in poll.spells(name) if (state := poll.read(one)) is not None)
    same = [(one, state) for one, state in states if watched(state) == watched(seen)] or [(_NEVER, seen)]
    owed = [_is_owed(name, one, state, poll) for one, state in same]
    if all(owed) and not told:
        yield Breach(Law.LOST, name, f"it changed since a complete look, and was stored in silence: {seen}")
    if any(owed) or not told:
        return
    # It may have been written anew meanwhile, with nothing changed that anybody watches.
    spell, seen = next((pair for pair in same if pair[1] == seen), same[0])
    honest = _is_honest(spell, seen)
    if not any(look.reaches(seen, poll.ended_at) for look in poll.looks.tried):
        yield Breach(Law.INVENTED, name, f"nobody had looked where it is, yet it is news: {seen}")
    reaching = [look for look in poll.looks.counting if look.reaches(seen, poll.ended_at)]
    showing = [look for look in reaching if look.span.holds(seen.start)]
    began = [look.began_at for look in showing or reaching]
    if honest and began and spell.at < max(began) - OVERLAP - HONEST:
        yield Breach(Law.INVENTED, name, f"it was so since {spell.at} and is told as news: {seen}")


def _is_owed(name: str, spell: Spell, seen: Appointment, poll: Poll) -> bool:
    """Whether it has to be told that an appointment was seen so for the first time."""
    return _is_honest(spell, seen) and spell.since > poll.known_at.get(name, -1) and poll.looks.owe(seen, spell)


def _is_honest(spell: Spell, seen: Appointment) -> bool:
    """Whether an appointment says when it became what it is."""
    return abs(seen.updated_at - spell.at) < HONEST


def _forgotten(row: Row, poll: Poll) -> Iterator[Breach]:
    """Nothing is let go but what lies in no sweep."""
    inside = [one.name for one in poll.sweeps if _in_part(row.appointment, one.span(poll.run.started_at), one)]
    if poll.sweep is not None or inside:
        yield Breach(Law.LOST, row.appointment.id, f"it was forgotten, though {inside} should show it: {row}")


def _completeness(name: str, poll: Poll, sweep: Sweep) -> Iterator[Breach]:
    """After a complete reading the snapshot of its part is the truth, or was while it was read."""
    before, after, spells = poll.before.get(name), poll.after.get(name), poll.spells(name)
    if any(one.content is not None and poll.read(one) is None for one in spells):
        return  # it could not be read
    if before is None and poll.run.rejected:
        return  # it may be the one that could not be read
    span = sweep.span(poll.run.started_at)
    states = [poll.read(one) for one in spells]
    inside = all(one is not None and _in_part(one, span, sweep) for one in states)
    expected = before is not None and not before.vanished and _in_part(before.appointment, span, sweep)
    found = None if after is None or after.vanished else after.appointment
    if (inside or (expected and len(states) == 1)) and found not in states:
        yield Breach(Law.LOST, name, f"after a complete {sweep.name} it is {found}, in truth {states}")


def _in_part(appointment: Appointment, span: Span, sweep: Sweep) -> bool:
    return span.holds(appointment.start) and passes(appointment, sweep.filters)


def _owed(poll: Poll) -> Iterator[Breach]:
    """An event that every rule asks for is owed once, and held no longer than there is doubt."""
    for name, events in poll.events.items():
        for event in events:
            states = poll.deliveries.get(event.id, ())
            if len(states) != 1:
                yield Breach(Law.LOST, name, f"an event has {len(states)} deliveries")
            elif poll.alone and not poll.run.held and states[0] is not State.PENDING:
                yield Breach(Law.LOST, name, f"a delivery is {states[0]} though nothing is held")


def _figures(poll: Poll) -> Iterator[Breach]:
    events = [event for several in poll.events.values() for event in several]
    if poll.run.events != len(events):
        yield Breach(Law.FIGURES, "", f"{poll.run.events} events are told of, {len(events)} are on record")
    if len({event.id for event in events}) != len(events):
        yield Breach(Law.INVENTED, "", "two events have one id")
    new = poll.after.keys() - poll.before.keys()
    if any(map(poll.returns, new)):
        return
    silent = sum(not poll.events.get(name) or poll.events[name][0].before is not None for name in new)
    if poll.run.baseline != silent:
        yield Breach(Law.FIGURES, "", f"{poll.run.baseline} baseline are told of, {silent} were stored in silence")
