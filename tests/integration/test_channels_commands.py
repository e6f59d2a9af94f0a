"""`notifier channels`, `notifier resume`, and what `notifier status` says of lanes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.core.delivery import Outcome, Reason, Settlement, State
from notifier.core.delivery import Result as Sent
from notifier.core.standing import OPEN, Standing
from notifier.store import lanes, outbox, snapshot
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from tests.configured import settings, source
from tests.store_values import NOW, cancelled, owed, plan

pytestmark = pytest.mark.usefixtures("own_logs")

SECRET = "not-to-be-seen"
BEGAN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PAUSED = Standing(
    failures=7,
    failing_since=BEGAN,
    paused_until=datetime(2999, 1, 1, 12, tzinfo=UTC),
    reason=Reason.UNREACHABLE,
    detail="Connection refused",
)
OFF = Standing(failures=1, failing_since=BEGAN, off_at=BEGAN, reason=Reason.GONE, detail="HTTP 410 Gone")


def notifier(*arguments: str) -> Result:
    """Runs a command in this process."""
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with three channels, of which one is paused and one is off."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    urls = {
        "crm": f"https://crm.example.com/hooks/{SECRET}",
        "team": f"slack://T1JJ3T3L2/A1BRTD4JD/{SECRET}aaaaaaaaaa/#branch",
        "desk": f"mailtos://user:{SECRET}@smtp.example.com?to=desk@example.com",
    }
    settings(tmp_path, source("https://api.example.com", 'token = "t"'), urls, 'timezone = "Europe/Brussels"')
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        with store.writing() as tx:
            lanes.enrol(tx, dict.fromkeys(urls, b"address"))
            lanes.keep(tx, "crm", PAUSED)
            lanes.keep(tx, "team", OFF)
            lanes.keep(tx, "former", OFF)
        yield store


def owe(store: Store, channel: str, count: int = 1, dead: int = 0) -> None:
    """Owes the channel some deliveries, of which some are dead."""
    events = [cancelled(f"{channel}{number}") for number in range(count)]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, [owed(event, channel) for event in events]), NOW)
        for claimed in outbox.claim(tx, channel, NOW, limit=dead):
            refused = Outcome(Sent.DEAD, Reason.REJECTED)
            outbox.record(driver(tx), claimed, refused, Settlement(State.DEAD, Reason.REJECTED), NOW)


def test_channels_are_listed(store: Store) -> None:
    """Each with its service, how its lane stands, what waits and what was given up; and why it fails."""
    owe(store, "crm", 3, dead=1)
    result = notifier("channels")
    assert (result.exit_code, result.stderr) == (0, "")
    header, *rows = (line.split() for line in result.stdout.partition("\n\n")[0].splitlines())
    assert header == ["CHANNEL", "SERVICE", "STATE", "WAITING", "DEAD"]
    assert rows == [
        ["crm", "https://crm.example.com/***", "paused", "until", "01-01", "13:00", "2", "1"],
        ["team", "slack://***", "off", "since", "03-02", "10:30", "0", "0"],
        ["desk", "mailtos://smtp.example.com/***", "open", "0", "0"],
    ]
    assert result.stdout.partition("\n\n")[2].splitlines() == [
        "crm: 7 failures in a row since 03-02 10:30, the last one unreachable (Connection",
        "  refused)",
        "team: 1 failure since 03-02 10:30, the last one gone (HTTP 410 Gone)",
    ]
    assert SECRET not in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_channels_as_json(store: Store) -> None:
    """One document says all of it."""
    owe(store, "team", 2)
    result = notifier("channels", "--json")
    crm, team, desk = json.loads(result.stdout)
    assert (crm["channel"], crm["state"], crm["standing"]["failures"]) == ("crm", "paused", 7)
    assert (team["state"], team["standing"]["off_at"], team["waiting"]) == ("off", "2026-03-02T09:30:00+00:00", 2)
    assert (desk["state"], desk["standing"]["reason"], desk["uncertain"]) == ("open", None, 0)
    assert SECRET not in result.stdout


def test_a_pause_that_is_over(store: Store) -> None:
    """The next message finds out whether the channel works, and until there is one nothing more is known."""
    with store.writing() as tx:
        lanes.keep(tx, "crm", Standing(failures=5, failing_since=BEGAN, paused_until=BEGAN, reason=Reason.TIMEOUT))
    assert "paused, tries the next" in notifier("channels").stdout


@pytest.mark.parametrize(("channel", "was"), [("crm", "paused"), ("team", "switched off")])
def test_a_lane_is_resumed(store: Store, channel: str, was: str) -> None:
    """It is open from then on, and the command says what it did and what waits."""
    owe(store, channel, 2)
    result = notifier("resume", channel)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{channel} was {was}, and is open again; 2 deliveries wait for it.",
        "The daemon is not running; nothing goes out before it does.",
    ]
    with store.reading() as tx:
        assert lanes.standing(tx, channel) == OPEN
    assert notifier("resume", channel).stdout == f"{channel} is open already.\n"


def test_a_lane_is_resumed_under_a_daemon(store: Store) -> None:
    """The command works while a daemon has the store."""
    owe(store, "crm")
    store.lock()
    assert notifier("resume", "crm").stdout == "crm was paused, and is open again; 1 delivery waits for it.\n"


@pytest.mark.usefixtures("store")
def test_a_channel_that_there_is_not() -> None:
    """It is wrong usage, and the nearest name is proposed."""
    result = notifier("resume", "tame")
    assert result.exit_code == 2
    assert "did you mean `team`?" in result.stderr


def test_there_is_no_store(store: Store) -> None:
    """Without a first run nothing is paused; nothing is made."""
    store.close()
    for file in store.path.parent.glob("notifier.db*"):
        file.unlink()
    for command in (["channels"], ["resume", "crm"]):
        result = notifier(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "there is no store" in result.stderr
    assert not store.path.exists()


def test_a_status_tells_of_lanes(store: Store) -> None:
    """Channels that are paused or off are among what is wrong, with the command that ends it; they make nobody ill."""
    store.lock()
    answer = notifier("status", "--json")
    status = json.loads(answer.stdout)
    paused, off = (trouble for trouble in status["troubles"] if "notifier resume" in trouble)
    assert paused == (
        "crm is paused: 7 failures in a row since 03-02 10:30, the last one unreachable (Connection refused); "
        "to send to it at once: notifier resume crm"
    )
    assert off.startswith("team is switched off: 1 failure since 03-02 10:30, ")
    assert off.endswith("; to send to it again: notifier resume team")
    assert (status["healthy"], answer.exit_code) == (True, 0)
    assert status["lanes"]["team"]["off_at"] == "2026-03-02T09:30:00+00:00"
    assert "former" not in status["lanes"]
