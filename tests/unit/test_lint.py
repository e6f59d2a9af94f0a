"""What rules say that can't be meant is found, each with its key and a text that says why."""

from collections.abc import Iterable

import pytest

from notifier.core.change import Kind
from notifier.core.lint import Code, Finding, empty_texts, lint_rules, shadows, unknown_ids, unused_channels
from notifier.core.rule import (
    Requirement,
    changed_any,
    condition,
    field_among,
    from_status,
    lead_time,
    max_age,
    on_kinds,
    to_status,
)
from tests.builders import HOUR, rule

CHANGED = on_kinds([Kind.STATUS_CHANGED])
CREATED = on_kinds([Kind.CREATED])
VANISHED = on_kinds([Kind.VANISHED])
MOVED = on_kinds([Kind.RESCHEDULED])


def found(*requirements: Requirement) -> list[tuple[str, str, str]]:
    """Returns code, key and text of what is found in a rule with these requirements."""
    return [(finding.code.value, finding.key, finding.text) for finding in lint_rules([rule(*requirements)])]


@pytest.mark.parametrize(
    ("requirements", "key", "text"),
    [
        ((CREATED, from_status(["ACCEPTED"])), "on", "no event has `on` created and `from` ACCEPTED"),
        (
            (CHANGED, from_status(["ACCEPTED"]), to_status(["ACCEPTED"])),
            "on",
            "no event has `on` status_changed, `from` ACCEPTED and `to` ACCEPTED",
        ),
        (
            (VANISHED, from_status(["ACCEPTED"]), to_status(["CANCELLED"])),
            "on",
            "no event has `on` vanished, `from` ACCEPTED and `to` CANCELLED",
        ),
        ((VANISHED, changed_any(["start"])), "on", "no event has `on` vanished and `where.changed` start"),
        ((CREATED, changed_any(["start"])), "on", "no event has `on` created and `where.changed` start"),
        (
            (CHANGED, field_among("office", ["1"]), lead_time(">2h <1h")),
            "where.lead_time",
            "nothing meets `where.lead_time` >2h <1h",
        ),
        ((lead_time(">1h <=1h"),), "where.lead_time", "nothing meets `where.lead_time` >1h <=1h"),
    ],
)
def test_a_rule_that_never_matches(requirements: Iterable[Requirement], key: str, text: str) -> None:
    """Only the keys that exclude each other are named."""
    assert found(*requirements) == [("never", key, text)]


@pytest.mark.parametrize(
    "requirements",
    [
        (CREATED, to_status(["CANCELLED"])),
        (CREATED, to_status(["CANCELLED"]), changed_any(["status"])),
        (on_kinds([Kind.DISCOVERED]), from_status(["ACCEPTED"]), to_status(["ACCEPTED"])),
        (on_kinds([Kind.DISCOVERED]), to_status(["ACCEPTED"])),
        (VANISHED, from_status(["ACCEPTED"]), to_status(["ACCEPTED"])),
        (MOVED, from_status(["ACCEPTED"]), to_status(["ACCEPTED"])),
        (MOVED, to_status(["CANCELLED"]), changed_any(["office"])),
        (on_kinds([Kind.UPDATED]), changed_any(["status"])),
        (lead_time(">=1h <=1h"),),
        (lead_time("<0s"),),
        (condition("false", lambda _: (False, "")),),
        (),
    ],
)
def test_a_rule_that_may_match(requirements: Iterable[Requirement]) -> None:
    """Nothing is said of what can be, however seldom it is."""
    assert found(*requirements) == []


def test_a_value_that_matches_nothing() -> None:
    """It is named with the keys that exclude it."""
    either = on_kinds([Kind.CREATED, Kind.RESCHEDULED])
    assert found(either, from_status(["ACCEPTED"])) == [("idle-value", "on", "`created` matches nothing beside `from`")]
    assert found(CHANGED, from_status(["ACCEPTED", "NO_SHOW"]), to_status(["NO_SHOW"])) == [
        ("idle-value", "from", "`NO_SHOW` matches nothing beside `on` and `to`")
    ]


def test_a_key_that_is_not_known_is_not_judged() -> None:
    """What the clock makes, say, follows other laws."""
    clock = Requirement("stays", "x", lambda _: None, lambda _: True, str)
    assert found(CREATED, from_status(["ACCEPTED"]), clock) == []
    assert not shadows(rule(stop=True), rule(clock))
    assert not shadows(rule(clock, stop=True), rule(clock))


def test_a_rule_behind_one_that_stops() -> None:
    """The first that takes all of it is named; one that takes a part is none."""
    office = field_among("office", ["1", "2"])
    rules = [
        rule(CHANGED, field_among("office", ["1"]), name="a part", stop=True),
        rule(CHANGED, office, name="no end"),
        rule(CHANGED, office, name="all", stop=True),
        rule(CHANGED, office, to_status(["CANCELLED"]), name="late"),
        rule(CHANGED, name="more"),
    ]
    text = "`all` comes before it, says stop, and matches all that it matches"
    assert list(lint_rules(rules)) == [Finding(Code.SHADOWED, "late", "", text)]


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (lead_time("<2h"), lead_time("<1h"), True),
        (lead_time("<2h"), lead_time("<=2h"), False),
        (lead_time("<=2h"), lead_time("<2h"), True),
        (lead_time(">1h"), lead_time(">1h <2h"), True),
        (lead_time(">1h <2h"), lead_time(">1h"), False),
        (lead_time(">1h <2h"), lead_time("<2h"), False),
        (max_age(2 * HOUR), max_age(HOUR), True),
        (max_age(HOUR), max_age(2 * HOUR), False),
        (condition("a", lambda _: (True, "")), condition("a", lambda _: (True, "")), True),
        (condition("a", lambda _: (True, "")), condition("b", lambda _: (True, "")), False),
        (field_among("source", ["a", "b"]), field_among("source", ["b"]), True),
        (to_status(["CANCELLED"]), CHANGED, False),
    ],
)
def test_what_takes_all_of_another(earlier: Requirement, later: Requirement, expected: bool) -> None:
    """Down to the ends of spans."""
    assert shadows(rule(earlier, stop=True), rule(later)) is expected


def test_channels_that_nobody_uses() -> None:
    """The operator's have a use; and of names that are filled in from the event nobody can tell."""
    rules = [rule(channels=("team",))]
    (finding,) = unused_channels(rules, ["team", "idle", "ours"], ["ours"])
    assert (finding.code, finding.name) == (Code.UNUSED_CHANNEL, "idle")
    assert list(unused_channels([*rules, rule(channels=("office-{office}",))], ["idle"], [])) == []


def test_ids_that_nobody_knows() -> None:
    """Only of fields of which some are known; whoever knows none can't tell."""
    rules = [rule(field_among("office", ["1", "9"]), field_among("subject", ["1"]), field_among("employee", ["1"]))]
    known = {"office": frozenset({"1"}), "subject": frozenset[str]()}
    (finding,) = unknown_ids(rules, known)
    assert finding == Finding(Code.UNKNOWN_ID, "any", "where.office", "no appointment that was seen has the office `9`")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ appointment.office }}", "says no more than `none` where `appointment.office` has no value"),
        ("{{ appointment.start|moment }}!", "says no more than `no time set!` where `appointment.start` has no value"),
        ("{% if by %}{{ by }}{% endif %}", None),
        ("{% if appointment.subject %}x{% endif %}", "says nothing where `appointment.subject` has no value"),
        ("{% if appointment.other_employees %}x{% endif %}", "says nothing where `appointment.other_employees` has no"),
        ("{% if appointment.internal_notes %}x{% endif %}", "says nothing where `appointment.internal_notes` has no"),
        ("{% if before.status %}x{% endif %}", "says nothing where `before` has no value"),
        ("Office {{ appointment.office }}", None),
        ("{% if appointment.status == 'CANCELLED' %}x{% endif %}", None),
        ("{{ appointment.office or appointment.subject }}", None),
        ("{{ appointment.start + 'x' }}", None),
    ],
)
@pytest.mark.parametrize("key", ["title", "body"])
def test_a_template_that_may_say_nothing(key: str, template: str, text: str | None) -> None:
    """Without which field it says nothing; what says nothing in any case, or fails, is not judged here."""
    findings = list(empty_texts([rule(**{key: template})]))
    assert [(finding.code, finding.key) for finding in findings] == ([(Code.EMPTY_TEXT, key)] if text else [])
    assert all(finding.text.startswith(text or "") for finding in findings)


def test_what_the_rule_makes_sure_of_is_not_missing() -> None:
    """A rule for one office needs no word for none."""
    for requirement, template in (
        (field_among("office", ["1"]), "{{ appointment.office }}"),
        (lead_time("<1h"), "{{ appointment.start|moment }}"),
        (from_status(["ACCEPTED"]), "{{ before.status }}"),
    ):
        assert list(empty_texts([rule(title=template)])) != []
        assert list(empty_texts([rule(requirement, title=template)])) == []
    assert list(empty_texts([rule()])) == []
