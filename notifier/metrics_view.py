"""The state of the daemon as a monitor reads it: gauges in the text format of Prometheus."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from notifier.core.checkup import CONFIGURATION
from notifier.status_view import Status, SweepStatus

_REFUSED = "Whether what people wrote can't be used, so that a running daemon goes on with what was before"


def show_metrics(status: Status) -> str:
    """Returns the gauges of a daemon."""
    return _written([*_of_daemon(status), *_of_sweeps(status.sweeps), *_of_channels(status), *_of_addresses(status)])


def show_refusal() -> str:
    """Returns what can be told where the configuration can't be read: just that."""
    return _written([_gauge("configuration_refused", _REFUSED, [((), 1)])])


def _of_daemon(status: Status) -> Iterator[GaugeMetricFamily]:
    refused = any(one.name == CONFIGURATION and one.well_since is None for one in status.reported)
    lasting = [((one.name,), 1.0) for one in status.reported if one.well_since is None]
    yield _gauge("running", "Whether the daemon runs", [((), status.running)])
    yield _gauge("healthy", "Whether it runs, and its sources answer", [((), status.healthy)])
    yield _gauge("configuration_refused", _REFUSED, [((), refused)])
    yield _gauge("appointments", "Appointments in the snapshot", [((), status.appointments)])
    yield _gauge("trouble", "A trouble that lasts", lasting, ("name",))


def _of_sweeps(sweeps: Iterable[SweepStatus]) -> Iterator[GaugeMetricFamily]:
    labels, known = ("source", "sweep"), [((one.source, one.sweep), one) for one in sweeps]
    good = [(key, one.last_good_at.timestamp()) for key, one in known if one.last_good_at]
    lag = [(key, one.last.lag.total_seconds()) for key, one in known if one.last and one.last.lag is not None]
    held = [(key, one.last.held) for key, one in known if one.last]
    every = [(key, one.every.total_seconds()) for key, one in known]
    yield _gauge("sweep_every_seconds", "How often a sweep is run", every, labels)
    yield _gauge("sweep_last_good_timestamp_seconds", "When a sweep last went well", good, labels)
    yield _gauge("sweep_overdue", "Whether that is too long ago", [(key, one.overdue) for key, one in known], labels)
    yield _gauge("sweep_lag_seconds", "How long the oldest change of the last run had waited", lag, labels)
    yield _gauge("sweep_held_events", "Events that wait for a person, as suspiciously much changed", held, labels)


def _of_channels(status: Status) -> Iterator[GaugeMetricFamily]:
    deliveries = [
        ((channel, state.value), number) for channel, of in status.deliveries.items() for state, number in of.items()
    ]
    paused = [((name,), lane.is_paused or lane.is_off) for name, lane in status.lanes.items()]
    yield _gauge("deliveries", "Messages to a channel by their state", deliveries, ("channel", "state"))
    yield _gauge("channel_paused", "Whether a channel that ever failed is paused, or off", paused, ("channel",))


def _of_addresses(status: Status) -> Iterator[GaugeMetricFamily]:
    asked = [((one.address,), one.requests_per_minute) for one in status.addresses]
    budget = [((one.address,), one.budget) for one in status.addresses]
    yield _gauge("address_requests_per_minute", "What the sweeps ask of an address", asked, ("address",))
    yield _gauge("address_budget_requests_per_minute", "What may be asked of it", budget, ("address",))


def _gauge(
    name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"notifier_{name}", f"{text}.", labels=labels)
    for key, value in values:
        made.add_metric(key, float(value))
    return made


class _Given(Collector):
    """Gives the registry what was gathered already."""

    def __init__(self, gauges: Iterable[GaugeMetricFamily]) -> None:
        self._gauges = list(gauges)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        return iter(self._gauges)


def _written(gauges: Iterable[GaugeMetricFamily]) -> str:
    registry = CollectorRegistry()
    registry.register(_Given(gauges))
    return generate_latest(registry).decode()
