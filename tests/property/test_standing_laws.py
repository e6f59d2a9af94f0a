"""What holds for a lane whatever becomes of its sends."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

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
)
from tests.builders import DAY, MINUTE, NOW, SECOND

TAKEN = Outcome(Result.DELIVERED, Reason.OK, 200)
REASONS = st.sampled_from([reason for reason in Reason if reason is not Reason.OK])
WAITS = st.timedeltas(timedelta(0), DAY)
FAILURES = st.builds(
    Outcome, st.sampled_from([Result.RETRY, Result.UNCERTAIN, Result.DEAD]), REASONS, retry_after=st.none() | WAITS
)
SENDS = st.lists(st.tuples(FAILURES | st.just(TAKEN), st.timedeltas(SECOND, 3 * DAY)), max_size=30)
DOWN = Outcome(Result.RETRY, Reason.UNREACHABLE)


def course(sends: list[tuple[Outcome, timedelta]]) -> list[tuple[datetime, Outcome, Standing]]:
    """Returns how a lane stands after each of these sends, each so long after the one before."""
    standing, now, seen = OPEN, NOW, []
    for outcome, later in sends:
        now += later
        standing = after_send(standing, outcome, now)
        seen.append((now, outcome, standing))
    return seen


@given(SENDS)
def test_one_success_opens_it(sends: list[tuple[Outcome, timedelta]]) -> None:
    """Whatever was before."""
    assert course([*sends, (TAKEN, MINUTE)])[-1][2] == OPEN


@given(SENDS)
def test_a_lane_is_paused_or_off_or_neither(sends: list[tuple[Outcome, timedelta]]) -> None:
    """A pause that begins is no longer than a quarter of an hour, unless more was asked for."""
    before = OPEN
    for now, outcome, standing in course(sends):
        assert not (standing.is_paused and standing.is_off)
        if standing.paused_until is not None and standing != before:
            assert now <= standing.paused_until <= now + max(LONGEST_PAUSE, outcome.retry_after or LONGEST_PAUSE)
        before = standing


@given(SENDS)
def test_failures_have_a_beginning(sends: list[tuple[Outcome, timedelta]]) -> None:
    """As long as there are some, and no longer."""
    for now, _, standing in course(sends):
        assert (standing.failures == 0) == (standing.failing_since is None) == (standing.reason is None)
        assert standing.failing_since is None or standing.failing_since <= now


@given(SENDS)
def test_nothing_is_switched_off_lightly(sends: list[tuple[Outcome, timedelta]]) -> None:
    """Only where it is gone, or after many failures in a row over five days."""
    before = OPEN
    for now, outcome, standing in course(sends):
        if standing.is_off and not before.is_off:
            long = standing.failing_since is not None and now - standing.failing_since >= OFF_AFTER
            assert outcome.reason is Reason.GONE or (standing.failures >= PAUSE_AFTER and long)
        before = standing


@given(st.lists(st.timedeltas(timedelta(0), 10 * MINUTE), min_size=1, max_size=40))
def test_pauses_grow(delays: list[timedelta]) -> None:
    """While a channel fails, no pause is shorter than the one before, however late each probe is."""
    standing, now, pauses = OPEN, NOW, []
    for late in delays:
        now = (next_send(standing, now) or now) + late
        standing = after_send(standing, DOWN, now)
        if standing.paused_until is not None:
            pauses.append(standing.paused_until - now)
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in pauses)
    assert all(earlier <= later for earlier, later in pairwise(pauses))


def test_a_channel_that_stays_down() -> None:
    """It is probed until it is switched off, five days and at most one pause after it began to fail."""
    standing, now, probes = OPEN, NOW, 0
    while not standing.is_off:
        now = next_send(standing, now) or now
        probes += standing.is_paused
        standing = after_send(standing, DOWN, now)
    assert OFF_AFTER <= now - NOW <= OFF_AFTER + LONGEST_PAUSE
    assert 480 < probes < 600
