"""Conditions in CEL: checked when they are compiled, and never more than no match when they fail."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from notifier.config import condition
from notifier.config.condition import MISSING_EXTRA, ConditionError, compile_condition
from notifier.config.condition_cost import CROWD, LONGEST
from notifier.core.appointment import APPOINTMENT_FIELDS, Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.event import Event

pytest.importorskip("cel_expr_python")

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
BEFORE = Appointment(id="a1", status="ACCEPTED", updated_at=NOW - timedelta(days=1))
AFTER = Appointment(
    id="a1",
    status="CANCELLED",
    updated_at=NOW,
    start=NOW + timedelta(hours=5),
    office="12",
    hybrid=True,
    trailing_buffer_time=5,
    other_employees=("77", "78"),
)
EVENT = Event(
    id="e1",
    source="acme",
    sweep="near",
    kinds=(Kind.STATUS_CHANGED, Kind.RESCHEDULED),
    changes=(FieldChange("status", "ACCEPTED", "CANCELLED"), FieldChange("start", None, AFTER.start)),
    before=BEFORE,
    after=AFTER,
    detected_at=NOW,
)
FIRST_SIGHT = replace(EVENT, before=None, after=BEFORE, kinds=(Kind.DISCOVERED,), changes=())

ANSWERS = [
    ('status == "CANCELLED"', True, False),
    ('before_status == "ACCEPTED" && source == "acme"', True, False),
    ('before_status == ""', False, True),
    ('before.status == "ACCEPTED"', True, False),
    ("before.status == null", False, True),
    ('"rescheduled" in kinds && changed.exists(name, name == "start")', True, False),
    ('lead_time < duration("24h")', True, False),
    ('lead_time != null && lead_time < duration("24h")', True, False),
    ("lead_time == null", False, True),
    ('lead_time < duration("1h") || status == "CANCELLED"', True, False),
    ('!(lead_time < duration("24h"))', False, False),
    ("before . start == null", True, True),
    ('appointment.start.getHours("Europe/Brussels") == 15', True, False),
    ('appointment.start > timestamp("2026-01-01T00:00:00Z")', True, False),
    ("appointment.start > appointment.updated_at", True, False),
    ('appointment.office in ["12", "13"]', True, False),
    ("appointment.office == null", False, True),
    ('appointment.office.matches("^1[0-9]$")', True, False),
    ("appointment.hybrid", True, False),
    ("appointment.trailing_buffer_time >= 5", True, False),
    ('"78" in appointment.other_employees', True, False),
    ("size(before.other_employees) == 0", True, True),
    ("true", True, True),
]


@pytest.mark.parametrize(("text", "full", "bare"), ANSWERS)
def test_answers(text: str, full: bool, bare: bool) -> None:
    """A condition holds for what it says; where something is missing it does not, unless it asks for that."""
    check = compile_condition(text)
    assert (check(EVENT)[0], check(FIRST_SIGHT)[0]) == (full, bare)


REASONS = [
    ('status == "NO_SHOW"', EVENT, 'false with status "CANCELLED"'),
    ('lead_time < duration("1h")', EVENT, "false with lead_time 5 h"),
    (
        'lead_time < duration("1h")',
        FIRST_SIGHT,
        "no answer (No matching overloads found : _<_(null_type, duration)) with lead_time none",
    ),
    ("1 / (size(kinds) - 1) == 0", FIRST_SIGHT, "no answer (divide by zero) with kinds [discovered]"),
]


@pytest.mark.parametrize(("text", "event", "saw"), REASONS)
def test_reasons(text: str, event: Event, saw: str) -> None:
    """What does not hold says what it saw, an error included, which is no match."""
    assert compile_condition(text)(event) == (False, saw)


def test_negative_lead_time_is_said_with_its_sign() -> None:
    """A change after the start shows a lead time below zero."""
    late = replace(EVENT, after=structs.replace(AFTER, start=NOW - timedelta(hours=2)))
    assert compile_condition('lead_time > duration("0s")')(late) == (False, "false with lead_time -2 h")


def test_an_endless_condition_is_no_match() -> None:
    """The engine's budget ends what would run too long."""
    text = " && ".join(["kinds.all(a, true)"] * 60)
    saw = compile_condition(text)(replace(EVENT, kinds=(Kind.UPDATED,) * CROWD))[1]
    assert saw.startswith("no answer (Iteration budget exceeded)")


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (structs.replace(AFTER, other_employees=("1",) * (CROWD + 1)), "has more than 200 values, or one of more than"),
        (structs.replace(AFTER, other_employees=("1" * (LONGEST + 1),)), "has more than 200 values, or one of more"),
        (structs.replace(AFTER, office="1" * (LONGEST + 1)), "appointment.office has more than 500 characters"),
    ],
)
def test_too_much_to_look_at_is_no_match(after: Appointment, why: str) -> None:
    """An event that holds more than any real one gets no answer, which says so; at the limit it gets one."""
    holds = compile_condition('"77" in appointment.other_employees || appointment.office != "77"')
    most = structs.replace(AFTER, other_employees=("1" * LONGEST,) * CROWD, office="1" * LONGEST)
    matched, saw = holds(replace(EVENT, after=after))
    assert not matched
    assert saw.startswith("no answer (")
    assert why in saw
    assert holds(replace(EVENT, after=most))[0]


def test_every_field_of_an_appointment_can_be_asked_for() -> None:
    """A condition may name each field, after and before, whether it has a value or not."""
    for name in APPOINTMENT_FIELDS:
        empty = "size({}) == 0" if name.startswith("other_") else "{} == null"
        both = " || ".join(empty.format(f"{state}.{name}") for state in ("appointment", "before"))
        for event in (EVENT, FIRST_SIGHT):
            assert not compile_condition(both)(event)[1].startswith("no answer")


AND = "Syntax error: mismatched input 'and' expecting <EOF> (column 15); write && for and, || for or, ! for not"
DAYS = (
    '`duration("1d")` can\'t be read: String to Duration conversion failed'
    '; CEL knows h, m and s only, so a day is duration("24h")'
)
MISTAKES: list[tuple[str, list[tuple[int, str]]]] = [
    ("status == 5", [(1, "`==` does not go with (string, int) (column 8)")]),
    ("appointment.office > 5", [(1, "`>` does not go with (string, int) (column 20)")]),
    ('lead_time < "24h"', [(1, "`<` does not go with (Duration, string) (column 11)")]),
    ('appointment.ofice == "1"', [(1, "there is no `appointment.ofice`; did you mean `appointment.office`?")]),
    ('ofice == "1"', [(1, "there is no `ofice`; did you mean `appointment.office`?")]),
    (
        'status == "A" &&\n  stats == "b" &&\n  xyzzy',
        [(2, "there is no `stats`; did you mean `status`?"), (3, "there is no `xyzzy`")],
    ),
    ("status", [(1, 'must come out as true or false, like `status == "CANCELLED"`')]),
    ("dyn(status)", [(1, 'must come out as true or false, like `status == "CANCELLED"`')]),
    ('status == "A" and true', [(1, AND)]),
    (
        'status = "A"',
        [(1, "Syntax error: token recognition error at: '= ' (column 8); write == to compare")],
    ),
    ("(" * 50 + "true" + ")" * 50, [(1, "Expression recursion limit exceeded. limit: 32")]),
    (
        'true &&\nlead_time < duration("1d")',
        [(2, DAYS)],
    ),
    (
        'appointment.office.matches("(")',
        [(1, '`matches("(")` can\'t be read: invalid regular expression: missing ): (')],
    ),
]


@pytest.mark.parametrize(("text", "problems"), MISTAKES)
def test_mistakes(text: str, problems: list[tuple[int, str]]) -> None:
    """Unknown names, wrong types, bad syntax and unreadable constants are found at once, each with its line."""
    with pytest.raises(ConditionError) as caught:
        compile_condition(text)
    assert caught.value.problems == problems


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra a condition is a mistake that says how to install it."""
    monkeypatch.setattr(condition, "cel", None)
    with pytest.raises(ConditionError) as caught:
        compile_condition("true")
    assert caught.value.problems == [(1, MISSING_EXTRA)]
    assert "pip install cel-expr-python" in MISSING_EXTRA
