"""The API's JSON turned into an `Appointment`, or refused.

Lenient where the vendor promises to add things: fields, statuses and types that nobody knows yet pass as text.
Strict where we would otherwise lie: a record without id, status or `updatedAt`, or with a time that is none, is
rejected, and only that record.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Required, cast

import msgspec
import orjson
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    Strict,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from notifier.core.appointment import MEETING_TYPES, STATUSES, TEXT_FIELDS, Appointment
from notifier.engage.familiar import FamiliarRecord, read_familiar

Content = bytes | msgspec.Raw
"""The JSON of one record."""

DIGEST_SIZE = 16

_TOO_DEEP = b"too deep"

#: Further out, a moment has no local time in some zones.
_EARLIEST, _LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def _text_or_number(shortest: int) -> CoreSchema:
    """Ids are opaque: a whole number that stands for one means the same as its text."""
    number = core_schema.no_info_after_validator_function(str, core_schema.int_schema(strict=True))
    return core_schema.union_schema(
        [core_schema.str_schema(strict=True, min_length=shortest), number],
        mode="left_to_right",
        custom_error_type="text_or_number",
        custom_error_message="Input should be text or a whole number",
    )


# What `familiar` does not take comes here, which is every record as soon as the vendor adds a field. So what follows is
# what pydantic checks without calling Python, wherever it can: typed dictionaries in place of models, under the names
# that an appointment's fields have.

Word = Annotated[str, Field(min_length=1)]
Id = Annotated[str, GetPydanticSchema(lambda _source, _handler: _text_or_number(1))]
ExternalId = Annotated[str, GetPydanticSchema(lambda _source, _handler: _text_or_number(0))]
Moment = Annotated[str, Strict()]


class _Object(TypedDict):
    id: Id


if TYPE_CHECKING:
    Reference = str
else:
    #: Read as the id of what it refers to.
    Reference = Annotated[_Object, AfterValidator(itemgetter("id"))]


@with_config(ConfigDict(alias_generator=to_camel))
class _Participant(TypedDict, total=False):
    role: str
    type: str
    #: Without one, as for a person who was erased, there is nobody to name; the appointment is still one.
    participant: Reference | None
    video_url: str | None
    video_test_url: str | None


@with_config(ConfigDict(alias_generator=to_camel))
class _Record(TypedDict, total=False):
    id: Required[Id]
    status: Required[Word]
    updated_at: Required[Moment]
    start: Moment | None
    end: Moment | None
    created_at: Moment | None
    external_id: ExternalId | None
    meeting_type: str | None
    office: Reference | None
    subject: Reference | None
    listing: Reference | None
    lead_segment: Reference | None
    callback_request: Reference | None
    meeting_room: Reference | None
    hybrid: bool | None
    trailing_buffer_time: int | None
    created_by: Reference | None
    created_by_type: str | None
    created_from: str | None
    updated_by: Reference | None
    updated_by_type: str | None
    updated_from: str | None
    appointment_participants: list[_Participant] | None
    # Personal text, of any shape: it is only ever hashed.
    answers: Any
    internal_notes: Any
    location: Any
    message_for_customer: Any
    metadata: Any


@with_config(ConfigDict(alias_generator=to_camel, extra="forbid"))
class _FamiliarRecord(_Record):
    """One in which a field that this version does not know is an error, so that it can be told of."""


_RECORD: TypeAdapter[dict[str, Any]] = TypeAdapter(cast("type[Any]", _Record))
_FAMILIAR_RECORD: TypeAdapter[dict[str, Any]] = TypeAdapter(cast("type[Any]", _FamiliarRecord))
_read_familiar = _FAMILIAR_RECORD.validator.validate_json
_MOMENTS = ("start", "end", "created_at", "updated_at")
_PLAIN_TEXTS = tuple(name for name in TEXT_FIELDS if name in _Record.__annotations__)
_NUMBER_AS_TEXT = re.compile(rb'"(-?[0-9]+(?:\.[0-9]+)?)"')
_NEVER_NULL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("office", ("office",)),
    ("subject", ("subject",)),
    ("meeting_type", ("meeting_type",)),
    ("answers", ("answers",)),
    ("appointment_participants", ("employee", "other_employees", "customer", "other_customers", "video_links")),
)
"""What the documentation knows to be always there, and the fields of ours that come from it."""

_KNOWN_STATUSES = frozenset(STATUSES)
_KNOWN_MEETING_TYPES = frozenset({None, *MEETING_TYPES})


class RecordRejected(Exception):  # noqa: N818 - the record was rejected; named like the event it is
    """A record cannot be taken for an appointment; the text says why, without its content."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """An appointment, and the words and fields in it that this version does not know."""

    appointment: Appointment
    unfamiliar: tuple[str, ...]
    #: Fields of ours that the record has as null though the documentation knows them to be always there.
    holes: tuple[str, ...] = ()
    #: The personal texts that were asked for, as the record has them, by the names of their fields.
    texts: tuple[tuple[str, Any], ...] = ()


def digest_of(content: Content, key: bytes) -> bytes:
    """Returns a keyed hash of a record's bytes.

    A source that writes the same in other bytes costs a full reading of the record, and no event.
    """
    digest = _keyed(key).copy()
    digest.update(content)
    return digest.digest()[:DIGEST_SIZE]


@lru_cache(maxsize=8)
def _keyed(key: bytes) -> "hashlib._Hash":
    return hashlib.sha256(key)


def read_appointment(content: Content, key: bytes, wanted: Collection[str] = ()) -> Reading:
    """Returns the appointment that a record's JSON describes; personal text is hashed with the key on the way.

    Of the `wanted` ones, which somebody may see, the text itself comes beside it.

    Raises:
        RecordRejected: it has no id, no status, no `updatedAt`, or a value that would mislead.
    """
    if (familiar := read_familiar(content)) is not None:
        appointment = _of_familiar(familiar, key)
        raw = _texts(partial(getattr, familiar), _links(familiar), wanted) if wanted else ()
        return Reading(appointment, (), (), raw)
    values, unknown = _validated(bytes(content))
    holes = _holes(values)
    links = _add_people(values)
    texts = [(name, _canonical(text)) for name in _PLAIN_TEXTS if (text := values.get(name))]
    if links:
        texts.append(("video_links", orjson.dumps(links)))
    values["fingerprints"] = [(name, _fingerprint(name, text, key)) for name, text in texts]
    appointment = _appointment(values)
    raw = _texts(values.get, links, wanted) if wanted else ()
    return Reading(appointment, _unfamiliar(appointment, unknown), holes, raw)


def _texts(get: Callable[[str], Any], links: list[str], wanted: Collection[str]) -> tuple[tuple[str, Any], ...]:
    """Returns the texts that are wanted and not empty."""
    found = [(name, text) for name in _PLAIN_TEXTS if name in wanted and (text := get(name))]
    if links and "video_links" in wanted:
        found.append(("video_links", links))
    return tuple(found)


def _links(record: FamiliarRecord) -> list[str]:
    people = record.appointment_participants or ()
    return sorted(link for one in people for link in (one.video_url, one.video_test_url) if link is not None)


def _fingerprints(record: FamiliarRecord, links: list[str], key: bytes) -> tuple[tuple[str, str], ...]:
    """Returns the fingerprints of the personal texts that the record has; most have none."""
    found: list[tuple[str, str]] = []
    if record.answers or record.internal_notes or record.location or record.message_for_customer or record.metadata:
        texts = [(name, text) for name in _PLAIN_TEXTS if (text := getattr(record, name))]
        found = [(name, _fingerprint(name, _canonical(text), key)) for name, text in texts]
    if links:
        found.append(("video_links", _fingerprint("video_links", orjson.dumps(sorted(links)), key)))
    return tuple(found)


def _of_familiar(record: FamiliarRecord, key: bytes) -> Appointment:
    """Returns the same appointment as the fields of the record would give when they are checked one by one."""
    employees: list[tuple[bool, str]] = []
    customers: list[tuple[bool, str]] = []
    links: list[str] = []
    for one in record.appointment_participants or ():
        if one.type == "EMPLOYEE":
            employees.append((one.role != "PRIMARY", one.participant.id))
        elif one.type == "CUSTOMER":
            customers.append((one.role != "PRIMARY", one.participant.id))
        if one.video_url is not None:
            links.append(one.video_url)
        if one.video_test_url is not None:
            links.append(one.video_test_url)
    employee, other_employees = _by_role(employees)
    customer, other_customers = _by_role(customers)
    office, subject, created_by, updated_by = record.office, record.subject, record.created_by, record.updated_by
    # In the order of the fields: by their names it takes five times as long.
    return Appointment(
        record.id,
        record.status,
        record.updated_at,
        record.start,
        record.end,
        record.created_at,
        record.meeting_type or None,
        office.id if office else None,
        subject.id if subject else None,
        employee,
        customer,
        tuple(other_employees),
        tuple(other_customers),
        record.external_id,
        record.listing.id if record.listing else None,
        record.lead_segment.id if record.lead_segment else None,
        record.callback_request.id if record.callback_request else None,
        record.meeting_room.id if record.meeting_room else None,
        record.hybrid,
        record.trailing_buffer_time,
        created_by.id if created_by else None,
        record.created_by_type,
        record.created_from,
        updated_by.id if updated_by else None,
        record.updated_by_type,
        record.updated_from,
        _fingerprints(record, links, key),
    )


def _holes(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns what of ours is missing where a record says null, and not where it leaves something out."""
    return tuple([ours for name, fields in _NEVER_NULL if values.get(name, name) is None for ours in fields])


def _appointment(values: dict[str, Any]) -> Appointment:
    """Returns the appointment of which these are the fields, among others; the times are still text."""
    try:
        appointment = msgspec.convert(values, Appointment)
    except msgspec.ValidationError:
        pass  # not every way to write a time is known there
    else:
        for one in (appointment.start, appointment.end, appointment.created_at, appointment.updated_at):
            if one is not None and (one.tzinfo is not UTC or not _EARLIEST <= one < _LATEST):
                break
        else:
            return appointment
    times = {name: _moment(name, text) for name in _MOMENTS if (text := values.get(name)) is not None}
    return msgspec.convert(values | times, Appointment)


def _moment(name: str, text: str) -> datetime:
    """Returns the time that a text means, in UTC.

    Raises:
        RecordRejected: it is none. A bare number or a bare day would be read as some moment, too.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RecordRejected(f"{to_camel(name)}: not a date and time with an offset from UTC")
    if not _EARLIEST <= moment < _LATEST:
        raise RecordRejected(f"{to_camel(name)}: beyond the years 2 to 9998")
    return moment.astimezone(UTC)


def _validated(content: bytes) -> tuple[dict[str, Any], Sequence[str]]:
    """Returns what a record holds under the names of our fields, and the fields that nobody knows."""
    try:
        return _read_familiar(content), ()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [str(one["loc"][0]) for one in found if one["type"] == "extra_forbidden"]
    try:
        if found[0]["type"] != "json_invalid":
            return _RECORD.validate_json(content), unknown
        # It may be nested deeper than that reader goes.
        return _RECORD.validate_python(orjson.loads(content)), unknown
    except orjson.JSONDecodeError as error:
        raise RecordRejected(f"no JSON: {error.msg}") from None
    except ValidationError as error:
        raise RecordRejected(_why(error)) from None


def _add_people(values: dict[str, Any]) -> list[str]:
    """Adds to a record's fields who takes part; returns their links. The order of a list of people means nothing."""
    sides: dict[str, list[tuple[bool, str]]] = {"EMPLOYEE": [], "CUSTOMER": []}
    links = []
    for one in values.get("appointment_participants") or ():
        side, name = sides.get(one.get("type", "CUSTOMER")), one.get("participant")
        if side is not None and name is not None:
            side.append((one.get("role") != "PRIMARY", name))
        if (link := one.get("video_url")) is not None:
            links.append(link)
        if (link := one.get("video_test_url")) is not None:
            links.append(link)
    values["employee"], values["other_employees"] = _by_role(sides["EMPLOYEE"])
    values["customer"], values["other_customers"] = _by_role(sides["CUSTOMER"])
    links.sort()
    return links


def _by_role(side: list[tuple[bool, str]]) -> tuple[str | None, Collection[str]]:
    """Returns the primary one of a side and, sorted, the others."""
    if not side:
        return None, ()
    if len(side) == 1:  # as nearly always
        secondary, name = side[0]
        return (None, (name,)) if secondary else (name, ())
    secondary, first = min(side)
    primary = None if secondary else first
    return primary, sorted({name for _, name in side} - {primary})


def _fingerprint(name: str, text: bytes, key: bytes) -> str:
    fingerprint = _named(name, key).copy()
    fingerprint.update(text)
    return fingerprint.hexdigest()


@lru_cache(maxsize=64)
def _named(name: str, key: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(name.encode() + b"\0", digest_size=8, key=key)


def _canonical(value: object) -> bytes:
    """Returns the same bytes for any order of properties, and whether a number is written as one or as a text.

    The writer stops at a depth that the reader still takes. What is nested deeper than that, which only somebody out
    for trouble would send, counts as one and the same.
    """
    try:
        written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _TOO_DEEP
    # What is left out between the parts is the marks around the number; replacing them would take thrice as long.
    return b"".join(_NUMBER_AS_TEXT.split(written))


def _unfamiliar(appointment: Appointment, unknown: Sequence[str]) -> tuple[str, ...]:
    status, meeting_type = appointment.status, appointment.meeting_type
    found = [f"field {name}" for name in unknown]
    if status not in _KNOWN_STATUSES:
        found.append(f"status {status}")
    if meeting_type not in _KNOWN_MEETING_TYPES:
        found.append(f"meeting type {meeting_type}")
    return tuple(found)


def _why(error: ValidationError) -> str:
    """Names the first offending property and what is wrong with it; never its value, which may be personal."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
