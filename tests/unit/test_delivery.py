"""What becomes of a delivery after an attempt."""

import re
from datetime import timedelta

import pytest

from notifier.core.delivery import (
    JITTER,
    RETRY_DELAYS,
    Outcome,
    Reason,
    Result,
    Settlement,
    State,
    after_attempt,
    delivery_id,
)
from tests.builders import HOUR, MINUTE, NOW

BUSY = Outcome(Result.RETRY, Reason.UNAVAILABLE)
TRIES = range(1, len(RETRY_DELAYS) + 1)


@pytest.mark.parametrize("attempts", [1, 4, 8, 100])
def test_what_arrived_is_delivered(attempts: int) -> None:
    """Whichever try it was."""
    outcome = Outcome(Result.DELIVERED, Reason.OK, 204)
    assert after_attempt(attempts, outcome, NOW, 0.5) == Settlement(State.DELIVERED, Reason.OK)


@pytest.mark.parametrize("attempts", [1, 4, 8, 100])
def test_what_is_refused_for_good_is_dead_at_once(attempts: int) -> None:
    """With the reason that was given, and no other try."""
    outcome = Outcome(Result.DEAD, Reason.GONE, 410, retry_after=HOUR)
    assert after_attempt(attempts, outcome, NOW, 0.5) == Settlement(State.DEAD, Reason.GONE)


@pytest.mark.parametrize("attempts", TRIES)
def test_each_try_waits_its_own_delay(attempts: int) -> None:
    """Without jitter it is the delay of the schedule."""
    due_at = NOW + RETRY_DELAYS[attempts - 1]
    assert after_attempt(attempts, BUSY, NOW, 0.5) == Settlement(State.PENDING, Reason.UNAVAILABLE, due_at)


def test_the_schedule_is_the_one_that_is_promised() -> None:
    """At once, then 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h."""
    assert list(RETRY_DELAYS) == [
        timedelta(seconds=5),
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        10 * HOUR,
    ]


@pytest.mark.parametrize("attempts", [len(RETRY_DELAYS) + 1, 100])
def test_after_the_last_try_it_is_dead(attempts: int) -> None:
    """Attempts that a crash added count too, so that nothing is tried for ever."""
    assert after_attempt(attempts, BUSY, NOW, 0.5) == Settlement(State.DEAD, Reason.EXHAUSTED)


def test_without_delays_there_is_one_try() -> None:
    """The schedule is an argument."""
    assert after_attempt(1, BUSY, NOW, 0.5, delays=()) == Settlement(State.DEAD, Reason.EXHAUSTED)


@pytest.mark.parametrize(("draw", "stretch"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
def test_jitter_stretches_or_shrinks_by_a_fifth(draw: float, stretch: float) -> None:
    """The ends of the draw are the ends of the promise."""
    settlement = after_attempt(4, BUSY, NOW, draw)
    assert settlement.due_at is not None
    assert settlement.due_at - NOW == 2 * HOUR * stretch


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(timedelta(0), 5 * MINUTE), (MINUTE, 5 * MINUTE), (HOUR, HOUR), (None, 5 * MINUTE)],
)
def test_the_other_side_may_ask_for_a_longer_wait_only(asked: timedelta | None, waited: timedelta) -> None:
    """Retry-After is honoured where it is longer than the schedule."""
    outcome = Outcome(Result.RETRY, Reason.RATE_LIMITED, 429, retry_after=asked)
    assert after_attempt(2, outcome, NOW, 0.5) == Settlement(State.PENDING, Reason.RATE_LIMITED, NOW + waited)


def test_a_delivery_is_known_by_event_rule_and_channel() -> None:
    """The same three make the same id, 20 hex digits; any other make another."""
    ids = {delivery_id(*parts) for parts in (("e", "r", "c"), ("f", "r", "c"), ("e", "s", "c"), ("e", "r", "d"))}
    assert len(ids | {delivery_id("e", "rc", ""), delivery_id("er", "c", "")}) == 6
    assert delivery_id("e", "r", "c") in ids
    assert all(re.fullmatch("[0-9a-f]{20}", one) for one in ids)
