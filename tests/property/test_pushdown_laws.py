"""The laws of the sweeps' plan: nothing that a rule waits for is missed, invented, or seen later than without it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from notifier.config.settings import DEFAULT_SWEEPS
from notifier.core.appointment import STATUSES, WATCHED_FIELDS, Appointment
from notifier.core.change import Kind
from notifier.core.duration import write_duration
from notifier.core.plan import Known, Plan, make_plan
from notifier.core.pushdown import SELDOM, PlannedSweep, plan_sweeps
from notifier.core.rule import (
    ID_FIELDS,
    WORD_FIELDS,
    Requirement,
    Rule,
    changed_any,
    condition,
    field_among,
    from_status,
    judge,
    lead_time,
    on_kinds,
    to_status,
)
from notifier.core.sweep import Look, Span, Sweep, passes
from notifier.engage.query import PARAMETERS
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND, appointment, created, discovered, known, observation, step

WORDS = st.sampled_from(("1", "2"))
RARE = ("CANCELLED", "NO_SHOW", "INCOMING_REQUEST", "OUTGOING_INVITE")


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(values, min_size=1, max_size=2, unique=True)


KEYS: Sequence[st.SearchStrategy[Requirement]] = (
    some(st.sampled_from(STATUSES)).map(from_status),
    some(st.sampled_from(RARE)).map(to_status),
    some(st.sampled_from(STATUSES)).map(to_status),
    st.builds(field_among, st.sampled_from(("office", "meeting_type", "subject")), some(WORDS)),
    st.builds(field_among, st.sampled_from((*ID_FIELDS, *WORD_FIELDS)), some(WORDS)),
    st.builds(field_among, st.just("source"), some(st.sampled_from(("acme", "other")))),
    some(st.sampled_from(WATCHED_FIELDS)).map(changed_any),
    st.builds(
        lambda sign, hours: lead_time(f"{sign}{write_duration(timedelta(hours=hours))}"),
        st.sampled_from(("<", "<=", ">", ">=")),
        st.integers(-400, 10_000),
    ),
    st.just(condition("true", lambda _: (True, "true"))),
)
ON = st.one_of(
    st.just(on_kinds([Kind.STATUS_CHANGED])),
    st.sets(st.sampled_from((Kind.STATUS_CHANGED, Kind.CREATED)), min_size=1).map(on_kinds),
    st.sets(st.sampled_from(Kind), min_size=1, max_size=2).map(on_kinds),
)
RULES = st.lists(
    st.tuples(ON, st.lists(st.one_of(KEYS), max_size=3)).map(lambda keys: (keys[0], *keys[1])), min_size=1, max_size=3
).map(
    lambda wishes: [
        Rule(name=f"rule {number}", description="", requirements=tuple(wish), channels=("desk",))
        for number, wish in enumerate(wishes)
    ]
)

LOOKED_AT = NOW - 2 * MINUTE
"""When everything was read the last time."""
OLD = NOW - 30 * DAY
STARTS = st.none() | st.integers(-15 * 24, 405 * 24).map(lambda hours: NOW + timedelta(hours=hours, minutes=30))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from((*STATUSES, "WAITLISTED")),
    "start": STARTS,
    "office": WORDS,
    "subject": WORDS,
    "meeting_type": WORDS,
    "employee": WORDS,
    "listing": st.none() | WORDS,
}
JUST_NOW = NOW - SECOND
VALUES = st.fixed_dictionaries(FIELDS)
CHANGES = st.fixed_dictionaries({}, optional=FIELDS)


def _old(values: dict[str, Any]) -> Appointment:
    return appointment(**values, updated_at=OLD, created_at=OLD)


def _stepped(values: dict[str, Any], changes: dict[str, Any]) -> tuple[Appointment | None, Appointment]:
    return _old(values), appointment(**values | changes, updated_at=JUST_NOW, created_at=OLD)


def _made(values: dict[str, Any]) -> tuple[Appointment | None, Appointment]:
    return None, appointment(**values, updated_at=JUST_NOW, created_at=JUST_NOW)


STATES = VALUES.map(_old)
#: A state that was there long before, or none, and what became of it since everything was read.
STEPS = st.builds(_stepped, VALUES, CHANGES) | VALUES.map(_made)


def planned(rules: Sequence[Rule]) -> tuple[PlannedSweep, ...]:
    return plan_sweeps("acme", rules, DEFAULT_SWEEPS)


def shows(sweep: Sweep, state: Appointment | None) -> bool:
    """Whether a reading of the sweep brings an appointment that is in this state."""
    return state is not None and sweep.span(NOW).holds(state.start) and passes(state, sweep.filters)


@given(RULES)
def test_everything_is_read_now_and_then(rules: list[Rule]) -> None:
    """Each default sweep is there, its span and filters as they were, at most so many times more seldom."""
    every = {one.sweep.scope: one.sweep.every for one in planned(rules)}
    for usual in DEFAULT_SWEEPS:
        assert usual.every <= every[usual.scope] <= SELDOM * usual.every


@given(RULES)
def test_sweeps_have_names_of_their_own(rules: list[Rule]) -> None:
    """The figures of a sweep are kept by its name, what it saw by its scope."""
    plan = planned(rules)
    assert len({one.sweep.name for one in plan}) == len({one.sweep.scope for one in plan}) == len(plan)


@given(RULES, STEPS)
def test_nothing_is_seen_later(rules: list[Rule], change: tuple[Appointment | None, Appointment]) -> None:
    """Where a rule matches, a sweep that names the rule shows the new state as often as the default one, or more."""
    before, after = change
    happened = created(after) if before is None else step(before, after)
    for rule in rules:
        if not happened.kinds or not judge(rule, happened).matched:
            continue
        for usual in (sweep for sweep in DEFAULT_SWEEPS if shows(sweep, after)):
            serving = [one.sweep for one in planned(rules) if rule.name in one.rules and shows(one.sweep, after)]
            assert min((one.every for one in serving), default=DAY) <= usual.every


@given(RULES, VALUES)
def test_a_first_sight_is_seen_no_later(rules: list[Rule], values: dict[str, Any]) -> None:
    """Nor is a state that was reached by an appointment that nobody knew."""
    after = appointment(**values, updated_at=JUST_NOW, created_at=OLD)
    if any(judge(rule, discovered(after)).matched for rule in rules):
        for usual in (sweep for sweep in DEFAULT_SWEEPS if shows(sweep, after)):
            assert min(one.sweep.every for one in planned(rules) if shows(one.sweep, after)) <= usual.every


class World:
    """What is known of one appointment at one source, and what the rules were told of it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.known: dict[str, Known] = {}
        self.looks: dict[str, Look] = {}
        self.told: set[str] = set()

    def read(self, sweep: Sweep, state: Appointment | None) -> None:
        """Reads a sweep; what is missing from it is asked for by its id."""
        held = self.known.get("1701")
        missed = held is not None and held.vanished_at is None and shows(sweep, held.appointment)
        if state is not None and (shows(sweep, state) or missed):
            self._apply(self._plan(sweep, [state]))
        elif missed:
            self._apply(self._plan(sweep, [], gone=["1701"]))

    def look(self, sweep: Sweep) -> None:
        """Remembers that a sweep was read."""
        self.looks[sweep.scope] = Look(
            scope=sweep.scope,
            began_at=LOOKED_AT,
            span=Span(sweep.span(LOOKED_AT).start, sweep.span(LOOKED_AT).end),
            end_offset=sweep.end,
            filters=sweep.filters,
        )

    def _plan(self, sweep: Sweep, seen: Iterable[Appointment], gone: Sequence[str] = ()) -> Plan:
        observed = [observation(one) for one in seen]
        return make_plan("acme", sweep.name, self.known, observed, tuple(self.looks.values()), self.rules, NOW, gone)

    def _apply(self, plan: Plan) -> None:
        self.known |= {row.appointment.id: row for row in plan.rows}
        self.told |= {verdict.rule for one in plan.recorded for verdict in one.verdicts if verdict.matched}


def told(
    rules: Sequence[Rule], sweeps: Sequence[Sweep], before: Appointment | None, after: Appointment | None
) -> set[str]:
    """Returns the rules that hear of a change when these sweeps are read in this order, all having been read before."""
    world = World(rules)
    if before is not None and any(shows(sweep, before) for sweep in sweeps):
        world.known["1701"] = known(before)
    for sweep in sweeps:
        world.look(sweep)
    for sweep in sweeps:
        world.read(sweep, after)
    return world.told


@given(RULES, STEPS, st.randoms(use_true_random=False))
@example([], (appointment(updated_at=OLD), appointment(status="CANCELLED", updated_at=JUST_NOW)), None)
def test_the_rules_hear_the_same(
    rules: list[Rule], change: tuple[Appointment | None, Appointment], chance: Any
) -> None:
    """Whichever sweep comes first: what the rules are told is what the default sweeps would tell them."""
    before, after = change
    sweeps = [one.sweep for one in planned(rules)]
    if chance:
        chance.shuffle(sweeps)
    assert told(rules, sweeps, before, after) == told(rules, DEFAULT_SWEEPS, before, after)


@given(RULES, STATES)
def test_what_vanished_is_told_the_same(rules: list[Rule], before: Appointment) -> None:
    """What no query shows any more is missed by the sweep that showed it, filtered or not."""
    sweeps = [one.sweep for one in planned(rules)]
    assert told(rules, sweeps, before, None) == told(rules, DEFAULT_SWEEPS, before, None)


def told_of_new(rules: Sequence[Rule], sweeps: Sequence[Sweep], before: Appointment, after: Appointment) -> set[str]:
    """Returns the rules that hear of a change of what was made since the sweeps that run seldom were read."""
    usual = {sweep.scope: sweep.every for sweep in DEFAULT_SWEEPS}
    often = [sweep for sweep in sweeps if sweep.every <= usual.get(sweep.scope, sweep.every)]
    world = World(rules)
    if any(shows(sweep, before) for sweep in often):
        world.known["1701"] = known(before)
    for sweep in sweeps:
        world.look(sweep)
        world.read(sweep, after)
    return world.told


@given(RULES, VALUES, st.sampled_from(sorted(FIELDS)), st.data())
def test_one_change_of_a_new_appointment_is_told(
    rules: list[Rule], values: dict[str, Any], field: str, data: st.DataObject
) -> None:
    """What is minutes old is known to the sweeps that are to tell what becomes of it, unless only its status is asked.

    Then it is a first sight in its new status.
    """
    before = appointment(**values, updated_at=NOW - MINUTE, created_at=NOW - MINUTE)
    changed = values | {field: data.draw(FIELDS[field])}
    after = appointment(**changed, updated_at=JUST_NOW, created_at=NOW - MINUTE)
    # Most telling where all rules ask for just what happened.
    more: tuple[Requirement, ...] = ()
    if field in ID_FIELDS and changed[field]:
        more = (field_among(field, [changed[field]]),)
    elif field == "status":
        more = (from_status([values[field]]), to_status([changed[field]]))
    if data.draw(st.booleans()):
        rules = [replace(rule, requirements=(*rule.requirements, *more)) for rule in rules]
    asked = {rule.name: {requirement.key for requirement in rule.requirements} for rule in rules}
    missed = told(rules, DEFAULT_SWEEPS, before, after) - told_of_new(
        rules, [one.sweep for one in planned(rules)], before, after
    )
    assert not {name for name in missed if field != "status" or asked[name] & {"from", "where.changed", "if"}}


NAMES = st.text(min_size=1, max_size=40)


@given(st.lists(some(NAMES), min_size=1, max_size=20), st.sampled_from(("office", "subject", "listing")))
def test_every_query_fits_into_an_address(offices: list[list[str]], field: str) -> None:
    """However many ids the rules name, and whatever they are made of."""
    rules = [
        Rule(
            name=str(number),
            description="",
            requirements=(
                on_kinds([Kind.STATUS_CHANGED]),
                to_status(RARE),
                field_among("office", names),
                field_among(field, names),
            ),
            channels=(),
        )
        for number, names in enumerate(offices)
    ]
    for one in planned(rules):
        query = [(PARAMETERS[name], value) for name, values in one.sweep.filters.items() for value in values]
        assert len(urlencode(query)) <= 1500
        assert one.sweep.every >= timedelta(seconds=10)
        assert one.sweep.begin is None or one.sweep.end is None or one.sweep.begin < one.sweep.end + 4 * HOUR
