"""What `notifier plan --queries` prints: each query of the sweeps, why it is there, and what it costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from notifier.core.duration import say_brief, write_duration
from notifier.core.pushdown import Purpose
from notifier.views import table, wrap


class Basis(StrEnum):
    """How it is known what a sweep costs."""

    #: Its last run counted.
    COUNTED = "counted"
    #: By how many appointments are known there; where it filters by more than status it may be less.
    ESTIMATED = "estimated"
    #: Nothing is known there: one request a run, or more.
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What one sweep asks its source for."""

    source: str
    sweep: str
    every: timedelta
    #: As they are sent, in their order; times are told from now.
    parameters: tuple[tuple[str, str], ...]
    purpose: Purpose
    #: The rules that it is there for.
    rules: tuple[str, ...]
    #: The sweeps that find the states before by it.
    keeps_for: tuple[str, ...]
    requests_per_hour: float
    basis: Basis
    #: How long the last run took; None where none tells.
    took: timedelta | None
    #: The longest that a change which it shows can stay unseen: from one start to the next, and a run.
    unseen: timedelta
    #: How often it asks for everything, and not only for what was updated; None for always.
    complete_every: timedelta | None = None


_MARKS = {Basis.COUNTED: "", Basis.ESTIMATED: "~", Basis.AT_LEAST: "≥ "}

_LEGEND = (
    "A query with dates reaches 12 h further at both ends; each is read in pages. UNSEEN is the longest that a change "
    "can stay unseen: from one run to the next, and the run itself, as long as the last one took. REQ/HOUR is as the "
    "last run counted; ~ is an estimate by what is known, ≥ the least before a first run."
)


def show_queries(queries: Sequence[Query]) -> str:
    """Returns a table of what the queries cost, and below it what each asks for and why."""
    rows = ((_name(one), write_duration(one.every), _requests(one), _unseen(one)) for one in queries)
    costs = table(("SWEEP", "EVERY", "REQ/HOUR", "UNSEEN"), rows, cut=("SWEEP",))
    return "\n\n".join([costs, *(_reasons(one) for one in queries), wrap(_LEGEND)])


def _reasons(query: Query) -> str:
    asked = " ".join(f"{name}={value}" for name, value in query.parameters) or "everything"
    lines = [_name(query), wrap(f"  asks for  {asked}", " " * 12)]
    if query.complete_every:
        lines.append(f"  and       every {write_duration(query.complete_every)} for all of it, updated or not")
    return "\n".join([*lines, wrap(f"  why       {_why(query)}", " " * 12)])


def _why(query: Query) -> str:
    rules = _listed("rule", query.rules)
    if query.purpose is Purpose.OWN:
        return f"written in config.toml; {f'for {rules}' if query.rules else 'no rule waits for what is there'}"
    if query.purpose is Purpose.DEFAULT:
        return "no rule is for this source yet"
    if query.purpose is Purpose.KEEPS:
        kept = " and ".join(query.keeps_for)
        return f"keeps the before-states for {kept or 'what moves from here to where a rule waits'}"
    if query.purpose is Purpose.QUICK:
        return f"few appointments have these statuses; for {rules}"
    if query.purpose is Purpose.WANTED:
        return f"nothing else there is wanted; for {rules}"
    return f"any of it may be wanted; for {rules}"


def _listed(noun: str, names: Iterable[str]) -> str:
    found = tuple(names)
    return f"the {noun if len(found) == 1 else f'{noun}s'} {', '.join(found)}"


def _requests(query: Query) -> str:
    number = query.requests_per_hour
    return f"{_MARKS[query.basis]}{number:.0f}" if number >= 1 else f"{_MARKS[query.basis]}{number:.1f}"


def _unseen(query: Query) -> str:
    return f"{'≥ ' if query.took is None else ''}{say_brief(query.unseen)}"


def _name(query: Query) -> str:
    return f"{query.source}/{query.sweep}"
