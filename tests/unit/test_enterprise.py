"""An enterprise keeps documented appointments, changes them as told, and answers queries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from notifier.engage.simulated.document import STATUSES, Booking
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.query import Dialect, Edges, Query, QueryError, Span, parse

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
LATER = NOW + timedelta(minutes=5)

DOCUMENTED = {
    "id",
    "externalId",
    "start",
    "end",
    "subject",
    "office",
    "appointmentParticipants",
    "answers",
    "callbackRequest",
    "listing",
    "leadSegment",
    "meetingType",
    "status",
    "hybrid",
    "trailingBufferTime",
    "internalNotes",
    "messageForCustomer",
    "createdAt",
    "createdBy",
    "createdByType",
    "createdFrom",
    "updatedAt",
    "updatedBy",
    "updatedByType",
    "updatedFrom",
    "location",
}


def made(enterprise: Enterprise, **booking: Any) -> str:
    return enterprise.create(NOW, Booking(**{"start": TOMORROW} | booking))


def seen(enterprise: Enterprise, appointment_id: str) -> dict[str, Any]:
    raw = enterprise.get(appointment_id)
    assert raw is not None
    return raw


def found(enterprise: Enterprise, text: str, dialect: Dialect | None = None) -> list[str]:
    return [row.id for row in enterprise.select(parse(text, dialect or Dialect()).wanted)]


def test_a_new_appointment_has_the_documented_shape() -> None:
    """An appointment carries the documented members, a primary customer and a primary employee."""
    enterprise = Enterprise()
    raw = seen(enterprise, made(enterprise, meeting_type="VIDEO", customer="204", employee="303"))
    assert set(raw) == DOCUMENTED
    assert raw["id"].isdigit()
    assert (raw["start"], raw["end"]) == ("2026-11-25T09:00:00.000Z", "2026-11-25T10:00:00.000Z")
    people = {(one["role"], one["type"], one["participant"]["id"]) for one in raw["appointmentParticipants"]}
    assert people == {("PRIMARY", "CUSTOMER", "204"), ("PRIMARY", "EMPLOYEE", "303")}
    assert all(one["videoUrl"].startswith("https://") for one in raw["appointmentParticipants"])
    assert raw["updatedAt"] == raw["createdAt"] == "2026-11-24T09:00:00.000Z"


def test_times_are_written_in_utc() -> None:
    """A start in another zone is stored as the same moment in UTC."""
    enterprise = Enterprise()
    start = datetime(2026, 11, 25, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    assert seen(enterprise, made(enterprise, start=start))["start"] == "2026-11-25T09:00:00.000Z"


def test_an_invite_has_no_time_until_it_is_accepted() -> None:
    """An invite is undated, and accepting it with a time gives it one."""
    enterprise = Enterprise()
    invited = enterprise.invite(NOW, Booking(start=TOMORROW))
    assert (seen(enterprise, invited)["status"], seen(enterprise, invited)["start"]) == ("OUTGOING_INVITE", None)
    enterprise.accept(invited, LATER, TOMORROW, by="CUSTOMER")
    raw = seen(enterprise, invited)
    assert (raw["status"], raw["start"], raw["end"]) == (
        "ACCEPTED",
        "2026-11-25T09:00:00.000Z",
        "2026-11-25T10:00:00.000Z",
    )


def test_only_an_invite_is_without_a_start() -> None:
    """Making an appointment without a start is refused."""
    with pytest.raises(ValueError, match="start"):
        Enterprise().create(NOW, Booking())


CHANGES: list[tuple[Callable[[Enterprise, str], str], str, object]] = [
    (lambda e, i: e.accept(i, LATER), "status", "ACCEPTED"),
    (lambda e, i: e.cancel(i, LATER), "status", "CANCELLED"),
    (lambda e, i: e.complete(i, LATER), "status", "COMPLETED"),
    (lambda e, i: e.no_show(i, LATER), "status", "NO_SHOW"),
    (lambda e, i: e.request_alternative(i, LATER), "status", "ALTERNATIVE_DATE_REQUESTED"),
    (lambda e, i: e.reschedule(i, LATER, LATER, TOMORROW), "start", "2026-11-24T09:05:00.000Z"),
    (lambda e, i: e.reschedule(i, LATER, LATER, TOMORROW), "end", "2026-11-25T09:00:00.000Z"),
    (lambda e, i: e.relocate(i, LATER, office="13"), "office", {"id": "13"}),
    (lambda e, i: e.relocate(i, LATER, meeting_type="PHONE"), "meetingType", "PHONE"),
    (lambda e, i: e.edit(i, LATER, {"internalNotes": "x"}), "internalNotes", "x"),
    (lambda e, i: e.edit(i, LATER, {"externalId": "CRM-1"}), "externalId", "CRM-1"),
]


@pytest.mark.parametrize(("change", "field", "value"), CHANGES)
def test_a_change_sets_its_field_and_signs(change: Callable[[Enterprise, str], str], field: str, value: object) -> None:
    """Each operation changes what it names, moves updatedAt, keeps createdAt, and returns the id."""
    enterprise = Enterprise()
    appointment_id = enterprise.create(NOW, Booking(start=TOMORROW), "INCOMING_REQUEST", by="CUSTOMER")
    assert change(enterprise, appointment_id) == appointment_id
    raw = seen(enterprise, appointment_id)
    assert raw[field] == value
    assert raw["createdAt"] == "2026-11-24T09:00:00.000Z"
    assert raw["updatedAt"] == "2026-11-24T09:05:00.000Z"


def test_a_cancellation_gives_its_reason_as_an_answer() -> None:
    """Cancelling adds an answer of the cancellation form and names who cancelled."""
    enterprise = Enterprise()
    appointment_id = made(enterprise, customer="204")
    enterprise.cancel(appointment_id, LATER, "Is ill")
    raw = seen(enterprise, appointment_id)
    assert [(one["answerType"], one["value"]) for one in raw["answers"]] == [("APPOINTMENT_CANCELLATION", "Is ill")]
    assert (raw["updatedByType"], raw["updatedBy"]) == ("CUSTOMER", {"id": "204"})


def test_reassigning_replaces_the_primary_employee() -> None:
    """A reassigned appointment has the new employee, who also signs the change."""
    enterprise = Enterprise()
    appointment_id = made(enterprise, employee="301")
    enterprise.reassign(appointment_id, LATER, "305")
    assert found(enterprise, "employee-id[]=305") == [appointment_id]
    assert found(enterprise, "employee-id[]=301") == []
    assert seen(enterprise, appointment_id)["updatedBy"] == {"id": "305"}


def test_meeting_on_location_has_an_address() -> None:
    """Only an appointment on location carries one."""
    enterprise = Enterprise()
    appointment_id = made(enterprise)
    assert seen(enterprise, appointment_id)["location"] is None
    enterprise.relocate(appointment_id, LATER, meeting_type="ON_LOCATION")
    assert seen(enterprise, appointment_id)["location"]["countryCode"] == "BE"
    enterprise.relocate(appointment_id, LATER, meeting_type="OFFICE")
    assert seen(enterprise, appointment_id)["location"] is None


@pytest.mark.parametrize("field", ["status", "start", "end", "id", "updatedAt", "unheard"])
def test_an_edit_cannot_change_what_has_an_operation(field: str) -> None:
    """Editing sets neither times nor status nor unknown fields."""
    enterprise = Enterprise()
    appointment_id = made(enterprise)
    before = seen(enterprise, appointment_id)
    with pytest.raises(ValueError, match=field):
        enterprise.edit(appointment_id, LATER, {field: "x"})
    assert seen(enterprise, appointment_id) == before


def test_updated_at_never_runs_backwards() -> None:
    """A change at an earlier moment than the last is dated with the last."""
    enterprise = Enterprise()
    one, other = made(enterprise), made(enterprise)
    enterprise.complete(one, LATER)
    enterprise.complete(other, NOW)
    assert seen(enterprise, other)["updatedAt"] == seen(enterprise, one)["updatedAt"]


def test_a_moment_needs_a_zone() -> None:
    """A naive moment is refused."""
    enterprise = Enterprise()
    with pytest.raises(ValueError, match="zone"):
        enterprise.create(NOW.replace(tzinfo=None), Booking(start=TOMORROW))


def test_changing_the_unknown_is_an_error() -> None:
    """Every operation on an unknown id raises KeyError."""
    enterprise = Enterprise()
    for change, _, _ in CHANGES:
        with pytest.raises(KeyError):
            change(enterprise, "404")
    with pytest.raises(KeyError):
        enterprise.remove("404")


def test_removing_leaves_nothing() -> None:
    """A removed appointment is neither found nor counted, and its id is not used again."""
    enterprise = Enterprise()
    appointment_id = made(enterprise)
    enterprise.remove(appointment_id)
    assert (enterprise.get(appointment_id), len(enterprise), found(enterprise, "")) == (None, 0, [])
    assert made(enterprise) != appointment_id


def test_what_is_put_is_kept_as_it_is() -> None:
    """A row put by hand is served unchanged, however malformed, and replaces one of its id in place."""
    enterprise = Enterprise()
    first, second = made(enterprise), made(enterprise)
    odd: dict[str, Any] = {"id": first, "status": 7, "office": "11", "start": "soon", "appointmentParticipants": {}}
    assert enterprise.put(odd) == first
    nameless = enterprise.put({"status": "NEW_ONE"})
    assert seen(enterprise, first) == odd
    assert found(enterprise, "") == [first, second, nameless]
    assert found(enterprise, "office-id[]=11") == [second]
    assert found(enterprise, "from=2000-01-01T00:00:00Z") == [second]


def test_a_put_id_is_not_given_again() -> None:
    """New appointments avoid ids that were put by hand."""
    enterprise = Enterprise()
    enterprise.put({"id": "1001"})
    assert made(enterprise) == "1002"


def test_a_copy_is_no_handle() -> None:
    """Altering what was read changes nothing."""
    enterprise = Enterprise()
    appointment_id = made(enterprise)
    seen(enterprise, appointment_id)["status"] = "CANCELLED"
    assert seen(enterprise, appointment_id)["status"] == "ACCEPTED"


def test_rows_keep_the_order_of_insertion() -> None:
    """Changes do not move a row, and a query by ids keeps the order of the rows, not of the query."""
    enterprise = Enterprise()
    ids = [made(enterprise) for _ in range(5)]
    enterprise.cancel(ids[0], LATER)
    assert found(enterprise, "") == ids
    assert found(enterprise, f"id[]={ids[3]}&id[]=404&id[]={ids[0]}&id[]={ids[3]}") == [ids[0], ids[3]]


def test_a_row_can_be_written_elsewhere() -> None:
    """A row that is shifted changes its place by insertion and nothing else; new rows go on coming last."""
    enterprise = Enterprise()
    one, two, three = (made(enterprise) for _ in range(3))
    before = seen(enterprise, three)
    assert enterprise.shift(three, "front") == three
    enterprise.shift(one, "back")
    four = made(enterprise)
    assert found(enterprise, "") == [three, two, one, four]
    assert found(enterprise, f"id[]={one}&id[]={three}") == [three, one]
    assert seen(enterprise, three) == before
    with pytest.raises(KeyError):
        enterprise.shift("404", "back")
    assert len(enterprise) == 4


def test_a_query_sees_the_latest_change() -> None:
    """The answer to a repeated query changes when the appointments do."""
    enterprise = Enterprise()
    appointment_id = made(enterprise)
    for _ in range(2):
        assert found(enterprise, "status[]=ACCEPTED") == [appointment_id]
    enterprise.cancel(appointment_id, LATER)
    assert found(enterprise, "status[]=ACCEPTED") == []


def test_a_journal_knows_every_state() -> None:
    """From when it is kept, a journal has each change with what it made, and erasures; a new place is no change."""
    enterprise = Enterprise()
    one, two = made(enterprise), made(enterprise)
    assert list(enterprise.journal) == []
    assert [row.id for row in enterprise.keep_journal()] == [one, two]
    enterprise.cancel(one, LATER)
    enterprise.shift(two, "front")
    enterprise.remove(two)
    three = made(enterprise)
    states = [(name, None if row is None else row.status) for name, row in enterprise.journal]
    assert states == [(one, "CANCELLED"), (two, None), (three, "ACCEPTED")]


def test_each_filter_asks_for_any_of_its_values_and_all_must_hold() -> None:
    """Values of one parameter are alternatives; parameters narrow each other down."""
    enterprise = Enterprise()
    one = made(enterprise, office="11", subject="51", customer="201", external_id="A", listing="91")
    two = made(enterprise, office="12", subject="51", customer="202", lead_segment="61", meeting_type="PHONE")
    three = made(enterprise, office="13", subject="52", customer="203", callback_request="7", employee="309")
    assert found(enterprise, "office-id[]=11&office-id[]=12") == [one, two]
    assert found(enterprise, "office-id[]=11&subject-id[]=52") == []
    assert found(enterprise, "subject-id[]=51&customer-id[]=202&customer-id[]=203") == [two]
    assert found(enterprise, "external-id[]=A") == [one]
    assert found(enterprise, "listing-id[]=91") == [one]
    assert found(enterprise, "lead-segment-id[]=61") == [two]
    assert found(enterprise, "meeting-type[]=PHONE") == [two]
    assert found(enterprise, "callback-request-id[]=7") == [three]
    assert found(enterprise, "employee-id[]=309") == [three]
    assert found(enterprise, f"id[]={three}&office-id[]=13") == [three]


MINUTES = {
    "inside": (10, 20),
    "across the start": (-10, 10),
    "across the end": (50, 70),
    "around": (-10, 70),
    "exactly": (0, 60),
    "at the start": (0, 0),
    "ends at the start": (-10, 0),
    "starts at the end": (60, 70),
}


@pytest.mark.parametrize(
    ("span", "edges", "expected"),
    [
        ("overlap", "usual", {"inside", "across the start", "across the end", "around", "exactly", "at the start"}),
        ("overlap", "inclusive", set(MINUTES)),
        ("overlap", "exclusive", {"inside", "across the start", "across the end", "around", "exactly"}),
        ("start", "usual", {"inside", "across the end", "exactly", "at the start"}),
        ("start", "inclusive", {"inside", "across the end", "exactly", "at the start", "starts at the end"}),
        ("start", "exclusive", {"inside", "across the end"}),
        ("end", "usual", {"inside", "across the start", "at the start", "ends at the start"}),
        ("end", "inclusive", {"inside", "across the start", "exactly", "at the start", "ends at the start"}),
        ("end", "exclusive", {"inside", "across the start"}),
        ("contained", "usual", {"inside", "exactly", "at the start"}),
        ("contained", "inclusive", {"inside", "exactly", "at the start"}),
        ("contained", "exclusive", {"inside"}),
    ],
)
def test_from_and_to_mean_what_span_and_edges_say(span: Span, edges: Edges, expected: set[str]) -> None:
    """An hour holds an appointment by overlap, start, end or both, with its own two moments or without."""
    enterprise = Enterprise()
    for name, (start, end) in MINUTES.items():
        enterprise.put(
            {
                "id": name,
                "start": (NOW + timedelta(minutes=start)).isoformat(),
                "end": (NOW + timedelta(minutes=end)).isoformat(),
            }
        )
    enterprise.put({"id": "undated", "start": None, "end": None})
    window = "from=2026-11-24T09:00:00Z&to=2026-11-24T10:00:00Z"
    assert set(found(enterprise, window, Dialect(span, edges))) == expected


def test_a_gateway_can_filter_by_update() -> None:
    """Its parameter keeps what changed at that moment or later; without a gateway nobody knows that parameter."""
    enterprise = Enterprise()
    gateway = Dialect(updated_since="updated-from")
    enterprise.put({"id": "odd", "updatedAt": "lately"})
    one, two, three = (made(enterprise) for _ in range(3))
    enterprise.cancel(two, LATER)
    enterprise.cancel(three, LATER + timedelta(minutes=1))
    assert found(enterprise, "updated-from=2026-11-24T09:05:00Z", gateway) == [two, three]
    assert found(enterprise, "updated-from=2026-11-24T09:05:00.001Z", gateway) == [three]
    assert found(enterprise, "updated-from=2026-11-24T09:00:00Z&status[]=ACCEPTED", gateway) == [one]
    assert len(found(enterprise, "", gateway)) == 4
    with pytest.raises(QueryError, match="date-time"):
        parse("updated-from=today", gateway)
    with pytest.raises(QueryError, match="unknown"):
        parse("updated-from=2026-11-24T09:05:00Z")


def test_one_bound_is_enough() -> None:
    """`from` alone and `to` alone bound one side, and either leaves undated rows out."""
    enterprise = Enterprise()
    early, late = made(enterprise, start=NOW), made(enterprise, start=NOW + timedelta(days=3))
    enterprise.invite(NOW, Booking())
    assert found(enterprise, "from=2026-11-25T00:00:00Z") == [late]
    assert found(enterprise, "to=2026-11-25T00:00:00Z") == [early]
    assert len(found(enterprise, "")) == 3


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T09:00:00Z",
        "2026-11-24T09:00:00z",
        "2026-11-24T10:00:00%2B01:00",
        "2026-11-24T09:00:00.000000000Z",
        "2026-11-24T08:00:00-01:00",
        "2026-11-24T09:00:00%2B00:00",
    ],
)
def test_rfc_3339_moments_are_read(text: str) -> None:
    """The spellings of one moment bound alike."""
    assert parse(f"from={text}").wanted == parse("from=2026-11-24T09:00:00.000Z").wanted


def test_paging_has_defaults() -> None:
    """Without offset and limit a query asks for the first 25."""
    query = parse("")
    assert (query.offset, query.limit) == (0, 25)
    assert parse("offset=7&limit=1000") == Query(query.wanted, 7, 1000)


def test_a_refusal_has_a_code() -> None:
    """An unknown parameter is told apart from a bad value."""
    with pytest.raises(QueryError) as unknown:
        parse("sort=start")
    with pytest.raises(QueryError) as bad:
        parse("limit=0")
    assert (unknown.value.code, bad.value.code) == ("QUERY_PARAMETER_UNKNOWN", "QUERY_PARAMETER_INVALID")


def test_filling_is_repeatable() -> None:
    """The same seed and moment make the same rows, another seed makes others."""

    def bodies(seed: int) -> list[bytes]:
        enterprise = Enterprise()
        enterprise.fill(300, seed, NOW)
        return [row.body for row in enterprise.rows()]

    assert bodies(1) == bodies(1)
    assert bodies(1) != bodies(2)


def test_filling_makes_a_plausible_calendar() -> None:
    """Filled rows lie within the spread, only past ones are settled, changes lie in the past, every status occurs."""
    enterprise = Enterprise()
    spread = (timedelta(days=-3), timedelta(days=5))
    ids = enterprise.fill(2000, 5, NOW, spread)
    assert [row.id for row in enterprise.rows()] == list(ids)
    for row in enterprise.rows():
        raw = row.raw()
        assert set(raw) == DOCUMENTED
        assert raw["createdAt"] <= raw["updatedAt"] <= "2026-11-24T09:00:00.000Z"
        assert (row.starts_at is None) == (row.status == "OUTGOING_INVITE")
        assert row.starts_at is None or NOW + spread[0] <= row.starts_at <= NOW + spread[1]
        assert row.status not in {"COMPLETED", "NO_SHOW"} or (row.starts_at is not None and row.starts_at < NOW)
        assert (row.status == "CANCELLED") == bool(raw["answers"])
    assert {row.status for row in enterprise.rows()} == STATUSES


def test_filling_works_for_any_spread() -> None:
    """A spread of minutes at night, and one wholly in the past, are filled too."""
    enterprise = Enterprise()
    night = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    enterprise.fill(20, 1, night, (timedelta(), timedelta(minutes=5)))
    enterprise.fill(20, 1, night, (timedelta(days=-9), timedelta(days=-8)))
    assert len(enterprise) == 40
