"""The first fills of a source: one after another, since each holds thousands of appointments in memory.

The most urgent sweep goes first. Sweeps that were looked at before wait for nobody.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from notifier.core.sweep import Sweep, SweepOutcome, SweepRun
from notifier.errors import Stopping

_LOOK_SECONDS = 0.5
"""How often one that waits looks whether the process is stopping."""


class Fills:
    """Gives the sweeps of one source their turns; all of them have to come, each in a thread of its own."""

    def __init__(self, sweeps: Iterable[Sweep], filled: Callable[[Sweep], bool], stopping: threading.Event) -> None:
        """`filled` says whether a sweep was looked at before."""
        self._filled = filled
        self._stopping = stopping
        self._turns = threading.Condition()
        self._empty = {sweep.name: sweep for sweep in sweeps if not filled(sweep)}
        self._tries = dict.fromkeys(self._empty, 0)
        #: Who has not had a turn, whether here already or still to come.
        self._waiting = set(self._empty)
        self._filling: set[str] = set()
        #: Who need not wait until nobody fills.
        self._free: set[str] = set()

    def poll(self, sweep: Sweep, read: Callable[[], SweepRun]) -> SweepRun:
        """Reads the sweep, as soon as it is its turn.

        Raises:
            Stopping: the process is stopping, and its turn has not come.
        """
        if sweep.name not in self._empty:
            return read()
        with self._turn(sweep.name):
            run = read()
        self._end(sweep, run)
        return run

    def waits(self, name: str) -> bool:
        """Whether a sweep waits for the first fills of others."""
        with self._turns:
            return name in self._waiting

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        with self._turns:
            self._waiting.add(name)
            while not self._may(name):
                if self._stopping.is_set():
                    raise Stopping
                self._turns.wait(_LOOK_SECONDS)
            self._waiting.discard(name)
            self._free.discard(name)
            self._filling.add(name)
        try:
            yield
        finally:
            with self._turns:
                self._filling.discard(name)
                self._tries[name] += 1
                self._turns.notify_all()

    def _may(self, name: str) -> bool:
        return name in self._free or (not self._filling and name == min(self._waiting, key=self._rank))

    def _rank(self, name: str) -> tuple[int, float, str]:
        """Says who goes first: whoever was tried least, so that one that fails keeps back no other for ever."""
        return self._tries[name], self._empty[name].every.total_seconds(), name

    def _end(self, sweep: Sweep, run: SweepRun) -> None:
        """Takes in how a fill went."""
        filled = self._filled(sweep)
        with self._turns:
            if filled:
                del self._empty[sweep.name]
            elif run.outcome is SweepOutcome.UNAVAILABLE and not run.pages:
                # A source that is down fills nobody's memory, and would cost each of the others its deadline in turn.
                self._free |= self._waiting
                self._turns.notify_all()
