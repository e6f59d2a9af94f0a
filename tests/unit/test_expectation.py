"""What was expected is compared with what came: what is missing, what is not as expected, and what nobody expected."""

from dataclasses import replace
from typing import Any

import pytest

from notifier.core.expectation import Comparison, Expected, compare_told
from notifier.core.told import Told
from tests.builders import HOUR, NOW


def told(title: str = "Cancelled", **changes: Any) -> Told:
    usual = Told(
        at=NOW,
        channel="team",
        rule="late",
        title=title,
        body="Status: off\nWho: 201",
        events=("e1",),
        appointments=("1",),
    )
    return replace(usual, **changes)


def expected(**changes: Any) -> Expected:
    return replace(Expected(channel="team"), **changes)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"at": NOW},
        {"rule": "late"},
        {"title": "Cancelled"},
        {"title": "Cancelled\n"},
        {"body": "Status: off\nWho: 201\n"},
        {"parts": ("Canc", "Who: 201")},
    ],
)
def test_what_is_left_out_may_be_anything(wanted: dict[str, Any]) -> None:
    """An expectation is met by a message that has all that it names."""
    assert compare_told([expected(**wanted)], [told()]) == Comparison()


@pytest.mark.parametrize(
    ("wanted", "what", "got"),
    [
        ({"at": NOW + HOUR}, "at", NOW.isoformat()),
        ({"rule": "early"}, "rule", "late"),
        ({"title": "Canc"}, "title", "Cancelled"),
        ({"body": "Who: 201"}, "body", "Status: off\nWho: 201"),
        ({"parts": ("Who: 201", "no such")}, "text", None),
    ],
)
def test_what_is_not_as_expected_is_named(wanted: dict[str, Any], what: str, got: str | None) -> None:
    """The nearest message of the channel is shown beside the expectation, with each thing that differs."""
    compared = compare_told([expected(**wanted)], [told()])
    (missing,) = compared.missing
    assert missing.nearest == told()
    assert [(one.what, one.got) for one in missing.mismatches] == [(what, got)]
    assert not compared.unexpected
    assert not compared.passed


def test_what_does_not_come_is_missing() -> None:
    """Without a message of its channel, an expectation has nothing to be compared with."""
    (missing,) = compare_told([expected(channel="crm")], []).missing
    assert missing.nearest is None


def test_nothing_else_may_come() -> None:
    """A message that nobody expected fails, also when it is the same as one that was."""
    assert compare_told([], [told()]).unexpected == (told(),)
    assert compare_told([expected()], [told(), told()]).unexpected == (told(),)
    assert compare_told([expected(channel="crm")], [told()]).unexpected == (told(),)


def test_a_loose_expectation_takes_nothing_from_a_strict_one() -> None:
    """As many expectations are met as can be, in whatever order they and the messages come."""
    loose, strict = expected(), expected(title="B")
    for wanted in ([loose, strict], [strict, loose]):
        for came in ([told("A"), told("B")], [told("B"), told("A")]):
            assert compare_told(wanted, came).passed
