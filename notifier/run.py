"""One run of a sweep, from its start to its record: what it found, and what was made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.core.brake import Decision, Tally
from notifier.core.plan import Plan
from notifier.core.sweep import Look, Sweep, SweepOutcome, SweepRun
from notifier.reading import Reading


@dataclass
class Run:
    """One run of a sweep, from its start to its record."""

    reading: Reading
    looks: Sequence[Look]
    decision: Decision | None
    #: How long before it, or before the doubt that lasts, the last complete look at its scope began.
    since: timedelta | None
    #: How many events dead processes left that nobody has judged.
    left: int = 0
    #: How many appointments were known in its span before it changed anything, whatever it asks for; None until then.
    around: int | None = None
    tally: Tally = field(default_factory=Tally)
    changed: int = 0
    events: int = 0
    baseline: int = 0
    late: int = 0
    watermark: datetime | None = None
    lag: timedelta | None = None
    channels: set[str] = field(default_factory=set)
    #: Whether the list came to its end.
    listed: bool = False
    #: Why the brake doubts it.
    doubt: str = ""
    #: Whether it does since ids of another shape came in place of those that are known.
    reshaped: bool = False
    #: Whether what is missing is forgotten, as a person decided.
    forgets: bool = False
    #: Whether what it found is held for that.
    held: bool = False

    @property
    def sweep(self) -> Sweep:
        """The sweep that it is a run of."""
        return self.reading.sweep

    def add(self, plan: Plan, now: datetime) -> None:
        """Counts what a committed slice held."""
        self.changed += len(plan.rows)
        self.events += len(plan.recorded)
        self.baseline += len(plan.baseline)
        self.channels.update(delivery.channel for delivery in plan.deliveries)
        self.tally.changed((entry.event for entry in plan.recorded), plan.baseline)
        newest = max((row.appointment.updated_at for row in plan.rows), default=None)
        if newest is not None:
            # A time from the future would hide what changes until then.
            newest = min(newest, self.reading.window.end)
            self.watermark = max(newest, self.watermark or newest)
        begin = self.reading.window.start
        self.late += sum(begin is not None and entry.event.occurred_at < begin for entry in plan.recorded)
        lags = [now - entry.event.occurred_at for entry in plan.recorded]
        self.lag = max([*lags, *([self.lag] if self.lag else [])], default=None)

    @property
    def slipped(self) -> str:
        """Says how much of what slipped while it was read came all the same."""
        slipped, slices = self.reading.course.slipped, len(self.reading.course.done)
        came, total = sum(part.came for part in slipped), sum(part.piece.rows for part in slipped)
        where = f" over {len(slipped)} of {slices} slices" if slices > 1 else ""
        passes = max(part.passes for part in slipped)
        return f"{came} of {total} appointments came in {passes} pass{'es' if passes > 1 else ''}{where}"

    @property
    def look(self) -> Look:
        """The look at its scope that it was, if it was a complete one."""
        return Look(
            scope=self.sweep.scope,
            began_at=self.reading.served_at or self.reading.started_at,
            span=self.sweep.span(self.reading.started_at),
            end_offset=self.sweep.end,
            filters=self.sweep.filters,
        )

    def done(self, source: str, outcome: SweepOutcome, error: str, now: datetime, held: int) -> SweepRun:
        """Returns what it came to; `held` are the events that the brake holds, of this run and those before."""
        reading = self.reading
        return SweepRun(
            source=source,
            sweep=self.sweep.name,
            started_at=reading.started_at,
            finished_at=now,
            outcome=outcome,
            pages=reading.pages,
            rows=reading.course.came,
            changed=self.changed,
            events=self.events,
            baseline=self.baseline,
            rejected=sum(part.rejected for part in reading.course.done),
            watermark=self.watermark,
            lag=self.lag,
            slices=len(reading.course.done),
            window=reading.window,
            late=self.late,
            whole=reading.whole,
            held=held,
            error=error,
            channels=frozenset() if self.held else frozenset(self.channels),
        )
