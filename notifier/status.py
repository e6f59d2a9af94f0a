"""How the daemon of one store is doing, read from the store and the lock beside it."""

from datetime import datetime, timedelta

from notifier.config.settings import Settings
from notifier.core.sweep import ANSWERED
from notifier.store import outbox, snapshot
from notifier.store.database import Store
from notifier.views import Status, SweepStatus, troubles_of

LATE_BEATS = 3
LATE_GRACE = timedelta(minutes=1)
"""A sweep is late when it has not succeeded for this many beats and a little more."""


def read_status(settings: Settings, store: Store, now: datetime) -> Status:
    """Returns what the store tells of sweeps and outbox."""
    running = store.is_claimed()
    with store.reading() as tx:
        records = {(record.source, record.name): record for record in snapshot.sweeps(tx)}
        deliveries = outbox.counts(tx)
        appointments = sum(snapshot.count(tx, source) for source in settings.sources)
    sweeps: list[SweepStatus] = []
    for source, configured in settings.sources.items():
        for sweep in configured.sweeps:
            record = records.get((source, sweep.name))
            good = record.last_good_at if record else None
            sweeps.append(
                SweepStatus(
                    source=source,
                    sweep=sweep.name,
                    every=sweep.every,
                    last=record.last if record else None,
                    last_good_at=good,
                    failing_since=record.failing_since if record else None,
                    skipped=record.skipped if record else 0,
                    late=good is not None and now - good > LATE_BEATS * sweep.every + LATE_GRACE,
                )
            )
    troubles = troubles_of(sweeps, deliveries, settings.channels, running=running)
    answering = all(not one.late and (one.last is None or one.last.outcome in ANSWERED) for one in sweeps)
    return Status(running, appointments, tuple(sweeps), deliveries, troubles, running and answering)
