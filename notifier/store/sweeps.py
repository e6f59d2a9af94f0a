"""The figures of the sweeps: of the last run of each, and of its troubles."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from notifier.core.sweep import SweepOutcome, SweepRun, Window
from notifier.store.tables import SweepRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """What is known of a sweep: its last run, and its troubles."""

    source: str
    name: str
    #: None until the first run has ended. Its watermark is the newest of all runs; the channels are not kept.
    last: SweepRun | None
    last_good_at: datetime | None
    #: When a run that asked for everything, not only for what was updated lately, last succeeded.
    complete_at: datetime | None
    #: When the first of the failed runs in a row began; None while all is well.
    failing_since: datetime | None
    #: How many runs in a row failed.
    failures: int
    #: How often a start was left out because the former run was still going.
    skipped: int


def record(tx: Session, source: str, name: str, run: SweepRun) -> SweepRecord:
    """Stores the figures of a run that ended and returns what is now known of the sweep."""
    row = tx.get(SweepRow, (source, name)) or SweepRow(source=source, name=name)
    good = run.outcome is SweepOutcome.OK
    row.sqlmodel_update(
        {
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "outcome": run.outcome.value,
            "pages": run.pages,
            "rows": run.rows,
            "changed": run.changed,
            "events": run.events,
            "baseline": run.baseline,
            "rejected": run.rejected,
            "error": run.error,
            # A run that missed something must not narrow the window of the next one.
            "watermark": max(filter(None, (row.watermark, run.watermark if good else None)), default=None),
            "slices": run.slices,
            "window_start": run.window and run.window.start,
            "window_end": run.window and run.window.end,
            "late": run.late,
            "held": run.held,
            "complete_at": run.finished_at if good and run.whole else row.complete_at,
            "lag": None if run.lag is None else run.lag.total_seconds(),
            "last_good_at": run.finished_at if good else row.last_good_at,
            "failing_since": None if good else row.failing_since or run.started_at,
            "failures": 0 if good else row.failures + 1,
        }
    )
    tx.add(row)
    tx.flush()
    return _sweep_of(row)


def skip(tx: Session, source: str, name: str) -> None:
    """Counts a start that was left out because the former run was still going."""
    row = tx.get(SweepRow, (source, name)) or SweepRow(source=source, name=name)
    row.skipped += 1
    tx.add(row)
    tx.flush()


def of(tx: Session, source: str, name: str) -> SweepRecord | None:
    """Returns what is known of one sweep; None before its first run has ended."""
    row = tx.get(SweepRow, (source, name))
    return None if row is None else _sweep_of(row)


def every(tx: Session) -> list[SweepRecord]:
    """Returns what is known of every sweep, by source and name."""
    query = select(SweepRow).order_by(col(SweepRow.source), col(SweepRow.name))
    return [_sweep_of(row) for row in tx.exec(query)]


def _sweep_of(row: SweepRow) -> SweepRecord:
    return SweepRecord(
        source=row.source,
        name=row.name,
        last=_run_of(row),
        last_good_at=row.last_good_at,
        complete_at=row.complete_at,
        failing_since=row.failing_since,
        failures=row.failures,
        skipped=row.skipped,
    )


def _run_of(row: SweepRow) -> SweepRun | None:
    if row.started_at is None or row.finished_at is None or row.outcome is None:
        return None
    return SweepRun(
        source=row.source,
        sweep=row.name,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=SweepOutcome(row.outcome),
        pages=row.pages,
        rows=row.rows,
        changed=row.changed,
        events=row.events,
        baseline=row.baseline,
        rejected=row.rejected,
        error=row.error,
        watermark=row.watermark,
        lag=None if row.lag is None else timedelta(seconds=row.lag),
        slices=row.slices,
        window=None if row.window_end is None else Window(row.window_start, row.window_end),
        late=row.late,
        held=row.held,
    )
