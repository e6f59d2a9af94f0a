"""Rows to values and back: the only place that knows how the core's values lie in the tables.

Times, ids and words that are searched for have columns of their own; the rest is JSON. Reading ignores fields that
it does not know, so that a store outlives a field that the core has dropped.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.delivery import Delivery, Reason, State
from notifier.core.event import Event, Firing
from notifier.core.plan import Known, Recorded
from notifier.core.rule import Verdict
from notifier.core.slices import Slice
from notifier.core.sweep import Look, Span
from notifier.store.delivery_tables import DeliveryRow
from notifier.store.tables import EventRow, LookRow

_VERDICT_FIELDS = Verdict.__struct_fields__
#: Fields of an appointment that JSON does not give back as they were.
_TIMES = frozenset({"start", "end", "created_at", "updated_at"})
_LISTS = frozenset({"other_employees", "other_customers"})
_encoder = msgspec.json.Encoder()
_encode, _encode_into = _encoder.encode, _encoder.encode_into
_decode_state = msgspec.json.Decoder(Appointment).decode
_decode_firing = msgspec.json.Decoder(Firing).decode


def write_state(appointment: Appointment) -> str:
    """Returns the whole appointment as JSON; what it does not have is left out."""
    return _encode(appointment).decode()


def read_state(text: str) -> Appointment:
    """Returns the appointment that `write_state` wrote."""
    return _decode_state(text)


def write_changes(changes: Iterable[FieldChange]) -> str:
    """Returns what differs between two states as JSON."""
    return _dump([(change.field, change.before, change.after) for change in changes])


def read_changes(text: str) -> tuple[FieldChange, ...]:
    """Returns the changes that `write_changes` wrote."""
    stored: list[tuple[str, Any, Any]] = orjson.loads(text)
    return tuple(
        FieldChange(name, _read_value(name, before), _read_value(name, after)) for name, before, after in stored
    )


def known_rows(source: str, rows: Iterable[Known]) -> Iterator[tuple[Any, ...]]:
    """Yields the columns of appointments' rows as they lie in SQLite: times as `stored` writes them, "" for none.

    For each None and each `bytes`, the driver would look for somebody who knows how to store it.
    """
    observed_at, observed = None, ""
    state = bytearray()
    for known in rows:
        appointment = known.appointment
        start, vanished_at = appointment.start, known.vanished_at
        end, silent_at, updated_at = appointment.end, known.silent_at, _written(appointment.updated_at)
        if known.observed_at is not observed_at:  # a whole page was, at the same moment
            observed_at, observed = known.observed_at, _written(known.observed_at)
        _encode_into(appointment, state)  # in half the time that it takes to a place of its own
        yield (
            source,
            appointment.id,
            bytearray(known.digest),
            known.revision,
            observed,
            appointment.status,
            "" if start is None else _written(start),
            updated_at,
            "" if vanished_at is None else _written(vanished_at),
            "" if end is None else _written(end),
            updated_at if known.since is None else _written(known.since),
            # The first sight is mostly of the page that is in hand.
            "" if silent_at is None else observed if silent_at is observed_at else _written(silent_at),
            state.decode(),
        )


def look_values(source: str, look: Look) -> dict[str, Any]:
    """Returns the columns of a look's row."""
    return {
        "source": source,
        "scope": look.scope,
        "began_at": look.began_at,
        "span_start": look.span.start,
        "span_end": look.span.end,
        "end_offset": None if look.end_offset is None else look.end_offset.total_seconds(),
        "filters": _dump(dict(look.filters)),
    }


def look_of(row: LookRow) -> Look:
    """Returns the look that the row holds."""
    filters: dict[str, list[str]] = orjson.loads(row.filters)
    return Look(
        scope=row.scope,
        began_at=row.began_at,
        span=Span(row.span_start, row.span_end),
        end_offset=None if row.end_offset is None else timedelta(seconds=row.end_offset),
        filters={name: tuple(wanted) for name, wanted in filters.items()},
    )


def write_slices(slices: Iterable[Slice]) -> str:
    """Returns slices as JSON."""
    return _dump([(one.span.start, one.span.end, one.rows, one.limit, one.fixed) for one in slices])


def read_slices(text: str) -> list[Slice]:
    """Returns the slices that `write_slices` wrote."""
    stored: list[tuple[str | None, str | None, int, int, bool]] = orjson.loads(text)
    return [
        Slice(Span(_read_value("start", start), _read_value("end", end)), found, limit, fixed)
        for start, end, found, limit, fixed in stored
    ]


def event_values(recorded: Recorded) -> dict[str, Any]:
    """Returns the columns of an event's row, the verdicts on it included."""
    event = recorded.event
    return {
        "id": event.id,
        "source": event.source,
        "sweep": event.sweep,
        "appointment_id": event.after.id,
        "occurred_at": event.occurred_at,
        "detected_at": event.detected_at,
        "kinds": _dump(event.kinds),
        "changes": write_changes(event.changes),
        "before": None if event.before is None else write_state(event.before),
        "after": write_state(event.after),
        "verdicts": msgspec.json.encode(recorded.verdicts).decode(),
        "firing": None if event.firing is None else _dump(event.firing),
    }


def event_of(row: EventRow, told: str | None = None) -> Event:
    """Returns the event that the row holds, as it was when it was detected, or as a delivery tells it."""
    what = (row.kinds, row.changes, row.before, row.after)
    return _event(
        (row.id, row.source, row.sweep, row.firing, row.detected_at), what if told is None else orjson.loads(told)
    )


EVENT_COLUMNS = "event.id, source, sweep, firing, detected_at, kinds, changes, before, after"
"""What `read_event` takes, for statements that join the events."""


def read_event(columns: Sequence[Any], told: str | None) -> Event:
    """Returns the event of EVENT_COLUMNS as they lie in SQLite, or as a delivery tells it."""
    *which, detected_at = columns[:5]
    return _event((*which, moment_of(detected_at)), columns[5:] if told is None else orjson.loads(told))


def write_told(event: Event) -> str:
    """Returns what a delivery tells in place of its event; which one that is, and when it was noticed, stays."""
    before = None if event.before is None else write_state(event.before)
    return _dump((_dump(event.kinds), write_changes(event.changes), before, write_state(event.after)))


def _event(which: Sequence[Any], what: Sequence[Any]) -> Event:
    id_, source, sweep, firing, detected_at = which
    kinds, changes, before, after = what
    return Event(
        id=id_,
        source=source,
        sweep=sweep,
        kinds=tuple(map(Kind, orjson.loads(kinds))),
        changes=read_changes(changes),
        before=None if before is None else read_state(before),
        after=read_state(after),
        detected_at=detected_at,
        firing=None if firing is None else _decode_firing(firing),
    )


def verdicts_of(row: EventRow) -> tuple[Verdict, ...]:
    """Returns what each rule said to the event of the row."""
    stored: list[dict[str, Any]] = orjson.loads(row.verdicts)
    return tuple(Verdict(**{name: verdict[name] for name in _VERDICT_FIELDS if name in verdict}) for verdict in stored)


def delivery_values(delivery: Delivery, now: datetime, state: State = State.PENDING) -> dict[str, Any]:
    """Returns the columns of the row of a delivery that is new: it waits for its time, is held, or was silenced."""
    begins = State.SILENCED if delivery.silenced else state
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "rule": delivery.rule,
        "channel": delivery.channel,
        "order_key": delivery.order_key,
        "state": begins.value,
        "reason": None if delivery.silenced is None else delivery.silenced.value,
        "due_at": delivery.due_at,
        "created_at": now,
        "settled_at": now if delivery.silenced else None,
        "attempts": 0,
        "tries": 0,
        "in_doubt": False,
        "superseded_by": None,
        "told": None,
        "not_before": delivery.not_before,
        "bundle": delivery.bundle,
        "bundled_in": None,
        "silence": delivery.silence,
        "story": _dump(delivery.story) if delivery.story else None,
    }


def delivery_of(row: DeliveryRow) -> Delivery:
    """Returns the delivery that the row holds."""
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        rule=row.rule,
        channel=row.channel,
        order_key=row.order_key,
        due_at=row.due_at,
        not_before=row.not_before,
        bundle=row.bundle,
        silenced=Reason(row.reason) if row.reason and row.state == State.SILENCED else None,
        silence=row.silence,
        story=read_story(row.story),
    )


def read_story(text: str | None) -> tuple[tuple[str, str], ...]:
    """Returns what was decided about a delivery, as pairs of a step and what it came to."""
    stored: list[tuple[str, str]] = [] if text is None else orjson.loads(text)
    return tuple((what, why) for what, why in stored)


def stored(value: Any) -> Any:
    """Returns a column's value as it lies in SQLite: times in UTC, written as the columns' own type writes them."""
    return _written(value) if isinstance(value, datetime) else value


def _written(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        if moment.utcoffset() is None:
            raise ValueError(f"{moment} does not say which time zone it means")
        moment = moment.astimezone(UTC)
    # What isoformat would say, in a third of the time; there are three of these in every row of a first look.
    text = _encode(moment).decode().replace("T", " ")
    return text[1:27] if moment.microsecond else f"{text[1:20]}.000000"


def moment_of(stored: str) -> datetime:
    """Returns the time that `stored` wrote."""
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()


def _read_value(name: str, stored: Any) -> Any:
    if stored is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(stored)
    if name in _LISTS:
        return tuple(stored)
    if name == "fingerprints":
        return tuple((text, digest) for text, digest in stored)
    return stored
