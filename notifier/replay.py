"""A replay: the events on record once more, by two sets of rules, with the difference between what these would tell."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import structs

from notifier.channels.channel import Channel
from notifier.config.settings import Settings
from notifier.core.change import Kind
from notifier.core.difference import Difference, compare_runs
from notifier.core.event import Event
from notifier.core.plan import Known
from notifier.core.rule import Rule
from notifier.core.silence import Silence
from notifier.core.sweep import Progress
from notifier.core.told import Told
from notifier.progress import Watcher
from notifier.rehearsal import MOST, Rehearsal
from notifier.store import census, history, silences, snapshot
from notifier.store.database import Store, Transaction
from notifier.wiring import open_channels

REPLAY: Final = "replay"
"""What its progress goes by."""

PATIENCE: Final = timedelta(days=14)
"""So long after its end what still waits for its time is followed: over holidays, and to the next digest."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is on record of a stretch of time."""

    begins_at: datetime
    ends_at: datetime
    #: Oldest first.
    events: tuple[Event, ...]
    #: Those that lasted at any moment of it, the first begun first.
    silences: tuple[Silence, ...] = ()
    #: By their sources, the appointments as they were at its beginning, as far as they may matter to the clock.
    residents: Mapping[str, tuple[Known, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replay:
    """What two sets of rules make of a recording."""

    begins_at: datetime
    ends_at: datetime
    events: int
    #: How many messages each of them tells.
    before: int
    after: int
    difference: Difference


def read_recording(
    store: Store, sources: Iterable[str], begins_at: datetime, ends_at: datetime, statuses: Collection[str] = ()
) -> Recording:
    """Returns what is on record since a time.

    What the clock made is left out, since it makes it again. `statuses` are those that a rule asks it for.
    """
    with store.reading() as tx:
        records = history.events(tx, MOST, since=begins_at)
        made = [record.silence for record in silences.listing(tx, ends_at, over=True)]
        happened = [record.event for record in reversed(records) if record.event.detected_at <= ends_at]
        events = tuple(event for event in happened if event.firing is None)
        residents = {source: _residents(tx, source, events, begins_at, statuses) for source in sources if statuses}
    lasted = sorted((one for one in made if _end(one) > begins_at), key=lambda one: one.began_at)
    return Recording(begins_at, ends_at, events, tuple(lasted), residents)


def asked_statuses(rules: Iterable[Rule]) -> frozenset[str]:
    """Returns the statuses that rules ask the clock for."""
    return frozenset(status for rule in rules if rule.watch for status in rule.watch.statuses)


def _residents(
    tx: Transaction, source: str, events: Sequence[Event], begins_at: datetime, statuses: Collection[str]
) -> tuple[Known, ...]:
    """Returns what may have been in these statuses at the beginning, as it was then."""
    first: dict[str, Event] = {}
    for event in events:
        if event.source == source:
            first.setdefault(event.after.id, event)
    known = snapshot.known(tx, source, {*first, *census.names_in(tx, source, statuses)})
    former = {
        name: structs.replace(known[name], appointment=event.before, since=None)
        for name, event in first.items()
        if event.before is not None and name in known and Kind.DISCOVERED not in event.kinds
    }
    unchanged = {name: one for name, one in known.items() if name not in first and one.vanished_at is None}
    return tuple(
        structs.replace(one, observed_at=min(one.observed_at, begins_at), vanished_at=None)
        for one in (former | unchanged).values()
        if one.appointment.updated_at <= begins_at
    )


def compare_rules(
    settings: Settings,
    before: Sequence[Rule],
    after: Sequence[Rule],
    recording: Recording,
    watcher: Watcher | None = None,
) -> Replay:
    """Plays a recording by both sets of rules, and compares; sends nothing."""
    watcher = watcher or Watcher()
    with ExitStack() as stack:
        channels = list(open_channels(settings).values())
        for channel in channels:
            stack.callback(channel.close)
        first, second = (
            _watched(settings, rules, channels, recording, watcher, name)
            for name, rules in (("before", before), ("after", after))
        )
    return Replay(
        begins_at=recording.begins_at,
        ends_at=recording.ends_at,
        events=len(recording.events),
        before=len(first),
        after=len(second),
        difference=compare_runs(first, second),
    )


def _watched(
    settings: Settings,
    rules: Sequence[Rule],
    channels: Sequence[Channel],
    recording: Recording,
    watcher: Watcher,
    name: str,
) -> list[Told]:
    """Plays a recording, and shows how far that has come."""
    total = len(recording.events)
    with watcher.reading(REPLAY, name):
        return play(
            settings, rules, channels, recording, lambda done: watcher(Progress(REPLAY, name, min(done, total), total))
        )


def play(
    settings: Settings,
    rules: Sequence[Rule],
    channels: Sequence[Channel],
    recording: Recording,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Told]:
    """Returns what these rules tell of a recording, in the order of time; `tell` hears how many events are done."""
    with Rehearsal(settings, rules, channels, recording.begins_at) as rehearsal:
        for source, residents in recording.residents.items():
            rehearsal.know(source, residents)
        done, silences_left = 0, deque(recording.silences)
        for together in _together(recording.events):
            first = together[0]
            _advance(rehearsal, silences_left, first.detected_at)
            rehearsal.record(first.source, first.sweep, together)
            done += len(together)
            tell(done)
        _advance(rehearsal, silences_left, recording.ends_at)
        rehearsal.keeps_time = False
        rehearsal.advance(recording.ends_at + PATIENCE)
        return rehearsal.told


def _advance(rehearsal: Rehearsal, left: deque[Silence], until: datetime) -> None:
    """Lets the time pass, and people make their silences when they did."""
    while left and left[0].began_at <= until:
        silence = left.popleft()
        rehearsal.advance(max(silence.began_at, rehearsal.now))
        rehearsal.silence(
            rules=silence.rules,
            where=dict(silence.where),
            author=silence.author,
            why=silence.why,
            until=_end(silence),
        )
    rehearsal.advance(until)


def _end(silence: Silence) -> datetime:
    return silence.ended_at or silence.until


def _together(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Yields the events that were recorded at once, of each appointment one."""
    group: list[Event] = []
    for event in events:
        if group and not _goes_with(group, event):
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def _goes_with(group: Sequence[Event], event: Event) -> bool:
    first = group[0]
    same = (first.detected_at, first.source, first.sweep) == (event.detected_at, event.source, event.sweep)
    return same and all(one.after.id != event.after.id for one in group)
