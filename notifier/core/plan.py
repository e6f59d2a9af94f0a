"""The plan of a slice: what a poll found, turned into rows to store, events to record and deliveries to make.

Level, not edge: an appointment is compared with its own last known state, so that whatever one sweep missed the
next one sees. Nothing here reads or writes; the same inputs give the same plan, ids included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind, compare, kinds_of
from notifier.core.delivery import Delivery, delivery_id
from notifier.core.event import Event, event_id
from notifier.core.rule import Rule, Verdict, walk
from notifier.core.sweep import FirstSight, Look, first_sight


@dataclass(frozen=True, slots=True)
class Observation:
    """One record as a page brought it."""

    appointment: Appointment
    #: Hash of the whole record, unknown fields included; tells whether anything moved at all.
    digest: bytes
    #: When its page was asked for, by our clock.
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the snapshot holds of one appointment."""

    appointment: Appointment
    digest: bytes
    #: How many changes of it became events.
    revision: int
    #: When the page was asked for that brought this state.
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with every rule's verdict on it."""

    event: Event
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one slice changes, to be committed at once or not at all."""

    source: str
    sweep: str
    rows: tuple[Known, ...]
    recorded: tuple[Recorded, ...]
    deliveries: tuple[Delivery, ...]
    #: Ids that are stored in silence, at first sight.
    baseline: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """What happened to one appointment, before it has a number."""

    kinds: tuple[Kind, ...]
    changes: tuple[FieldChange, ...]


def make_plan(
    source: str,
    sweep: str,
    known: Mapping[str, Known],
    observed: Sequence[Observation],
    looks: Sequence[Look],
    rules: Sequence[Rule],
    now: datetime,
) -> Plan:
    """Decides what the observations mean, given what is known of the same appointments."""
    rows: list[Known] = []
    recorded: list[Recorded] = []
    for seen in _fresh(known, observed, now):
        before = known.get(seen.appointment.id)
        step = _step(before, seen.appointment, looks, now)
        revision = (before.revision if before else 0) + (1 if step else 0)
        rows.append(Known(seen.appointment, seen.digest, revision, seen.observed_at))
        if step is None:
            continue
        event = Event(
            id=event_id(source, seen.appointment.id, revision, seen.digest),
            source=source,
            sweep=sweep,
            kinds=step.kinds,
            changes=step.changes,
            before=before.appointment if before else None,
            after=seen.appointment,
            detected_at=now,
        )
        recorded.append(Recorded(event, walk(rules, event)))
    silent = tuple(row.appointment.id for row in rows if row.appointment.id not in known and row.revision == 0)
    return Plan(source, sweep, tuple(rows), tuple(recorded), _deliveries(recorded, rules, now), silent)


def _fresh(known: Mapping[str, Known], observed: Sequence[Observation], now: datetime) -> list[Observation]:
    """Returns the observations that say something new, oldest change first."""
    fresh = [seen for seen in observed if _is_fresh(known.get(seen.appointment.id), seen, now)]
    return sorted(fresh, key=lambda seen: (seen.appointment.updated_at, seen.appointment.id))


def _is_fresh(before: Known | None, seen: Observation, now: datetime) -> bool:
    """Whether an observation tells more than what is known.

    A page may have been asked for before another sweep stored a later state of the same appointment: what it says
    is older than what we know, and the next sweep looks again. A state from the future is no such later one: our
    clock was set back since.
    """
    if before is None:
        return True
    return seen.digest != before.digest and (seen.observed_at >= before.observed_at or before.observed_at > now)


def _step(before: Known | None, after: Appointment, looks: Sequence[Look], now: datetime) -> _Step | None:
    """Returns what happened, or None where nothing did that anybody watches."""
    if before is not None:
        changes = compare(before.appointment, after)
        return _Step(kinds_of(changes), changes) if changes else None
    sight = first_sight(after, looks, now)
    if sight is FirstSight.BASELINE:
        return None
    if sight is FirstSight.CREATED:
        return _Step((Kind.CREATED,), ())
    reached = FieldChange("status", None, after.status)
    return _Step((Kind.STATUS_CHANGED, Kind.DISCOVERED), (reached,))


def _deliveries(recorded: Sequence[Recorded], rules: Sequence[Rule], now: datetime) -> tuple[Delivery, ...]:
    """Returns one delivery for each event, matching rule and channel, in the order of the events and rules."""
    by_name = {rule.name: rule for rule in rules}
    return tuple(
        Delivery(
            id=delivery_id(entry.event.id, verdict.rule, channel),
            event_id=entry.event.id,
            rule=verdict.rule,
            channel=channel,
            order_key=entry.event.order_key,
            due_at=now,
        )
        for entry in recorded
        for verdict in entry.verdicts
        if verdict.matched
        for channel in by_name[verdict.rule].channels
    )
