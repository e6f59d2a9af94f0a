"""The laws of comparing and planning, whatever the appointments are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from notifier.core.appointment import STATUSES, TEXT_FIELDS, WATCHED_FIELDS, Appointment, watched
from notifier.core.change import Kind, compare, kinds_of
from notifier.core.delivery import delivery_id
from notifier.core.plan import Known, Observation, Plan, make_plan
from notifier.core.rule import Rule, changed_any, field_among, on_kinds, to_status
from notifier.core.sweep import Look, Span
from tests.builders import DAY, NOW, SECOND, appointment, digest, known, look, observation, rule, snapshot

# Few values, so that equal ones are common.
TIMES = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))
NAMES = st.none() | st.sampled_from(("1", "2", "3"))
CROWDS = st.sets(st.sampled_from(("4", "5")), max_size=2).map(lambda names: tuple(sorted(names)))
FINGERPRINTS = st.dictionaries(st.sampled_from(TEXT_FIELDS), st.sampled_from(("aa", "bb")), max_size=3)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from((*STATUSES, "WAITLISTED")),
    "updated_at": TIMES,
    "updated_by": NAMES,
    "created_at": st.none() | TIMES,
    "start": st.none() | TIMES,
    "end": st.none() | TIMES,
    "office": NAMES,
    "meeting_type": st.sampled_from((None, "OFFICE", "VIDEO")),
    "employee": NAMES,
    "other_employees": CROWDS,
    "customer": NAMES,
    "hybrid": st.none() | st.booleans(),
    "trailing_buffer_time": st.none() | st.integers(0, 2),
    "fingerprints": FINGERPRINTS.map(lambda texts: tuple(sorted(texts.items()))),
}
# A handful of fields each, so that states are near to each other, and drawn fast.
STATES = st.lists(
    st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), FIELDS[name])), max_size=5
).map(lambda fields: appointment(**dict(fields), id="a"))


#: States of some appointments, each at most once.
SOME = st.dictionaries(st.sampled_from("abc"), STATES, max_size=3).map(
    lambda states: [structs.replace(state, id=name) for name, state in states.items()]
)

RULES = st.lists(
    st.builds(
        lambda name, requirements, channels, stop: Rule(
            name=name, description="", requirements=requirements, channels=channels, stop=stop
        ),
        st.sampled_from("rstu"),
        st.lists(
            st.sampled_from(
                (
                    on_kinds([Kind.CREATED, Kind.STATUS_CHANGED]),
                    to_status(["CANCELLED", "ACCEPTED"]),
                    field_among("office", ["1"]),
                    changed_any(["start", "answers"]),
                )
            ),
            max_size=2,
        ).map(tuple),
        st.sets(st.sampled_from(("desk", "chat", "crm")), min_size=1).map(lambda names: tuple(sorted(names))),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda one: one.name,
)
LOOKS = st.lists(st.builds(look, TIMES), max_size=2)
EVERYTHING = [look(span=Span(None, None), end_offset=None), look(span=Span(NOW - 9 * DAY, None), end_offset=None)]


def plan_of(
    held: dict[str, Known],
    observed: Sequence[Observation],
    looks: Sequence[Look] = (),
    rules: Sequence[Rule] = (),
    now: datetime = NOW,
) -> Plan:
    """Returns the plan of one slice."""
    return make_plan("acme", "near", held, observed, looks, rules, now)


@given(STATES)
def test_a_state_does_not_differ_from_itself(state: Appointment) -> None:
    """Comparing it with itself, or with its copy, is empty."""
    assert compare(state, state) == compare(state, structs.replace(state)) == ()


@given(STATES, STATES)
def test_the_changes_are_exactly_the_fields_that_differ(before: Appointment, after: Appointment) -> None:
    """None is left out, none is made up, and the values are those of the two states."""
    old, new = watched(before), watched(after)
    changes = compare(before, after)
    assert [change.field for change in changes] == [name for name in WATCHED_FIELDS if old[name] != new[name]]
    for change in changes:
        values = (None, None) if change.field in TEXT_FIELDS else (old[change.field], new[change.field])
        assert (change.before, change.after) == values


@given(STATES, STATES)
def test_the_kinds_cover_exactly_the_changes(before: Appointment, after: Appointment) -> None:
    """Every change has its kind among them, and every kind its change; the same there and back."""
    changes = compare(before, after)
    kinds = kinds_of(changes)
    assert {*kinds} == {kind for change in changes for kind in kinds_of([change])}
    assert all(len(kinds_of([change])) == 1 for change in changes)
    assert list(kinds) == [kind for kind in Kind if kind in kinds]
    assert kinds == kinds_of(compare(after, before))
    assert (Kind.STATUS_CHANGED in kinds) == (before.status != after.status)


@given(SOME, SOME, LOOKS, RULES)
def test_what_was_applied_is_not_found_again(
    held: list[Appointment], seen: list[Appointment], looks: list[Look], rules: list[Rule]
) -> None:
    """Planning the same observations against the rows of their own plan gives nothing."""
    before = snapshot(*(known(state) for state in held))
    observed = [observation(state) for state in seen]
    plan = plan_of(before, observed, looks, rules)
    again = plan_of(before | snapshot(*plan.rows), observed, looks, rules)
    assert (again.rows, again.recorded, again.deliveries, again.baseline) == ((), (), (), ())


@given(SOME, SOME, LOOKS)
def test_applying_a_plan_gives_what_was_seen(
    held: list[Appointment], seen: list[Appointment], looks: list[Look]
) -> None:
    """Afterwards the snapshot holds every state that was seen, and leaves alone what was not."""
    before = snapshot(*(known(state) for state in held))
    after = before | snapshot(*plan_of(before, [observation(state) for state in seen], looks).rows)
    wanted = {one.id: one for one in held} | {one.id: one for one in seen}
    assert {name: one.appointment for name, one in after.items()} == wanted
    assert all(after[name].digest == digest(state) for name, state in wanted.items())


@given(st.data(), SOME, SOME, LOOKS, RULES)
def test_the_order_of_the_observations_does_not_matter(
    data: st.DataObject, held: list[Appointment], seen: list[Appointment], looks: list[Look], rules: list[Rule]
) -> None:
    """However the pages came, the plan is the same."""
    before = snapshot(*(known(state) for state in held))
    observed = [observation(state) for state in seen]
    shuffled = data.draw(st.permutations(observed))
    assert plan_of(before, observed, looks, rules) == plan_of(before, shuffled, looks, rules)


@given(STATES, STATES)
def test_there_and_back_and_there_are_three_events(one: Appointment, other: Appointment) -> None:
    """A, B, A, B have three ids where the states differ, and none where they do not."""
    held, ids = known(one), []
    for number, state in enumerate((other, one, other)):
        plan = plan_of(snapshot(held), [observation(state, NOW + number * SECOND)])
        ids += [entry.event.id for entry in plan.recorded]
        held = plan.rows[0] if plan.rows else held
    assert len(ids) == len({*ids}) == (3 if compare(one, other) else 0)
    assert held.revision == len(ids)


@given(SOME, SOME, LOOKS, RULES)
def test_the_same_inputs_give_the_same_ids(
    held: list[Appointment], seen: list[Appointment], looks: list[Look], rules: list[Rule]
) -> None:
    """A poll that is repeated after a crash, later, tells the same events and owes the same deliveries."""
    before = snapshot(*(known(state) for state in held))
    observed = [observation(state) for state in seen]
    first, second = (plan_of(before, observed, looks, rules, now) for now in (NOW, NOW + SECOND))
    assert [entry.event.id for entry in first.recorded] == [entry.event.id for entry in second.recorded]
    assert [one.id for one in first.deliveries] == [one.id for one in second.deliveries]


@given(SOME, SOME, LOOKS, RULES, st.integers(1, 10**6))
def test_a_stale_observation_changes_nothing(
    held: list[Appointment], seen: list[Appointment], looks: list[Look], rules: list[Rule], age: int
) -> None:
    """What was asked for before the known state leaves no trace, whatever it says."""
    before = snapshot(*(known(state, observed_at=NOW) for state in held))
    stale = [observation(one, NOW - timedelta(microseconds=age)) for one in seen if one.id in before]
    assert plan_of(before, stale, looks, rules) == plan_of(before, [], looks, rules)


@given(SOME, SOME, LOOKS, RULES)
def test_every_match_has_its_deliveries_and_only_those(
    held: list[Appointment], seen: list[Appointment], looks: list[Look], rules: list[Rule]
) -> None:
    """One for each event, matching rule and channel of it; each rule has a verdict on each event."""
    plan = plan_of(snapshot(*(known(state) for state in held)), [observation(one) for one in seen], looks, rules)
    channels = {one.name: one.channels for one in rules}
    owed = [
        (entry.event.id, verdict.rule, channel)
        for entry in plan.recorded
        for verdict in entry.verdicts
        if verdict.matched
        for channel in channels[verdict.rule]
    ]
    assert [(one.event_id, one.rule, one.channel) for one in plan.deliveries] == owed
    assert [one.id for one in plan.deliveries] == [delivery_id(*parts) for parts in owed]
    assert len({*owed}) == len(owed)
    assert all([verdict.rule for verdict in entry.verdicts] == [*channels] for entry in plan.recorded)


@given(SOME, SOME, LOOKS)
def test_every_row_is_told_of_or_silent_for_a_reason(
    held: list[Appointment], seen: list[Appointment], looks: list[Look]
) -> None:
    """A row has an event, or is baseline, or differs in nothing that is watched; its revision counts events."""
    before = snapshot(*(known(state, revision=7) for state in held))
    plan = plan_of(before, [observation(one) for one in seen], looks)
    told = {entry.event.after.id for entry in plan.recorded}
    assert not told & {*plan.baseline}
    for row in plan.rows:
        name = row.appointment.id
        old = before.get(name)
        assert (name in plan.baseline) == (old is None and name not in told)
        assert row.revision == (old.revision if old else 0) + (name in told)
        if old is not None:
            assert (name in told) == bool(compare(old.appointment, row.appointment))


@given(SOME, RULES)
def test_without_any_look_unknown_ids_are_silent(seen: list[Appointment], rules: list[Rule]) -> None:
    """They are all baseline, whatever their times and the rules."""
    plan = plan_of({}, [observation(one) for one in seen], (), rules)
    assert {*plan.baseline} == {one.id for one in seen}
    assert (plan.recorded, plan.deliveries) == ((), ())


@given(SOME)
def test_events_come_in_the_order_in_which_they_happened(seen: list[Appointment]) -> None:
    """By the source's time, then by id."""
    fresh = [structs.replace(one, created_at=NOW, updated_at=max(one.updated_at, NOW)) for one in seen]
    plan = plan_of({}, [observation(one) for one in fresh], EVERYTHING, [rule()])
    order = [(entry.event.occurred_at, entry.event.after.id) for entry in plan.recorded]
    assert order == sorted(order)
    assert len(order) == len(seen)
    assert [one.order_key for one in plan.deliveries] == [f"acme/{name}" for _, name in order]


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)), st.booleans())
def test_a_span_holds_what_lies_between_its_ends(one: datetime, other: datetime, closed: bool) -> None:
    """Both ends are inside, for whatever moments."""
    start, end = sorted((one, other))
    span = Span(start if closed else None, end)
    assert span.holds(start)
    assert span.holds(end)
    assert span.holds(end + (start - end) / 2)
    assert not span.holds(None)
