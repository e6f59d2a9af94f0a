"""What becomes of a delivery after an attempt, on the terms of its channel."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.policy import JITTER, PATIENT, RETRY_DELAYS, Policy, Trial, after_attempt, read_outcome
from tests.builders import DAY, HOUR, MINUTE, NOW

BUSY = Outcome(Result.RETRY, Reason.UNAVAILABLE)
SILENT = Outcome(Result.UNCERTAIN, Reason.UNCERTAIN)
TRIES = range(1, len(RETRY_DELAYS) + 1)


def settled(
    tries: int, outcome: Outcome, policy: Policy = PATIENT, draw: float = 0.5, *, probe: bool = False
) -> Settlement:
    """Returns what becomes of a delivery that was made a minute ago."""
    return after_attempt(Trial(tries=tries, made_at=NOW - MINUTE, probe=probe), outcome, NOW, draw, policy)


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("tries", [1, 4, 8, 100])
def test_what_arrived_is_delivered(tries: int, probe: bool) -> None:
    """Whichever try it was."""
    outcome = Outcome(Result.DELIVERED, Reason.OK, 204)
    assert settled(tries, outcome, probe=probe) == Settlement(State.DELIVERED, Reason.OK)


@pytest.mark.parametrize("tries", [1, 4, 8, 100])
@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.NOT_FOUND, Reason.GONE, Reason.REJECTED, Reason.REDIRECTED])
def test_what_is_refused_for_good_is_dead_at_once(tries: int, reason: Reason) -> None:
    """With the reason that was given, and no other try."""
    outcome = Outcome(Result.DEAD, reason, 400, retry_after=HOUR)
    assert settled(tries, outcome) == Settlement(State.DEAD, reason)


@pytest.mark.parametrize("tries", TRIES)
def test_each_try_waits_its_own_delay(tries: int) -> None:
    """Without jitter it is the delay of the schedule."""
    due_at = NOW + RETRY_DELAYS[tries - 1]
    assert settled(tries, BUSY) == Settlement(State.PENDING, Reason.UNAVAILABLE, due_at)


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


@pytest.mark.parametrize("tries", [len(RETRY_DELAYS) + 1, 100])
def test_after_the_last_try_it_is_dead(tries: int) -> None:
    """Attempts that a crash added count too, so that nothing is tried for ever."""
    assert settled(tries, BUSY) == Settlement(State.DEAD, Reason.EXHAUSTED)


def test_the_schedule_is_the_channels() -> None:
    """There is one try more than there are waits."""
    policy = Policy(delays=(MINUTE, HOUR))
    assert settled(2, BUSY, policy).due_at == NOW + HOUR
    assert settled(3, BUSY, policy) == Settlement(State.DEAD, Reason.EXHAUSTED)
    assert settled(1, BUSY, Policy(delays=())) == Settlement(State.DEAD, Reason.EXHAUSTED)


@pytest.mark.parametrize(("draw", "stretch"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
def test_jitter_stretches_or_shrinks_by_a_fifth(draw: float, stretch: float) -> None:
    """The ends of the draw are the ends of the promise."""
    settlement = settled(4, BUSY, draw=draw)
    assert settlement.due_at is not None
    assert settlement.due_at - NOW == 2 * HOUR * stretch


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(timedelta(0), 5 * MINUTE), (MINUTE, 5 * MINUTE), (HOUR, HOUR), (None, 5 * MINUTE)],
)
def test_the_other_side_may_ask_for_a_longer_wait_only(asked: timedelta | None, waited: timedelta) -> None:
    """Retry-After is honoured where it is longer than the schedule."""
    outcome = Outcome(Result.RETRY, Reason.RATE_LIMITED, 429, retry_after=asked)
    assert settled(2, outcome) == Settlement(State.PENDING, Reason.RATE_LIMITED, NOW + waited)


@pytest.mark.parametrize(
    ("give_up_after", "state"),
    [(5 * MINUTE, State.DEAD), (6 * MINUTE, State.PENDING), (DAY, State.PENDING), (None, State.PENDING)],
)
def test_a_message_grows_too_old(give_up_after: timedelta | None, state: State) -> None:
    """Where its next try would come later than its channel has use for it, it is given up now."""
    settlement = settled(2, BUSY, Policy(give_up_after=give_up_after))
    assert settlement.state is state
    assert settlement.reason is (Reason.EXHAUSTED if state is State.DEAD else Reason.UNAVAILABLE)


def test_a_plea_to_wait_can_outlast_a_message() -> None:
    """Whose wait it is makes no difference to how old a message may grow."""
    outcome = Outcome(Result.RETRY, Reason.RATE_LIMITED, 429, retry_after=HOUR)
    assert settled(1, outcome, Policy(give_up_after=HOUR)) == Settlement(State.DEAD, Reason.EXHAUSTED)


def test_what_may_have_arrived_is_sent_again() -> None:
    """By the schedule, where the channel's receiver can tell a repeat; and given up like anything else."""
    assert settled(2, SILENT) == Settlement(State.PENDING, Reason.UNCERTAIN, NOW + 5 * MINUTE)
    assert settled(8, SILENT) == Settlement(State.DEAD, Reason.EXHAUSTED)


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("tries", [1, 8, 100])
def test_what_may_have_arrived_is_left(tries: int, probe: bool) -> None:
    """Where the channel says so it is not sent again, and shown as what it is."""
    assert settled(tries, SILENT, Policy(resend=False), probe=probe) == Settlement(State.UNCERTAIN, Reason.UNCERTAIN)


def test_a_refusal_that_the_channel_retries() -> None:
    """A status that means no is one to retry where the channel lists it, with its Retry-After."""
    policy = Policy(retry_on=frozenset({403}))
    forbidden = Outcome(Result.DEAD, Reason.REFUSED, 403, retry_after=HOUR)
    assert settled(1, forbidden, policy) == Settlement(State.PENDING, Reason.REFUSED, NOW + HOUR)
    assert read_outcome(forbidden, policy) == replace(forbidden, result=Result.RETRY)
    others = [Outcome(Result.DEAD, Reason.REFUSED, 401), Outcome(Result.DEAD, Reason.TEMPLATE), BUSY, SILENT]
    assert [read_outcome(one, policy) for one in others] == others


@pytest.mark.parametrize("tries", [0, 1, 8, 100])
@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.NOT_FOUND, Reason.GONE, Reason.REDIRECTED])
def test_a_probe_does_not_cost_a_message_its_life(tries: int, reason: Reason) -> None:
    """What a channel refuses to every message says nothing about this one: it is due again, behind the others."""
    settlement = settled(tries, Outcome(Result.DEAD, reason, 403), probe=True)
    assert settlement == Settlement(State.PENDING, reason, NOW)


@pytest.mark.parametrize("tries", [0, 1, 8, 100])
@pytest.mark.parametrize("outcome", [BUSY, SILENT], ids=lambda outcome: outcome.reason.value)
def test_a_probe_that_fails_costs_no_try_and_no_time(tries: int, outcome: Outcome) -> None:
    """Neither the schedule nor the age of a message ends it while its channel is paused."""
    settlement = settled(tries, outcome, Policy(give_up_after=timedelta(seconds=1)), probe=True)
    assert settlement == Settlement(State.PENDING, outcome.reason, NOW)


def test_a_probe_hears_how_long_to_wait() -> None:
    """Retry-After counts for a probe, too."""
    outcome = Outcome(Result.RETRY, Reason.RATE_LIMITED, 429, retry_after=HOUR)
    assert settled(1, outcome, probe=True).due_at == NOW + HOUR


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.TOO_LARGE, Reason.TEMPLATE])
def test_a_probe_that_nobody_wants_is_dead(reason: Reason) -> None:
    """A message that is refused for what it says is refused by a channel that works."""
    assert settled(1, Outcome(Result.DEAD, reason), probe=True) == Settlement(State.DEAD, reason)
