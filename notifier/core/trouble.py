"""Trouble of the notifier itself: when it has begun, when the operator is told, and when it is over.

Level, not edge: whoever looks says what is wrong now, and `follow` compares that with what is on record. So a look
that is repeated, or made by the next process, tells nothing twice; Alertmanager's notification log works likewise.
A trouble is told when it has lasted for its patience and is over when all has been well for as long: what fails and
works by turns is one trouble, told once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class TroubleKind(StrEnum):
    """What sort of trouble it is, the worst last."""

    #: A sweep can't keep its beat, or an address is asked for more than its budget.
    SLOW = "slow"
    #: A sweep's list slips whenever it is read.
    INCOMPLETE = "incomplete"
    #: The clock was put forward or back.
    CLOCK = "clock"
    #: A long silence is about to end.
    ENDING = "ending"
    #: The disk of the store is nearly full.
    DISK = "disk"
    #: What is asked, or told, does not answer: a source, the monitor of the heartbeat, a channel of the operator.
    UNAVAILABLE = "unavailable"
    #: Messages to a channel were given up.
    DEAD_LETTERS = "dead_letters"
    #: Messages were given up since the template of their rule fails.
    TEMPLATE = "template"
    #: Messages wait for a channel that is not configured any more.
    MISSING = "missing"
    #: What people wrote since the start can't be used; the former rules hold.
    CONFIGURATION = "configuration"
    #: A lane is paused, since its channel fails.
    PAUSED = "paused"
    #: A lane will soon be switched off.
    CLOSING = "closing"
    #: A lane is switched off.
    OFF = "off"
    #: A mistake of ours ends the polls of a sweep.
    CRASHED = "crashed"
    #: The brake doubts a sweep.
    DOUBTFUL = "doubtful"
    #: A source refuses us.
    REFUSED = "refused"


_RANK = {kind: rank for rank, kind in enumerate(TroubleKind)}

_PRESSING = frozenset(
    {TroubleKind.CLOSING, TroubleKind.OFF, TroubleKind.CRASHED, TroubleKind.DOUBTFUL, TroubleKind.REFUSED}
)
"""Kinds that wait for a person: a trouble that turns into one of them is told again."""


class Edge(StrEnum):
    """What the operator is told of a trouble."""

    BEGAN = "began"
    #: It waits for a person now.
    WORSE = "worse"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one thing now."""

    kind: TroubleKind
    #: What it looks like, with the likely cause; no secrets, nothing personal.
    text: str
    #: How long it lasts before it is told.
    patience: timedelta = timedelta(0)
    #: Since when, where that is known; else since it was first seen.
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one thing now. There is none for a thing of which nothing is known."""

    #: What it is about, as `source acme`.
    name: str
    #: How new the newest evidence is: what nobody has looked at since does not last.
    at: datetime
    #: None where all is well.
    trouble: Trouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrouble:
    """A trouble on record: it has begun and is not over."""

    name: str
    #: What the operator was told, or would be told now.
    kind: TroubleKind
    text: str
    began_at: datetime
    #: When the operator was last told; None while it may pass by itself.
    told_at: datetime | None = None
    #: Since when all is well again; None while it is not.
    well_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a look at one thing comes to."""

    #: What is on record from now on; None for nothing.
    trouble: OpenTrouble | None
    #: What the operator is told; None for nothing.
    edge: Edge | None = None


def follow(known: OpenTrouble | None, finding: Finding, now: datetime, calm: timedelta) -> Step:
    """Decides what a finding makes of what is on record of the same thing.

    What was well for `calm` is over; what ends before it was told leaves no trace. A clock that was put back delays
    neither begin nor end: what is on record as later than what is known now counts from now.
    """
    if finding.trouble is None:
        return Step(None) if known is None else _recovering(known, finding.at, calm)
    if known is None or known.told_at is None:
        return _untold(known, finding.name, finding.trouble, finding.at, now)
    return _told(known, finding.trouble, now)


def _recovering(known: OpenTrouble, at: datetime, calm: timedelta) -> Step:
    if known.well_since is None or known.well_since > at:
        return Step(replace(known, well_since=at))
    if at - known.well_since < calm:
        return Step(known)
    return Step(None, None if known.told_at is None else Edge.ENDED)


def _untold(known: OpenTrouble | None, name: str, trouble: Trouble, at: datetime, now: datetime) -> Step:
    began_at = min(known.began_at, now) if known else trouble.since or now
    state = OpenTrouble(name=name, kind=trouble.kind, text=trouble.text, began_at=began_at)
    # What is told at once waits for nothing, not even for clocks to agree.
    if trouble.patience and at - began_at < trouble.patience:
        return Step(state)
    return Step(replace(state, told_at=now), Edge.BEGAN)


def _told(known: OpenTrouble, trouble: Trouble, now: datetime) -> Step:
    # Told once, but whoever mends it looks for the mistake that is left.
    text = trouble.text if trouble.kind is TroubleKind.CONFIGURATION else known.text
    state = replace(known, well_since=None, text=text)
    if trouble.kind in _PRESSING and _RANK[trouble.kind] > _RANK[known.kind]:
        return Step(replace(state, kind=trouble.kind, text=trouble.text, told_at=now), Edge.WORSE)
    return Step(state)
