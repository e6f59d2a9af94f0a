"""The operator's ear: looks at what is on record, and puts down what the operator is to hear of it.

Gather, decide, write, as the poll line does; all of it from the store, so that a look may be repeated, left out, or
made by the next process, and nothing is told twice or forgotten. The exceptions are what no record can tell: the disk,
the clock, and whether the monitor outside hears us.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from notifier.budgets import load_of
from notifier.clock import Clock
from notifier.config.settings import Settings
from notifier.core import checkup, diagnosis
from notifier.core.checkup import Heartbeat, NoticeCount, Room
from notifier.core.diagnosis import Pulse
from notifier.core.notice import headline, notice_of
from notifier.core.silence import examine_silence
from notifier.core.standing import OPEN
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.core.trouble import Edge, Finding, OpenTrouble, Step, TroubleKind, follow
from notifier.store import hold, lanes, notices, silences, sweeps
from notifier.store.database import Store, Transaction
from notifier.store.disk import room_of
from notifier.store.sweeps import SweepRecord

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Change:
    """What a look changes of one trouble on record."""

    known: OpenTrouble | None
    step: Step

    @property
    def subject(self) -> OpenTrouble:
        """The trouble that it is about: as it is now, or as it was where it is over."""
        subject = self.step.trouble or self.known
        assert subject is not None
        return subject


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a look sees beside the store."""

    now: datetime
    #: How far the clock was set since the look before.
    jump: timedelta
    #: None where nobody can tell.
    room: Room | None
    #: None before the first.
    heartbeat: Heartbeat | None


class Operator:
    """Knows who the operator is; several threads may let it look.

    `ticks` are the seconds of a clock that nobody sets, `heartbeat` says how the last one fared, and `refusal` what is
    wrong with what people wrote since this process took its configuration; empty for nothing.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        ticks: Callable[[], float] = time.monotonic,
        heartbeat: Callable[[], Heartbeat | None] = lambda: None,
        refusal: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._ticks = ticks
        self._heartbeat = heartbeat
        self._refusal = refusal
        self._since = clock()
        #: What the clock showed at the last look when the other one began to tick.
        self._begin = self._since - timedelta(seconds=ticks())

    def look(self) -> bool:
        """Compares what is wrong with what is on record, and owes the notices that follow; returns whether it does.

        Raises:
            StoreError: the store can't be used; the next look makes up for it.
        """
        now = self._clock()
        begin = now - timedelta(seconds=self._ticks())
        sight = _Sight(now, begin - self._begin, room_of(self._store.path), self._heartbeat())
        if checkup.was_set(sight.jump):
            # How long ago something was is not known any more.
            self._since = now
        changes = self._put_down(sight)
        # Only now, so that what could not be put down is seen again.
        self._begin = begin
        edges = [change for change in changes if change.step.edge]
        for change in edges:
            self._tell(change)
        return bool(edges)

    def _put_down(self, sight: _Sight) -> Sequence[_Change]:
        with self._store.reading() as tx:
            if not any(self._changes(tx, sight)):
                return ()
        with self._store.writing() as tx:
            # Again, since another thread may have been faster.
            changes = list(self._changes(tx, sight))
            for change in changes:
                self._write(tx, change, sight.now)
        return changes

    def crashed(self, source: str, sweep: str, error: BaseException) -> None:
        """Puts on record that a mistake of ours ended the poll of a sweep; only its kind, the log has the rest.

        Raises:
            StoreError: the store can't be written.
        """
        now = self._clock()
        with self._store.writing() as tx:
            record = next((one for one in sweeps.every(tx) if (one.source, one.name) == (source, sweep)), None)
            run = SweepRun(
                source=source,
                sweep=sweep,
                started_at=now,
                finished_at=now,
                outcome=SweepOutcome.CRASHED,
                held=record.last.held if record and record.last else 0,
                error=f"a mistake in notifier ({type(error).__name__}); the log has more, under poll_crashed",
            )
            sweeps.record(tx, source, sweep, run)

    @property
    def _channels(self) -> Sequence[str]:
        return self._settings.operator.channels

    @property
    def _after(self) -> timedelta:
        return self._settings.operator.after

    def _changes(self, tx: Transaction, sight: _Sight) -> Iterator[_Change]:
        known = notices.troubles(tx)
        findings, names = self._findings(tx, known, sight)
        for finding in findings:
            before = known.get(finding.name)
            step = follow(before, finding, sight.now, self._after)
            if step.trouble != before:
                yield _Change(before, step)
        # What is not configured any more is no trouble, and who took it out knows.
        yield from (_Change(one, Step(None)) for name, one in known.items() if name not in names)

    def _findings(
        self, tx: Transaction, known: Mapping[str, OpenTrouble], sight: _Sight
    ) -> tuple[list[Finding], set[str]]:
        records, now = sweeps.every(tx), sight.now
        braked = set(hold.braked(tx))
        pulses = self._pulses(records, braked)
        load = load_of(self._settings, records)
        found = [*self._of_sources(pulses, known), *self._of_ours(tx, known, sight)]
        found += diagnosis.examine_beats(pulses, load, self._since, now, self._after)
        former = braked - {(pulse.source, pulse.sweep) for pulse in pulses}
        found += [diagnosis.examine_former(source, sweep, now) for source, sweep in sorted(former)]
        beats = self._settings.operator.heartbeat_url is not None
        names = checkup.names_of_ours(self._settings.channels, self._channels, beats=beats)
        names |= diagnosis.names_of(pulses, load) | _disks(sight, known)
        return found, names | {finding.name for finding in found}

    def _pulses(self, records: Sequence[SweepRecord], braked: set[tuple[str, str]]) -> list[Pulse]:
        known = {(record.source, record.name): record for record in records}
        return [
            _pulse(source.name, sweep.name, sweep.every, known.get((source.name, sweep.name)), braked)
            for source in self._settings.sources.values()
            for sweep in source.sweeps
        ]

    def _of_sources(self, pulses: Sequence[Pulse], known: Mapping[str, OpenTrouble]) -> Iterator[Finding]:
        for source in self._settings.sources:
            own = [pulse for pulse in pulses if pulse.source == source]
            finding = diagnosis.examine_source(source, own, self._after)
            if finding is not None:
                yield finding
            # Once it was told and until it is over, what its sweeps do is part of it.
            trouble = known.get(diagnosis.source_name(source))
            answers = not (finding and finding.trouble) and not (trouble and trouble.told_at)
            of_sweeps = (diagnosis.examine_sweep(pulse, self._after, source_answers=answers) for pulse in own)
            yield from (one for one in of_sweeps if one is not None)

    def _of_ours(self, tx: Transaction, known: Mapping[str, OpenTrouble], sight: _Sight) -> Iterator[Finding]:
        now = sight.now
        yield from self._of_channels(tx, known, now)
        yield from self._of_lanes(tx, now)
        yield from self._of_rules(tx, known, now)
        yield from self._of_operators(tx, now)
        yield from (examine_silence(one.silence, one.swallowed, now) for one in silences.listing(tx, now))
        yield checkup.examine_clock(sight.jump, now)
        yield checkup.examine_configuration(self._refusal(), now)
        disk = checkup.examine_disk(sight.room, now) if sight.room else None
        heartbeat = checkup.examine_heartbeat(sight.heartbeat, self._after)
        yield from (one for one in (disk, heartbeat) if one is not None)

    def _of_channels(self, tx: Transaction, known: Mapping[str, OpenTrouble], now: datetime) -> Iterator[Finding]:
        for channel in self._settings.channels:
            trouble = known.get(checkup.channel_name(channel))
            since = min(now - checkup.STILL, trouble.began_at if trouble else now)
            yield checkup.examine_channel(channel, notices.dead_letters(tx, channel, since), now)
        missing = notices.waiting(tx, list(self._settings.channels))
        # Those that are told already may be over.
        told = [one.name.partition(" ")[2] for one in known.values() if one.kind is TroubleKind.MISSING]
        for channel in dict.fromkeys([*missing, *told]):
            if channel not in self._settings.channels:
                yield checkup.examine_missing(channel, missing.get(channel, 0), now)

    def _of_lanes(self, tx: Transaction, now: datetime) -> Iterator[Finding]:
        standings = lanes.standings(tx)
        for channel in self._settings.channels:
            standing = standings.get(channel, OPEN)
            waiting = 0 if standing == OPEN else notices.owed(tx, channel)
            if finding := checkup.examine_lane(channel, standing, waiting, now, self._after):
                yield finding

    def _of_rules(self, tx: Transaction, known: Mapping[str, OpenTrouble], now: datetime) -> Iterator[Finding]:
        bad = {one.rule: one for one in notices.bad_templates(tx, list(self._settings.channels), now - checkup.STILL)}
        # Those that are told already may be over.
        told = [name.partition(" ")[2] for name, one in known.items() if one.kind is TroubleKind.TEMPLATE]
        yield from (checkup.examine_rule(rule, bad.get(rule), now) for rule in dict.fromkeys([*bad, *told]))

    def _of_operators(self, tx: Transaction, now: datetime) -> Iterator[Finding]:
        counts = notices.counts(tx, now)
        for channel in self._channels:
            count = counts.get(channel, NoticeCount())
            if finding := checkup.examine_operator(channel, count, self._since, now, self._after):
                yield finding

    def _write(self, tx: Transaction, change: _Change, now: datetime) -> None:
        if change.step.trouble is None:
            notices.forget(tx, change.subject.name)
        else:
            notices.keep(tx, change.step.trouble)
        if edge := change.step.edge:
            zone = self._settings.zone
            channels = checkup.listeners(change.subject.name, self._channels)
            notices.owe(tx, [notice_of(change.subject, edge, channel, zone, now) for channel in channels])

    def _tell(self, change: _Change) -> None:
        subject = change.subject
        told = log.bind(
            trouble=subject.name,
            kind=subject.kind.value,
            since=subject.began_at.isoformat(),
            channels=checkup.listeners(subject.name, self._channels),
        )
        if change.step.edge is Edge.ENDED:
            told.info("trouble_ended")
        else:
            told.error("trouble_began", what=headline(subject), text=subject.text)


def _pulse(
    source: str, sweep: str, every: timedelta, record: SweepRecord | None, braked: set[tuple[str, str]]
) -> Pulse:
    pulse = Pulse(
        source=source, sweep=sweep, every=every, last=None, failing_since=None, held=(source, sweep) in braked
    )
    return replace(pulse, last=record.last, failing_since=record.failing_since) if record else pulse


def _disks(sight: _Sight, known: Mapping[str, OpenTrouble]) -> set[str]:
    """Returns the name of the disk that may be in trouble; while nobody can tell, that which is."""
    if sight.room is not None:
        return {checkup.disk_name(sight.room.folder)}
    return {name for name, one in known.items() if one.kind is TroubleKind.DISK}
