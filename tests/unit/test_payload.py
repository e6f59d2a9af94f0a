"""How the API's records are read: leniently where it may grow, strictly where we would lie."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from notifier.core.appointment import MEETING_TYPES, STATUSES, TEXT_FIELDS, Appointment
from notifier.engage.payload import DIGEST_SIZE, Reading, RecordRejected, digest_of, read_appointment
from tests.builders import NOW, START, appointment, participant, record, without

KEY = b"0123456789abcdef"
REQUIRED = {"id", "status", "updatedAt"}


def reading_of(raw: object, key: bytes = KEY) -> Reading:
    """Returns how a record is read."""
    return read_appointment(orjson.dumps(raw), key)


def read(**changes: Any) -> Appointment:
    """Returns the appointment that a record with these properties describes."""
    return reading_of(record(**changes)).appointment


def refused(raw: object) -> str:
    """Returns why a record is rejected."""
    with pytest.raises(RecordRejected) as rejected:
        reading_of(raw)
    return str(rejected.value)


def digest(raw: object, key: bytes = KEY) -> bytes:
    """Returns the digest of a record."""
    return digest_of(orjson.dumps(raw), key)


def test_a_record_of_the_documented_shape() -> None:
    """Every property finds its field, and nothing is unfamiliar."""
    reading = reading_of(record())
    assert reading.unfamiliar == ()
    assert reading.appointment == appointment(
        hybrid=False,
        trailing_buffer_time=0,
        created_by="201",
        created_by_type="CUSTOMER",
        created_from="PLUGIN",
        updated_from="BACKOFFICE_APP",
    )


def test_everything_but_three_properties_may_be_missing() -> None:
    """Id, status and updatedAt make an appointment."""
    bare = without(record(), set(record()) - REQUIRED)
    assert reading_of(bare).appointment == Appointment(
        id="1701", status="ACCEPTED", updated_at=START - timedelta(hours=2, minutes=1)
    )


@pytest.mark.parametrize("name", sorted(set(record()) - REQUIRED))
def test_everything_but_three_properties_may_be_null(name: str) -> None:
    """Null means the same as missing."""
    missing = reading_of(without(record(), [name])).appointment
    assert read(**{name: None}) == missing


@pytest.mark.parametrize("name", sorted(REQUIRED))
@pytest.mark.parametrize("value", [None, "", [], {}, True])
def test_id_status_and_time_must_be_there(name: str, value: object) -> None:
    """A record without one of them is rejected, with the property that is wrong."""
    assert refused(record(**{name: value})).startswith(f"{name}: ")
    assert refused(without(record(), [name])) == f"{name}: Field required"


@pytest.mark.parametrize("raw", [None, [], "1701", 1701, True, [record()]])
def test_what_is_no_object_is_no_record(raw: object) -> None:
    """It is rejected like any other."""
    assert refused(raw)


@pytest.mark.parametrize("content", [b"", b'{"id": "1701"', b'{"id": "\xff"}', b'{"id": "\\ud800"}'])
def test_what_is_no_json_is_no_record(content: bytes) -> None:
    """Bytes that are no text, too: one such record is no reason to leave the others."""
    with pytest.raises(RecordRejected, match=r"^no JSON: "):
        read_appointment(content, KEY)


def test_numbers_may_stand_for_ids() -> None:
    """Everywhere: ids are opaque, and their form may change."""
    changes = {
        "externalId": 9,
        "office": {"id": 12},
        "subject": {"id": 51},
        "updatedBy": {"id": 301},
        "appointmentParticipants": [participant("EMPLOYEE", "301") | {"participant": {"id": 301}}],
    }
    seen = read(**changes)
    assert (seen.external_id, seen.office, seen.subject, seen.updated_by, seen.employee) == (
        "9",
        "12",
        "51",
        "301",
        "301",
    )


def test_references_are_read_by_their_ids() -> None:
    """Each of them, and what else they hold is left."""
    seen = read(
        listing={"id": "91", "name": "x"},
        leadSegment={"id": "61"},
        callbackRequest={"id": "5"},
        meetingRoom={"id": "7"},
    )
    assert (seen.listing, seen.lead_segment, seen.callback_request, seen.meeting_room) == ("91", "61", "5", "7")


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24T09:00:00.000Z",
        "2026-11-24T09:00:00Z",
        "2026-11-24T09:00Z",
        "2026-11-24 09:00:00Z",
        "2026-11-24t09:00:00z",
        "2026-11-24T10:00:00+01:00",
        "2026-11-24T14:45:00.000000+05:45",
        "2026-11-23T23:00:00-10:00",
    ],
)
def test_times_are_read_in_any_offset(value: str) -> None:
    """And come out in UTC."""
    seen = read(start=value, end=value, createdAt=value, updatedAt=value)
    assert {seen.start, seen.end, seen.created_at, seen.updated_at} == {START}
    assert seen.start is not None
    assert seen.start.tzinfo is UTC


@pytest.mark.parametrize("name", ["start", "end", "createdAt", "updatedAt"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2026",
        "1700000000",
        1_700_000_000,
        1.5,
        True,
        "2026-11-24",
        "2026-11-24T09:00:00",
        "2026-13-24T09:00:00Z",
        "2026-11-24T09:00:00+25:00",
        "0001-01-01T00:00:00+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-05:00",
    ],
)
def test_a_time_that_is_none_is_rejected(name: str, value: object) -> None:
    """Rather than taken for some moment, or for one that has no local time."""
    assert refused(record(**{name: value})).startswith(f"{name}: ")


def test_the_first_and_the_last_moment() -> None:
    """The years 2 to 9998 are read."""
    seen = read(start="0002-01-01T00:00:00Z", end="9998-12-31T23:59:59.999Z")
    assert seen.start == datetime(2, 1, 1, tzinfo=UTC)
    assert seen.end == datetime(9998, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def people(*participants: dict[str, Any]) -> tuple[object, ...]:
    """Returns who takes part: employee, other employees, customer, other customers."""
    seen = read(appointmentParticipants=list(participants))
    return seen.employee, seen.other_employees, seen.customer, seen.other_customers


def test_people_are_told_apart_by_type_and_role() -> None:
    """One primary of each, and the others in an order of ours."""
    assert people(
        *(participant("EMPLOYEE", f"31{digit}", "SECONDARY") for digit in "6352417"),
        participant("EMPLOYEE", "303", "SECONDARY"),
        participant("CUSTOMER", "202", "SECONDARY"),
        participant("CUSTOMER", "201"),
        participant("EMPLOYEE", "302", "SECONDARY"),
        participant("EMPLOYEE", "301"),
    ) == ("301", ("302", "303", *(f"31{digit}" for digit in "1234567")), "201", ("202",))


@pytest.mark.parametrize(
    ("participants", "wanted"),
    [
        ([], (None, (), None, ())),
        ([participant("EMPLOYEE", "301", "SECONDARY")], (None, ("301",), None, ())),
        ([participant("EMPLOYEE", "301"), participant("EMPLOYEE", "301", "SECONDARY")], ("301", (), None, ())),
        ([participant("EMPLOYEE", "302"), participant("EMPLOYEE", "301")], ("301", ("302",), None, ())),
        ([participant("EMPLOYEE", "301", "OBSERVER")], (None, ("301",), None, ())),
        ([participant("MACHINE", "1")], (None, (), None, ())),
        ([{"participant": {"id": "5"}}], (None, (), None, ("5",))),
        ([participant("EMPLOYEE", "301"), participant("CUSTOMER", "") | {"participant": None}], ("301", (), None, ())),
        ([{"role": "PRIMARY", "type": "EMPLOYEE"}], (None, (), None, ())),
    ],
)
def test_people_in_odd_company(participants: list[dict[str, Any]], wanted: tuple[object, ...]) -> None:
    """Twins, unknown roles and types, and people without an id do not hide the others."""
    assert people(*participants) == people(*reversed(participants)) == wanted


@pytest.mark.parametrize("name", ["office", "createdBy"])
@pytest.mark.parametrize("value", ["12", {"id": ""}, {"id": None}, {}, []])
def test_a_reference_without_an_id_is_rejected(name: str, value: object) -> None:
    """It would be read as none."""
    assert refused(record(**{name: value})).startswith(name)


def test_an_empty_external_id_is_no_reason_to_reject() -> None:
    """Somebody cleared it."""
    assert read(externalId="").external_id == ""


def test_what_nobody_knows_yet_passes_and_is_told() -> None:
    """Statuses, meeting types and fields that the vendor adds."""
    reading = reading_of(record(status="WAITLISTED", meetingType="HOLOGRAM", colour="red"))
    assert (reading.appointment.status, reading.appointment.meeting_type) == ("WAITLISTED", "HOLOGRAM")
    assert reading.unfamiliar == ("field colour", "status WAITLISTED", "meeting type HOLOGRAM")


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("meeting_type", MEETING_TYPES)
def test_what_is_documented_is_familiar(status: str, meeting_type: str) -> None:
    """Nothing is told of it."""
    assert reading_of(record(status=status, meetingType=meeting_type)).unfamiliar == ()


SECRET = "c0ffee-secret"

TEXTS: dict[str, dict[str, Any]] = {
    "answers": {"answers": [{"id": "1", "value": SECRET}]},
    "internal_notes": {"internalNotes": SECRET},
    "location": {"location": {"city": {"language": "en", "value": SECRET}}},
    "message_for_customer": {"messageForCustomer": SECRET},
    "metadata": {"metadata": {"b": [SECRET], "a": {"d": 1, "c": 2}}},
    "video_links": {
        "appointmentParticipants": [participant("CUSTOMER", "201", videoUrl=f"https://x.example/{SECRET}")]
    },
}


def test_every_text_is_tried() -> None:
    """The table holds them all."""
    assert {*TEXTS} == {*TEXT_FIELDS}


@pytest.mark.parametrize("name", TEXTS)
def test_of_personal_text_only_a_keyed_hash_is_kept(name: str) -> None:
    """The same for the same text and key, and nothing of the text in what is kept."""
    seen, again = read(**TEXTS[name]), read(**deepcopy(TEXTS[name]))
    ((field, fingerprint),) = seen.fingerprints
    assert field == name
    assert seen == again
    assert SECRET not in repr(seen)
    other_key = reading_of(record(**TEXTS[name]), b"another key").appointment
    assert other_key.fingerprints != seen.fingerprints
    changed = orjson.loads(orjson.dumps(TEXTS[name]).replace(SECRET.encode(), b"other"))
    assert dict(read(**changed).fingerprints)[name] != fingerprint


def test_equal_texts_in_two_fields_do_not_look_equal() -> None:
    """The name of the field is hashed too."""
    hashes = [one for _, one in read(internalNotes=SECRET, messageForCustomer=SECRET).fingerprints]
    assert len({*hashes}) == 2


@pytest.mark.parametrize("name", ["answers", "internalNotes", "location", "messageForCustomer", "metadata"])
@pytest.mark.parametrize("value", [None, "", [], {}])
def test_an_empty_text_is_none(name: str, value: object) -> None:
    """Null, empty text, list and object mean the same."""
    assert read(**{name: value}).fingerprints == ()


def test_the_order_of_properties_and_links_means_nothing() -> None:
    """Only what they say does."""
    one = participant("CUSTOMER", "201", videoUrl="https://x.example/1", videoTestUrl="https://x.example/2")
    other = participant("CUSTOMER", "201", videoUrl="https://x.example/2", videoTestUrl="https://x.example/1")
    assert read(appointmentParticipants=[one]) == read(appointmentParticipants=[other])
    assert read(metadata={"a": 1, "b": {"c": 2, "d": 3}}) == read(metadata={"b": {"d": 3, "c": 2}, "a": 1})


@pytest.mark.parametrize(
    "raw", [record(internalNotes=SECRET, start=SECRET), record(office=SECRET), record(id=[SECRET])]
)
def test_a_rejection_says_why_without_content(raw: dict[str, Any]) -> None:
    """It names the property and what is wrong with it; a value may be personal."""
    assert SECRET not in refused(raw)


def test_a_digest_is_keyed_and_of_fixed_size() -> None:
    """Without the key nobody can tell which record it is of."""
    assert len(digest(record())) == DIGEST_SIZE
    assert digest(record()) == digest(record())
    assert digest(record()) != digest(record(), b"another key")


def test_a_digest_is_of_the_whole_record() -> None:
    """Any property that differs, known or not, makes another; so does their order, which costs a reading."""
    others = [
        dict(reversed(record().items())),
        record(colour="red"),
        record(id="1702"),
        without(record(), ["answers"]),
        record(answers=[{"id": "1"}]),
        {},
        [],
    ]
    assert len({digest(one) for one in [record(), *others]}) == len(others) + 1


@pytest.mark.parametrize("depth", [250, 260, 1000])
def test_a_record_that_is_nested_too_deep_is_read_like_any_other(depth: int) -> None:
    """The hash of a text stops at a depth that the reader takes; one such record must not stop the others."""
    deep = b"[" * depth + b"]" * depth
    content = orjson.dumps(record(metadata=0)).replace(b'"metadata":0', b'"metadata":' + deep)
    reading = read_appointment(content, KEY)
    assert (reading.appointment.id, len(reading.appointment.fingerprints)) == ("1701", 1)


def test_the_clock_of_the_tests() -> None:
    """Builders speak of one moment, as records and as values."""
    assert read().updated_at == NOW - timedelta(minutes=1)


WRITTEN: dict[str, Any] = {
    "answers": [{"id": "1", "value": "Blue"}],
    "internalNotes": "Call first",
    "location": {"formattedAddress": "Example Street 1"},
    "messageForCustomer": "Bring a pen",
    "metadata": {"crm": 77},
    "appointmentParticipants": [
        participant("CUSTOMER", "201", videoUrl="https://video.example.com/b"),
        participant("EMPLOYEE", "301", videoUrl="https://video.example.com/a", videoTestUrl="https://test.example.com"),
    ],
}
#: A field that nobody knows, so that the record is read by the slower way.
UNFAMILIAR = {"field": {"of": "tomorrow"}}


@pytest.mark.parametrize("more", [{}, UNFAMILIAR])
def test_the_texts_that_are_wanted_come_as_they_are(more: dict[str, Any]) -> None:
    """In the shape of the record, the links of all who take part as one list; the appointment is the same."""
    content = orjson.dumps(record(**WRITTEN, **more))
    read = read_appointment(content, KEY, frozenset(TEXT_FIELDS))
    assert dict(read.texts) == {
        "answers": WRITTEN["answers"],
        "internal_notes": "Call first",
        "location": WRITTEN["location"],
        "message_for_customer": "Bring a pen",
        "metadata": WRITTEN["metadata"],
        "video_links": ["https://test.example.com", "https://video.example.com/a", "https://video.example.com/b"],
    }
    assert read.appointment == read_appointment(content, KEY).appointment
    assert {name for name, _ in read.texts} == {name for name, _ in read.appointment.fingerprints}


@pytest.mark.parametrize("more", [{}, UNFAMILIAR])
@pytest.mark.parametrize("name", TEXT_FIELDS)
def test_no_other_text_comes(name: str, more: dict[str, Any]) -> None:
    """What nobody may see is hashed and gone."""
    content = orjson.dumps(record(**WRITTEN, **more))
    assert [one for one, _ in read_appointment(content, KEY, {name}).texts] == [name]
    assert read_appointment(content, KEY).texts == ()


@pytest.mark.parametrize("more", [{}, UNFAMILIAR])
def test_an_empty_text_does_not_come(more: dict[str, Any]) -> None:
    """As there is no fingerprint of it."""
    assert read_appointment(orjson.dumps(record(**more)), KEY, set(TEXT_FIELDS)).texts == ()
