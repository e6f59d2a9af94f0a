"""How the daemon is doing, told from the store."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.config.settings import Settings
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.status import read_status
from notifier.store import outbox, snapshot
from notifier.store.database import Store, open_store
from notifier.views import Status
from tests.configured import settings, source
from tests.store_values import MINUTE, NOW, appointment, cancelled, known, owed, plan

RUN = SweepRun(
    source="acme",
    sweep="dated",
    started_at=NOW - timedelta(seconds=2),
    finished_at=NOW - timedelta(seconds=1),
    outcome=SweepOutcome.OK,
    rows=7,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        yield store


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """One source with one sweep that runs every second, and the channel `team`."""
    return settings(tmp_path, source("https://api.example.com", 'token = "t"'), {"team": "console://"})


def record(store: Store, *runs: SweepRun) -> None:
    with store.writing() as tx:
        for run in runs:
            snapshot.record_sweep(tx, run.source, run.sweep, run)


def owe(store: Store, channel: str, settlement: Settlement | None = None) -> None:
    """Puts a delivery to the channel on record; with a settlement, after one attempt that came to it."""
    event = cancelled()
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event, channel)], [known(appointment())]), NOW)
        if settlement is not None:
            (claimed,) = outbox.claim(tx, channel, NOW, limit=1)
            outbox.record(tx, claimed, Outcome(Result.DEAD, settlement.reason), settlement, NOW)


def test_all_is_well(configured: Settings, store: Store) -> None:
    """A daemon that holds its store and whose sweeps succeed is healthy, and there is nothing to tell."""
    store.lock()
    record(store, RUN)
    owe(store, "team")
    status = read_status(configured, store, NOW)
    assert (status.running, status.healthy, status.troubles) == (True, True, ())
    assert status.appointments == 1
    assert status.deliveries["team"][State.PENDING] == 1
    (sweep,) = status.sweeps
    assert (sweep.source, sweep.sweep, sweep.last, sweep.late) == ("acme", "dated", RUN, False)
    assert sweep.last_good_at == RUN.finished_at


def test_before_the_first_run(configured: Settings, store: Store) -> None:
    """A sweep that never ran is not late: the daemon has just been started."""
    store.lock()
    status = read_status(configured, store, NOW)
    (sweep,) = status.sweeps
    assert (sweep.last, sweep.last_good_at, sweep.late, status.healthy) == (None, None, False, True)


def test_nobody_runs(configured: Settings, store: Store) -> None:
    """Without a daemon nothing is healthy, however good the last run was."""
    record(store, RUN)
    status = read_status(configured, store, NOW)
    assert (status.running, status.healthy, status.troubles) == (False, False, ("The daemon is not running.",))


@pytest.mark.parametrize(("minutes", "late"), [(1, False), (2, True)])
def test_a_late_sweep(configured: Settings, store: Store, minutes: int, late: bool) -> None:
    """A sweep that has not succeeded for three beats and a minute is late, and so is the daemon not well."""
    store.lock()
    record(store, RUN)
    status = read_status(configured, store, NOW + minutes * MINUTE)
    assert (status.sweeps[0].late, status.healthy) == (late, not late)
    assert status.troubles == (("acme/dated is late: it should run every 1s.",) if late else ())


@pytest.mark.parametrize("outcome", [SweepOutcome.UNAVAILABLE, SweepOutcome.REFUSED])
def test_a_failing_sweep(configured: Settings, store: Store, outcome: SweepOutcome) -> None:
    """A sweep that fails is told with its reason, since when it does, and when it last worked."""
    store.lock()
    failed = replace(RUN, outcome=outcome, error="HTTP 503", finished_at=NOW)
    record(store, RUN, failed)
    status = read_status(configured, store, NOW)
    assert status.troubles == (f"acme/dated is {outcome.value}: HTTP 503",)
    assert status.healthy is False
    assert status.sweeps[0].failing_since == failed.started_at
    assert status.sweeps[0].last_good_at == RUN.finished_at


def test_dead_letters_wait_for_a_person(configured: Settings, store: Store) -> None:
    """Dead letters are told with the command that lists them, and do not make the daemon ill."""
    store.lock()
    record(store, RUN)
    owe(store, "team", Settlement(State.DEAD, Reason.GONE))
    status = read_status(configured, store, NOW)
    assert status.healthy is True
    assert len(status.troubles) == 1
    assert status.troubles[0].startswith("team has 1 dead letter")
    assert status.troubles[0].endswith("notifier deliveries --state dead")


def test_a_channel_that_is_missing(configured: Settings, store: Store) -> None:
    """What waits for a channel that is not configured is told."""
    store.lock()
    record(store, RUN)
    owe(store, "former")
    (trouble,) = read_status(configured, store, NOW).troubles
    assert "former, which is not configured" in trouble


def test_sweeps_of_former_configurations(configured: Settings, store: Store) -> None:
    """A sweep that is not configured any more is not spoken of."""
    store.lock()
    record(store, RUN, replace(RUN, sweep="former", outcome=SweepOutcome.REFUSED))
    status: Status = read_status(configured, store, NOW)
    assert [sweep.sweep for sweep in status.sweeps] == ["dated"]
    assert status.healthy is True
