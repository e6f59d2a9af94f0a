"""How the daemon of one store is doing, read from the store and the lock beside it."""

from collections.abc import Mapping
from datetime import datetime

from notifier.budgets import load_of
from notifier.config.settings import Settings
from notifier.core.checkup import CONFIGURATION, NoticeCount, untold
from notifier.core.diagnosis import OVERDUE_BEATS, OVERDUE_GRACE
from notifier.core.load import SweepLoad
from notifier.core.sweep import ANSWERED
from notifier.status_view import NamesStatus, Status, SweepStatus, troubles_of, troubles_of_lanes, troubles_of_route
from notifier.store import hold, lanes, names, notices, outbox, silences, snapshot, sweeps
from notifier.store.database import Store, Transaction
from notifier.store.disk import obstacle
from notifier.store.sweeps import SweepRecord
from notifier.wiring import names_asked


def read_status(settings: Settings, store: Store, now: datetime) -> Status:
    """Returns what the store tells of sweeps and outbox."""
    running = store.is_claimed()
    with store.reading() as tx:
        records = {(record.source, record.name): record for record in sweeps.every(tx)}
        deliveries = outbox.counts(tx)
        standings = {name: one for name, one in lanes.standings(tx).items() if name in settings.channels}
        held = {f"{source}/{sweep}": hold.held(tx, source, sweep) for source, sweep in hold.braked(tx)}
        appointments = sum(snapshot.count(tx, source) for source in settings.sources)
        silenced = tuple(silences.listing(tx, now))
        named = names_of(settings, tx)
        reported, noticed = tuple(notices.troubles(tx).values()), _noticed(settings, notices.counts(tx, now))
    load = load_of(settings, records.values())
    states = tuple(_sweep(one, records.get((one.source, one.sweep)), now) for one in load.sweeps)
    mute, hindrance = untold(reported, settings.operator.channels), obstacle(store.path)
    refused = [one for one in reported if one.name == CONFIGURATION and one.well_since is None]
    return Status(
        running=running,
        appointments=appointments,
        sweeps=states,
        addresses=load.addresses,
        deliveries=deliveries,
        lanes=standings,
        silences=silenced,
        names=named,
        reported=reported,
        notices=noticed,
        troubles=(
            *troubles_of(states, load, held, deliveries, settings.channels, running=running),
            *troubles_of_lanes(standings, settings.zone),
            *troubles_of_route(noticed, mute),
            *(f"What was changed can't be used, and what was read before holds on: {one.text}" for one in refused),
            *([f"The store can't be written: {hindrance}."] if hindrance else []),
        ),
        healthy=running
        and all(_answers(one) and not one.overdue for one in states)
        and not any(one.broken for one in noticed.values())
        and not mute
        and not refused
        and not hindrance,
    )


def names_of(settings: Settings, tx: Transaction) -> tuple[NamesStatus, ...]:
    """Returns how much is known of what the sources are asked to name."""
    known = names.counts(tx)
    return tuple(
        NamesStatus(source=source, kind=kind, known=known.get((source, kind), 0), refused=refusals.get(kind))
        for source, kinds in names_asked(settings).items()
        for refusals in (names.refusals(tx, source),)
        for kind in kinds
    )


def _noticed(settings: Settings, counts: Mapping[str, NoticeCount]) -> dict[str, NoticeCount]:
    """Returns how the notices fare by the channels that are the operator's now."""
    return {channel: count for channel, count in counts.items() if channel in settings.operator.channels}


def _sweep(load: SweepLoad, record: SweepRecord | None, now: datetime) -> SweepStatus:
    good = record.last_good_at if record else None
    return SweepStatus(
        source=load.source,
        sweep=load.sweep,
        every=load.every,
        last=record.last if record else None,
        last_good_at=good,
        complete_at=record.complete_at if record else None,
        failing_since=record.failing_since if record else None,
        skipped=record.skipped if record else 0,
        overdue=good is not None and now - good > OVERDUE_BEATS * load.every + OVERDUE_GRACE,
        load=load,
    )


def _answers(one: SweepStatus) -> bool:
    return one.last is None or one.last.outcome in ANSWERED
