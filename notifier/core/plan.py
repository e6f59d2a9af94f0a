"""The plan of a slice: what a poll found, turned into rows to store, events to record and deliveries to make.

Level, not edge: an appointment is compared with its own last known state, so that whatever one sweep missed the
next one sees. Nothing here reads or writes; the same inputs give the same plan, ids included.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
    #: When the source was found not to show it any more; None while it does.
    vanished_at: datetime | None = None


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
    """What happened to one appointment: its row from now on, and, unless nobody watches it, the kinds of its event."""

    before: Known | None
    row: Known
    kinds: tuple[Kind, ...] = ()
    changes: tuple[FieldChange, ...] = ()


def make_plan(
    source: str,
    sweep: str,
    known: Mapping[str, Known],
    observed: Sequence[Observation],
    looks: Sequence[Look],
    rules: Sequence[Rule],
    now: datetime,
    gone: Collection[str] = (),
) -> Plan:
    """Decides what the observations mean, given what is known of the same appointments.

    `gone` are ids that the source does not show any more, not even when asked for them.
    """
    fresh = _fresh(known, observed, now)
    steps = [_seen(known.get(seen.appointment.id), seen, looks, now) for seen in fresh]
    steps += [_lost(before, now) for name in sorted(gone) if (before := known.get(name)) and not before.vanished_at]
    recorded: list[Recorded] = []
    for step in steps:
        if step.kinds:
            event = _event(source, sweep, step, now)
            recorded.append(Recorded(event, walk(rules, event)))
    rows = tuple(step.row for step in steps)
    silent = tuple(row.appointment.id for row in rows if row.appointment.id not in known and row.revision == 0)
    return Plan(source, sweep, rows, tuple(recorded), _deliveries(recorded, rules, now), silent)


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
    if seen.digest == before.digest and before.vanished_at is None:
        return False
    return seen.observed_at >= before.observed_at or before.observed_at > now


def _seen(before: Known | None, seen: Observation, looks: Sequence[Look], now: datetime) -> _Step:
    """Returns what an observation means: news, a change, or a row to store in silence."""
    kinds, changes = _news(seen.appointment, looks, now) if before is None else _difference(before, seen.appointment)
    revision = (before.revision if before else 0) + (1 if kinds else 0)
    return _Step(before, Known(seen.appointment, seen.digest, revision, seen.observed_at), kinds, changes)


def _lost(before: Known, now: datetime) -> _Step:
    """Returns that an appointment vanished; its last known state is kept, in case that it comes back."""
    row = replace(before, revision=before.revision + 1, observed_at=now, vanished_at=now)
    return _Step(before, row, (Kind.VANISHED,))


def _difference(before: Known, after: Appointment) -> tuple[tuple[Kind, ...], tuple[FieldChange, ...]]:
    changes = compare(before.appointment, after)
    kinds = kinds_of(changes)
    if before.vanished_at is None:
        return kinds, changes
    # Whoever was told that it vanished is to hear that it is back, changed or not.
    return tuple(kind for kind in Kind if kind in kinds or kind is Kind.DISCOVERED), changes


def _news(after: Appointment, looks: Sequence[Look], now: datetime) -> tuple[tuple[Kind, ...], tuple[FieldChange, ...]]:
    sight = first_sight(after, looks, now)
    if sight is FirstSight.BASELINE:
        return (), ()
    if sight is FirstSight.CREATED:
        return (Kind.CREATED,), ()
    return (Kind.STATUS_CHANGED, Kind.DISCOVERED), (FieldChange("status", None, after.status),)


def _event(source: str, sweep: str, step: _Step, now: datetime) -> Event:
    after = step.row.appointment
    # That it vanished is no record of the source, so its digest is that of no record.
    digest = b"" if step.row.vanished_at else step.row.digest
    return Event(
        id=event_id(source, after.id, step.row.revision, digest),
        source=source,
        sweep=sweep,
        kinds=step.kinds,
        changes=step.changes,
        before=step.before.appointment if step.before else None,
        after=after,
        detected_at=now,
    )


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
