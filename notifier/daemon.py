"""Wires the two lines from the settings, and runs them.

APScheduler starts the sweeps, each in a thread of its own and never twice at once; a lane for each channel sends.
Nothing connects the two but the outbox.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobExecutionEvent, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor as JobThreads
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from notifier import naming
from notifier.channels.channel import Channel
from notifier.clock import Clock, utc_now
from notifier.config.settings import Settings
from notifier.core.delivery import State
from notifier.core.rule import Rule
from notifier.core.sweep import ANSWERED, Sweep, SweepRun
from notifier.core.watch import CLOCK
from notifier.errors import Stopping, StoreError
from notifier.fills import Fills
from notifier.former import judge_left
from notifier.lane import Lane, Left, await_end, drain, within
from notifier.memory import calm_collector, share_heaps
from notifier.operator_route import LOOK_SECONDS, OperatorRoute
from notifier.poller import STRAYS, Poller
from notifier.progress import Lines, Watcher
from notifier.sender import Sender
from notifier.store import lanes, outbox, snapshot, sweeps, texts
from notifier.store.database import Store
from notifier.store_watch import StoreWatch
from notifier.timekeeper import LOOK_EVERY
from notifier.wiring import (
    addresses_of,
    grants_of,
    manner_of,
    open_channels,
    open_clients,
    open_naming,
    open_senders,
    open_timekeeper,
    policies_of,
    recipients_of,
)

log = structlog.get_logger(__name__)

WIPE_SECONDS = 600
"""How long a personal text that is not owed any more may still lie in the log of the store."""

GRACE_SECONDS = 8.0
"""How long the steps in hand may take after a signal to stop; what is not done by then is done again."""

STORE_PAUSE = timedelta(seconds=30)
"""How long after a failure of the store at the latest a sweep is read again."""


NAMES = "names"
"""The job that asks the sources what things are called."""

_CRASHES = {CLOCK: "clock_crashed", NAMES: "names_crashed"}


@dataclass(frozen=True, slots=True)
class Beat:
    """One sweep and who polls it."""

    source: str
    sweep: Sweep
    poller: Poller


class Daemon:
    """The two lines over one store. Build it once; then either `start` and `stop`, or `run_once`."""

    def __init__(
        self,
        settings: Settings,
        rules: Sequence[Rule],
        store: Store,
        *,
        clock: Clock = utc_now,
        watcher: Watcher | None = None,
        ticks: Callable[[], float] = time.monotonic,
        refusal: Callable[[], str] = lambda: "",
    ) -> None:
        """`refusal` says what is wrong with what people wrote since, for which this daemon goes on."""
        self.stopping = threading.Event()
        self._store = store
        self._clock = clock
        self._watcher = watcher or Lines()
        self._broken: list[str] = []
        self._clients = open_clients(settings, clock, self.stopping)
        self._grants = grants_of(settings)
        recipients = recipients_of(settings)
        self._pollers = {
            name: Poller(
                name,
                client,
                store,
                rules,
                clock,
                manner_of(settings.sources[name]),
                self._watcher,
                self._grants,
                recipients,
            )
            for name, client in self._clients.items()
        }
        self._sweeps = {name: source.sweeps for name, source in settings.sources.items()}
        self._fills = {
            name: Fills(self._sweeps[name], poller.looked_at, self.stopping) for name, poller in self._pollers.items()
        }
        #: Id of a job to source and sweep.
        self._jobs: dict[str, tuple[str, str]] = {}
        self._beats = [
            Beat(name, sweep, self._pollers[name])
            for name, source in settings.sources.items()
            for sweep in source.sweeps
        ]
        self._channels: dict[str, Channel] = open_channels(settings)
        policies = policies_of(settings, self._channels)
        self._senders = open_senders(settings, rules, self._channels, policies, store, clock)
        # That a process died is no reason to give up, however few tries a channel wants.
        self._tries = {name: max(len(policy.delays) + 1, outbox.TRIES) for name, policy in policies.items()}
        self._addresses = addresses_of(settings, store.fingerprint_key())
        self._store_watch = StoreWatch()
        self._lanes = {
            name: Lane(sender, clock, self.stopping, self._break, self._store_watch)
            for name, sender in self._senders.items()
        }
        self._timekeeper = open_timekeeper(settings, rules, self._sweeps, store, clock)
        self._naming = open_naming(settings, self._clients, self._senders, store, clock)
        self._operator = OperatorRoute(
            settings, store, clock, self.stopping, self._break, self._store_watch, ticks, refusal
        )
        self._scheduler = BackgroundScheduler(
            # Polls that hang, which is a trouble, must not keep the operator from looking.
            executors={
                "default": JobThreads(len(self._beats) + len(self._pollers)),
                "operator": JobThreads(1),
                CLOCK: JobThreads(1),
                NAMES: JobThreads(1),
            },
            # A late start is a start: missed ones are caught up once, and two of one sweep never overlap.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )

    @property
    def broken(self) -> bool:
        """Whether a lane ended by itself, after which a daemon is only half alive."""
        return bool(self._broken)

    def run_once(self) -> int:
        """Polls every sweep once, then sends everything that is due; what the operator is to hear, in the end.

        Returns 1 if a source, a delivery or a notice failed, or if something is owed to a channel that is not
        configured.
        """
        share_heaps()
        strays = self._recover()
        # All at once, as in the daemon: a source that is down costs its deadline once, or twice at the first fill.
        with ThreadPoolExecutor(len(self._beats)) as polls:
            runs = list(polls.map(self._read, self._beats))
        self._timekeeper.look()
        with ThreadPoolExecutor(max(len(self._senders), 1)) as lanes:
            failures = sum(lanes.map(self._send_all, self._senders.values()))
        if all(run.outcome in ANSWERED for run in runs):
            self._operator.beat()
        self._operator.look()
        failures += self._operator.send_all()
        self._look_up_names()
        self._close()
        answered = all(run.outcome in ANSWERED and not run.held for run in runs)
        return 0 if answered and not failures and not strays else 1

    def start(self, *, resumed: bool = False) -> None:
        """Starts the sweeps and the lanes; where it takes over, sweeps that are as they were keep their beat."""
        share_heaps()
        calm_collector()
        self._recover()
        begins = self._next_runs() if resumed else {}
        self._scheduler.add_listener(self._skipped, EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_listener(self._crashed, EVENT_JOB_ERROR)
        for beat in self._beats:
            self._scheduler.add_job(
                self._poll,
                IntervalTrigger(seconds=beat.sweep.every.total_seconds(), timezone=UTC),
                args=[beat],
                id=f"{beat.source}/{beat.sweep.name}",
                # Real time, whatever clock the lines are told.
                next_run_time=begins.get((beat.source, beat.sweep.name), utc_now()),
            )
            self._jobs[f"{beat.source}/{beat.sweep.name}"] = (beat.source, beat.sweep.name)
        for source in self._pollers:
            self._scheduler.add_job(
                self._tend,
                IntervalTrigger(seconds=STRAYS.every.total_seconds(), timezone=UTC),
                args=[source],
                id=f"{source}/{STRAYS.name}",
            )
            self._jobs[f"{source}/{STRAYS.name}"] = (source, STRAYS.name)
        if self._naming.is_asked or any(grant.personal for grant in self._grants.values()):
            wipe = IntervalTrigger(seconds=WIPE_SECONDS, timezone=UTC)
            self._scheduler.add_job(self._wipe, wipe, id="wipe", executor="operator")
        if self._timekeeper.is_asked:
            tick = IntervalTrigger(seconds=LOOK_EVERY.total_seconds(), timezone=UTC)
            # What fell due while nobody looked is told now.
            self._scheduler.add_job(self._keep_time, tick, id=CLOCK, executor=CLOCK, next_run_time=utc_now())
        if self._naming.is_asked:
            ask = IntervalTrigger(seconds=naming.LOOK_EVERY.total_seconds(), timezone=UTC)
            self._scheduler.add_job(self._look_up_names, ask, id=NAMES, executor=NAMES)
        look = IntervalTrigger(seconds=LOOK_SECONDS, timezone=UTC)
        self._scheduler.add_job(self._operator.look, look, id="operator", executor="operator")
        self._operator.start()
        for lane in self._lanes.values():
            lane.start()
        self._scheduler.start()
        log.info("started", sweeps=len(self._beats), channels=len(self._lanes))

    def stop(self, left: Left | None = None, left_to_send: Left | None = None) -> None:
        """Stops polling and sending; waits for the steps in hand for the grace, or while there are seconds left."""
        self.stopping.set()
        left = left or within(GRACE_SECONDS)
        if self._scheduler.running:
            # It waits for polls without a time-out; the thread that waits is given one instead.
            ending = threading.Thread(target=self._scheduler.shutdown, name="ending", daemon=True)
            ending.start()
            await_end(lambda seconds: _join(ending, seconds), left)
        for lane in self._lanes.values():
            await_end(lane.join, left_to_send or left)
        self._operator.join(left_to_send or left)
        self._close()
        log.info("stopped")

    def _poll(self, beat: Beat) -> None:
        self._work(beat.source, beat.sweep.name, lambda: self._tick(beat))

    def _tick(self, beat: Beat) -> SweepRun:
        run = self._read(beat)
        self._operator.polled(run)
        return run

    def _tend(self, source: str) -> None:
        """Looks after what lies in no sweep of a source any more."""
        self._work(source, STRAYS.name, lambda: self._pollers[source].tend(self._sweeps[source]))

    def _wipe(self) -> None:
        """Leaves nothing on the disk of the personal texts and names that were deleted since the last time."""
        with suppress(StoreError):
            self._store.wipe_log()

    def _keep_time(self) -> None:
        """Tells what is due by the clock; where the store fails, the next look does."""
        self._beside(CLOCK, lambda: self._wake_lanes(self._timekeeper.look()))

    def _look_up_names(self) -> None:
        """Asks what things are called; as long as that fails, messages have ids."""
        self._beside(NAMES, self._naming.look)

    def _beside(self, job: str, look: Callable[[], None]) -> None:
        try:
            look()
        except Stopping:
            return
        except StoreError as error:
            self._store_watch.failed(job, error)
            return
        self._store_watch.worked(job)

    def _work(self, source: str, sweep: str, read: Callable[[], SweepRun]) -> None:
        """Does what a job is for; where the store fails, it is done again soon, however long its beat is."""
        job = f"{source}/{sweep}"
        try:
            if self._store_watch.failing:
                # A source is not asked for what could not be kept.
                self._store.try_writing()
            run = read()
        except Stopping:
            return
        except StoreError as error:
            self._store_watch.failed(job, error, source=source, sweep=sweep)
            self._hasten(job)
            return
        self._store_watch.worked(job)
        self._wake(run)

    def _hasten(self, job: str) -> None:
        """Brings forward the next start of a job, unless it is soon anyway."""
        soon, known = utc_now() + STORE_PAUSE, self._scheduler.get_job(job)
        if known is not None and known.next_run_time > soon:
            self._scheduler.modify_job(job, next_run_time=soon)

    def _wake(self, run: SweepRun) -> None:
        self._wake_lanes(run.channels)
        self._naming.heard(run)
        self._operator.look()

    def _wake_lanes(self, channels: frozenset[str]) -> None:
        for name in channels & self._lanes.keys():
            self._lanes[name].wake()

    def _read(self, beat: Beat) -> SweepRun:
        return self._fills[beat.source].poll(beat.sweep, lambda: self._watched(beat))

    def _watched(self, beat: Beat) -> SweepRun:
        with self._watcher.reading(beat.source, beat.sweep.name):
            return beat.poller.poll(beat.sweep)

    def _recover(self) -> int:
        """Takes up what a dead process left; returns how many deliveries wait for a channel that is not configured."""
        # Better found out now than at the first change.
        self._store.try_writing()
        with self._store.writing() as tx:
            interrupted = outbox.recover(tx, self._clock(), self._tries)
            texts.revoke(tx, {name: grant.personal for name, grant in self._grants.items()})
            anew = lanes.enrol(tx, self._addresses)
            self._operator.recover(tx)
            self._timekeeper.enrol(tx)
            self._naming.enrol(tx)
            judge_left(tx, {(beat.source, beat.sweep.name) for beat in self._beats}, self._clock())
        # What nobody may see or asks for any more is deleted, and not to stay in the log of the store either.
        self._wipe()
        if interrupted:
            log.warning("deliveries_interrupted", deliveries=interrupted)
        for name in anew:
            log.info("lane_anew", channel=name)
        with self._store.reading() as tx:
            counts = outbox.counts(tx)
        unknown = counts.keys() - self._senders
        strays = {name: waiting for name in unknown if (waiting := counts[name].get(State.PENDING))}
        for name, waiting in strays.items():
            log.error("channel_missing", channel=name, deliveries=waiting)
        return sum(strays.values())

    def _next_runs(self) -> dict[tuple[str, str], datetime]:
        """Returns when the sweeps are due that were read just as they are to be read now."""
        now = utc_now()
        with self._store.reading() as tx:
            last = {(one.source, one.name): one.last for one in sweeps.every(tx)}
            scopes = {(name, look.scope) for name in self._pollers for look in snapshot.looks(tx, name)}
        return {
            (beat.source, beat.sweep.name): min(max(run.started_at + beat.sweep.every, now), now + beat.sweep.every)
            for beat in self._beats
            if (beat.source, beat.sweep.scope) in scopes and (run := last.get((beat.source, beat.sweep.name)))
        }

    def _send_all(self, sender: Sender) -> int:
        """Sends all that is due; returns how much of it was not delivered, with what its lane keeps back."""
        failures = sum(sent.settlement.state is not State.DELIVERED for sent in drain(sender))
        with self._store.reading() as tx:
            return failures + outbox.due(tx, sender.channel.name, self._clock())

    def _break(self, lane: str) -> None:
        self._broken.append(lane)
        self.stopping.set()

    def _skipped(self, event: JobSubmissionEvent) -> None:
        if event.job_id not in self._jobs:
            return
        source, sweep = self._jobs[event.job_id]
        if self._fills[source].waits(sweep):
            return
        log.warning("sweep_skipped", source=source, sweep=sweep, why="the former run is not done yet")
        # A figure, and no reason to say once more that the store fails.
        with suppress(StoreError), self._store.writing() as tx:
            sweeps.skip(tx, source, sweep)

    def _crashed(self, event: JobExecutionEvent) -> None:
        if event.job_id not in self._jobs:
            log.error(_CRASHES.get(event.job_id, "operator_crashed"), exc_info=event.exception)
            return
        source, sweep = self._jobs[event.job_id]
        log.error("poll_crashed", source=source, sweep=sweep, exc_info=event.exception)
        self._operator.crashed(source, sweep, event.exception)

    def _close(self) -> None:
        for client in self._clients.values():
            client.close()
        for sender in self._senders.values():
            sender.close()
        self._operator.close()


def _join(thread: threading.Thread, seconds: float) -> bool:
    thread.join(seconds)
    return not thread.is_alive()
