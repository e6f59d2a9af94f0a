"""The law of the converters: what is written comes back equal, whatever it is."""

from datetime import UTC

import orjson
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from notifier.core.appointment import TEXT_FIELDS, Appointment
from notifier.core.change import FieldChange, compare
from notifier.store.rows import read_changes, read_state, write_changes, write_state

TIMES = st.datetimes(timezones=st.just(UTC))
PEOPLE = st.lists(st.text(), max_size=3).map(tuple)
FINGERPRINTS = st.dictionaries(st.sampled_from(TEXT_FIELDS), st.text()).map(lambda texts: tuple(sorted(texts.items())))
APPOINTMENTS = st.builds(
    Appointment,
    id=st.text(),
    status=st.text(),
    updated_at=TIMES,
    start=st.none() | TIMES,
    end=st.none() | TIMES,
    created_at=st.none() | TIMES,
    meeting_type=st.none() | st.text(),
    office=st.none() | st.text(),
    subject=st.none() | st.text(),
    employee=st.none() | st.text(),
    customer=st.none() | st.text(),
    other_employees=PEOPLE,
    other_customers=PEOPLE,
    external_id=st.none() | st.text(),
    hybrid=st.none() | st.booleans(),
    trailing_buffer_time=st.none() | st.integers(-(2**31), 2**31),
    updated_from=st.none() | st.text(),
    fingerprints=FINGERPRINTS,
)


@given(APPOINTMENTS)
def test_a_state_is_read_as_it_was_written(state: Appointment) -> None:
    """No field is lost or changed, not even between absent, empty, zero and false."""
    assert read_state(write_state(state)) == state


@given(APPOINTMENTS)
def test_a_state_is_read_as_other_versions_wrote_it(state: Appointment) -> None:
    """Its times as ISO 8601 with an offset, and with fields that this version does not have."""
    values = {name: value for name, value in structs.asdict(state).items() if value not in (None, ())}
    assert read_state(orjson.dumps({"dropped": 5} | values).decode()) == state


@given(APPOINTMENTS, APPOINTMENTS)
def test_changes_are_read_as_they_were_written(before: Appointment, after: Appointment) -> None:
    """Whatever differs between two states is told in the same words after a restart."""
    changes: tuple[FieldChange, ...] = compare(before, after)
    assert read_changes(write_changes(changes)) == changes
