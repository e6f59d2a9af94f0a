"""What a rule asks the clock for: when a stay begins, when it is told, and when again."""

from datetime import timedelta
from typing import Any

import pytest

from notifier.core.appointment import Appointment
from notifier.core.change import Kind
from notifier.core.delivery import Reason
from notifier.core.directory import Directory, Entry
from notifier.core.event import LATE, Firing
from notifier.core.grant import grant_of, mask
from notifier.core.headline import headline
from notifier.core.plan import plan_firings
from notifier.core.recheck import Overtaken, Sight, Waiting, recheck
from notifier.core.recipients import Recipients
from notifier.core.route import Context
from notifier.core.rule import field_among, max_age, timed
from notifier.core.walk import walk
from notifier.core.watch import (
    MOST_REMINDERS,
    Escalation,
    Progress,
    Resident,
    Watch,
    advance,
    begin_of,
    event_of,
    is_told,
    known_until,
)
from tests.builders import DAY, HOUR, MINUTE, NOW, START, appointment, look, rule, stay, watch

REQUEST = appointment(status="INCOMING_REQUEST")
OVERDUE = watch(kind=Kind.OVERDUE, span=HOUR)
NEAR = watch(kind=Kind.BEFORE_START, span=DAY)
ASKS = rule(timed(watch()), watch=watch())


def resident(state: Appointment = REQUEST, **changes: Any) -> Resident:
    usual: dict[str, Any] = {
        "since": NOW - 3 * HOUR,
        "silent_at": None,
        "observed_at": NOW - 3 * HOUR,
        "asked_at": None,
    }
    return Resident(appointment=state, **usual | changes)


@pytest.mark.parametrize(
    ("asked", "state", "begin"),
    [
        (watch(), REQUEST, NOW - 3 * HOUR),
        (OVERDUE, appointment(end=NOW - HOUR), NOW - HOUR),
        (OVERDUE, appointment(end=NOW - DAY), NOW - 3 * HOUR),
        (OVERDUE, appointment(end=None), None),
        (NEAR, REQUEST, NOW - 3 * HOUR),
        (NEAR, appointment(start=NOW + 2 * DAY), NOW + DAY),
        (NEAR, appointment(start=None), None),
    ],
)
def test_when_a_stay_begins(asked: Watch, state: Appointment, begin: object) -> None:
    """With the status, or with the time that counts if that is later; what is undated is never late or near."""
    assert begin_of(asked, resident(state)) == begin


def test_what_a_look_says() -> None:
    """Only a look that began after the page, and covers the appointment, says that it still was so."""
    later = look(NOW - MINUTE)
    assert known_until(resident(), [look(NOW - 4 * HOUR), later], NOW) == NOW - MINUTE
    assert known_until(resident(observed_at=NOW - MINUTE), [later], NOW) is None
    assert known_until(resident(appointment(start=NOW + 90 * DAY)), [later], NOW) is None
    assert known_until(resident(asked_at=NOW - HOUR), [], NOW) == NOW - HOUR


def test_what_is_old_is_not_told() -> None:
    """Neither what was so when the rule was new, nor what was so when the appointment was first seen, in silence."""
    begin = NOW - 3 * HOUR
    assert is_told(watch(), resident(), begin, NOW - 2 * HOUR)
    assert not is_told(watch(), resident(), begin, NOW - HOUR)
    assert is_told(watch(), resident(silent_at=NOW - 2 * HOUR), begin, NOW - DAY)
    assert not is_told(watch(), resident(silent_at=NOW - HOUR), begin, NOW - DAY)


def test_on_time() -> None:
    """What follows is counted from when a message was due, so that it does not drift."""
    asked = watch(remind=4 * HOUR, escalate=Escalation(DAY, ("boss",)))
    begin = NOW - 2 * HOUR
    (first,), progress = advance(asked, "asks", begin, Progress(), NOW + MINUTE, NOW + LATE)
    assert (first.due_at, first.number, first.escalation) == (NOW, 0, False)
    assert progress == Progress(1, NOW + 4 * HOUR, NOW + DAY)
    assert advance(asked, "asks", begin, progress, NOW + 3 * HOUR, NOW + 3 * HOUR) == ((), progress)


def test_late() -> None:
    """After an outage it is counted from now: one message makes up for all."""
    asked = watch(remind=4 * HOUR)
    now = NOW + 9 * HOUR
    firings, progress = advance(asked, "asks", NOW - 2 * HOUR, Progress(), now, now)
    assert [one.number for one in firings] == [0]
    assert progress == Progress(1, now + 4 * HOUR)
    event = event_of("acme", asked, REQUEST, firings[0], now)
    assert (event.occurred_at, event.lasted) == (NOW, 11 * HOUR)
    assert headline(event) == "Request unanswered for 11 h"


def test_reminders_end() -> None:
    """Who did not act on so many is not told more; others are told once."""
    asked = watch(remind=HOUR, escalate=Escalation(90 * MINUTE, ("boss",)))
    progress, now, told = Progress(), NOW, list[Firing]()
    for _ in range(2 * MOST_REMINDERS):
        firings, progress = advance(asked, "asks", NOW - 2 * HOUR, progress, now, now)
        told += firings
        now += HOUR
    assert [one.number for one in told if not one.escalation] == list(range(MOST_REMINDERS + 1))
    assert [one.due_at for one in told if one.escalation] == [NOW + 90 * MINUTE]
    assert progress == Progress(MOST_REMINDERS + 1)


def test_whom_it_is_for() -> None:
    """Only the rule that asked is asked, and what is escalated goes to others."""
    asked = watch(escalate=Escalation(DAY, ("boss",)))
    asks = rule(timed(asked), watch=asked)
    others = [rule(name="all"), asks]
    assert [verdict.rule for verdict in walk(others, stay(asked))] == ["any"]
    events = [stay(asked), stay(asked, escalation=True)]
    plan = plan_firings("acme", asks, events, Context(now=NOW))
    assert [delivery.channel for delivery in plan.deliveries] == ["desk", "boss"]
    assert len({delivery.event_id for delivery in plan.deliveries}) == 2


def test_an_escalation_finds_its_channel_in_the_directory() -> None:
    """As the first message may; where it leads nowhere, who the rule says hears of it."""
    asked = watch(escalate=Escalation(DAY, ("directory:office",)))
    asks = rule(timed(asked), watch=asked, otherwise="desk")
    book = Directory({("office", "12"): Entry(channels=("boss",))})
    channels = frozenset({"boss", "desk"})
    events = [stay(asked, escalation=True)]
    told = [
        [one.channel for one in plan_firings("acme", asks, events, Context(now=NOW, recipients=recipients)).deliveries]
        for recipients in (Recipients(channels, book), Recipients(channels))
    ]
    assert told == [["boss"], ["desk"]]


def test_too_late_is_too_late() -> None:
    """`max_age` is counted from the moment at which it was due."""
    old = stay(watch(), due_at=NOW - 3 * HOUR)
    (verdict,) = walk([rule(timed(watch()), max_age(2 * HOUR), watch=watch())], old)
    assert (verdict.matched, verdict.key, verdict.saw) == (False, "max_age", "3 h")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Sight(REQUEST, listed=True, since=NOW - 2 * HOUR), True),
        (Sight(appointment(status="INCOMING_REQUEST", start=START + DAY), listed=True), True),
        (Sight(appointment(status="INCOMING_REQUEST", office="13"), listed=True), False),
        (Sight(appointment(), listed=True), False),
        (Sight(REQUEST, listed=False), False),
        (Sight(REQUEST, listed=True, since=NOW + MINUTE), False),
    ],
)
def test_what_waited(now: Sight, told: bool) -> None:
    """A stay that ended is not told, though another one began; one that goes on is told as it is now."""
    asks = rule(timed(watch()), field_among("office", ["12"]), watch=watch())
    decided = recheck([Waiting(1, stay(watch(), REQUEST))], now, asks)
    if told:
        assert decided.survivor is not None
        assert decided.survivor.event.after == now.appointment
    else:
        assert decided.overtaken == (Overtaken(1, Reason.OUTDATED),)


def test_several_that_waited() -> None:
    """The last tells of them all."""
    waiting = [Waiting(1, stay(watch(), REQUEST)), Waiting(2, stay(watch(), REQUEST, number=1))]
    decided = recheck(waiting, Sight(REQUEST, listed=True), ASKS)
    assert decided.overtaken == (Overtaken(1, Reason.COLLAPSED, 2),)
    assert decided.survivor == waiting[1]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (REQUEST, "Request unanswered for 2 h"),
        (appointment(status="OUTGOING_INVITE"), "Invitation unanswered for 2 h"),
        (appointment(status="ALTERNATIVE_DATE_REQUESTED"), "Other date requested, unanswered for 2 h"),
        (appointment(), "Confirmed for 2 h"),
        (appointment(status="NEW_WORD"), "NEW_WORD for 2 h"),
    ],
)
def test_headlines(state: Appointment, text: str) -> None:
    """Every status has words of its own."""
    assert headline(stay(watch(), state)) == text
    assert headline(stay(watch(), state, escalation=True)) == f"{text} (escalated)"


def test_what_is_hidden_is_not_told_by_a_stay() -> None:
    """Who may not see the end does not see when it was overdue from, or for how long it has been."""
    masked = mask(stay(OVERDUE), grant_of(["office"])).event
    assert masked.firing is not None
    assert (masked.firing.began_at, masked.lasted, headline(masked)) == (None, None, "Overdue")
    assert mask(stay(OVERDUE), grant_of(["end"])).event.lasted == timedelta(hours=1)
