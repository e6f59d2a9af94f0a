"""Which queries the sweeps come to, why, and what they cost: what `notifier plan --queries` tells without a request."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil

from notifier.budgets import load_of
from notifier.config.settings import Settings, Source
from notifier.core.duration import write_duration
from notifier.core.load import SweepLoad
from notifier.core.pushdown import PlannedSweep
from notifier.core.rule import Rule
from notifier.core.sweep import Sweep
from notifier.engage.query import PARAMETERS
from notifier.loading import sweeps_of
from notifier.query_view import Basis, Query
from notifier.store import census, snapshot, sweeps
from notifier.store.database import Store, Transaction

_HOUR = timedelta(hours=1)


def read_queries(settings: Settings, rules: Sequence[Rule], store: Store, now: datetime) -> tuple[Query, ...]:
    """Returns what the sweeps of the settings ask for, in their order, with what the store knows of them."""
    with store.reading() as tx:
        load = load_of(settings, sweeps.every(tx))
        known = {(one.source, one.sweep): one for one in load.sweeps}
        return tuple(
            _query(source, planned, known[source.name, planned.sweep.name], tx, now)
            for source in settings.sources.values()
            for planned in sweeps_of(source, rules)
        )


def _query(source: Source, planned: PlannedSweep, load: SweepLoad, tx: Transaction, now: datetime) -> Query:
    sweep = planned.sweep
    # A run under the same name may have asked for something else: the rules have changed since.
    ran = sweep.scope in {look.scope for look in snapshot.looks(tx, source.name)}
    took = load.took if ran else None
    counted = load.requests_per_minute if ran else None
    if counted is not None:
        per_hour, basis = counted * 60, Basis.COUNTED
    else:
        # Of what an appointment can have several of, the census knows nothing.
        filters = {name: wanted for name, wanted in sweep.filters.items() if name not in snapshot.PEOPLE}
        rows = census.count_within(tx, source.name, sweep.span(now), filters)
        pages = max(ceil(rows / (snapshot.page_size(tx, source.name) or source.page_size)), 1)
        per_hour, basis = pages * (_HOUR / sweep.every), Basis.ESTIMATED if rows else Basis.AT_LEAST
    return Query(
        source=source.name,
        sweep=sweep.name,
        every=sweep.every,
        parameters=(*_parameters(sweep), *_news(source)),
        complete_every=source.complete_every if source.updated_since else None,
        purpose=planned.purpose,
        rules=planned.rules,
        keeps_for=planned.keeps_for,
        requests_per_hour=per_hour,
        basis=basis,
        took=took,
        unseen=sweep.every + (took or timedelta(0)),
    )


def _parameters(sweep: Sweep) -> Iterator[tuple[str, str]]:
    for name, offset in (("from", sweep.begin), ("to", sweep.end)):
        if offset is not None:
            yield name, _from_now(offset)
    for name, values in sweep.filters.items():
        yield from ((PARAMETERS[name], value) for value in values)


def _news(source: Source) -> Iterator[tuple[str, str]]:
    """Yields how a gateway is asked for what was updated alone: since the newest that is known, less the overlap."""
    if source.updated_since:
        yield source.updated_since, f"newest-{write_duration(source.overlap)}"


def _from_now(offset: timedelta) -> str:
    """Returns the offset as in `now-1d` or `now+26h`; in days where a duration would be told in weeks."""
    days = offset // timedelta(days=1)
    size = f"{abs(days)}d" if days * timedelta(days=1) == offset else write_duration(abs(offset))
    return "now" if not offset else f"now{'-' if offset < timedelta(0) else '+'}{size}"
