"""Records are read for speed; here they are read a second time, plainly, and both readings agree."""

import hashlib
import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from notifier.core.appointment import TEXT_FIELDS, Appointment
from notifier.engage.answer import page_of
from notifier.engage.payload import RecordRejected, read_appointment
from tests.builders import participant, record

KEY = b"0123456789abcdef"


def as_text(value: object) -> object:
    """A whole number that stands for an id means its text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def written_out(value: object) -> object:
    """A bare number or a bare day is no time."""
    if value is not None and not (isinstance(value, str) and ":" in value):
        raise ValueError("not a date and time")
    return value


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC, if every zone can show it."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("too far") from None
    if moment.year not in range(2, 9999):
        raise ValueError("too far")
    return moment


Id = Annotated[str, BeforeValidator(as_text), Field(min_length=1)]
Moment = Annotated[AwareDatetime, BeforeValidator(written_out), AfterValidator(in_utc)]


class Plain(BaseModel):
    """Any object of the API: fields that nobody knows are left."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class Reference(Plain):
    """What another thing is named by."""

    id: Id


class Participant(Plain):
    """Somebody who takes part."""

    role: str = "SECONDARY"
    type: str = "CUSTOMER"
    participant: Reference | None = None
    video_url: str | None = None
    video_test_url: str | None = None


class PlainRecord(Plain):
    """A record as the API describes it."""

    id: Id
    status: Annotated[str, Field(min_length=1)]
    updated_at: Moment
    start: Moment | None = None
    end: Moment | None = None
    created_at: Moment | None = None
    external_id: Annotated[str | None, BeforeValidator(as_text)] = None
    meeting_type: str | None = None
    office: Reference | None = None
    subject: Reference | None = None
    listing: Reference | None = None
    lead_segment: Reference | None = None
    callback_request: Reference | None = None
    meeting_room: Reference | None = None
    hybrid: bool | None = None
    trailing_buffer_time: int | None = None
    created_by: Reference | None = None
    created_by_type: str | None = None
    created_from: str | None = None
    updated_by: Reference | None = None
    updated_by_type: str | None = None
    updated_from: str | None = None
    appointment_participants: list[Participant] | None = None
    answers: Any = None
    internal_notes: Any = None
    location: Any = None
    message_for_customer: Any = None
    metadata: Any = None


def plainly(content: bytes) -> Appointment | set[str]:
    """Returns the appointment, or the properties that are wrong."""
    try:
        read = PlainRecord.model_validate(orjson.loads(content))
    except ValidationError as error:
        return {str(one["loc"][0]) if one["loc"] else "" for one in error.errors()}
    fields = {name: getattr(read, name) for name in PlainRecord.model_fields if name in Appointment.__struct_fields__}
    fields |= {name: one.id for name, one in fields.items() if isinstance(one, Reference)}
    people = read.appointment_participants or []
    return Appointment(**fields, **side(people, "employee"), **side(people, "customer"), fingerprints=hashes(read))


def side(people: list[Participant], kind: str) -> dict[str, Any]:
    """Returns the primary one of a kind and the others."""
    named = [(one.role, one.participant.id) for one in people if one.type == kind.upper() and one.participant]
    primary = min((name for role, name in named if role == "PRIMARY"), default=None)
    return {kind: primary, f"other_{kind}s": tuple(sorted({name for _, name in named} - {primary}))}


def hashes(read: PlainRecord) -> tuple[tuple[str, str], ...]:
    """Returns the keyed hash of every text that is there."""
    links = [link for one in read.appointment_participants or [] for link in (one.video_url, one.video_test_url)]
    texts = {"video_links": sorted(link for link in links if link is not None)}
    texts |= {name: getattr(read, name) for name in TEXT_FIELDS if name != "video_links"}
    return tuple((name, hash_of(name, texts[name])) for name in TEXT_FIELDS if texts[name])


def hash_of(name: str, text: object) -> str:
    """Returns the keyed hash of a text; a number may be written as text, but is no link."""
    written = orjson.dumps(text, option=orjson.OPT_SORT_KEYS)
    if name != "video_links":
        written = re.sub(rb'"(-?[0-9]+(\.[0-9]+)?)"', rb"\1", written)
    content = name.encode() + b"\0" + written
    return hashlib.blake2b(content, digest_size=8, key=KEY).hexdigest()


TIMES = st.sampled_from(
    [
        "2026-11-24T09:00:00.000Z",
        "2026-11-24T09:00:00Z",
        "2026-11-24T09:00Z",
        "2026-11-24 09:00:00Z",
        "2026-11-24T09:00:00.123456Z",
        "2026-11-24T10:00:00+01:00",
        "2026-11-24T09:00:00-23:59",
        "2026-11-24T09:00:00",
        "2026-11-24",
        "1700000000",
        "0001-12-31T23:59:59Z",
        "0002-01-01T00:00:00Z",
        "9998-12-31T23:59:59.999999Z",
        "9999-01-01T00:00:00Z",
        "9999-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-05:00",
        "2026-02-29T09:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T09:00:60Z",
    ]
)
ODD = st.one_of(
    st.sampled_from(
        [None, "", "x", "CANCELLED", "PRIMARY", "EMPLOYEE", "true", "5", "5.0", 0, 1, -5, 5.0, 1.5, True, [], {}]
    ),
    st.sampled_from(
        [{"id": "7"}, {"id": 7}, {"id": ""}, {"id": None}, {"id": True}, {"id": 7.0}, {"id": ["7"]}, ["7"]]
    ),
    TIMES,
    st.text(max_size=5),
    st.recursive(
        st.integers(-5, 5), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner)
    ),
)
NAMES = st.sampled_from(
    [*(to_camel(name) for name in PlainRecord.model_fields), "updated_at", "colour", "fingerprints"]
)
PEOPLE = st.lists(
    st.builds(
        participant,
        st.sampled_from(["EMPLOYEE", "CUSTOMER", "MACHINE"]),
        st.sampled_from(["301", "302", "201"]),
        st.sampled_from(["PRIMARY", "SECONDARY", "OBSERVER"]),
    ).flatmap(
        lambda one: st.dictionaries(st.sampled_from([*one, "videoUrl", "colour"]), ODD, max_size=1).map(
            lambda odd: one | odd
        )
    ),
    max_size=4,
)
CHANGES = st.tuples(st.dictionaries(NAMES, ODD, max_size=3), st.sets(NAMES, max_size=3), st.none() | PEOPLE)


def changed(changes: tuple[Mapping[str, object], set[str], list[object] | None]) -> bytes:
    """Returns the JSON of a usual record with changes."""
    odd, without, people = changes
    raw = deepcopy(record()) | ({} if people is None else {"appointmentParticipants": people}) | dict(odd)
    return orjson.dumps({name: value for name, value in raw.items() if name not in without})


@given(CHANGES.map(changed))
@example(orjson.dumps(record(updated_at="x", fingerprints=[], employee="9", other_employees=[])))
def test_a_record_means_the_same_however_it_is_read(content: bytes) -> None:
    """The same records are rejected, for a property that is wrong, and the others have the same values."""
    plain = plainly(content)
    if isinstance(plain, set):
        with pytest.raises(RecordRejected) as rejected:
            read_appointment(content, KEY)
        assert re.split("[.:]", str(rejected.value))[0] in plain
    else:
        read = read_appointment(content, KEY).appointment
        assert read == plain
        assert all(one is None or one.tzinfo is UTC for one in (read.start, read.end, read.created_at, read.updated_at))


@given(
    st.lists(CHANGES.map(changed) | st.sampled_from([b"null", b"[]", b'"1"', b'{"id": "1", "id": "2"}']), max_size=4)
)
def test_a_page_names_each_record_as_it_is_read(contents: list[bytes]) -> None:
    """Its records come byte for byte; one that can be read has the same id in the page."""
    meta = b'"meta": {"offset": 0, "limit": 9, "totalCount": 9}'
    page = page_of(b'{"data": [' + b", ".join(contents) + b"], " + meta + b"}")
    assert [bytes(one.content) for one in page.records] == contents
    for one in page.records:
        try:
            assert read_appointment(one.content, KEY).appointment.id == one.id
        except RecordRejected:
            assert one.id != ""
