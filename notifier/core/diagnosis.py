"""The diagnosis: what the figures on record say about each source, sweep and budget; see `checkup` for our own side.

Only what is known is said. While a source does not answer, nothing is known of its sweeps, and a trouble of theirs
neither begins nor ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.core.duration import write_duration
from notifier.core.load import Fit, Load, SweepLoad, complaints
from notifier.core.sweep import ANSWERED, SweepOutcome, SweepRun
from notifier.core.trouble import Finding, Trouble, TroubleKind

OVERDUE_BEATS = 3
OVERDUE_GRACE = timedelta(minutes=1)
"""A sweep is overdue when no run of it ended for this many beats and a little more."""

ELSEWHERE = timedelta(minutes=1)
"""A source answers if a run that began so long after another began to fail got its answer: beats coincide."""

SLOW_BEATS = 2
"""A sweep is slow when its runs take too long for this many beats and more: three in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is on record of one configured sweep."""

    source: str
    sweep: str
    every: timedelta
    #: None before the first.
    last: SweepRun | None
    #: When the first of the failed runs in a row began; None while all is well.
    failing_since: datetime | None
    #: Whether the brake holds something of it.
    held: bool


def source_name(source: str) -> str:
    """Returns what a source is called in a trouble."""
    return f"source {source}"


def sweep_name(source: str, sweep: str) -> str:
    """Returns what a sweep is called in a trouble."""
    return f"sweep {source}/{sweep}"


def examine_source(source: str, pulses: Sequence[Pulse], after: timedelta) -> Finding | None:
    """Says whether a source answers, from its sweeps: one that is down is one trouble, however many they are.

    It does not answer while the newest failure of a sweep began after all the answers that the others got, or about
    then. A sweep that goes on failing while others are answered is a trouble of its own.
    """
    runs = [(pulse, pulse.last) for pulse in pulses if pulse.last is not None]
    answers = [run for _, run in runs if run.outcome in ANSWERED]
    failed = [(pulse, run) for pulse, run in runs if run.outcome in _DOWN]
    pulse, run = max(failed, key=lambda one: one[1].started_at, default=(None, None))
    if pulse is not None and run is not None:
        began = pulse.failing_since or run.started_at
        if not any(answer.started_at >= began + min(ELSEWHERE, after) for answer in answers):
            trouble = Trouble(_DOWN[run.outcome], run.error, patience=after, since=began)
            return Finding(source_name(source), run.finished_at, trouble)
    newest = max((answer.finished_at for answer in answers), default=None)
    return None if newest is None else Finding(source_name(source), newest, None)


def examine_sweep(pulse: Pulse, after: timedelta, *, source_answers: bool) -> Finding | None:
    """Says how the readings of one sweep go."""
    last = pulse.last
    if last is None:
        return None
    name = sweep_name(pulse.source, pulse.sweep)
    if last.outcome is SweepOutcome.OK and not pulse.held:
        return Finding(name, last.finished_at, None)
    if last.outcome in _DOWN and not source_answers:
        return None
    trouble = _trouble_of(last, after, f"{pulse.source}/{pulse.sweep}", held=pulse.held)
    return Finding(name, last.finished_at, trouble)


def examine_former(source: str, sweep: str, now: datetime) -> Finding:
    """Says that the brake holds something of a sweep that is not configured any more."""
    return Finding(sweep_name(source, sweep), now, Trouble(TroubleKind.DOUBTFUL, _say_held(f"{source}/{sweep}")))


def examine_beats(
    pulses: Iterable[Pulse], load: Load, since: datetime, now: datetime, after: timedelta
) -> list[Finding]:
    """Says whether the sweeps and the budgets of their addresses keep up; `since` is when this process began."""
    told = complaints(load)
    loads = {(one.source, one.sweep): one for one in load.sweeps}
    found = [_beat(pulse, loads[pulse.source, pulse.sweep], told, since, now, after) for pulse in pulses]
    found += [_budget(address.address, load.sweeps, told, now, after) for address in load.addresses]
    return [one for one in found if one is not None]


def names_of(pulses: Iterable[Pulse], load: Load) -> set[str]:
    """Returns the names of all that may be in trouble at the sources; what is not configured any more may not."""
    names = {_budget_name(address.address) for address in load.addresses}
    for pulse in pulses:
        names |= {
            source_name(pulse.source),
            sweep_name(pulse.source, pulse.sweep),
            _beat_name(pulse.source, pulse.sweep),
        }
    return names


_DOWN = {
    SweepOutcome.UNAVAILABLE: TroubleKind.UNAVAILABLE,
    SweepOutcome.REFUSED: TroubleKind.REFUSED,
}


def _trouble_of(last: SweepRun, after: timedelta, name: str, *, held: bool) -> Trouble:
    if last.outcome is SweepOutcome.DOUBTFUL:
        return Trouble(TroubleKind.DOUBTFUL, last.error)
    if held:
        # The text of the run that tripped the brake is gone where later ones went well.
        return Trouble(TroubleKind.DOUBTFUL, _say_held(name))
    if last.outcome is SweepOutcome.CRASHED:
        return Trouble(TroubleKind.CRASHED, last.error)
    return Trouble(_DOWN.get(last.outcome, TroubleKind.INCOMPLETE), last.error, patience=after)


def _say_held(name: str) -> str:
    return f"the brake holds messages; either: notifier release {name}, or: notifier discard {name}"


# As `complaints` call them.
def _beat_name(source: str, sweep: str) -> str:
    return f"beat {source}/{sweep}"


def _budget_name(address: str) -> str:
    return f"budget {address}"


def _beat(
    pulse: Pulse, load: SweepLoad, told: dict[str, str], since: datetime, now: datetime, after: timedelta
) -> Finding | None:
    name, last = _beat_name(pulse.source, pulse.sweep), pulse.last
    # A run that is broken off by the end of the process is no evidence, and a first one may take its time.
    if last is None or last.outcome not in ANSWERED:
        return None
    if now - max(last.finished_at, since) > OVERDUE_BEATS * pulse.every + OVERDUE_GRACE:
        every = write_duration(pulse.every)
        text = f"it should run every {every}, and no run has ended for {OVERDUE_BEATS} times as long"
        return Finding(name, now, Trouble(TroubleKind.SLOW, text))
    if name in told:
        patience = max(after, SLOW_BEATS * pulse.every)
        return Finding(name, last.finished_at, Trouble(TroubleKind.SLOW, told[name], patience=patience))
    return None if load.fit is Fit.UNKNOWN else Finding(name, last.finished_at, None)


def _budget(
    address: str, loads: Iterable[SweepLoad], told: dict[str, str], now: datetime, after: timedelta
) -> Finding | None:
    name = _budget_name(address)
    if name in told:
        return Finding(name, now, Trouble(TroubleKind.SLOW, told[name], patience=after))
    unknown = any(one.address == address and one.requests_per_minute is None for one in loads)
    return None if unknown else Finding(name, now, None)
