"""How the daemon is doing, told from the store."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.config.settings import Settings
from notifier.core.called import NAMELESS, Called
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.load import Fit
from notifier.core.notice import headline, notice_of
from notifier.core.sweep import SweepOutcome, SweepRun, Window
from notifier.core.trouble import Edge, OpenTrouble, TroubleKind
from notifier.status import read_status
from notifier.status_view import Status, show_status
from notifier.store import hold, names, notices, outbox, snapshot, sweeps
from notifier.store.database import Store
from notifier.store.driver import driver
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


UTC_ZONE = ZoneInfo("UTC")
TROUBLE = OpenTrouble(
    name="channel team",
    kind=TroubleKind.DEAD_LETTERS,
    text="1 message was given up",
    began_at=NOW,
    told_at=NOW + MINUTE,
)


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """One source with one sweep that runs every second, and the channel `team`, which is the operator's too."""
    return settings(
        tmp_path,
        source("https://api.example.com", 'token = "t"'),
        {"team": "console://"},
        '[operator]\nchannels = "team"\n',
    )


def record(store: Store, *runs: SweepRun) -> None:
    with store.writing() as tx:
        for run in runs:
            sweeps.record(tx, run.source, run.sweep, run)


def owe(store: Store, channel: str, settlement: Settlement | None = None) -> None:
    """Puts a delivery to the channel on record; with a settlement, after one attempt that came to it."""
    event = cancelled()
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event, channel)], [known(appointment())]), NOW)
        if settlement is not None:
            (claimed,) = outbox.claim(tx, channel, NOW, limit=1)
            outbox.record(driver(tx), claimed, Outcome(Result.DEAD, settlement.reason), settlement, NOW)


def trip(store: Store, sweep: str) -> None:
    """Puts a delivery on record that the brake holds."""
    event = replace(cancelled(), sweep=sweep)
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event, "team")]), NOW, State.HELD)
        hold.trip(tx, "acme", sweep, NOW)


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
    assert (sweep.source, sweep.sweep, sweep.last, sweep.overdue) == ("acme", "dated", RUN, False)
    assert sweep.last_good_at == RUN.finished_at


def test_before_the_first_run(configured: Settings, store: Store) -> None:
    """A sweep that never ran is not overdue: the daemon has just been started."""
    store.lock()
    status = read_status(configured, store, NOW)
    (sweep,) = status.sweeps
    assert (sweep.last, sweep.last_good_at, sweep.overdue, status.healthy) == (None, None, False, True)


def test_nobody_runs(configured: Settings, store: Store) -> None:
    """Without a daemon nothing is healthy, however good the last run was."""
    record(store, RUN)
    status = read_status(configured, store, NOW)
    assert (status.running, status.healthy, status.troubles) == (False, False, ("The daemon is not running.",))


@pytest.mark.parametrize(("minutes", "overdue"), [(1, False), (2, True)])
def test_an_overdue_sweep(configured: Settings, store: Store, minutes: int, overdue: bool) -> None:
    """A sweep that has not succeeded for three beats and a minute is overdue, and so is the daemon not well."""
    store.lock()
    record(store, RUN)
    status = read_status(configured, store, NOW + minutes * MINUTE)
    assert (status.sweeps[0].overdue, status.healthy) == (overdue, not overdue)
    assert status.troubles == (("acme/dated is overdue: it should run every 1s.",) if overdue else ())


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
    assert status.troubles[0].endswith("notifier deliveries --dead")


@pytest.mark.parametrize("sweep", ["dated", "former"])
def test_what_the_brake_holds_waits_for_a_person(configured: Settings, store: Store, sweep: str) -> None:
    """It is told with the commands that end it, also of a sweep that is not configured any more; that is no illness."""
    store.lock()
    record(store, RUN)
    trip(store, sweep)
    status = read_status(configured, store, NOW)
    assert status.healthy is True
    assert status.deliveries["team"][State.HELD] == 1
    (trouble,) = status.troubles
    assert trouble.startswith(f"The brake holds 1 event of acme/{sweep}. ")
    assert f"notifier release acme/{sweep}. " in trouble
    assert trouble.endswith(f"notifier discard acme/{sweep}")


def test_a_doubt_is_told_once(configured: Settings, store: Store) -> None:
    """As long as a sweep is doubted, what the brake holds of it is not told apart."""
    store.lock()
    record(store, replace(RUN, outcome=SweepOutcome.DOUBTFUL, error="all ids are new"))
    trip(store, "dated")
    assert read_status(configured, store, NOW).troubles == ("acme/dated is doubtful: all ids are new",)


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


def test_a_sweep_that_can_not_keep_its_beat(configured: Settings, store: Store) -> None:
    """A sweep whose last run took longer than its beat is told, with what to do; the daemon is well all the same."""
    store.lock()
    record(store, replace(RUN, started_at=NOW - MINUTE, pages=3))
    status = read_status(configured, store, NOW)
    assert status.sweeps[0].load.fit is Fit.TOO_LONG
    (trouble,) = status.troubles
    assert trouble.startswith("acme/dated can't run every 1s: its last run took 59 s; raise `every`, ")
    assert status.healthy is True


def test_sources_at_one_address_share_its_budget(tmp_path: Path, store: Store) -> None:
    """What the sweeps of two sources ask of one address is added up, and held against the smaller of their limits."""
    tables = (
        source("https://api.example.com", 'token = "t"')
        + source("https://API.example.com/v1", 'token = "t"', "other")
        + "[sources.other.limits]\nrequests_per_minute = 100\n"
    )
    record(store, replace(RUN, pages=1), replace(RUN, source="other", pages=1))
    status = read_status(settings(tmp_path, tables, {}), store, NOW)
    (address,) = status.addresses
    assert (address.address, address.budget, address.requests_per_minute) == ("api.example.com", 100, 120)
    assert [(one.load.requests_per_minute, one.load.fit) for one in status.sweeps] == [
        (60, Fit.FITS),
        (60, Fit.CROWDED),
    ]
    assert [trouble for trouble in status.troubles if "(other/dated)" in trouble]


@pytest.mark.parametrize(("whole", "rate"), [(True, 1.0), (False, 60 * 60)])
def test_a_complete_run_of_a_gateway_comes_seldom(tmp_path: Path, store: Store, whole: bool, rate: float) -> None:
    """Where sweeps ask for a window only, a run that read everything is weighed by how often that is done."""
    tables = source("https://api.example.com", 'token = "t"').replace(
        "timeout", 'updated_since = "since"\ncomplete_every = "1h"\ntimeout'
    )
    record(store, replace(RUN, pages=60, whole=whole))
    (sweep,) = read_status(settings(tmp_path, tables, {}), store, NOW).sweeps
    assert sweep.load.requests_per_minute == rate
    assert sweep.complete_at == (RUN.finished_at if whole else None)


def test_a_store_keeps_the_figures_of_a_run(configured: Settings, store: Store) -> None:
    """Window, slices, late and held ones of the last run are told as they were recorded."""
    ran = replace(RUN, window=Window(NOW - 6 * MINUTE, NOW), slices=3, late=2, held=4, changed=9)
    record(store, ran)
    assert read_status(configured, store, NOW).sweeps[0].last == ran


def notice(store: Store, settlement: Settlement | None = None) -> None:
    """Owes the operator a notice; with a settlement, after one attempt that came to it."""
    told = notice_of(TROUBLE, Edge.BEGAN, "team", UTC_ZONE, NOW)
    with store.writing() as tx:
        notices.keep(tx, TROUBLE)
        notices.owe(tx, [told])
        if settlement is not None:
            claimed = notices.claim(tx, "team", NOW)
            assert claimed is not None
            notices.record(tx, claimed, Outcome(Result.DEAD, settlement.reason), settlement, NOW)


def test_what_the_operator_was_told(configured: Settings, store: Store) -> None:
    """Troubles that last are listed, and a notice that waits is told; it does not make the daemon ill."""
    store.lock()
    record(store, RUN)
    notice(store)
    status = read_status(configured, store, NOW)
    assert (status.reported, status.healthy) == ((TROUBLE,), True)
    assert status.troubles == ("Notices to the operator that team did not take yet: 1.",)
    shown = show_status(status, UTC_ZONE).splitlines()
    header = next(number for number, line in enumerate(shown) if line.startswith("TROUBLE"))
    assert shown[header].split() == ["TROUBLE", "SINCE", "TOLD", "WELL", "SINCE"]
    assert shown[header + 1].split() == [
        "channel",
        "team",
        "does",
        "not",
        "get",
        "all",
        "its",
        "messages",
        "03-02",
        "09:30",
        "03-02",
        "09:31",
        "-",
    ]


def test_an_operator_who_can_not_be_told(configured: Settings, store: Store) -> None:
    """A notice that was given up makes the daemon ill, and says how to try the channel."""
    store.lock()
    record(store, RUN)
    notice(store, Settlement(State.DEAD, Reason.GONE))
    status = read_status(configured, store, NOW)
    assert status.healthy is False
    assert status.troubles == ("A notice to the operator was given up; see: notifier test-send team",)


def test_a_former_channel_of_the_operator(tmp_path: Path, store: Store) -> None:
    """What a channel did not take that is not the operator's any more is of no account."""
    other = settings(
        tmp_path,
        source("https://api.example.com", 'token = "t"'),
        {"team": "console://", "ops": "console://"},
        '[operator]\nchannels = "ops"\n',
    )
    store.lock()
    record(store, RUN)
    notice(store, Settlement(State.DEAD, Reason.GONE))
    status = read_status(other, store, NOW)
    assert (status.healthy, status.troubles, status.notices) == (True, (), {})


@pytest.mark.parametrize(("name", "healthy"), [("lane team", False), ("operator team", False), ("lane crm", True)])
def test_what_the_operator_can_not_be_told(configured: Settings, store: Store, name: str, healthy: bool) -> None:
    """What is wrong with the only way to the operator makes the daemon ill; what he was told by it does not."""
    store.lock()
    record(store, RUN)
    kind = TroubleKind.UNAVAILABLE if name.startswith("operator") else TroubleKind.OFF
    trouble = replace(TROUBLE, name=name, kind=kind, text="the last try: gone")
    with store.writing() as tx:
        notices.keep(tx, trouble)
    status = read_status(configured, store, NOW)
    assert status.healthy is healthy
    said = f"{headline(trouble)}, and the operator can't be told: the last try: gone"
    assert status.troubles == (() if healthy else (said,))


def test_a_store_that_can_not_be_written(configured: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can be seen, it is told and makes the daemon ill, since nothing is put on record any more."""
    store.lock()
    record(store, RUN)
    usage = shutil.disk_usage(store.path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    status = read_status(configured, store, NOW)
    assert status.healthy is False
    assert status.troubles == ("The store can't be written: no space is left on its disk.",)


def test_a_refused_change_is_a_trouble(store: Store, configured: Settings) -> None:
    """While what people wrote can't be used it is said with file and line, and fails; once it is mended, it is not."""
    refused = OpenTrouble(
        name="configuration", kind=TroubleKind.CONFIGURATION, text="a.toml:3: no", began_at=NOW, told_at=NOW
    )
    store.lock()
    for trouble, said in ((refused, 1), (replace(refused, well_since=NOW), 0)):
        with store.writing() as tx:
            notices.keep(tx, trouble)
        found = read_status(configured, store, NOW)
        assert sum("a.toml:3: no" in one for one in found.troubles) == said
        assert found.healthy is not bool(said)


def test_what_is_known_of_names(tmp_path: Path, store: Store) -> None:
    """Of each kind that a source is asked for, how many names there are, and why there are none."""
    asked = source("https://api.example.com", 'token = "t"\nnames = ["office", "employee"]')
    configured = settings(tmp_path, asked, {})
    with store.writing() as tx:
        names.put(tx, "acme", "office", {"11": Called("Antwerp"), "12": NAMELESS}, NOW)
        names.refuse(tx, "acme", "employee", "the API answered 403", NOW)
    status = read_status(configured, store, NOW)
    assert [(one.kind, one.known, one.refused and one.refused.why) for one in status.names] == [
        ("office", 1, None),
        ("employee", 0, "the API answered 403"),
    ]
    shown = show_status(status, configured.zone)
    assert "Names of acme: office, 1 known\n" in shown
    assert re.search(r"Names of acme: employee, 0 known; refused .*: the API answered 403", " ".join(shown.split()))
