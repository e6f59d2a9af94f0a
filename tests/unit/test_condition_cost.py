"""Conditions that would take long are refused before they are ever computed."""

import pytest

from notifier.config.condition import compile_condition
from notifier.config.condition_cost import (
    CONDITION_LIMIT,
    COST_LIMIT,
    CROWD,
    PATTERN_LIMIT,
    REPEAT_LIMIT,
    cost,
    cost_problems,
)
from tests.hostile import COSTLY_CONDITIONS, crowded

ONES = ",".join(["1"] * 300)


@pytest.mark.parametrize(
    "text",
    [
        'status == "CANCELLED"',
        'appointment.other_employees.exists(one, one in ["301", "302"])',
        'appointment.other_employees.exists(one, (one == "301")) && changed.all(name, name != "start")',
        'appointment.office.matches("^1[0-9]$") && appointment.external_id.matches(r"^\\d{4}-\\d{2}$")',
        'appointment.listing == "kinds.all(a, kinds.all(b, true))"',
        "appointment.listing == '''kinds.map(a,\n a)'''",
        "(" * 3,
        ")",
        "x" * CONDITION_LIMIT,
    ],
)
def test_what_takes_no_time_is_no_problem(text: str) -> None:
    """What only looks costly inside of quotes is none, and what can't be read at all is for the engine to refuse."""
    assert list(cost_problems(text)) == []


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("x" * (CONDITION_LIMIT + 1), 1, "has 2001 characters, and at most 2000 are allowed"),
        ("kinds.all(a,\nkinds.all(b, true))", 2, "`all` can't stand inside of `all`"),
        ("kinds.exists(a, changed.filter(b, true).size() > 0)", 1, "`filter` can't stand inside of `exists`"),
        ("kinds.exists(a, a.matches('x'))", 1, "`matches` can't stand inside of `exists`"),
        ("[1].map(a, [a, a]) == []", 1, "`map` is not for conditions"),
        ("'a'.matches(appointment.office)", 1, "write `matches` behind what is compared, with a pattern in quotes"),
        ("matches('a', 'b')", 1, "write `matches` behind what is compared, with a pattern in quotes"),
        ("'a'.matches('a' + 'b')", 1, "write `matches` behind what is compared, with a pattern in quotes"),
        (f"'a'.matches('{'a' * PATTERN_LIMIT}')", 1, "the patterns for `matches` have more than 100 characters"),
        ("'a'.matches('(a{11}){0,3}')", 1, "the patterns for `matches` repeat too much"),
        ("'a'.matches('a{11}') && 'a'.matches('a{3,}')", 1, "the patterns for `matches` repeat too much"),
        (r"'a'.matches('\\pL{9}')", 1, r"a pattern for `matches` can't name a class of letters by `\p`"),
        (f"kinds.all(a, [{ONES}] == [{ONES}])", 1, "takes too long for one event"),
    ],
)
def test_what_takes_long_is_refused(text: str, line: int, problem: str) -> None:
    """With its line, and what it is that takes so long."""
    ((found_line, found),) = cost_problems(text)
    assert found_line == line
    assert found.startswith(problem)


def test_the_cost_is_that_of_what_is_computed() -> None:
    """What is repeated costs as often as the longest list has values, and a pattern as often as it repeats."""
    plain = cost("true && true")
    assert cost("kinds.all(a, true)") - plain >= CROWD * len(" true")
    assert cost(f"[{ONES}].all(a, true)") - plain >= 299 * len(" true")
    assert cost("''.matches('a{30}')") - cost("''.matches('a')") >= 29 * len("'a'")
    assert plain < COST_LIMIT / 2000
    assert REPEAT_LIMIT == 30


@pytest.mark.parametrize("text", COSTLY_CONDITIONS)
def test_the_costliest_conditions_are_within_the_limits(text: str) -> None:
    """Those that the benchmark measures are such as may be written."""
    pytest.importorskip("cel_expr_python")
    assert list(cost_problems(text)) == []
    assert isinstance(compile_condition(text)(crowded())[0], bool)
