"""How the lane of a channel stands: open, paused because the channel fails, or switched off.

A lane that fails several times in a row is paused: nothing is sent there but one message after each pause, to find
out whether the channel works again. One success opens it. What fails for days is switched off until a person acts.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.core.delivery import Outcome, Reason, Result

PAUSE_AFTER = 5
"""So many failures in a row pause a lane."""

PAUSE_SHARE = 0.1
"""A pause is this share of the time for which the channel has been failing."""

SHORTEST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)

OFF_AFTER = timedelta(days=5)
"""What is paused and has been failing for so long is switched off."""

_OF_MESSAGE = frozenset({Reason.TEMPLATE, Reason.REJECTED, Reason.TOO_LARGE})
"""These say something about a message, and nothing about its channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a channel from its last sends; that of a channel which works is `OPEN`."""

    #: In a row.
    failures: int = 0
    #: When the first of them happened; None while there is none.
    failing_since: datetime | None = None
    #: Nothing goes out before; then one message finds out whether the channel works again. None while it is open.
    paused_until: datetime | None = None
    #: When it was switched off; None while it is on.
    off_at: datetime | None = None
    #: Of the last failure.
    reason: Reason | None = None
    detail: str = ""

    @property
    def is_paused(self) -> bool:
        """Whether the next message is a probe: one that finds out whether the channel works."""
        return self.paused_until is not None

    @property
    def is_off(self) -> bool:
        """Whether nothing goes out until a person acts."""
        return self.off_at is not None


OPEN = Standing()
"""Nothing is wrong, as far as is known."""


def after_send(standing: Standing, outcome: Outcome, now: datetime) -> Standing:
    """Decides how a lane stands after a send; the outcome is as the channel's policy sees it."""
    if outcome.result is Result.DELIVERED:
        return OPEN
    if outcome.reason in _OF_MESSAGE:
        return standing
    failed = Standing(
        failures=standing.failures + 1,
        # The clock may have been set back.
        failing_since=min(standing.failing_since or now, now),
        off_at=standing.off_at,
        reason=outcome.reason,
        detail=outcome.detail,
    )
    if failed.is_off or _is_over(failed, outcome, now):
        return replace(failed, off_at=failed.off_at or now)
    pause = _pause(failed, outcome, now)
    return failed if pause is None else replace(failed, paused_until=now + pause)


def next_send(standing: Standing, due_at: datetime | None) -> datetime | None:
    """Returns when a message that is due then may go out; None for no message, and for none at all while it is off."""
    if due_at is None or standing.is_off:
        return None
    return due_at if standing.paused_until is None else max(due_at, standing.paused_until)


def off_due(standing: Standing) -> datetime | None:
    """Returns when a lane that is paused will be switched off if it goes on failing; None for any other."""
    if not standing.is_paused or standing.failing_since is None:
        return None
    return standing.failing_since + OFF_AFTER


def _is_over(failed: Standing, outcome: Outcome, now: datetime) -> bool:
    if outcome.reason is Reason.GONE and outcome.result is Result.DEAD:
        return True
    return failed.failures >= PAUSE_AFTER and _failing_for(failed, now) >= OFF_AFTER


def _pause(failed: Standing, outcome: Outcome, now: datetime) -> timedelta | None:
    asked = outcome.retry_after
    if failed.failures >= PAUSE_AFTER:
        grown = PAUSE_SHARE * _failing_for(failed, now)
        return max(min(max(grown, SHORTEST_PAUSE), LONGEST_PAUSE), asked or SHORTEST_PAUSE)
    return asked if outcome.reason is Reason.RATE_LIMITED else None


def _failing_for(failed: Standing, now: datetime) -> timedelta:
    assert failed.failing_since is not None
    return now - failed.failing_since
