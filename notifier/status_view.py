"""What `notifier status` prints: how the sweeps, their budget and the channels are doing, and what is wrong."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.core.called import Refusal
from notifier.core.checkup import NoticeCount
from notifier.core.delivery import State
from notifier.core.duration import write_duration
from notifier.core.load import AddressLoad, Fit, Load, SweepLoad, complaints
from notifier.core.notice import headline
from notifier.core.standing import Standing
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.core.trouble import OpenTrouble
from notifier.store.silences import SilenceRecord
from notifier.views import say_lag, say_minute, show_silences, table, wrap

_FITS = {Fit.UNKNOWN: "-", Fit.FITS: "yes", Fit.TOO_LONG: "too long", Fit.CROWDED: "crowded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStatus:
    """One configured sweep, and what its runs came to."""

    source: str
    sweep: str
    every: timedelta
    #: None before the first run.
    last: SweepRun | None
    last_good_at: datetime | None
    #: When a run that read everything, not only what was updated lately, last succeeded.
    complete_at: datetime | None
    failing_since: datetime | None
    #: How many starts were left out because the former run was still going.
    skipped: int
    #: Whether its last good run is too long ago.
    overdue: bool
    load: SweepLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesStatus:
    """What is known of how a source calls a kind of things."""

    source: str
    kind: str
    #: Of so many.
    known: int
    #: None while the source tells it.
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the daemon of one store is doing."""

    running: bool
    appointments: int
    sweeps: tuple[SweepStatus, ...]
    #: What is asked of each address, and what may be.
    addresses: tuple[AddressLoad, ...]
    #: Channel to state to number of deliveries.
    deliveries: Mapping[str, Mapping[State, int]]
    #: How the lanes of the configured channels stand that ever failed.
    lanes: Mapping[str, Standing] = field(default_factory=dict)
    #: The silences that last, with what they swallowed.
    silences: tuple[SilenceRecord, ...] = ()
    #: Of the kinds that the sources are asked for.
    names: tuple[NamesStatus, ...] = ()
    #: Troubles that lasted at the daemon's last look, whether or not the operator was told.
    reported: tuple[OpenTrouble, ...] = ()
    #: Channel to how the notices to the operator fare there.
    notices: Mapping[str, NoticeCount] = field(default_factory=dict)
    #: What is wrong, for the operator; empty when all is well.
    troubles: tuple[str, ...]
    #: Whether the daemon runs by what people wrote, its sources answer and the operator can be told; dead letters wait
    #: for a person and do not make it ill.
    healthy: bool


def show_status(status: Status, zone: ZoneInfo) -> str:
    """Returns the state of sweeps, budget and outbox, and what is wrong."""
    running = "running" if status.running else "not running"
    parts = [
        f"The daemon is {running}; {status.appointments} appointments in the snapshot.",
        _outcomes(status.sweeps, zone),
        _windows(status.sweeps, zone),
        "\n".join([_loads(status.sweeps), *(wrap(_asked(one)) for one in status.addresses)]),
    ]
    if status.deliveries:
        parts += _outbox(status.deliveries)
    if status.silences:
        parts.append(show_silences(status.silences, zone))
    if status.names:
        parts.append("\n".join(wrap(_named(one, zone), "  ") for one in status.names))
    if status.reported:
        parts.append(_reported(status.reported, zone))
    troubles = "\n".join(wrap(f"! {trouble}", "  ") for trouble in status.troubles)
    return "\n\n".join([*parts, troubles or "All is well."])


def _outcomes(sweeps: Iterable[SweepStatus], zone: ZoneInfo) -> str:
    rows = (
        (
            _name(one),
            write_duration(one.every),
            one.last.outcome.value if one.last else "never ran",
            say_minute(one.last_good_at, zone),
            str(one.last.rows) if one.last else "-",
            str(one.last.events) if one.last else "-",
            say_lag(one.last.lag if one.last else None),
        )
        for one in sweeps
    )
    return table(("SWEEP", "EVERY", "LAST RUN", "LAST GOOD", "ROWS", "EVENTS", "LAG"), rows, cut=("SWEEP",))


def _windows(sweeps: Iterable[SweepStatus], zone: ZoneInfo) -> str:
    windows = ((one, one.last.window if one.last else None) for one in sweeps)
    rows = (
        (
            _name(one),
            say_minute(window.start if window else None, zone),
            say_minute(window.end if window else None, zone),
            str(one.last.changed) if one.last else "-",
            str(one.last.late) if one.last else "-",
            str(one.last.held) if one.last else "-",
            say_minute(one.complete_at, zone),
        )
        for one, window in windows
    )
    return table(("SWEEP", "UPDATED FROM", "TO", "CHANGED", "LATE", "HELD", "COMPLETE"), rows, cut=("SWEEP",))


def _loads(sweeps: Iterable[SweepStatus]) -> str:
    rows = (
        (
            _name(one),
            say_lag(one.last.finished_at - one.last.started_at if one.last else None),
            _FITS[one.load.fit],
            str(one.skipped),
            str(one.last.pages) if one.last else "-",
            str(one.last.slices) if one.last else "-",
            _rate(one.load.requests_per_minute),
            _share(one.load.share),
        )
        for one in sweeps
    )
    headers = ("SWEEP", "TOOK", "FITS", "SKIPPED", "PAGES", "SLICES", "REQ/MIN", "BUDGET")
    return table(headers, rows, cut=("SWEEP",))


def _asked(load: AddressLoad) -> str:
    return f"{load.address}: {_rate(load.requests_per_minute)} of {load.budget} requests a minute, {_share(load.share)}"


def _named(names: NamesStatus, zone: ZoneInfo) -> str:
    said = f"Names of {names.source}: {names.kind}, {names.known} known"
    refused = names.refused
    return f"{said}; refused {say_minute(refused.refused_at, zone)}: {refused.why}" if refused else said


_UNSENT = (State.SUPERSEDED, State.DROPPED, State.DISCARDED, State.SILENCED)
"""The states of what nobody was to hear of, which are of less interest."""


def _outbox(deliveries: Mapping[str, Mapping[State, int]]) -> Iterator[str]:
    """Yields a table of what became of the deliveries, and one of those that were not to be sent, if there are any."""
    yield _counts(deliveries, [state for state in State if state not in _UNSENT])
    unsent = {channel: states for channel, states in deliveries.items() if any(states.get(state) for state in _UNSENT)}
    if unsent:
        yield _counts(unsent, _UNSENT)


def _counts(deliveries: Mapping[str, Mapping[State, int]], shown: Sequence[State]) -> str:
    counts = ((channel, *(str(states.get(state, 0)) for state in shown)) for channel, states in deliveries.items())
    return table(("CHANNEL", *(state.value.upper() for state in shown)), counts, cut=("CHANNEL",))


def _reported(troubles: Iterable[OpenTrouble], zone: ZoneInfo) -> str:
    rows = (
        (
            headline(one),
            say_minute(one.began_at, zone),
            say_minute(one.told_at, zone),
            say_minute(one.well_since, zone),
        )
        for one in troubles
    )
    return table(("TROUBLE", "SINCE", "TOLD", "WELL SINCE"), rows, cut=("TROUBLE",))


def _name(one: SweepStatus) -> str:
    return f"{one.source}/{one.sweep}"


def _rate(rate: float | None) -> str:
    if rate is None:
        return "-"
    return _small(rate) or (f"{rate:.1f}" if rate < 10 else f"{rate:.0f}")  # noqa: PLR2004 - two digits are enough


def _share(share: float | None) -> str:
    return "-" if share is None else f"{_small(share * 100) or f'{share * 100:.1f}'} %"


def _small(number: float) -> str:
    """Returns what is said of a number that would be rounded to nothing though it is something; empty for others."""
    return "<0.1" if 0 < number < 0.05 else ""  # noqa: PLR2004 - what would be rounded to 0.0


def troubles_of(
    sweeps: Collection[SweepStatus],
    load: Load,
    held: Mapping[str, int],
    deliveries: Mapping[str, Mapping[State, int]],
    channels: Iterable[str],
    *,
    running: bool,
) -> tuple[str, ...]:
    """Returns what an operator should know of, in whole sentences.

    `held` says of how many events of which sweep the brake holds a delivery.
    """
    doubted = {_name(one) for one in sweeps if one.last is not None and one.last.outcome is SweepOutcome.DOUBTFUL}
    found = [] if running else ["The daemon is not running."]
    for one in sweeps:
        name = _name(one)
        if one.last is not None and one.last.outcome is not SweepOutcome.OK:
            found.append(f"{name} is {one.last.outcome.value}: {one.last.error}")
        elif one.overdue:
            found.append(f"{name} is overdue: it should run every {write_duration(one.every)}.")
    # A sweep that is doubted has told so already, with the same commands.
    found += (_say_held(name, events) for name, events in held.items() if name not in doubted)
    found += complaints(load).values()
    configured = set(channels)
    for channel, states in deliveries.items():
        if states.get(State.DEAD):
            letters = "1 dead letter" if states[State.DEAD] == 1 else f"{states[State.DEAD]} dead letters"
            found.append(f"{channel} has {letters}; see: notifier deliveries --dead")
        if states.get(State.UNCERTAIN):
            found.append(f"{channel} may have missed {states[State.UNCERTAIN]}; see: notifier deliveries --uncertain")
        if channel not in configured and states.get(State.PENDING):
            found.append(f"{states[State.PENDING]} deliveries wait for {channel}, which is not configured.")
    return tuple(found)


def troubles_of_lanes(standings: Mapping[str, Standing], zone: ZoneInfo) -> tuple[str, ...]:
    """Returns which channels are paused or switched off, in whole sentences."""
    return tuple(
        f"{channel} is {'switched off' if one.is_off else 'paused'}: {say_failures(one, zone)}; "
        f"to send to it {'again' if one.is_off else 'at once'}: notifier resume {channel}"
        for channel, one in standings.items()
        if one.is_off or one.is_paused
    )


def say_failures(standing: Standing, zone: ZoneInfo) -> str:
    """Returns how often and since when a channel has failed, and how."""
    times = "1 failure" if standing.failures == 1 else f"{standing.failures} failures in a row"
    reason = standing.reason.value if standing.reason else "unknown"
    last = f"{reason} ({standing.detail})" if standing.detail else reason
    return f"{times} since {say_minute(standing.failing_since, zone)}, the last one {last}"


def troubles_of_route(notices: Mapping[str, NoticeCount], untold: Iterable[OpenTrouble]) -> tuple[str, ...]:
    """Returns what is wrong with the route by which the operator is told, in whole sentences.

    `untold` are the troubles that he can't be told of.
    """
    lasting = (f"{headline(one)}, and the operator can't be told: {one.text}" for one in untold)
    broken = (
        f"A notice to the operator was given up; see: notifier test-send {channel}"
        for channel, one in notices.items()
        if one.broken
    )
    unsent = (
        f"Notices to the operator that {channel} did not take yet: {one.unsent}."
        for channel, one in notices.items()
        if one.unsent
    )
    return (*broken, *unsent, *lasting)


def _say_held(name: str, events: int) -> str:
    said = "1 event" if events == 1 else f"{events} events"
    return (
        f"The brake holds {said} of {name}. To send them: notifier release {name}. To drop them: "
        f"notifier discard {name}"
    )
