"""Progress: how far long readings have come; on a terminal as bars, elsewhere as a log line a minute.

A watcher is told of every page by whoever reads a sweep, from any thread. Short readings are not shown at all.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO

import structlog
from tqdm.contrib import DummyTqdmFile
from tqdm.contrib.logging import logging_redirect_tqdm
from tqdm.std import tqdm

from notifier.core.duration import say_brief
from notifier.core.sweep import Progress

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 2.0
"""A reading that is over sooner gets no bar: it would only flicker."""

REDRAW_SECONDS = 0.25
"""How often the bars move at most; a page comes more often."""

LINE_SECONDS = 60.0
"""After so long a reading gets its first line, and another one each time that it goes on for as long."""

RATE_SECONDS = 60.0
"""The rate is that of the latest so many seconds: the source may slow us down, and speed up again."""

_BAR = "{desc} {percentage:3.0f} % |{bar}| {n_fmt} of {total_fmt}{postfix}"

Monotonic = Callable[[], float]


class _Reading:
    """One reading that is under way: what came of it so far, and how fast."""

    def __init__(self, source: str, sweep: str, now: float) -> None:
        self.name = f"{source}/{sweep}"
        self.began_at = now
        #: When its latest line was logged; at first, when it began.
        self.told_at = now
        self.latest = Progress(source, sweep, 0, 0)
        self._samples = deque([(now, 0)])

    def add(self, progress: Progress, now: float) -> None:
        """Takes in how far it has come by now."""
        if progress.rows < self.latest.rows:
            # A part that slipped is read again.
            self._samples.clear()
        self.latest = progress
        self._samples.append((now, progress.rows))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_SECONDS:  # noqa: PLR2004 - a rate takes two
            self._samples.popleft()

    @property
    def per_second(self) -> float:
        """How many appointments come in a second; 0 where that can't be told."""
        (then, before), (now, rows) = self._samples[0], self._samples[-1]
        return (rows - before) / (now - then) if now > then else 0.0

    @property
    def remaining(self) -> timedelta | None:
        """How long the rest takes at this rate; None where that can't be told."""
        rest = max(self.latest.expected - self.latest.rows, 0)
        return timedelta(seconds=rest / self.per_second) if self.per_second else None

    @property
    def total(self) -> int:
        """How many appointments there seem to be, with those that came beyond what was expected."""
        return max(self.latest.expected, self.latest.rows, 1)

    @property
    def pace(self) -> str:
        """Rate and remaining time in words, as far as they can be told."""
        rate = f"{self.per_second:.0f}/s"
        return rate if self.remaining is None else f"{rate}, {say_brief(self.remaining)} left"


class Watcher:
    """Knows the readings that are under way; how they are shown is up to those that derive from it."""

    def __init__(self, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._readings: dict[tuple[str, str], _Reading] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends showing anything, whatever is still under way."""

    @contextmanager
    def reading(self, source: str, sweep: str) -> Iterator[None]:
        """Holds for the length of one reading of a sweep, however it ends."""
        with self._lock:
            self._readings[source, sweep] = _Reading(source, sweep, self._monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._readings[source, sweep]
                self._ended()

    def __call__(self, progress: Progress) -> None:
        """Takes in how far a reading has come, and shows it where it is time; one that was not begun is nobody's."""
        with self._lock:
            now = self._monotonic()
            if one := self._readings.get((progress.source, progress.sweep)):
                one.add(progress, now)
                self._came(now)

    def _came(self, now: float) -> None:
        """Shows what there is, where it is time."""

    def _ended(self) -> None:
        """Shows that a reading ended."""


class Lines(Watcher):
    """Logs a line a minute for each reading; nothing for one that is over sooner."""

    def _came(self, now: float) -> None:
        for one in self._readings.values():
            if now - one.told_at >= LINE_SECONDS:
                one.told_at = now
                log.info(
                    "reading",
                    source=one.latest.source,
                    sweep=one.latest.sweep,
                    rows=one.latest.rows,
                    expected=one.latest.expected,
                    per_second=round(one.per_second, 1),
                    remaining_seconds=None if one.remaining is None else round(one.remaining.total_seconds()),
                )


class Bars(Watcher):
    """Draws a bar for each reading that takes a while, between the log lines, and takes it away at the end."""

    def __init__(self, stream: TextIO, monotonic: Monotonic = time.monotonic) -> None:
        super().__init__(monotonic)
        self._stream = stream
        self._bars: list[tqdm] = []
        self._redraw_at = 0.0
        self._open = False
        #: Whatever else is written goes between the bars.
        self._between = ExitStack()
        # Its own watch over bars that stand still, in one more thread, and locks for other processes: no need of them.
        tqdm.monitor_interval = 0
        tqdm.set_lock(threading.RLock())

    def __enter__(self) -> Self:
        self._between.enter_context(logging_redirect_tqdm())
        if sys.stdout is not None and sys.stdout.isatty():
            # The channel `console` prints on the same terminal while sweeps run.
            self._between.enter_context(redirect_stdout(DummyTqdmFile(self._stream)))
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the bars away, for good: a reading that can't be ended may still tell of itself."""
        with self._lock:
            self._open = False
            self._draw()
        self._between.close()

    def _came(self, now: float) -> None:
        if now >= self._redraw_at:
            self._redraw_at = now + REDRAW_SECONDS
            self._draw()

    def _ended(self) -> None:
        self._draw()

    def _draw(self) -> None:
        """Gives the readings that last the first lines, in the order in which they began."""
        shown = [one for one in self._readings.values() if self._lasts(one)] if self._open else []
        while len(self._bars) > len(shown):
            self._bars.pop().close()
        width = max((len(one.name) for one in shown), default=0)
        for number, one in enumerate(shown):
            name = one.name.ljust(width)
            if number < len(self._bars):
                bar = self._bars[number]
                bar.n, bar.total = one.latest.rows, one.total
                bar.set_description_str(name, refresh=False)
                bar.set_postfix_str(one.pace)
            else:
                self._bars.append(self._bar(one, name, number))

    def _lasts(self, one: _Reading) -> bool:
        """Whether it goes on for a while, and how long is known: not while it waits for its first turn."""
        return one.latest.expected > 0 and self._monotonic() - one.began_at >= PATIENCE_SECONDS

    def _bar(self, one: _Reading, name: str, number: int) -> tqdm:
        return tqdm(
            bar_format=_BAR,
            desc=name,
            dynamic_ncols=True,
            file=self._stream,
            initial=one.latest.rows,
            leave=False,
            position=number,
            postfix=one.pace,
            total=one.total,
        )


def open_watcher(stream: TextIO) -> Watcher:
    """Returns bars for a terminal, and lines for anything else."""
    return Bars(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else Lines()
