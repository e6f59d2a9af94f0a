"""`notifier status --metrics`: what a monitor reads."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from notifier.cli import cli
from notifier.config.settings import Settings
from notifier.core.checkup import CONFIGURATION
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.sweep import SweepOutcome, SweepRun, Window
from notifier.core.trouble import OpenTrouble, TroubleKind
from notifier.metrics_view import show_metrics
from notifier.status import read_status
from notifier.store import notices, outbox, snapshot, sweeps
from notifier.store.database import Store
from notifier.store.driver import driver
from tests.configured import settings, source
from tests.markdown import DOCS
from tests.store_values import MINUTE, NOW, appointment, cancelled, known, owed, plan

pytestmark = pytest.mark.usefixtures("own_logs")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """One source with one sweep, and one channel."""
    return settings(tmp_path, source("https://api.example.com", 'token = "t"'), {"team": "console://"})


def samples(text: str) -> Samples:
    """Returns what a monitor makes of it."""
    found = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}


def told(configured: Settings, store: Store) -> Samples:
    return samples(show_metrics(read_status(configured, store, NOW)))


SWEEP = (("source", "acme"), ("sweep", "dated"))


def test_what_a_monitor_sees(configured: Settings, store: Store) -> None:
    """Sweeps, channels and the budget, each with its labels; what is not known is not there."""
    assert ("notifier_sweep_last_good_timestamp_seconds", SWEEP) not in told(configured, store)
    run = SweepRun(
        source="acme",
        sweep="dated",
        started_at=NOW - timedelta(seconds=2),
        finished_at=NOW - timedelta(seconds=1),
        outcome=SweepOutcome.OK,
        lag=timedelta(seconds=7),
        held=3,
        window=Window(NOW - MINUTE, NOW),
    )
    event = cancelled()
    with store.writing() as tx:
        sweeps.record(tx, "acme", "dated", run)
        snapshot.apply(tx, plan([event], [owed(event, "team")], [known(appointment())]), NOW)
        (claimed,) = outbox.claim(tx, "team", NOW, limit=1)
        dead = Settlement(State.DEAD, Reason.REJECTED)
        outbox.record(driver(tx), claimed, Outcome(Result.DEAD, Reason.REJECTED), dead, NOW)
    found = told(configured, store)
    assert found["notifier_running", ()] == 0
    assert found["notifier_appointments", ()] == 1
    assert found["notifier_sweep_last_good_timestamp_seconds", SWEEP] == (NOW - timedelta(seconds=1)).timestamp()
    assert found["notifier_sweep_lag_seconds", SWEEP] == 7
    assert found["notifier_sweep_held_events", SWEEP] == 3
    assert found["notifier_sweep_every_seconds", SWEEP] == 1
    assert found["notifier_deliveries", (("channel", "team"), ("state", "dead"))] == 1
    assert found["notifier_configuration_refused", ()] == 0
    assert found["notifier_address_budget_requests_per_minute", (("address", "api.example.com"),)] == 1500


def test_a_refused_change_is_seen(configured: Settings, store: Store, tmp_path: Path) -> None:
    """While the daemon goes on with what was before, and where nothing can be read but that."""
    kind = TroubleKind.CONFIGURATION
    refused = OpenTrouble(name=CONFIGURATION, kind=kind, text="a.toml:3: no", began_at=NOW, told_at=NOW)
    with store.writing() as tx:
        notices.keep(tx, refused)
    found = told(configured, store)
    assert found["notifier_configuration_refused", ()] == 1
    assert found["notifier_trouble", (("name", "configuration"),)] == 1
    path = tmp_path / "config.toml"
    path.write_text("sources = 5\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["status", "--metrics", "--config", str(path)])
    assert result.exit_code == 2
    assert samples(result.stdout) == {("notifier_configuration_refused", ()): 1}


def test_every_gauge_is_explained(configured: Settings, store: Store) -> None:
    """The page of operating names them all, and no others."""
    shown = show_metrics(read_status(configured, store, NOW))
    made = set(re.findall(r"^# TYPE (\w+) gauge$", shown, re.MULTILINE))
    assert made == set(re.findall(r"`(notifier_\w+)`", (DOCS / "operating.md").read_text(encoding="utf-8")))
