"""The checkup: what the figures on record say about our own side.

That is the channels and their lanes, the templates, the disk, the clock, and the ways by which the operator is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from notifier.core.duration import say_duration
from notifier.core.standing import OPEN, Standing, off_due
from notifier.core.trouble import Finding, OpenTrouble, Trouble, TroubleKind

STILL = timedelta(hours=1)
"""What has given up nothing for so long has no new dead letters."""

CLOSING = timedelta(days=1)
"""So long before a lane is switched off the operator is told that it will be."""

LEAST_FREE = 100_000_000
"""A disk with less free space, in bytes, is nearly full; so is one on which a second store would not find room."""

ROOM_AGAIN = 1.25
"""So many times that much, and there is room again: else every write would tell something."""

STEADY = timedelta(minutes=1)
"""A clock that runs apart from one that nobody sets by more than this, from one look to the next, was set."""

CLOCK: Final = "clock"
CONFIGURATION: Final = "configuration"
HEARTBEAT: Final = "heartbeat"
"""What these are called in a trouble."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What was lately given up of one channel."""

    channel: str
    count: int
    #: Of the newest.
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class BadTemplate:
    """What was lately given up since the template of one rule failed."""

    rule: str
    count: int
    #: Of the newest, as the next.
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Room:
    """How much room the store has."""

    folder: str
    #: In bytes, all of these.
    free: int
    #: Of the store.
    taken: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How the last one fared that was sent to the monitor."""

    at: datetime
    #: Since when they fail; None where it arrived.
    failing_since: datetime | None = None
    #: Why; without the address.
    error: str = ""


@dataclass(frozen=True, slots=True)
class NoticeCount:
    """How the notices to one channel of the operator fare."""

    #: Not sent yet.
    unsent: int = 0
    #: Whether the last one that was settled was given up, not long ago.
    broken: bool = False
    #: When the oldest of those was made that were tried in vain and will be again; None for none.
    failing_since: datetime | None = None
    #: When the oldest was made that is not sent yet; None for none.
    waiting_since: datetime | None = None
    #: Of the newest try in vain.
    error: str = ""


def channel_name(channel: str) -> str:
    """Returns what a channel is called in a trouble."""
    return f"channel {channel}"


def lane_name(channel: str) -> str:
    """Returns what the lane of a channel is called in a trouble."""
    return f"lane {channel}"


def rule_name(rule: str) -> str:
    """Returns what a rule is called in a trouble."""
    return f"rule {rule}"


def operator_name(channel: str) -> str:
    """Returns what a channel is called in a trouble where it is the operator who is not reached by it."""
    return f"operator {channel}"


def disk_name(folder: str) -> str:
    """Returns what the disk below a folder is called in a trouble."""
    return f"disk {folder}"


def names_of_ours(channels: Iterable[str], operators: Iterable[str], *, beats: bool) -> set[str]:
    """Returns the names of what may be in trouble on our side, but for rules and the disk."""
    names = {CLOCK, CONFIGURATION, *map(operator_name, operators), *([HEARTBEAT] if beats else ())}
    for channel in channels:
        names |= {channel_name(channel), lane_name(channel)}
    return names


def listeners(trouble: str, channels: Iterable[str]) -> tuple[str, ...]:
    """Returns those of the operator's channels by which a trouble is told: not by the one that does not work."""
    return tuple(channel for channel in channels if trouble not in {lane_name(channel), operator_name(channel)})


def untold(troubles: Iterable[OpenTrouble], channels: Iterable[str]) -> list[OpenTrouble]:
    """Returns the troubles that last and that the operator can't be told of, since the way to him is what fails."""
    ways, lasting = tuple(channels), [one for one in troubles if one.told_at is not None and one.well_since is None]
    return [one for one in lasting if _is_of_operator(one) or (_is_of_lane(one) and not listeners(one.name, ways))]


def _is_of_operator(trouble: OpenTrouble) -> bool:
    return trouble.name.startswith(operator_name(""))


def _is_of_lane(trouble: OpenTrouble) -> bool:
    return trouble.name.startswith(lane_name(""))


def examine_channel(channel: str, dead: DeadLetters | None, now: datetime) -> Finding:
    """Says whether messages to a channel were given up lately."""
    name = channel_name(channel)
    if dead is None or now - dead.at >= STILL:
        return Finding(name, now, None)
    text = f"{_messages(dead.count)} given up; the reason of the last one: {dead.reason}"
    return Finding(name, now, Trouble(TroubleKind.DEAD_LETTERS, text, since=dead.at))


def examine_missing(channel: str, waiting: int, now: datetime) -> Finding:
    """Says that so many messages wait for a channel that is not configured."""
    trouble = Trouble(TroubleKind.MISSING, f"{_wait(waiting)} for it") if waiting else None
    return Finding(channel_name(channel), now, trouble)


def examine_rule(rule: str, bad: BadTemplate | None, now: datetime) -> Finding:
    """Says whether the templates of a rule failed lately."""
    name = rule_name(rule)
    if bad is None or now - bad.at >= STILL:
        return Finding(name, now, None)
    text = f"{_messages(bad.count)} given up; the last one: {bad.detail or 'the template failed'}"
    return Finding(name, now, Trouble(TroubleKind.TEMPLATE, text, since=bad.at))


def examine_lane(channel: str, standing: Standing, waiting: int, now: datetime, after: timedelta) -> Finding | None:
    """Says how the lane of a channel stands; `waiting` are the messages that it owes.

    One that fails and is not paused, as after it was opened by hand, is not known to work, nor not to.
    """
    name = lane_name(channel)
    if standing == OPEN:
        return Finding(name, now, None)
    if not standing.is_paused and not standing.is_off:
        return None
    kind, patience = TroubleKind.PAUSED, after
    off = off_due(standing)
    if standing.is_off:
        kind, patience = TroubleKind.OFF, timedelta(0)
    elif off is not None and off - now <= CLOSING:
        kind, patience = TroubleKind.CLOSING, timedelta(0)
    since = standing.failing_since or standing.off_at
    return Finding(name, now, Trouble(kind, _say_failures(standing, waiting), patience=patience, since=since))


def examine_disk(room: Room, now: datetime) -> Finding | None:
    """Says whether there is room for what the store may have to take."""
    name, least = disk_name(room.folder), max(LEAST_FREE, room.taken)
    if room.free < least:
        text = f"{_megabytes(room.free)} are free, and {_megabytes(least)} are wanted"
        return Finding(name, now, Trouble(TroubleKind.DISK, text))
    return Finding(name, now, None) if room.free >= least * ROOM_AGAIN else None


def was_set(jump: timedelta) -> bool:
    """Says whether a clock was set that ran apart by so much from one that nobody sets."""
    return abs(jump) > STEADY


def examine_clock(jump: timedelta, now: datetime) -> Finding:
    """Says whether the clock was set, from how far it ran apart from one that nobody sets; forward is above zero."""
    if not was_set(jump):
        return Finding(CLOCK, now, None)
    text = f"it was put {'back' if jump < timedelta(0) else 'forward'} by {say_duration(jump)}"
    # A clock that nobody sets stands still meanwhile.
    text += ", or this machine was asleep for so long" if jump > timedelta(0) else ""
    return Finding(CLOCK, now, Trouble(TroubleKind.CLOCK, text))


def examine_configuration(refusal: str, now: datetime) -> Finding:
    """Says whether what people wrote since the start is good; `refusal` says what is wrong with it."""
    return Finding(CONFIGURATION, now, Trouble(TroubleKind.CONFIGURATION, refusal) if refusal else None)


def examine_heartbeat(last: Heartbeat | None, after: timedelta) -> Finding | None:
    """Says whether the monitor outside hears us."""
    if last is None:
        return None
    if last.failing_since is None:
        return Finding(HEARTBEAT, last.at, None)
    trouble = Trouble(TroubleKind.UNAVAILABLE, last.error, patience=after, since=last.failing_since)
    return Finding(HEARTBEAT, last.at, trouble)


def examine_operator(
    channel: str, count: NoticeCount, started: datetime, now: datetime, after: timedelta
) -> Finding | None:
    """Says whether the operator is reached by a channel; `started` is when this process began.

    What is on its way is neither.
    """
    name = operator_name(channel)
    if count.broken:
        return Finding(name, now, _unreached(f"a message was given up; {_last_try(count)}"))
    if count.failing_since is not None and now - count.failing_since >= after:
        return Finding(name, now, _unreached(_last_try(count), count.failing_since))
    if count.waiting_since is not None and now - max(count.waiting_since, started) >= after:
        return Finding(name, now, _unreached("a message that is being sent does not come to an end"))
    return None if count.unsent else Finding(name, now, None)


def _unreached(text: str, since: datetime | None = None) -> Trouble:
    return Trouble(TroubleKind.UNAVAILABLE, text, since=since)


def _last_try(count: NoticeCount) -> str:
    return f"the last try: {count.error}"


def _messages(count: int) -> str:
    return "1 message was" if count == 1 else f"{count} messages were"


def _say_failures(standing: Standing, waiting: int) -> str:
    sends = "the last send" if standing.failures == 1 else f"the last {standing.failures} sends"
    reason = standing.reason.value if standing.reason else "unknown"
    detail = f" ({standing.detail})" if standing.detail else ""
    return f"{sends} failed, the newest: {reason}{detail}; {_wait(waiting)}"


def _wait(count: int) -> str:
    return {0: "nothing waits", 1: "1 message waits"}.get(count, f"{count} messages wait")


def _megabytes(number: int) -> str:
    return f"{number // 1_000_000} MB"
