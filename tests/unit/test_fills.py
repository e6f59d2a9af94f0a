"""First fills come one after another, and hold up nothing else."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest

from notifier.core.sweep import Sweep, SweepOutcome, SweepRun
from notifier.errors import SourceUnavailable, Stopping
from notifier.fills import Fills
from tests.builders import NOW
from tests.simulated import WAIT

NEAR, LATER, FAR = (
    Sweep(name=name, every=timedelta(minutes=minutes), filters={})
    for name, minutes in (("near", 1), ("later", 10), ("far", 60))
)


def run_of(sweep: Sweep, outcome: SweepOutcome = SweepOutcome.OK, pages: int = 1) -> SweepRun:
    return SweepRun(source="acme", sweep=sweep.name, started_at=NOW, finished_at=NOW, outcome=outcome, pages=pages)


class Source:
    """Sweeps that are read at the same time, each until it is told how its reading ends."""

    def __init__(self, *filled: Sweep) -> None:
        self.stopping = threading.Event()
        self.filled = {sweep.name for sweep in filled}
        self.fills = Fills((FAR, NEAR, LATER), lambda sweep: sweep.name in self.filled, self.stopping)
        #: Those that are being read, and how each of them ends.
        self.reading: dict[str, Future[SweepRun]] = {}
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(3)

    @contextmanager
    def running(self) -> Iterator["Source"]:
        """Ends whatever is still waiting in the end."""
        with self._threads:
            try:
                yield self
            finally:
                self.stopping.set()
                for ending in self.reading.values():
                    ending.cancel()

    def poll(self, *sweeps: Sweep) -> list[Future[SweepRun]]:
        """Begins to poll sweeps, each in a thread of its own."""
        return [self._threads.submit(self.fills.poll, sweep, partial(self._read, sweep)) for sweep in sweeps]

    def wait_for(self, *names: str) -> bool:
        """Whether exactly these are soon being read."""
        with self._changed:
            return self._changed.wait_for(lambda: self.reading.keys() == set(names), WAIT)

    def end(self, sweep: Sweep, run: SweepRun | None = None) -> None:
        """Ends the reading of a sweep, which is filled from now on unless the run says otherwise."""
        if run is None:
            self.filled.add(sweep.name)
        self._take(sweep).set_result(run or run_of(sweep))

    def crash(self, sweep: Sweep, error: Exception) -> None:
        """Ends the reading of a sweep with an error."""
        self._take(sweep).set_exception(error)

    def _take(self, sweep: Sweep) -> "Future[SweepRun]":
        with self._changed:
            return self.reading.pop(sweep.name)

    def _read(self, sweep: Sweep) -> SweepRun:
        ending: Future[SweepRun] = Future()
        if self.stopping.is_set():
            raise Stopping
        with self._changed:
            self.reading[sweep.name] = ending
            self._changed.notify_all()
        return ending.result(WAIT)


def test_first_fills_come_one_after_another() -> None:
    """The most urgent sweep is the first, even where it comes last; each of the others has its turn after that."""
    with Source().running() as source:
        source.poll(FAR, LATER)
        assert source.reading == {}
        (near,) = source.poll(NEAR)
        assert source.wait_for("near")
        source.end(NEAR)
        assert source.wait_for("later")
        assert near.result(WAIT).sweep == "near"
        source.end(LATER)
        assert source.wait_for("far")


def test_what_is_filled_waits_for_nobody() -> None:
    """A sweep that was looked at before, or has been filled meanwhile, is read while others are filled."""
    with Source(FAR).running() as source:
        source.poll(FAR, NEAR, LATER)
        assert source.wait_for("far", "near")
        source.end(NEAR)
        assert source.wait_for("far", "later")
        source.poll(NEAR)
        assert source.wait_for("far", "later", "near")


def test_one_that_fails_comes_after_those_that_were_not_tried() -> None:
    """A sweep that can't be filled keeps no other from it, however urgent it is."""
    with Source().running() as source:
        source.poll(NEAR, LATER, FAR)
        for sweep in (NEAR, LATER):
            assert source.wait_for(sweep.name)
            source.poll(sweep)
            source.end(sweep, run_of(sweep, SweepOutcome.UNAVAILABLE))
        assert source.wait_for("far")
        source.end(FAR)
        assert source.wait_for("near")
        source.end(NEAR)
        assert source.wait_for("later")


def test_a_source_that_is_down_is_waited_for_once() -> None:
    """Where no page came at all, the others are not kept waiting for the same in turn."""
    with Source().running() as source:
        source.poll(NEAR, LATER, FAR)
        assert source.wait_for("near")
        source.end(NEAR, run_of(NEAR, SweepOutcome.UNAVAILABLE, pages=0))
        assert source.wait_for("later", "far")


def test_a_crash_gives_the_turn_back() -> None:
    """Whatever ends a fill, the next one begins."""
    with Source().running() as source:
        near, _ = source.poll(NEAR, LATER)
        assert source.wait_for("near")
        source.poll(FAR)
        source.crash(NEAR, SourceUnavailable())
        with pytest.raises(SourceUnavailable):
            near.result(WAIT)
        assert source.wait_for("later")


def test_a_wait_ends_with_the_process() -> None:
    """Whoever still waits when the process stops is not read any more."""
    with Source().running() as source:
        (later,) = source.poll(LATER)
        assert source.fills.waits("later")
        source.stopping.set()
        with pytest.raises(Stopping):
            later.result(WAIT)


def test_it_is_known_who_waits() -> None:
    """Whoever is being read, or was, does not wait, nor does whoever was looked at before."""
    with Source(FAR).running() as source:
        source.poll(NEAR, LATER)
        assert source.wait_for("near")
        assert [source.fills.waits(sweep.name) for sweep in (NEAR, LATER, FAR)] == [False, True, False]
