"""What each key of a rule asks for, and how the verdicts say why."""

from datetime import datetime
from operator import itemgetter
from typing import Any

import pytest

from notifier.core.change import Kind
from notifier.core.event import Event
from notifier.core.rule import (
    ID_FIELDS,
    STOPPED,
    TOO_LATE,
    WORD_FIELDS,
    Requirement,
    Verdict,
    changed_any,
    condition,
    field_among,
    from_status,
    judge,
    lead_time,
    max_age,
    on_kinds,
    to_status,
)
from notifier.core.walk import walk
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    START,
    appointment,
    created,
    discovered,
    event,
    rule,
    undated,
    vanished,
)

MATCH = Verdict("any", matched=True)


def missed(key: str, wanted: str, saw: str) -> Verdict:
    """Returns the verdict of a rule that does not match."""
    return Verdict("any", matched=False, key=key, wanted=wanted, saw=saw)


def test_a_rule_without_requirements_matches_everything() -> None:
    """Nothing is asked for, so nothing can fail."""
    assert judge(rule(), event()) == MATCH


def test_the_first_key_that_fails_is_named() -> None:
    """What comes after it is not asked."""
    asked: list[str] = []

    def key(name: str, *, holds: bool) -> Requirement:
        def check(_: Event) -> tuple[bool, str]:
            asked.append(name)
            return holds, f"seen by {name}"

        return Requirement(name, f"wanted by {name}", check, itemgetter(0), itemgetter(1))

    verdict = judge(rule(key("a", holds=True), key("b", holds=False), key("c", holds=False)), event())
    assert verdict == missed("b", "wanted by b", "seen by b")
    assert asked == ["a", "b"]


def test_walk_asks_every_rule() -> None:
    """Every rule sees every event, matched or not."""
    rules = [rule(name="one"), rule(to_status(["NO_SHOW"]), name="two"), rule(name="three")]
    assert [(verdict.rule, verdict.matched) for verdict in walk(rules, event())] == [
        ("one", True),
        ("two", False),
        ("three", True),
    ]
    assert walk([], event()) == ()


def test_a_match_with_stop_ends_the_walk() -> None:
    """The rules after it are on record as not asked, with who stopped."""
    rules = [rule(name="one"), rule(name="two", stop=True), rule(name="three"), rule(name="four", stop=True)]
    assert walk(rules, event())[2:] == (
        Verdict("three", matched=False, key=STOPPED, saw="two"),
        Verdict("four", matched=False, key=STOPPED, saw="two"),
    )


def test_a_stop_that_does_not_match_stops_nothing() -> None:
    """Only a match ends the walk."""
    rules = [rule(to_status(["NO_SHOW"]), name="one", stop=True), rule(name="two")]
    assert walk(rules, event())[1] == Verdict("two", matched=True)


def test_rules_that_ask_for_the_same_value_are_all_asked() -> None:
    """Each says for itself whether the office is among its own, and whether the rest holds too."""
    rules = [
        rule(field_among("office", ["1", "2"]), name="both"),
        rule(field_among("office", ["2"]), to_status(["NO_SHOW"]), name="no-shows"),
        rule(field_among("office", ["2", "3"]), name="others"),
        rule(field_among("office", ["3"]), name="another"),
    ]
    assert walk(rules, event(appointment(office="2"), status="CANCELLED")) == (
        Verdict("both", matched=True),
        Verdict("no-shows", matched=False, key="to", wanted="NO_SHOW", saw="CANCELLED"),
        Verdict("others", matched=True),
        Verdict("another", matched=False, key="where.office", wanted="3", saw="2"),
    )


def test_a_rule_with_two_of_what_there_is_is_asked_once() -> None:
    """An appointment with two of its employees is one match of the rule, and of one with the other alone."""
    two = event(appointment(employee="7", other_employees=("8",)), status="CANCELLED")
    rules = [rule(field_among("employee", ["7", "8"])), rule(field_among("employee", ["8"])), rule(name="last")]
    assert [verdict.matched for verdict in walk(rules, two)] == [True, True, True]


def test_on_wants_any_of_the_kinds() -> None:
    """An event of several kinds is met by any of them; what was asked is said in the order of the kinds."""
    moved = rule(on_kinds([Kind.RESCHEDULED, Kind.STATUS_CHANGED]))
    assert judge(moved, event(start=START + DAY, office="13")) == MATCH
    assert judge(moved, event(office="13", subject="52")) == missed(
        "on", "status_changed or rescheduled", "relocated, updated"
    )


def test_from_wants_a_status_that_is_known() -> None:
    """An appointment that was not known before has no status that could be asked for."""
    confirmed = rule(from_status(["ACCEPTED", "INCOMING_REQUEST"]))
    assert judge(confirmed, event()) == MATCH
    assert judge(confirmed, event(appointment(status="NO_SHOW"), status="COMPLETED")) == missed(
        "from", "ACCEPTED or INCOMING_REQUEST", "NO_SHOW"
    )
    for unknown in (created(appointment()), discovered(appointment())):
        assert judge(confirmed, unknown) == missed("from", "ACCEPTED or INCOMING_REQUEST", "unknown")


def test_from_does_not_take_the_unknown_for_a_status() -> None:
    """Not even a rule that asks for `unknown` by name meets it."""
    assert not judge(rule(from_status(["unknown"])), created(appointment())).matched


def test_to_wants_the_status_after() -> None:
    """It is met whatever the status was before, if it is known at all."""
    cancelled = rule(to_status(["CANCELLED"]))
    assert judge(cancelled, event()) == MATCH
    assert judge(cancelled, discovered(appointment(status="CANCELLED"))) == MATCH
    assert judge(cancelled, event(status="NO_SHOW")) == missed("to", "CANCELLED", "NO_SHOW")


def noticed(age: Any, before: Any = None) -> Event:
    """Returns a cancellation that was noticed this long after it happened."""
    known = appointment(updated_at=NOW - 30 * DAY if before is None else before)
    return event(known, status="CANCELLED", updated_at=NOW - age)


@pytest.mark.parametrize("age", [2 * HOUR, MINUTE, 0 * MINUTE, -HOUR])
def test_a_change_that_is_young_enough_is_told(age: Any) -> None:
    """The bound itself is young enough, and so is what comes from a clock that is ahead of ours."""
    assert judge(rule(max_age(2 * HOUR)), noticed(age)) == MATCH


@pytest.mark.parametrize(
    ("age", "saw"),
    [(2 * HOUR + SECOND, "2 h"), (3 * HOUR + 20 * MINUTE, "3 h 20 min"), (3 * DAY, "3 days")],
)
def test_a_change_that_was_noticed_too_late_is_not_told(age: Any, saw: str) -> None:
    """The verdict says how old it was, and how old it might have been."""
    assert judge(rule(max_age(120 * MINUTE)), noticed(age)) == missed(TOO_LATE, "2h", saw)


def test_a_change_without_a_time_of_its_own_is_never_too_late() -> None:
    """When an appointment vanished nobody tells; a time that did not move on is that of an earlier change."""
    young = rule(max_age(MINUTE))
    assert judge(young, vanished(appointment(updated_at=NOW - DAY))) == MATCH
    assert judge(young, noticed(DAY, before=NOW - DAY)) == MATCH
    assert judge(young, noticed(2 * DAY, before=NOW - DAY)) == MATCH


@pytest.mark.parametrize("first_seen", [created, discovered])
def test_a_first_sight_can_be_too_late(first_seen: Any) -> None:
    """As after an outage: what was reached meanwhile is not told for new."""
    verdict = judge(rule(max_age(HOUR)), first_seen(appointment(updated_at=NOW - DAY)))
    assert verdict == missed(TOO_LATE, "1h", "1 day")


def test_what_is_too_late_stops_no_walk() -> None:
    """The rules after it are asked, as after any that did not match."""
    late = rule(max_age(HOUR), name="late", stop=True)
    assert [verdict.matched for verdict in walk([late, rule(name="next")], noticed(DAY))] == [False, True]


def test_requirements_tell_programs_what_they_ask_for() -> None:
    """Whoever plans the queries reads values and bounds, and never the text for people."""
    assert on_kinds([Kind.CREATED]).values == {"created"}
    assert from_status(["ACCEPTED"]).values == {"ACCEPTED"}
    assert to_status(["CANCELLED", "NO_SHOW"]).values == {"CANCELLED", "NO_SHOW"}
    assert field_among("office", ["12", "13"]).values == {"12", "13"}
    assert changed_any(["start"]).values == {"start"}
    assert lead_time("<24h").bounds == (None, DAY)
    assert lead_time(">0s <=2h <24h").bounds == (0 * HOUR, 2 * HOUR)
    assert lead_time(">=1h >2h").bounds == (2 * HOUR, None)


@pytest.mark.parametrize("field", [*ID_FIELDS, *WORD_FIELDS])
def test_where_wants_the_value_after_the_change(field: str) -> None:
    """Each field is compared with each value, as it is now."""
    seen = event(appointment(**{field: "old"}), **{field: "new", "status": "CANCELLED"})
    assert judge(rule(field_among(field, ["other", "new"])), seen) == MATCH
    assert judge(rule(field_among(field, ["old", "other"])), seen) == missed(f"where.{field}", "old or other", "new")


@pytest.mark.parametrize("field", [*ID_FIELDS, *WORD_FIELDS])
def test_what_is_missing_is_among_nothing(field: str) -> None:
    """A field without a value meets no list, and says so."""
    bare = event(appointment(**{field: None}))
    assert judge(rule(field_among(field, ["none", ""])), bare) == missed(f"where.{field}", "none or ", "none")


@pytest.mark.parametrize("party", ["employee", "customer"])
def test_a_person_counts_in_whatever_role(party: str) -> None:
    """Primary and others are asked alike."""
    seen = event(appointment(**{party: "1", f"other_{party}s": ("2", "3")}))
    for person in "123":
        assert judge(rule(field_among(party, [person])), seen) == MATCH
    assert judge(rule(field_among(party, ["4"])), seen) == missed(f"where.{party}", "4", "1, 2, 3")


def test_where_source_wants_the_source_of_the_event() -> None:
    """One set of rules serves several sources."""
    assert judge(rule(field_among("source", ["acme"])), event()) == MATCH
    assert judge(rule(field_among("source", ["other"])), event()) == missed("where.source", "other", "acme")


def test_where_changed_wants_any_of_the_fields() -> None:
    """Not what the appointment is like, but what differs."""
    changed = rule(changed_any(["start", "internal_notes"]))
    assert judge(changed, event(start=START + DAY)) == MATCH
    assert judge(changed, event(fingerprints=(("internal_notes", "aa"),))) == MATCH
    assert judge(changed, event(office="13", end=START)) == missed(
        "where.changed", "start or internal_notes", "end, office"
    )
    assert judge(changed, created(appointment())) == missed("where.changed", "start or internal_notes", "nothing")


def led(lead: Any) -> Event:
    """Returns a cancellation this long before the start."""
    return event(status="CANCELLED", updated_at=START - lead)


@pytest.mark.parametrize(
    ("text", "met", "not_met"),
    [
        ("<24h", DAY - SECOND, DAY),
        ("<=24h", DAY, DAY + SECOND),
        (">24h", DAY + SECOND, DAY),
        (">=24h", DAY, DAY - SECOND),
        (">0s <24h", SECOND, 0 * SECOND),
        (">0s<24h", SECOND, DAY),
        ("> 0s  < 24h ", DAY - SECOND, -SECOND),
        ("<-1h", -2 * HOUR, -HOUR),
        ("<1w", 7 * DAY - SECOND, 7 * DAY),
        ("<+5m", 4 * MINUTE, 5 * MINUTE),
    ],
)
def test_lead_time_compares_exactly(text: str, met: Any, not_met: Any) -> None:
    """Each sign holds on its own side of the bound, to the second; several must all hold."""
    assert judge(rule(lead_time(text)), led(met)) == MATCH
    assert judge(rule(lead_time(text)), led(not_met)).key == "where.lead_time"


@pytest.mark.parametrize(
    ("lead", "saw"),
    [
        (2 * DAY + 4 * HOUR, "2 days 4 h before the start"),
        (0 * SECOND, "less than a minute before the start"),
        (-90 * MINUTE, "1 h 30 min after the start"),
    ],
)
def test_lead_time_says_what_it_saw(lead: Any, saw: str) -> None:
    """The size of it, and on which side of the start."""
    assert judge(rule(lead_time("<-1w")), led(lead)) == missed("where.lead_time", "<-1w", saw)


def test_an_undated_appointment_meets_no_lead_time() -> None:
    """There is nothing to compare."""
    assert judge(rule(lead_time("<1w")), event(undated())) == missed("where.lead_time", "<1w", "no start")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "24h",
        "<",
        "<24",
        "<24hours",
        "=24h",
        "<24h, >2h",
        "<24h or >2d",
        "<<24h",
        "<2 4h",
        "< 9999999999w",
        "<٣h",
    ],
)
def test_a_lead_time_that_compares_nothing_is_refused(text: str) -> None:
    """What is not understood is not ignored."""
    with pytest.raises(ValueError, match=r"duration|compares nothing|century"):
        lead_time(text)


def test_a_condition_says_what_it_came_to() -> None:
    """Its text is what was wanted, its answer what was seen."""
    asked: list[datetime] = []

    def evaluate(about: Event) -> tuple[bool, str]:
        asked.append(about.occurred_at)
        return False, "false"

    assert judge(rule(condition("status == 'X'", evaluate)), event()) == missed("if", "status == 'X'", "false")
    assert asked == [event().occurred_at]
