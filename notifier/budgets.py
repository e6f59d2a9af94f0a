"""What the configured sweeps ask of the budgets of their addresses: the settings and the last runs brought together."""

from collections.abc import Iterable, Iterator

from notifier.config.settings import Settings, Source
from notifier.core.load import Demand, Load, weigh
from notifier.core.sweep import Sweep
from notifier.store.sweeps import SweepRecord


def load_of(settings: Settings, records: Iterable[SweepRecord]) -> Load:
    """Returns what the sweeps ask for, in the order in which they are configured."""
    known = {(record.source, record.name): record for record in records}
    demands = [_demand(source, sweep, known.get((source.name, sweep.name))) for source, sweep in _sweeps(settings)]
    addresses = {source.address for source in settings.sources.values()}
    return weigh(demands, {address: settings.limits_at(address).requests_per_minute for address in addresses})


def _sweeps(settings: Settings) -> Iterator[tuple[Source, Sweep]]:
    return ((source, sweep) for source in settings.sources.values() for sweep in source.sweeps)


def _demand(source: Source, sweep: Sweep, record: SweepRecord | None) -> Demand:
    last = record.last if record else None
    # Where most runs ask for their window alone, one that asked for everything comes more seldom than the beat.
    whole = record is not None and last is not None and record.complete_at == last.finished_at
    seldom = source.updated_since is not None and whole
    return Demand(
        source=source.name,
        sweep=sweep.name,
        address=source.address,
        every=sweep.every,
        period=max(sweep.every, source.complete_every) if seldom else sweep.every,
        run=last,
    )
