"""Watches: what a rule asks the clock for, when it is due, and what is told again while nobody acts.

A stay is the time in which one appointment is in the state that a rule watches. It has a beginning, by which it is told
from any other; it ends as soon as the appointment is not in that state any more, and nothing is told of it then. What
was not looked at since may have ended: so a firing waits until a look at the source began after its moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from notifier.core.appointment import Appointment
from notifier.core.change import Kind
from notifier.core.event import Event, Firing, base_of, firing_id
from notifier.core.sweep import Look

CLOCK: Final = "clock"
"""What events are found by that no sweep found."""

MOST_REMINDERS = 30
"""So many reminders of one stay, and no more: who did not hear thirty will not hear the next."""

CONFIRMED: Final = "ACCEPTED"
"""The status of an appointment that will take place, and, after its end, of one that nobody has closed."""

UNCONFIRMED = frozenset({"ALTERNATIVE_DATE_REQUESTED", "INCOMING_REQUEST", "OUTGOING_INVITE"})
"""Statuses in which somebody still has to say yes."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom else to tell of a stay that goes on."""

    #: How long after the first message.
    after: timedelta
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a rule asks the clock for."""

    #: One of TIMED.
    kind: Kind
    #: Each of them counts by itself.
    statuses: frozenset[str]
    #: How long the stay has lasted, the end is past, or how near the start is.
    span: timedelta
    #: How often it is told again.
    remind: timedelta | None = None
    escalate: Escalation | None = None

    @property
    def wait(self) -> timedelta:
        """How long after its beginning a stay is told of."""
        return timedelta(0) if self.kind is Kind.BEFORE_START else self.span


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """An appointment in a watched state, with what is known of how it came there."""

    appointment: Appointment
    #: When it reached its status.
    since: datetime
    #: When it was first seen, if that was in silence.
    silent_at: datetime | None
    #: When the page was asked for that brought this state.
    observed_at: datetime
    #: When it was last asked for by its id.
    asked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What was told of a stay, and what is to be told."""

    #: Messages so far: the first, and the reminders.
    told: int = 0
    #: When the next of them is due; None for never, and before the first.
    due_at: datetime | None = None
    #: When others are told; None for never, or no more.
    escalate_at: datetime | None = None


def begin_of(watch: Watch, resident: Resident) -> datetime | None:
    """Returns when the stay of an appointment in the watched state begins; None for one that never will.

    One that is overdue is so since its end, or since it was confirmed if that was later; one that is near its start,
    since that came near, or since it reached its status.
    """
    end, start = resident.appointment.end, resident.appointment.start
    match watch.kind:
        case Kind.OVERDUE:
            return None if end is None else max(end, resident.since)
        case Kind.BEFORE_START:
            return None if start is None else max(start - watch.span, resident.since)
    return resident.since


def known_until(resident: Resident, looks: Iterable[Look], now: datetime) -> datetime | None:
    """Returns until when it is known that the appointment was as we know it; None where no later look says so.

    The run that brought its state does not count: until the brake has judged that, what it read may be nonsense.
    """
    covering = [
        look.began_at
        for look in looks
        if look.began_at > resident.observed_at and look.covers(resident.appointment, now)
    ]
    return max([*covering, *([resident.asked_at] if resident.asked_at else [])], default=None)


def is_told(watch: Watch, resident: Resident, begin: datetime, loaded_at: datetime) -> bool:
    """Whether a stay is one to tell of: not what was so already when the rule, or the appointment, was new to us."""
    moment = begin + watch.wait
    return moment > loaded_at and (resident.silent_at is None or moment > resident.silent_at)


def advance(
    watch: Watch, rule: str, begin: datetime, progress: Progress, until: datetime, now: datetime
) -> tuple[tuple[Firing, ...], Progress]:
    """Returns what is due of a stay that lasted until then at least, and what is to come.

    However much was missed, the first message is one, and so are the reminders since the last of them. What comes next
    is counted from when a message was due, or from now where that is too long ago.
    """
    firings: list[Firing] = []
    after = progress
    due = progress.due_at if progress.told else begin + watch.wait
    if due is not None and due <= until:
        firings.append(Firing(rule, begin, due, progress.told))
        after = _after_message(watch, progress, base_of(due, now))
    if progress.escalate_at is not None and progress.escalate_at <= until:
        firings.append(Firing(rule, begin, progress.escalate_at, 0, escalation=True))
        after = replace(after, escalate_at=None)
    return tuple(firings), after


def _after_message(watch: Watch, progress: Progress, told_at: datetime) -> Progress:
    goes_on = watch.remind is not None and progress.told < MOST_REMINDERS
    escalates = watch.escalate is not None and not progress.told
    return Progress(
        told=progress.told + 1,
        due_at=told_at + watch.remind if watch.remind is not None and goes_on else None,
        escalate_at=told_at + watch.escalate.after
        if watch.escalate is not None and escalates
        else progress.escalate_at,
    )


def event_of(source: str, watch: Watch, appointment: Appointment, firing: Firing, now: datetime) -> Event:
    """Returns the event that a firing is."""
    return Event(
        id=firing_id(source, appointment.id, watch.kind, firing),
        source=source,
        sweep=CLOCK,
        kinds=(watch.kind,),
        changes=(),
        before=appointment,
        after=appointment,
        detected_at=now,
        firing=firing,
    )
