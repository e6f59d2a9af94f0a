"""The API's JSON turned into an `Appointment`, or refused.

Lenient where the vendor promises to add things: fields, statuses and types that nobody knows yet pass as text.
Strict where we would otherwise lie: a record without id, status or `updatedAt`, or with a time that is none, is
rejected, and only that record.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from notifier.core.appointment import MEETING_TYPES, STATUSES, Appointment, Fingerprints

DIGEST_SIZE = 16

_TOO_DEEP = b"too deep"

#: Further out, a moment has no local time in some zones.
_YEARS = range(2, 9999)


def _as_text(value: object) -> object:
    """Ids are opaque: a number that stands for one means the same as its text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _written_out(value: object) -> object:
    """A bare number or a bare day would be read as some moment, too."""
    if value is not None and not (isinstance(value, str) and "T" in value):
        raise ValueError("not a date and time with a T between")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the years 2 to 9998") from None
    if moment.year not in _YEARS:
        raise ValueError("beyond the years 2 to 9998")
    return moment


Id = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, frozen=True)


class _Reference(_Lenient):
    id: Id


class _Participant(_Lenient):
    role: str = "SECONDARY"
    type: str = "CUSTOMER"
    #: Without one, as for a person who was erased, there is nobody to name; the appointment is still one.
    participant: _Reference | None = None
    video_url: str | None = None
    video_test_url: str | None = None


class _Record(_Lenient):
    id: Id
    status: Annotated[str, Field(min_length=1)]
    updated_at: Moment
    start: Moment | None = None
    end: Moment | None = None
    created_at: Moment | None = None
    external_id: Annotated[str | None, BeforeValidator(_as_text)] = None
    meeting_type: str | None = None
    office: _Reference | None = None
    subject: _Reference | None = None
    listing: _Reference | None = None
    lead_segment: _Reference | None = None
    callback_request: _Reference | None = None
    meeting_room: _Reference | None = None
    appointment_participants: tuple[_Participant, ...] | None = None
    hybrid: bool | None = None
    trailing_buffer_time: int | None = None
    created_by: _Reference | None = None
    created_by_type: str | None = None
    created_from: str | None = None
    updated_by: _Reference | None = None
    updated_by_type: str | None = None
    updated_from: str | None = None
    # Personal text, of any shape: it is only ever hashed.
    answers: Any = None
    internal_notes: Any = None
    message_for_customer: Any = None
    metadata: Any = None
    location: Any = None


_KNOWN_KEYS = frozenset(to_camel(name) for name in _Record.model_fields)


class RecordRejected(Exception):  # noqa: N818 - the record was rejected; named like the event it is
    """A record cannot be taken for an appointment; the text says why, without its content."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An appointment, and the words and fields in it that this version does not know."""

    appointment: Appointment
    unfamiliar: tuple[str, ...]


def id_of(record: object) -> str | None:
    """Returns the id of a record, or None where it has none to be known by."""
    value = _as_text(record.get("id")) if isinstance(record, dict) else None
    return value if isinstance(value, str) and value else None


def digest_of(record: object, key: bytes) -> bytes:
    """Returns a keyed hash of the whole record, the same for any order of its properties."""
    content = _canonical(record)
    if content is _TOO_DEEP and isinstance(record, Mapping):
        # The rest of the record still tells whether it changed.
        content = b"".join(name.encode() + _canonical(record[name]) for name in sorted(record))
    return hashlib.sha256(key + content).digest()[:DIGEST_SIZE]


def read_appointment(record: object, key: bytes) -> Reading:
    """Returns the appointment that a record describes; personal text is hashed with the key on the way.

    Raises:
        RecordRejected: it has no id, no status, no `updatedAt`, or a value that would mislead.
    """
    try:
        parsed = _Record.model_validate(record)
    except ValidationError as error:
        raise RecordRejected(_why(error)) from None
    assert isinstance(record, Mapping)
    return Reading(_appointment(parsed, key), _unfamiliar(parsed, record))


def _appointment(record: _Record, key: bytes) -> Appointment:
    people = record.appointment_participants or ()
    employee, other_employees = _people(people, "EMPLOYEE")
    customer, other_customers = _people(people, "CUSTOMER")
    return Appointment(
        id=record.id,
        status=record.status,
        updated_at=record.updated_at,
        start=record.start,
        end=record.end,
        created_at=record.created_at,
        meeting_type=record.meeting_type,
        office=_id(record.office),
        subject=_id(record.subject),
        employee=employee,
        customer=customer,
        other_employees=other_employees,
        other_customers=other_customers,
        external_id=record.external_id,
        listing=_id(record.listing),
        lead_segment=_id(record.lead_segment),
        callback_request=_id(record.callback_request),
        meeting_room=_id(record.meeting_room),
        hybrid=record.hybrid,
        trailing_buffer_time=record.trailing_buffer_time,
        created_by=_id(record.created_by),
        created_by_type=record.created_by_type,
        created_from=record.created_from,
        updated_by=_id(record.updated_by),
        updated_by_type=record.updated_by_type,
        updated_from=record.updated_from,
        fingerprints=_fingerprints(record, key),
    )


def _people(people: tuple[_Participant, ...], wanted: str) -> tuple[str | None, tuple[str, ...]]:
    """Returns the primary one of a type and, sorted, the others: their order in the list means nothing."""
    named = [(one.role, one.participant.id) for one in people if one.type == wanted and one.participant]
    primary = min((name for role, name in named if role == "PRIMARY"), default=None)
    return primary, tuple(sorted({name for _, name in named} - {primary}))


def _fingerprints(record: _Record, key: bytes) -> Fingerprints:
    links = sorted(
        link
        for one in record.appointment_participants or ()
        for link in (one.video_url, one.video_test_url)
        if link is not None
    )
    texts: dict[str, object] = {
        "answers": record.answers,
        "internal_notes": record.internal_notes,
        "location": record.location,
        "message_for_customer": record.message_for_customer,
        "metadata": record.metadata,
        "video_links": links,
    }
    return tuple((name, _fingerprint(name, text, key)) for name, text in texts.items() if text)


def _fingerprint(name: str, text: object, key: bytes) -> str:
    content = name.encode() + b"\0" + _canonical(text)
    return hashlib.blake2b(content, digest_size=8, key=key).hexdigest()


def _canonical(value: object) -> bytes:
    """Returns the same bytes for any order of properties.

    The writer stops at a depth that the reader still takes. What is nested deeper than that, which only somebody out
    for trouble would send, counts as one and the same.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _TOO_DEEP


def _unfamiliar(parsed: _Record, record: Mapping[str, object]) -> tuple[str, ...]:
    found = [f"field {name}" for name in record if name not in _KNOWN_KEYS]
    if parsed.status not in STATUSES:
        found.append(f"status {parsed.status}")
    if parsed.meeting_type is not None and parsed.meeting_type not in MEETING_TYPES:
        found.append(f"meeting type {parsed.meeting_type}")
    return tuple(found)


def _why(error: ValidationError) -> str:
    """Names the first offending property and what is wrong with it; never its value, which may be personal."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _id(reference: _Reference | None) -> str | None:
    return None if reference is None else reference.id
