"""The keys by which a rule asks the clock: what they take, and what can't stand beside them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from notifier.config.channel_names import Channels
from notifier.config.table import Duration, Table, among, as_tuple, no_twins, wrong, wrong_value
from notifier.core.appointment import STATUSES
from notifier.core.change import TIMED, Kind
from notifier.core.watch import CONFIRMED, UNCONFIRMED, Escalation, Watch

TIMED_KEYS = tuple(kind.value for kind in Kind if kind in TIMED)
"""A rule has one of these, or `on`."""

_SHORTEST_REMIND = timedelta(minutes=1)
_CHOICE = "`stays`, `overdue` or `before_start`"


def _no_hurry(value: timedelta) -> timedelta:
    if value < _SHORTEST_REMIND:
        raise wrong_value("must be 1m or more")
    return value


class StaysTable(Table):
    """`stays`: which status for how long."""

    status: Annotated[
        tuple[Annotated[str, among("status", STATUSES)], ...],
        BeforeValidator(as_tuple),
        Field(min_length=1),
        AfterValidator(no_twins),
    ]
    duration: Duration = Field(alias="for")


class EscalateTable(Table):
    """`escalate`: whom else to tell, and when."""

    after: Duration
    channels: Channels


def _is_timed(info: ValidationInfo) -> bool | None:
    """Whether the rule has a key that asks the clock; None where one has a complaint of its own."""
    if any(key not in info.data for key in TIMED_KEYS):
        return None
    return any(info.data[key] is not None for key in TIMED_KEYS)


def _alone(value: object, info: ValidationInfo) -> object:
    for key in TIMED_KEYS:
        if value is not None and key != info.field_name and info.data.get(key) is not None:
            raise wrong(f"can't stand beside `{key}`; write a rule for each")
    return value


def _beside_timed(value: object, info: ValidationInfo) -> object:
    if value is not None and _is_timed(info) is False:
        raise wrong(f"is for rules with {_CHOICE}, which ask the clock")
    return value


def on_or_timed(value: object, info: ValidationInfo) -> object:
    """A rule has `on`, or a key that asks the clock."""
    timed = _is_timed(info)
    if value is None and timed is False:
        raise wrong(f"is missing; there must be `on`, or {_CHOICE}")
    if value is not None and timed:
        key = next(key for key in TIMED_KEYS if info.data[key] is not None)
        raise wrong(f"can't stand beside `{key}`, which tells what does not change; write a rule for each")
    return value


def _not_beside_timed(why: str) -> Callable[[Any, ValidationInfo], Any]:
    def check(value: Any, info: ValidationInfo) -> Any:
        if value and _is_timed(info):
            raise wrong(f"goes with `on` only: {why}")
        return value

    return check


Stays = Annotated[StaysTable | None, AfterValidator(_alone)]
Timed = Annotated[Duration | None, AfterValidator(_alone)]
Remind = Annotated[
    Annotated[Duration, AfterValidator(_no_hurry)] | None,
    AfterValidator(_beside_timed),
]
Escalate = Annotated[EscalateTable | None, AfterValidator(_beside_timed)]

NO_CHANGE = AfterValidator(_not_beside_timed("where nothing changes there is no before and after"))
"""For what asks about a change."""

NO_WALK = AfterValidator(_not_beside_timed("what a rule asks the clock for is told to that rule alone"))
"""For what asks about the other rules."""


def watch_of(
    stays: StaysTable | None,
    overdue: timedelta | None,
    before_start: timedelta | None,
    remind: timedelta | None,
    escalate: EscalateTable | None,
) -> Watch | None:
    """Returns what the keys of a rule ask the clock for; None for a rule about changes."""
    if stays is not None:
        kind, statuses, span = Kind.STAYS, frozenset(stays.status), stays.duration
    elif overdue is not None:
        kind, statuses, span = Kind.OVERDUE, frozenset({CONFIRMED}), overdue
    elif before_start is not None:
        kind, statuses, span = Kind.BEFORE_START, UNCONFIRMED, before_start
    else:
        return None
    escalation = None if escalate is None else Escalation(escalate.after, escalate.channels)
    return Watch(kind=kind, statuses=statuses, span=span, remind=remind, escalate=escalation)
