"""The brake: what a sweep found is held back as a whole where suspiciously much of it changed at once.

A source that has lost its data, gives other ids than before, or was edited in bulk must not look like a thousand
cancellations to the people who are told. So the deliveries of a run are born held, and at its end the brake judges
all that it found: fine, and they go out; too much, and they stay until a person releases or discards them.
vdirsyncer doubts an empty side likewise.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from itertools import islice

from notifier.core.change import Kind
from notifier.core.duration import say_duration
from notifier.core.event import Event

FLOOR = 50
"""Where fewer appointments are known, a large share is a few, and a few may change at once."""

FEW = 10
"""Where fewer are known, not even an empty list or other ids are suspicious: the last ones of a small sweep end too."""

FEW_IDS = 2
"""Where so many are known and all are missing, while only ids of another shape came, that is no accident any more."""

SAMPLE = 100
"""How many ids are kept of each sort, to see whether they changed their shape."""

_DAY = timedelta(days=1)
_PREFIX = re.compile(r"[^\W\d_]+(?=[\W_])")


class Decision(StrEnum):
    """What a person decided about a sweep that the brake doubts; holds until its next reading has gone well."""

    #: All that the next reading finds is believed, and what is missing from it is asked for.
    RELEASED = "released"
    #: Where the next reading misses too much again, that is forgotten in silence.
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Brake:
    """How much may change, or be missing, within a day; more, and a run is doubted."""

    #: Of the appointments that are known where the run has read, if these are at least `FLOOR`.
    share: float = 0.2
    count: int = 500

    def most(self, since: timedelta | None) -> int:
        """Returns how many changes and absences are never fine, however many are known; no need to keep more ids."""
        return self.count * days(since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run of a sweep found, as far as the brake wants to know."""

    #: Source and sweep, as a command takes them: `acme/near`.
    name: str
    #: Appointments that the snapshot had where the run has read.
    known: int
    #: Appointments that came.
    seen: int
    #: Appointments that changed, of whatever kind, and with what a dead process had left.
    events: int
    #: Of the events; one may be of several kinds and in several fields.
    kinds: Mapping[Kind, int]
    fields: Mapping[str, int]
    #: Known appointments that did not come and were not asked for yet.
    absent: int
    #: Some ids of these, and some that came and were not known.
    missing: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    #: How long ago the last complete look at the same scope began; None where there was none.
    since: timedelta | None = None

    @property
    def reshaped(self) -> bool:
        """Whether no new id looks like those that are missing."""
        return bool(self.new and self.missing) and {*map(shape, self.new)}.isdisjoint(map(shape, self.missing))


@dataclass(slots=True)
class Tally:
    """Counts what a run finds, slice by slice, in a bounded place."""

    known: int = 0
    seen: int = 0
    events: int = 0
    absent: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def read(self, known: int, seen: int, absent: Collection[str]) -> None:
        """Counts one complete part of the list: how many were known there, how many came, and which did not."""
        self.known += known
        self.seen += seen
        self.absent += len(absent)
        _sample(self.missing, absent)

    def changed(self, events: Iterable[Event], baseline: Iterable[str]) -> None:
        """Counts what one slice came to: its events, and the ids that are stored in silence at first sight."""
        _sample(self.new, baseline)
        for event in events:
            self.count(event.kinds, (change.field for change in event.changes))
            if event.before is None:
                _sample(self.new, (event.after.id,))

    def count(self, kinds: Iterable[Kind], fields: Iterable[str]) -> None:
        """Counts one event, as of those that a dead process left unjudged."""
        self.events += 1
        self.kinds.update(kinds)
        self.fields.update(fields)

    def found(self, name: str, since: timedelta | None) -> Found:
        """Returns what was counted so far; the sweep's name as commands take it, and the time since its last look."""
        return Found(
            name=name,
            known=self.known,
            seen=self.seen,
            events=self.events,
            kinds=dict(self.kinds),
            fields=dict(self.fields),
            absent=self.absent,
            missing=tuple(self.missing),
            new=tuple(self.new),
            since=since,
        )


def judge(found: Found, brake: Brake) -> str:
    """Returns why a run is doubted, in words for the operator with the commands that end it; empty where it is fine.

    What is absent has to be judged before it is asked for: asking can only make less of it, so that a run which was
    fine before is fine afterwards.
    """
    cause = _cause(found, brake)
    if not cause:
        return ""
    name = found.name
    return f"{cause}. If it is right: notifier release {name}. If nobody is to hear of it: notifier discard {name}"


def holds(found: Found, brake: Brake) -> bool:
    """Whether the events of a run are held, too; only of one that is doubted.

    Those of a reading that only misses much are as true as any, unless nothing came, or other ids than before.
    """
    nonsense = found.seen == 0 or found.reshaped
    return bool(_cause(found if nonsense else replace(found, absent=0, missing=()), brake))


def days(since: timedelta | None) -> int:
    """Returns for how many days of changes a run may account, from 1: whoever was away has more to tell."""
    return max(1, math.ceil((since or _DAY) / _DAY))


def shape(id_: str) -> str:
    """Returns what an id looks like: its leading word, its marks, and whether it has digits and letters."""
    prefix = _PREFIX.match(id_)
    word = prefix.group() if prefix else ""
    rest = id_[len(word) :]
    marks = "".join(letter for letter in rest if not letter.isalnum())
    digits = "9" if any(letter.isdigit() for letter in rest) else ""
    letters = "a" if any(letter.isalpha() for letter in rest) else ""
    return f"{word}{marks}{digits}{letters}"


def _cause(found: Found, brake: Brake) -> str:
    if found.seen == 0 and found.absent >= FEW:
        return (
            f"the source answers with an empty list where {found.absent} appointments are known: the filter or the "
            "enterprise is wrong, or the source has lost its data"
        )
    if found.absent == found.known >= FEW_IDS and found.reshaped:
        return _reshaped(found)
    if not _is_much(found, brake):
        return ""
    if found.absent < found.events:
        return _changed(found)
    if found.reshaped:
        return _reshaped(found)
    return (
        f"{found.absent} of {found.known} known appointments are missing: access or filters were narrowed, or the "
        "source has lost data"
    )


def _is_much(found: Found, brake: Brake) -> bool:
    much, span = found.events + found.absent, days(found.since)
    share = brake.share * span * found.known if found.known >= FLOOR else math.inf
    return much > share or much > brake.most(found.since)


def _reshaped(found: Found) -> str:
    return (
        f"{found.absent} of {found.known} known appointments are missing, and ids of another shape came, like "
        f"{found.new[0]} where {found.missing[0]} was: the source may have changed its ids"
    )


def _changed(found: Found) -> str:
    span = days(found.since)
    when = "at once" if span == 1 or found.since is None else f"since the last look {say_duration(found.since)} ago"
    new = found.kinds.get(Kind.CREATED, 0) + found.kinds.get(Kind.DISCOVERED, 0)
    if new > found.events / 2:
        return f"{new} new appointments came {when} beside {found.known} known ones: an import, or a wider access"
    vanished = found.kinds.get(Kind.VANISHED, 0)
    if vanished > found.events / 2:
        return f"{vanished} of {found.known} known appointments vanished {when}: the source may have lost data"
    most = max(found.fields, key=lambda name: found.fields[name], default="")
    mostly = f", most of them in `{most}`" if most and found.fields[most] > found.events / 2 else ""
    return f"{found.events} appointments changed {when}, of {found.known} known ones{mostly}: an import or a bulk edit"


def _sample(kept: list[str], ids: Iterable[str]) -> None:
    kept.extend(islice(ids, SAMPLE - len(kept)))
