"""What a former daemon left that nobody would come back to by itself."""

from collections.abc import Collection
from datetime import datetime

import structlog

from notifier.core.brake import Brake, Tally, judge
from notifier.store import hold
from notifier.store.database import Transaction

log = structlog.get_logger(__name__)


def judge_left(tx: Transaction, configured: Collection[tuple[str, str]], now: datetime) -> None:
    """Judges what sweeps left that are not configured any more; the others do so themselves at their next run."""
    for source, sweep in hold.unjudged(tx):
        if (source, sweep) in configured:
            continue
        tally = Tally()
        for kinds, fields in hold.left(tx, source, sweep):
            tally.count(kinds, fields)
        if doubt := judge(tally.found(f"{source}/{sweep}", since=None), Brake()):
            hold.trip(tx, source, sweep, now)
            log.error("brake_tripped", source=source, sweep=sweep, why=doubt)
        else:
            hold.settle(tx, source, sweep, now)
