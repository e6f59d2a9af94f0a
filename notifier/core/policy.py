"""The policy of a channel: how fast it is sent to, how long one send may take, and what becomes of what fails."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State

RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
)
"""The waits between eight tries over 27.6 hours: the schedule of Svix."""

JITTER = 0.2
"""Each wait is stretched or shrunk by up to this share, so that a channel that returns is not stormed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a channel asks of whoever sends to it."""

    #: The waits between the tries of one message; one try more than there are waits.
    delays: tuple[timedelta, ...] = RETRY_DELAYS
    #: A message that failed is not tried again later than this after it was made; None: as long as the waits last.
    give_up_after: timedelta | None = None
    #: Whether what may have arrived is sent again.
    resend: bool = True
    #: HTTP and SMTP statuses that are retried although they mean no.
    retry_on: frozenset[int] = frozenset()
    #: The least time from the begin of one send to that of the next.
    interval: timedelta = timedelta(0)
    #: How long one send may take.
    timeout: timedelta = timedelta(seconds=30)
    #: A delivery that waited longer is compared with the newest snapshot before it goes out.
    recheck_after: timedelta = timedelta(minutes=1)


PATIENT = Policy()
"""That of a channel which says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One try that ended."""

    #: How many tries counted so far, this one included.
    tries: int
    #: When the message was made.
    made_at: datetime
    #: Whether what it came to tells of the channel alone, so that the message is owed as before: it was to find out if
    #: a paused channel works again, or it switched the channel off.
    probe: bool = False


_OF_CHANNEL = frozenset({Reason.REFUSED, Reason.NOT_FOUND, Reason.GONE, Reason.REDIRECTED})
"""No message would have been taken."""


def read_outcome(outcome: Outcome, policy: Policy) -> Outcome:
    """Returns the outcome as the channel's policy sees it: a refusal that it asks to retry is one to retry."""
    if outcome.result is Result.DEAD and outcome.status in policy.retry_on:
        return replace(outcome, result=Result.RETRY)
    return outcome


def after_attempt(trial: Trial, outcome: Outcome, now: datetime, draw: float, policy: Policy = PATIENT) -> Settlement:
    """Decides what becomes of a delivery after a try.

    `draw` is a random number from 0 to 1 that sets the jitter.
    """
    seen = read_outcome(outcome, policy)
    if seen.result is Result.DELIVERED:
        return Settlement(State.DELIVERED, seen.reason)
    if seen.result is Result.UNCERTAIN and not policy.resend:
        return Settlement(State.UNCERTAIN, seen.reason)
    if seen.result is Result.DEAD and not (trial.probe and seen.reason in _OF_CHANNEL):
        return Settlement(State.DEAD, seen.reason)
    if trial.probe:
        # Due again at once, and behind what was due before: one message that always fails can't be every probe.
        return Settlement(State.PENDING, seen.reason, now + (seen.retry_after or timedelta(0)))
    return _try_again(trial, seen, now, draw, policy)


def _try_again(trial: Trial, outcome: Outcome, now: datetime, draw: float, policy: Policy) -> Settlement:
    given_up = Settlement(State.DEAD, Reason.EXHAUSTED)
    if trial.tries > len(policy.delays):
        return given_up
    wait = policy.delays[trial.tries - 1] * (1 + JITTER * (2 * draw - 1))
    # What the other side asks for wins where it is longer.
    due_at = now + max(wait, outcome.retry_after or timedelta(0))
    if policy.give_up_after is not None and due_at > trial.made_at + policy.give_up_after:
        return given_up
    return Settlement(State.PENDING, outcome.reason, due_at)
