"""How much of the budget of its address each sweep asks for, and whether it can keep its beat.

All of it is read off the sweeps' last runs: what a run took, the next one will take as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from notifier.core.duration import say_brief, write_duration
from notifier.core.sweep import ANSWERED, SweepRun

_MINUTE = timedelta(minutes=1)

MOSTLY_NEW = 0.5
"""A run that stored a larger share of its rows at first sight was filling the snapshot; the next one is shorter."""

REMEDY = "raise `every`, narrow the span, or raise `requests_per_minute`"
"""What helps a sweep that asks for too much."""


class Fit(StrEnum):
    """Whether a sweep can keep its beat."""

    #: No run tells yet: there was none, it got no answer, or it was the first.
    UNKNOWN = "unknown"
    FITS = "fits"
    #: A run takes longer than from one start to the next.
    TOO_LONG = "too_long"
    #: It and the sweeps that go before it ask for more than the budget of their address.
    CROWDED = "crowded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one sweep asks for, going by its last run."""

    source: str
    sweep: str
    #: The host that is asked; the sweeps at one address share its budget.
    address: str
    #: Its beat; the shorter it is, the sooner is its turn.
    every: timedelta
    #: From one run like the last to the next; longer than the beat where most runs ask for their window alone.
    period: timedelta
    #: None before the first.
    run: SweepRun | None

    @property
    def requests_per_minute(self) -> float | None:
        """How many requests a minute it makes; None where the last run does not tell."""
        if self.run is None or self.run.outcome not in ANSWERED:
            return None
        return self.run.pages * (_MINUTE / self.period)

    @property
    def took(self) -> timedelta | None:
        """How long a run takes; None where the last one does not tell."""
        if self.run is None or self.run.outcome not in ANSWERED or self.run.baseline > MOSTLY_NEW * self.run.rows:
            return None
        return self.run.finished_at - self.run.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLoad:
    """How a sweep gets along with its beat and its budget; None is what its last run does not tell."""

    source: str
    sweep: str
    address: str
    every: timedelta
    took: timedelta | None
    requests_per_minute: float | None
    #: Of the budget of its address: 1 is all of it.
    share: float | None
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLoad:
    """What all sweeps at one address ask of its budget."""

    address: str
    #: In requests a minute.
    budget: int
    requests_per_minute: float
    #: Of the budget: 1 is all of it, more can't be had.
    share: float


@dataclass(frozen=True, slots=True)
class Load:
    """What the sweeps ask for, one by one in the order that was given, and for each address."""

    sweeps: tuple[SweepLoad, ...]
    addresses: tuple[AddressLoad, ...]


def weigh(demands: Sequence[Demand], budgets: Mapping[str, int]) -> Load:
    """Compares what the sweeps ask for with the budgets of their addresses, in requests a minute."""
    loads: dict[tuple[str, str], SweepLoad] = {}
    addresses: list[AddressLoad] = []
    for address in dict.fromkeys(demand.address for demand in demands):
        asked, budget = 0.0, budgets[address]
        # As the budget gives turns: what is short of it takes from the sweeps that come last.
        for demand in sorted((one for one in demands if one.address == address), key=lambda one: one.every):
            asked += demand.requests_per_minute or 0
            loads[demand.source, demand.sweep] = _load(demand, asked, budget)
        addresses.append(AddressLoad(address=address, budget=budget, requests_per_minute=asked, share=asked / budget))
    return Load(tuple(loads[demand.source, demand.sweep] for demand in demands), tuple(addresses))


def _load(demand: Demand, asked: float, budget: int) -> SweepLoad:
    rate = demand.requests_per_minute
    return SweepLoad(
        source=demand.source,
        sweep=demand.sweep,
        address=demand.address,
        every=demand.every,
        took=demand.took,
        requests_per_minute=rate,
        share=None if rate is None else rate / budget,
        fit=_fit(demand, asked, budget),
    )


def _fit(demand: Demand, asked: float, budget: int) -> Fit:
    if demand.requests_per_minute is None:
        return Fit.UNKNOWN
    if asked > budget:
        return Fit.CROWDED
    if demand.took is None:
        return Fit.UNKNOWN
    return Fit.FITS if demand.took <= demand.period else Fit.TOO_LONG


def complaints(load: Load) -> dict[str, str]:
    """Returns what an operator should know of, in whole sentences, by what it is about; empty when all fits."""
    told = {f"beat {one.source}/{one.sweep}": _too_long(one) for one in load.sweeps if one.fit is Fit.TOO_LONG}
    for one in load.addresses:
        if one.share > 1:
            told[f"budget {one.address}"] = _overspent(one, load.sweeps)
    return told


def _too_long(load: SweepLoad) -> str:
    assert load.took is not None
    every = write_duration(load.every)
    return f"{load.source}/{load.sweep} can't run every {every}: its last run took {say_brief(load.took)}; {REMEDY}."


def _overspent(load: AddressLoad, sweeps: Iterable[SweepLoad]) -> str:
    names = [f"{one.source}/{one.sweep}" for one in sweeps if one.address == load.address and one.fit is Fit.CROWDED]
    return (
        f"{load.address} has a budget of {load.budget} requests a minute, and its sweeps ask for "
        f"{load.requests_per_minute:.0f}; what comes last comes too late ({', '.join(names)}): {REMEDY}."
    )
