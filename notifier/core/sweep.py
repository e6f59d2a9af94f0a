"""Which part of a source is read how often, and what a first sight in it means."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.core.appointment import Appointment

OVERLAP = timedelta(minutes=5)
"""How far the source's clock may be off, or its list behind, before a change is taken for an old one."""

FARTHEST_BACK = timedelta(days=30)
"""How far beyond its span a sweep reads after an outage."""

Filters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of start times, both ends included; None leaves that end open."""

    start: datetime | None
    end: datetime | None

    @property
    def dated(self) -> bool:
        """Whether the source is asked for start times at all; if so it may leave undated appointments out."""
        return self.start is not None or self.end is not None

    def holds(self, start: datetime | None) -> bool:
        """Whether an appointment with this start lies inside; an undated one only where no dates are asked for."""
        if start is None:
            return not self.dated
        return (self.start is None or start >= self.start) and (self.end is None or start <= self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A named, repeated query of a source."""

    name: str
    every: timedelta
    #: Offsets from now to the first and the last start time; None leaves that end open.
    begin: timedelta | None = None
    end: timedelta | None = None
    #: Field name to wanted values, any of them; what the source is asked to filter by.
    filters: Filters

    def span(self, now: datetime) -> Span:
        """Returns the start times that this sweep covers at this moment."""
        return Span(
            None if self.begin is None else now + self.begin,
            None if self.end is None else now + self.end,
        )

    @property
    def scope(self) -> str:
        """The same text for two sweeps that look at the same part of a source, whatever their names and beats."""
        parts = [
            None if self.begin is None else self.begin.total_seconds(),
            None if self.end is None else self.end.total_seconds(),
            {name: sorted(values) for name, values in self.filters.items()},
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The last complete reading of one scope: what it covered and when it began, by the source's clock."""

    scope: str
    began_at: datetime
    span: Span
    #: How far the span's end moves with time, so that what slid in since is not taken for a wider scope.
    end_offset: timedelta | None
    filters: Filters

    def covers(self, appointment: Appointment, now: datetime) -> bool:
        """Whether this look would have shown the appointment, had it been then as it is now."""
        slid = Span(self.span.start, None if self.end_offset is None else now + self.end_offset)
        return slid.holds(appointment.start) and passes(appointment, self.filters)


def reach(sweep: Sweep, looks: Iterable[Look], now: datetime) -> Span:
    """Returns what a run of the sweep has to read: its span, and what slid out of it since the last look at its scope.

    What changed meanwhile and has passed is still to be told: after an outage that is days of it.
    """
    span = sweep.span(now)
    before = next((look.span.start for look in looks if look.scope == sweep.scope), None)
    if span.start is None or before is None:
        return span
    return Span(max(min(span.start, before), span.start - FARTHEST_BACK), span.end)


class FirstSight(StrEnum):
    """What it means that an appointment is seen for the first time."""

    #: It was there all along: the first run, or the scope grew. Stored in silence.
    BASELINE = "baseline"
    #: It appeared since the last look.
    CREATED = "created"
    #: It existed before and changed since the last look; its former state is unknown.
    DISCOVERED = "discovered"


def passes(appointment: Appointment, filters: Filters) -> bool:
    """Whether the appointment satisfies every filter; a person counts in whatever role they take part."""
    return all(_values(appointment, name) & set(wanted) for name, wanted in filters.items())


def first_sight(
    appointment: Appointment, looks: Collection[Look], now: datetime, overlap: timedelta = OVERLAP
) -> FirstSight:
    """Decides what an unknown appointment is, from the last complete looks at its part of the source.

    `overlap` is by how much the source's clock may be off, or its list behind.
    """
    # As nearly all are that a new sweep brings; which looks cover them takes ten times as long to find out.
    if all(appointment.updated_at < look.began_at - overlap for look in looks):
        return FirstSight.BASELINE
    covering = [look for look in looks if look.covers(appointment, now)]
    # One into whose span it has only slid since may be later, and can't have shown it.
    showing = [look for look in covering if look.span.holds(appointment.start)]
    since = max((look.began_at for look in showing or covering), default=None)
    if since is None or appointment.updated_at < since - overlap:
        return FirstSight.BASELINE
    if appointment.created_at is not None and appointment.created_at >= since - overlap:
        return FirstSight.CREATED
    return FirstSight.DISCOVERED


def _values(appointment: Appointment, name: str) -> set[str]:
    if name == "employee":
        return {appointment.employee or "", *appointment.other_employees} - {""}
    if name == "customer":
        return {appointment.customer or "", *appointment.other_customers} - {""}
    value = getattr(appointment, name)
    return set() if value is None else {value}


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of `updatedAt`: from the newest one committed before, less an overlap, to the start of a run."""

    #: None before anything was committed.
    start: datetime | None
    end: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run of a sweep has come."""

    source: str
    sweep: str
    #: Appointments that came so far, of how many there seem to be.
    rows: int
    expected: int


class SweepOutcome(StrEnum):
    """How one run of a sweep ended."""

    OK = "ok"
    #: The list kept slipping while it was read: its changes count, but something may not have been seen.
    INCOMPLETE = "incomplete"
    #: Suspiciously much was missing: its changes count, but nothing is believed to have vanished.
    DOUBTFUL = "doubtful"
    #: The source did not answer; the next run tries again.
    UNAVAILABLE = "unavailable"
    #: The source refuses credentials or query; somebody must act.
    REFUSED = "refused"
    #: A mistake of ours ended it; what it had not committed, the next run finds again.
    CRASHED = "crashed"


ANSWERED = frozenset({SweepOutcome.OK, SweepOutcome.INCOMPLETE, SweepOutcome.DOUBTFUL})
"""Outcomes in which the source gave its list, and changes in it were told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRun:
    """What one run of a sweep came to."""

    source: str
    sweep: str
    started_at: datetime
    finished_at: datetime
    outcome: SweepOutcome
    pages: int = 0
    #: Distinct appointments seen.
    rows: int = 0
    #: Of them, those whose record was not as we knew it.
    changed: int = 0
    events: int = 0
    #: Stored in silence at first sight.
    baseline: int = 0
    #: Records that could not be taken for an appointment.
    rejected: int = 0
    #: Newest `updatedAt` seen.
    watermark: datetime | None = None
    #: The longest time from an event's `updatedAt` to its commit.
    lag: timedelta | None = None
    #: Into how many slices it was cut.
    slices: int = 0
    #: The stretch of `updatedAt` that it worked on; None for a run that never got so far.
    window: Window | None = None
    #: Changes that lay before the window.
    late: int = 0
    #: Whether everything was asked for, not only what was updated within the window.
    whole: bool = True
    #: Events that the brake holds, of this run and those before.
    held: int = 0
    #: What went wrong, for the operator; empty when nothing did.
    error: str = ""
    #: Channels that are owed something new.
    channels: frozenset[str] = frozenset()
