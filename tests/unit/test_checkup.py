"""What the figures on record say about our own side: channels, lanes, templates, disk, clock and operator."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.core.checkup import (
    LEAST_FREE,
    BadTemplate,
    DeadLetters,
    Heartbeat,
    NoticeCount,
    Room,
    examine_channel,
    examine_clock,
    examine_configuration,
    examine_disk,
    examine_heartbeat,
    examine_lane,
    examine_operator,
    examine_rule,
    listeners,
    names_of_ours,
    untold,
)
from notifier.core.delivery import Reason
from notifier.core.standing import OPEN, Standing
from notifier.core.trouble import Finding, OpenTrouble, TroubleKind
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND

AFTER = 5 * MINUTE
PAUSED = Standing(
    failures=7,
    failing_since=NOW - 10 * MINUTE,
    paused_until=NOW + MINUTE,
    reason=Reason.UNAVAILABLE,
    detail="HTTP 503",
)


def kind_of(finding: Finding | None) -> TroubleKind | None:
    assert finding is not None
    return finding.trouble.kind if finding.trouble else None


# ---- channels and rules


def test_dead_letters_are_a_trouble_for_an_hour() -> None:
    """Messages that were given up lately are told at once, with the reason; after a quiet hour it is over."""
    dead = DeadLetters("crm", 3, NOW - MINUTE, "refused")
    finding = examine_channel("crm", dead, NOW)
    assert (finding.name, kind_of(finding)) == ("channel crm", TroubleKind.DEAD_LETTERS)
    assert finding.trouble is not None
    assert finding.trouble.text == "3 messages were given up; the reason of the last one: refused"
    assert (finding.trouble.since, finding.trouble.patience) == (NOW - MINUTE, timedelta(0))
    assert examine_channel("crm", dead, NOW + HOUR) == Finding("channel crm", NOW + HOUR, None)
    assert examine_channel("crm", None, NOW) == Finding("channel crm", NOW, None)


def test_a_template_that_fails_is_the_trouble_of_its_rule() -> None:
    """It is told at once, with what the template complained of; after a quiet hour it is over."""
    bad = BadTemplate("late", 1, NOW - MINUTE, "unknown filter: euro (in body:2)")
    finding = examine_rule("late", bad, NOW)
    assert (finding.name, kind_of(finding)) == ("rule late", TroubleKind.TEMPLATE)
    assert finding.trouble is not None
    assert finding.trouble.text == "1 message was given up; the last one: unknown filter: euro (in body:2)"
    assert finding.trouble.patience == timedelta(0)
    assert examine_rule("late", bad, NOW + HOUR) == Finding("rule late", NOW + HOUR, None)
    assert examine_rule("late", None, NOW) == Finding("rule late", NOW, None)


# ---- lanes


def test_a_lane_that_is_open_is_well() -> None:
    """Nothing bad is known of it."""
    assert examine_lane("crm", OPEN, 0, NOW, AFTER) == Finding("lane crm", NOW, None)


def test_nothing_is_known_of_a_lane_that_fails_and_goes_on() -> None:
    """A few failures are no trouble yet; and after a lane was opened by hand they are no end of one."""
    assert examine_lane("crm", replace(PAUSED, failures=2, paused_until=None), 1, NOW, AFTER) is None


def test_a_lane_that_stays_paused_is_told() -> None:
    """It counts from the first failure, and says how many failed, why, and how much waits."""
    finding = examine_lane("crm", PAUSED, 12, NOW, AFTER)
    assert finding is not None
    assert finding.trouble is not None
    assert (finding.name, finding.at, finding.trouble.kind) == ("lane crm", NOW, TroubleKind.PAUSED)
    assert finding.trouble.text == "the last 7 sends failed, the newest: unavailable (HTTP 503); 12 messages wait"
    assert (finding.trouble.since, finding.trouble.patience) == (NOW - 10 * MINUTE, AFTER)


@pytest.mark.parametrize(
    ("failing", "kind"),
    [(4 * DAY - SECOND, TroubleKind.PAUSED), (4 * DAY, TroubleKind.CLOSING), (9 * DAY, TroubleKind.CLOSING)],
)
def test_a_lane_that_will_be_switched_off_is_told_a_day_before(failing: timedelta, kind: TroubleKind) -> None:
    """After four days of failures it is told at once, and before that when it lasts."""
    finding = examine_lane("crm", replace(PAUSED, failing_since=NOW - failing), 1, NOW, AFTER)
    assert kind_of(finding) is kind
    assert finding is not None
    assert finding.trouble is not None
    assert finding.trouble.patience == (AFTER if kind is TroubleKind.PAUSED else timedelta(0))


def test_a_lane_that_is_off_is_told_at_once() -> None:
    """Also one that was never paused, since its channel said that it is gone; it names one send, and what waits."""
    gone = Standing(failures=1, failing_since=NOW, off_at=NOW, reason=Reason.GONE)
    finding = examine_lane("crm", gone, 1, NOW, AFTER)
    assert finding is not None
    assert finding.trouble is not None
    assert (finding.trouble.kind, finding.trouble.patience) == (TroubleKind.OFF, timedelta(0))
    assert finding.trouble.text == "the last send failed, the newest: gone; 1 message waits"


# ---- disk and clock


@pytest.mark.parametrize(
    ("free", "taken", "told"),
    [
        (LEAST_FREE - 1, 0, TroubleKind.DISK),
        (2 * LEAST_FREE, 3 * LEAST_FREE, TroubleKind.DISK),
        (2 * LEAST_FREE, 0, None),
        (4 * LEAST_FREE, 3 * LEAST_FREE, None),
    ],
)
def test_a_disk_has_to_have_room_for_a_second_store(free: int, taken: int, told: TroubleKind | None) -> None:
    """And for 100 MB at least; an upgrade and a copy take as much as the store has."""
    finding = examine_disk(Room("/data", free, taken), NOW)
    assert finding is not None
    assert (finding.name, kind_of(finding)) == ("disk /data", told)


def test_a_disk_at_the_limit_is_neither() -> None:
    """A little more than the limit neither begins a trouble nor ends one, so that it does not come and go."""
    assert examine_disk(Room("/data", LEAST_FREE, 0), NOW) is None


def test_what_is_said_of_a_disk() -> None:
    """It says how much is left, and how much should be."""
    finding = examine_disk(Room("/data", 63_400_000, 0), NOW)
    assert finding is not None
    assert finding.trouble is not None
    assert finding.trouble.text == "63 MB are free, and 100 MB are wanted"


@pytest.mark.parametrize(
    ("jump", "text"),
    [
        (2 * HOUR, "it was put forward by 2 h, or this machine was asleep for so long"),
        (-MINUTE - SECOND, "it was put back by 1 min"),
        (MINUTE, None),
        (-MINUTE, None),
    ],
)
def test_a_clock_that_was_set(jump: timedelta, text: str | None) -> None:
    """More than a minute apart from a clock that nobody sets is told at once; less is the work of a time service."""
    finding = examine_clock(jump, NOW)
    assert (finding.name, finding.at) == ("clock", NOW)
    assert (finding.trouble.text if finding.trouble else None) == text


# ---- the ways to the operator


def test_a_heartbeat_that_is_heard_is_well() -> None:
    """The newest one is the evidence; before the first nothing is known."""
    assert examine_heartbeat(Heartbeat(NOW), AFTER) == Finding("heartbeat", NOW, None)
    assert examine_heartbeat(None, AFTER) is None


def test_a_heartbeat_that_is_not_heard_is_told_when_it_lasts() -> None:
    """It counts from the first one that was not heard."""
    finding = examine_heartbeat(Heartbeat(NOW, NOW - HOUR, "HTTP 500"), AFTER)
    assert finding is not None
    assert finding.trouble is not None
    assert (finding.trouble.kind, finding.trouble.text) == (TroubleKind.UNAVAILABLE, "HTTP 500")
    assert (finding.trouble.since, finding.trouble.patience) == (NOW - HOUR, AFTER)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (NoticeCount(), "well"),
        (NoticeCount(1, waiting_since=NOW - SECOND), "unknown"),
        (NoticeCount(1, failing_since=NOW - MINUTE, waiting_since=NOW - MINUTE, error="gone"), "unknown"),
        (NoticeCount(1, failing_since=NOW - AFTER, waiting_since=NOW - AFTER, error="gone"), "the last try: gone"),
        (NoticeCount(broken=True, error="gone"), "a message was given up; the last try: gone"),
        (NoticeCount(1, waiting_since=NOW - HOUR), "a message that is being sent does not come to an end"),
    ],
)
def test_whether_the_operator_is_reached(count: NoticeCount, text: str) -> None:
    """What fails or hangs for long, and what was given up, is a trouble; what is on its way is not known yet."""
    finding = examine_operator("ops", count, NOW - AFTER, NOW, AFTER)
    if finding is None:
        assert text == "unknown"
        return
    assert finding.name == "operator ops"
    assert (finding.trouble.text if finding.trouble else "well") == text


def test_what_waited_for_this_process_did_not_hang() -> None:
    """What was owed while nobody could send it counts from the start."""
    waiting = NoticeCount(1, waiting_since=NOW - HOUR)
    assert examine_operator("ops", waiting, NOW - MINUTE, NOW, AFTER) is None


def test_a_channel_does_not_tell_that_it_does_not_work() -> None:
    """A trouble of a channel is told by the others; dead letters are told by it, too, since it may take others."""
    ways = ("ops", "desk")
    assert listeners("lane ops", ways) == listeners("operator ops", ways) == ("desk",)
    assert listeners("channel ops", ways) == listeners("lane crm", ways) == ways
    assert listeners("lane ops", ("ops",)) == ()


def test_what_the_operator_can_not_be_told() -> None:
    """That is what fails on the way to him, and a lane where no other way is left; while it lasts, and is told."""
    trouble = OpenTrouble(name="", kind=TroubleKind.PAUSED, text="", began_at=NOW, told_at=NOW)
    lane, way, source = (replace(trouble, name=name) for name in ("lane ops", "operator ops", "source acme"))
    assert untold([lane, way, source], ["ops"]) == [lane, way]
    assert untold([lane, way, source], ["ops", "desk"]) == [way]
    assert untold([lane, source], []) == [lane]
    assert untold([replace(lane, told_at=None), replace(way, well_since=NOW)], ["ops"]) == []


def test_what_may_be_in_trouble() -> None:
    """Every name that a finding may have is among those of what is configured; but for rules and the disk."""
    found = [
        examine_channel("crm", None, NOW),
        examine_lane("crm", OPEN, 0, NOW, AFTER),
        examine_operator("ops", NoticeCount(), NOW, NOW, AFTER),
        examine_clock(timedelta(0), NOW),
        examine_configuration("", NOW),
        examine_heartbeat(Heartbeat(NOW), AFTER),
    ]
    names = {one.name for one in found if one}
    assert names == names_of_ours(["crm"], ["ops"], beats=True)
    assert names - {"heartbeat"} == names_of_ours(["crm"], ["ops"], beats=False)
