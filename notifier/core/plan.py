"""The plan of a slice: what a poll found, turned into rows to store, events to record and deliveries to make.

Level, not edge: an appointment is compared with its own last known state, so that whatever one sweep missed the
next one sees. Nothing here reads or writes; the same inputs give the same plan, ids included.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct, structs

from notifier.core.appointment import TEXT_FIELDS, Appointment
from notifier.core.change import FieldChange, Kind, compare, first_difference, kinds_of
from notifier.core.delivery import Delivery
from notifier.core.event import Event, event_id
from notifier.core.grant import Grant
from notifier.core.recipients import NOBODY_ELSE, Recipients
from notifier.core.route import Context, route
from notifier.core.rule import Rule, Verdict
from notifier.core.silence import Silence
from notifier.core.sweep import OVERLAP, FirstSight, Look, first_sight
from notifier.core.walk import walk
from notifier.core.watch import CLOCK

NO_GRANTS: Mapping[str, Grant] = {}

# There is one of these for every record of a first look, so they are structs, which are made five times as fast.


class Observation(Struct, frozen=True, gc=False):
    """One record as a page brought it."""

    appointment: Appointment
    #: Hash of the whole record, unknown fields included; tells whether anything moved at all.
    digest: bytes
    #: When its page was asked for, by our clock.
    observed_at: datetime
    #: Watched fields in whose place the record has nothing, though they are always there.
    holes: tuple[str, ...] = ()
    #: The personal texts that some channel may see, by the names of their fields.
    texts: tuple[tuple[str, object], ...] = ()


class Known(Struct, frozen=True, gc=False):
    """What the snapshot holds of one appointment."""

    appointment: Appointment
    digest: bytes
    #: How many changes of it became events.
    revision: int
    #: When the page was asked for that brought this state.
    observed_at: datetime
    #: When the source was found not to show it any more; None while it does.
    vanished_at: datetime | None = None
    #: When it reached its status, as far as that can be known; None stands for the last change.
    since: datetime | None = None
    #: When it was first seen, if that was in silence; None where it was news.
    silent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with every rule's verdict on it."""

    event: Event
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class OwedText:
    """A personal text that is owed with a delivery, since the channel of that may see it."""

    delivery_id: str
    #: Of its field.
    name: str
    #: In the shape that the source has it in.
    value: object = field(repr=False)
    #: What the appointment has in its place; tells later on whether it is still so.
    fingerprint: str


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
    #: Of each delivery those that its channel may see, and none for anybody else.
    texts: tuple[OwedText, ...] = ()


class _Step(Struct, frozen=True, gc=False):
    """What happened to one appointment: its row from now on, and, unless nobody watches it, the kinds of its event."""

    before: Known | None
    row: Known
    kinds: tuple[Kind, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    texts: tuple[tuple[str, object], ...] = ()


def make_plan(
    source: str,
    sweep: str,
    known: Mapping[str, Known],
    observed: Sequence[Observation],
    looks: Sequence[Look],
    rules: Sequence[Rule],
    now: datetime,
    gone: Collection[str] = (),
    grants: Mapping[str, Grant] = NO_GRANTS,
    *,
    silences: tuple[Silence, ...] = (),
    recipients: Recipients = NOBODY_ELSE,
    overlap: timedelta = OVERLAP,
) -> Plan:
    """Decides what the observations mean, given what is known of the same appointments.

    `gone` are ids that the source does not show any more, not even when asked for them. `grants` say which channels
    may see personal text; nothing of it goes further than to deliveries for these. The deliveries are those of the
    `route`, which `silences` and `recipients` are for. By `overlap` the source's clock may be off, or its list behind.
    """
    baseline = () if looks else _baseline(known, observed)
    fresh = _fresh(known, observed if looks else [seen for seen in observed if seen.appointment.id in known], now)
    sight = partial(first_sight, looks=looks, now=now, overlap=overlap)
    steps = [_seen(known.get(seen.appointment.id), seen, sight) for seen in fresh]
    steps += [_lost(before, now) for name in sorted(gone) if (before := known.get(name)) and not before.vanished_at]
    recorded: list[Recorded] = []
    texts: dict[str, tuple[tuple[str, object], ...]] = {}
    for step in steps:
        if step.kinds:
            event = _event(source, sweep, step, now)
            recorded.append(Recorded(event, walk(rules, event)))
            if step.texts:
                texts[event.id] = step.texts
    rows = (*baseline, *[step.row for step in steps])
    silent = tuple([row.appointment.id for row in rows if row.revision == 0 and row.appointment.id not in known])
    deliveries = _deliveries(recorded, rules, Context(now=now, silences=silences, recipients=recipients))
    owed = tuple(_owed_texts(recorded, deliveries, texts, grants)) if texts else ()
    return Plan(source, sweep, rows, tuple(recorded), deliveries, silent, owed)


def plan_firings(source: str, rule: Rule, events: Sequence[Event], context: Context) -> Plan:
    """Returns the plan of what the clock made for a rule; whom an escalation tells has channels of their own."""
    assert rule.watch is not None
    recorded = tuple(Recorded(event, walk([rule], event)) for event in events)
    deliveries: list[Delivery] = []
    for entry in recorded:
        firing, escalate = entry.event.firing, rule.watch.escalate
        asking = rule
        if firing and firing.escalation and escalate:
            asking = replace(rule, channels=escalate.channels)
        deliveries += route({rule.name: asking}, entry.event, entry.verdicts, context)
    return Plan(source, CLOCK, (), recorded, tuple(deliveries), ())


def plan_again(
    source: str,
    sweep: str,
    known: Mapping[str, Known],
    events: Sequence[Event],
    rules: Sequence[Rule],
    now: datetime,
    *,
    silences: tuple[Silence, ...] = (),
    recipients: Recipients = NOBODY_ELSE,
) -> Plan:
    """Decides who is told of events that are on record, one of each appointment, and stores what they led to."""
    recorded = tuple(Recorded(event, walk(rules, event)) for event in events)
    rows = tuple(_row_after(known.get(event.after.id), event) for event in events)
    deliveries = _deliveries(recorded, rules, Context(now=now, silences=silences, recipients=recipients))
    return Plan(source, sweep, rows, recorded, deliveries, ())


def _deliveries(recorded: Iterable[Recorded], rules: Iterable[Rule], context: Context) -> tuple[Delivery, ...]:
    """Returns where each event goes, in the order of the events and rules."""
    by_name = {rule.name: rule for rule in rules}
    return tuple(delivery for entry in recorded for delivery in route(by_name, entry.event, entry.verdicts, context))


def _row_after(before: Known | None, event: Event) -> Known:
    """Returns what the snapshot has of an appointment once the event is recorded."""
    seen = Observation(event.after, event.id.encode(), event.detected_at)
    return Known(
        event.after,
        seen.digest,
        before.revision + 1 if before else 1,
        seen.observed_at,
        event.detected_at if Kind.VANISHED in event.kinds else None,
        since=_since(before, event.after, seen),
        silent_at=before.silent_at if before else None,
    )


def _baseline(known: Mapping[str, Known], observed: Sequence[Observation]) -> Sequence[Known]:
    """Returns the rows of what a source has that was never looked at: whatever is not known was there all along."""
    new = [seen for seen in observed if seen.appointment.id not in known]
    new.sort(key=lambda seen: seen.appointment.id)
    return [Known(seen.appointment, seen.digest, 0, seen.observed_at, silent_at=seen.observed_at) for seen in new]


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


def _seen(before: Known | None, seen: Observation, sight: Callable[[Appointment], FirstSight]) -> _Step:
    """Returns what an observation means: news, a change, or a row to store in silence."""
    after = _filled(before.appointment, seen) if before and seen.holes else seen.appointment
    kinds, changes = _news(after, sight(after)) if before is None else _difference(before, after)
    revision = (before.revision if before else 0) + (1 if kinds else 0)
    silent_at = before.silent_at if before else None if kinds else seen.observed_at
    row = Known(after, seen.digest, revision, seen.observed_at, since=_since(before, after, seen), silent_at=silent_at)
    return _Step(before, row, kinds, changes, seen.texts)


def _since(before: Known | None, after: Appointment, seen: Observation) -> datetime:
    """Returns when the appointment reached its status, as far as that can be known; never a moment to come."""
    if before is None:
        return min(after.updated_at, seen.observed_at)
    former = before.appointment
    if after.status == former.status:
        return former.updated_at if before.since is None else before.since
    # An `updatedAt` that did not move on is that of an earlier change.
    return min(after.updated_at, seen.observed_at) if after.updated_at > former.updated_at else seen.observed_at


def _filled(before: Appointment, seen: Observation) -> Appointment:
    """Returns what was seen, with what we know in place of its holes: that something is missing is no news of it."""
    after = seen.appointment
    kept = {name: getattr(before, name) for name in seen.holes if name not in TEXT_FIELDS}
    texts = dict(after.fingerprints) | {name: text for name, text in before.fingerprints if name in seen.holes}
    return structs.replace(after, **kept, fingerprints=tuple(sorted(texts.items())))


def _lost(before: Known, now: datetime) -> _Step:
    """Returns that an appointment vanished; its last known state is kept, in case that it comes back."""
    row = structs.replace(before, revision=before.revision + 1, observed_at=now, vanished_at=now)
    return _Step(before, row, (Kind.VANISHED,))


def _difference(before: Known, after: Appointment) -> tuple[tuple[Kind, ...], tuple[FieldChange, ...]]:
    changes = compare(before.appointment, after)
    kinds = kinds_of(changes)
    if before.vanished_at is None:
        return kinds, changes
    # Whoever was told that it vanished is to hear that it is back, changed or not.
    return tuple(kind for kind in Kind if kind in kinds or kind is Kind.DISCOVERED), changes


def _news(after: Appointment, sight: FirstSight) -> tuple[tuple[Kind, ...], tuple[FieldChange, ...]]:
    if sight is FirstSight.BASELINE:
        return (), ()
    return first_difference(after, created=sight is FirstSight.CREATED)


def _event(source: str, sweep: str, step: _Step, now: datetime) -> Event:
    after = step.row.appointment
    # That it vanished is no record of the source: what tells it from another time is the sight that was the last.
    last_sight = step.before.observed_at if step.before and step.row.vanished_at else None
    digest = last_sight.isoformat().encode() if last_sight else step.row.digest
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


def _owed_texts(
    recorded: Sequence[Recorded],
    deliveries: Sequence[Delivery],
    texts: Mapping[str, Sequence[tuple[str, object]]],
    grants: Mapping[str, Grant],
) -> Iterator[OwedText]:
    """Yields for each delivery what its channel may see of the texts of its event."""
    fingerprints = {entry.event.id: dict(entry.event.after.fingerprints) for entry in recorded}
    for delivery in deliveries:
        grant = None if delivery.silenced else grants.get(delivery.channel)
        for name, text in texts.get(delivery.event_id, ()) if grant else ():
            if grant and name in grant.personal:
                yield OwedText(delivery.id, name, text, fingerprints[delivery.event_id].get(name, ""))
