"""How a lane stands after each send."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.standing import (
    LONGEST_PAUSE,
    OFF_AFTER,
    OPEN,
    PAUSE_AFTER,
    SHORTEST_PAUSE,
    Standing,
    after_send,
    next_send,
    off_due,
)
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND

DOWN = Outcome(Result.RETRY, Reason.UNREACHABLE, detail="Connection refused")
TAKEN = Outcome(Result.DELIVERED, Reason.OK, 200)
BUSY = Outcome(Result.RETRY, Reason.RATE_LIMITED, 429, retry_after=HOUR)
GONE = Outcome(Result.DEAD, Reason.GONE, 410)


def failed(times: int, outcome: Outcome = DOWN, since: datetime = NOW, at: datetime = NOW) -> Standing:
    """Returns how a lane stands after so many failures in a row, the first of them then and the last at that time."""
    standing = OPEN
    for number in range(times):
        standing = after_send(standing, outcome, at if number == times - 1 else since)
    return standing


def test_a_few_failures_pause_nothing() -> None:
    """They are counted, with the first one's time and the last one's reason."""
    standing = failed(PAUSE_AFTER - 1, at=NOW + MINUTE)
    assert standing == Standing(failures=4, failing_since=NOW, reason=Reason.UNREACHABLE, detail="Connection refused")


@pytest.mark.parametrize(
    ("failing_for", "pause"),
    [
        (timedelta(0), SHORTEST_PAUSE),
        (5 * MINUTE, SHORTEST_PAUSE),
        (HOUR, 6 * MINUTE),
        (150 * MINUTE, LONGEST_PAUSE),
        (DAY, LONGEST_PAUSE),
        (-HOUR, SHORTEST_PAUSE),
    ],
)
def test_a_pause_is_a_tenth_of_the_trouble(failing_for: timedelta, pause: timedelta) -> None:
    """At least half a minute and at most a quarter of an hour, also where the clock was set back."""
    now = NOW + failing_for
    assert failed(PAUSE_AFTER, at=now).paused_until == now + pause


def test_a_paused_lane_that_fails_again_is_paused_for_longer() -> None:
    """The next probe comes after another tenth."""
    standing = failed(PAUSE_AFTER)
    assert after_send(standing, DOWN, NOW + HOUR).paused_until == NOW + HOUR + 6 * MINUTE


@pytest.mark.parametrize("times", [1, PAUSE_AFTER, 100])
def test_one_success_opens(times: int) -> None:
    """However long it failed, nothing of it is left."""
    assert after_send(failed(times), TAKEN, NOW) == OPEN


@pytest.mark.parametrize("reason", [Reason.TEMPLATE, Reason.REJECTED, Reason.TOO_LARGE])
@pytest.mark.parametrize("result", [Result.DEAD, Result.RETRY])
def test_what_a_message_is_refused_for_says_nothing_of_its_channel(reason: Reason, result: Result) -> None:
    """It neither counts as a failure nor ends a row of them."""
    for standing in (OPEN, failed(4), failed(5)):
        assert after_send(standing, Outcome(result, reason, 400), NOW + MINUTE) == standing


@pytest.mark.parametrize(
    "outcome",
    [
        DOWN,
        Outcome(Result.UNCERTAIN, Reason.UNCERTAIN),
        Outcome(Result.DEAD, Reason.REFUSED, 401),
        Outcome(Result.DEAD, Reason.NOT_FOUND, 404),
        Outcome(Result.DEAD, Reason.REDIRECTED, 302),
        Outcome(Result.RETRY, Reason.GONE, 410),
    ],
    ids=lambda outcome: outcome.reason.value,
)
def test_everything_else_is_a_failure_of_the_channel(outcome: Outcome) -> None:
    """Whatever became of the message."""
    assert failed(PAUSE_AFTER, outcome).is_paused


def test_a_plea_to_wait_pauses_at_once() -> None:
    """It holds for all that waits for the channel; the next one finds out whether it takes messages again."""
    standing = after_send(OPEN, BUSY, NOW)
    assert (standing.failures, standing.paused_until) == (1, NOW + HOUR)
    assert not after_send(standing, DOWN, NOW + HOUR).is_paused


def test_a_limit_without_a_time_pauses_nothing() -> None:
    """It counts as a failure like any other."""
    assert not after_send(OPEN, replace(BUSY, retry_after=None), NOW).is_paused


@pytest.mark.parametrize(("asked", "pause"), [(SECOND, SHORTEST_PAUSE), (HOUR, HOUR)])
@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.UNAVAILABLE])
def test_a_pause_is_as_long_as_was_asked_for(asked: timedelta, pause: timedelta, reason: Reason) -> None:
    """Where that is longer than ours."""
    outcome = Outcome(Result.RETRY, reason, 503, retry_after=asked)
    assert after_send(failed(PAUSE_AFTER), outcome, NOW).paused_until == NOW + pause


def test_what_is_gone_is_switched_off_at_once() -> None:
    """410 says that it will not come back; the lane is not paused besides."""
    standing = after_send(OPEN, GONE, NOW)
    assert (standing.off_at, standing.is_paused, standing.reason) == (NOW, False, Reason.GONE)


def test_five_days_switch_off() -> None:
    """Not a moment sooner, and it stays off since then."""
    end = NOW + OFF_AFTER
    standing = failed(PAUSE_AFTER, at=end - SECOND)
    assert (standing.is_off, off_due(standing)) == (False, end)
    off = after_send(standing, DOWN, end)
    assert (off.off_at, off.is_paused, off_due(off)) == (end, False, None)
    assert after_send(off, DOWN, end + DAY).off_at == end


def test_seldom_failures_switch_nothing_off() -> None:
    """Two messages that failed five days apart are no five days of failing."""
    standing = failed(PAUSE_AFTER - 1, at=NOW + 2 * OFF_AFTER)
    assert (standing.is_off, standing.is_paused, off_due(standing)) == (False, False, None)


@pytest.mark.parametrize(
    ("standing", "due_at", "sent_at"),
    [
        (OPEN, NOW, NOW),
        (OPEN, None, None),
        (Standing(paused_until=NOW), NOW - MINUTE, NOW),
        (Standing(paused_until=NOW), NOW + MINUTE, NOW + MINUTE),
        (Standing(paused_until=NOW), None, None),
        (Standing(off_at=NOW), NOW, None),
    ],
)
def test_when_the_next_message_may_go_out(
    standing: Standing, due_at: datetime | None, sent_at: datetime | None
) -> None:
    """When it is due and the pause is over; never while the channel is off."""
    assert next_send(standing, due_at) == sent_at
