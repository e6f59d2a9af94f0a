"""The commands in this process: their arguments, their exit codes and what they print.

`run`, `demo` and `test-send` end their process, so they are tried as processes, in `tests/acceptance`.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.core.delivery import Outcome, Reason, Settlement, State
from notifier.core.delivery import Result as Sent
from notifier.core.event import Event
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.store import outbox, snapshot
from notifier.store.database import Store, open_store
from tests.configured import settings, source
from tests.store_values import NOW, cancelled, owed, plan

pytestmark = pytest.mark.usefixtures("own_logs")

RULES = '[[rule]]\nname = "all"\non = ["created", "status_changed"]\nchannels = ["chat"]\n'


def notifier(*arguments: str) -> Result:
    """Runs a command in this process."""
    return CliRunner().invoke(cli, arguments)


def document(*arguments: str) -> Any:
    """Returns the JSON document that a command prints."""
    result = notifier(*arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


@pytest.fixture
def engage() -> Iterator[Simulator]:
    with Simulator(clock=utc_now) as simulator:
        yield simulator


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engage: Simulator) -> Path:
    """The working folder, with a configuration that watches the simulated enterprise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    settings(tmp_path, source(engage.base_url, f'token = "{engage.token}"'), {"chat": "console://"})
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.toml").write_text(RULES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with open_store(place / "notifier.db", synchronous="normal") as store:
        yield store


def put(store: Store, *appointments: str, channel: str = "chat") -> list[Event]:
    """Puts a cancellation of each appointment on record, owed to a channel."""
    events = [cancelled(one) for one in appointments]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, [owed(event, channel) for event in events]), NOW)
    return events


def settle(store: Store, state: State, reason: Reason, detail: str = "") -> None:
    """Lets the oldest delivery of `chat` come to an end."""
    result = Sent.DELIVERED if state is State.DELIVERED else Sent.DEAD
    with store.writing() as tx:
        (claimed,) = outbox.claim(tx, "chat", NOW, limit=1)
        outbox.record(tx, claimed, Outcome(result, reason, detail=detail), Settlement(state, reason), NOW)


def commands(group: click.Command = cli) -> list[str]:
    assert isinstance(group, click.Group)
    return sorted(group.commands)


@pytest.mark.parametrize("command", ["", *commands()])
def test_help(command: str) -> None:
    """Every command explains itself within 80 columns."""
    result = notifier(*command.split(), "--help")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", [name for name in commands() if name not in {"demo", "init"}])
def test_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Every command that needs a configuration says where it looked for one, and ends with 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    parameters = [one for one in cli.commands[command].params if isinstance(one, click.Argument)]
    result = notifier(command, *("x" for one in parameters if one.required))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("config.toml:1: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", ["run --twice", "events --limit 0", "events --since soon", "deliveries --state x"]
)
@pytest.mark.usefixtures("place")
def test_wrong_usage(arguments: str) -> None:
    """An argument that can't be understood is a complaint and ends with 2."""
    result = notifier(*arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


@pytest.mark.parametrize("command", ["events", "deliveries", "status", "explain ab12"])
def test_no_store(place: Path, command: str) -> None:
    """Who asks before the first run is told that there is nothing yet; asking makes no store."""
    result = notifier(*command.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("notifier: there is no store at ")
    assert not (place / "notifier.db").exists()


def test_the_configuration_can_be_elsewhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named by an option or the environment, and what it names is found beside it."""
    folder = place / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert notifier("check").exit_code == 2
    assert notifier("check", "--config", "../config.toml").exit_code == 0
    monkeypatch.setenv("NOTIFIER_CONFIG", str(place / "config.toml"))
    assert notifier("check").exit_code == 0


def test_mistakes_are_told_before_anything_happens(place: Path) -> None:
    """Commands that need the rules tell all mistakes in all files, and nothing else."""
    (place / "config.toml").write_text('timezone = "Mars"\n', encoding="utf-8")
    (place / "rules" / "rules.toml").write_text('[[rule]]\nname = "x"\n', encoding="utf-8")
    for command in ("check", "plan", "run"):
        result = notifier(command)
        assert (result.exit_code, result.stdout) == (2, "")
        told = [line.partition(": ")[0] for line in result.stderr.splitlines()]
        assert set(told) == {"config.toml:1", "rules/rules.toml:1"}


def test_events(store: Store) -> None:
    """Events are listed newest first, of one appointment, since a time, and no more than wanted."""
    put(store, "a1", "a2", "a3")
    assert [entry["event"]["after"]["id"] for entry in document("events")] == ["a3", "a2", "a1"]
    assert [entry["event"]["after"]["id"] for entry in document("events", "--limit", "2")] == ["a3", "a2"]
    assert [entry["event"]["after"]["id"] for entry in document("events", "--appointment", "a2")] == ["a2"]
    assert document("events", "--since", "1h") == []
    age = (utc_now() - NOW) / timedelta(days=1)
    assert len(document("events", "--since", f"{int(age) + 1}d")) == 3
    assert len(notifier("events").stdout.splitlines()) == 4


def test_deliveries(store: Store) -> None:
    """Deliveries are listed newest first, in some states, to one channel."""
    put(store, "a1", "a2", "a3")
    put(store, "a4", channel="former")
    settle(store, State.DELIVERED, Reason.OK)
    settle(store, State.DEAD, Reason.GONE)
    found = {
        arguments: [entry["state"] for entry in document("deliveries", *arguments.split())]
        for arguments in ("", "--state dead", "--state dead --state pending", "--channel chat", "--limit 1")
    }
    assert found == {
        "": ["pending", "pending", "dead", "delivered"],
        "--state dead": ["dead"],
        "--state dead --state pending": ["pending", "pending", "dead"],
        "--channel chat": ["pending", "dead", "delivered"],
        "--limit 1": ["pending"],
    }


@pytest.mark.usefixtures("store")
def test_nothing_on_record() -> None:
    """Where nothing happened yet, that is said, and the JSON is an empty list."""
    assert notifier("events").stdout == "No events on record.\n"
    assert notifier("deliveries").stdout == "No deliveries on record.\n"
    assert (document("events"), document("deliveries")) == ([], [])


def test_explain(store: Store) -> None:
    """An event is found by the beginning of its id, with its deliveries and their attempts."""
    (event,) = put(store, "a1")
    settle(store, State.DEAD, Reason.GONE, "HTTP 410 Gone")
    result = notifier("explain", event.id[:6])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Event {event.id}\n")
    assert "chat, by all: dead\n" in result.stdout
    assert result.stdout.rstrip().endswith("dead, gone: HTTP 410 Gone")
    story = document("explain", event.id)
    assert story["record"]["event"]["id"] == event.id
    ((delivery, (attempt,)),) = story["deliveries"]
    assert (delivery["delivery"]["channel"], attempt["detail"]) == ("chat", "HTTP 410 Gone")


def test_explain_what_is_not_clear(store: Store) -> None:
    """An id that no event has, or several begin with, is told."""
    put(store, *(f"a{number}" for number in range(20)))
    unknown = notifier("explain", "zz")
    assert (unknown.exit_code, unknown.stderr) == (1, "notifier: there is no event 'zz' on record\n")
    ambiguous = notifier("explain", "")
    assert ambiguous.exit_code == 1
    assert "more than one event's id begins with ''; write more of it" in ambiguous.stderr


def test_status(store: Store) -> None:
    """The exit code says whether the daemon runs, and so does the first line."""
    put(store, "a1")
    idle = notifier("status")
    assert (idle.exit_code, idle.stdout.splitlines()[0]) == (
        1,
        "The daemon is not running; 0 appointments in the snapshot.",
    )
    store.lock()
    running = notifier("status")
    assert (running.exit_code, running.stdout.rstrip().splitlines()[-1]) == (0, "All is well.")
    assert document("status")["deliveries"] == {"chat": {"pending": 1, "sending": 0, "delivered": 0, "dead": 0}}


def test_plan_of_a_source_that_is_down(place: Path, engage: Simulator) -> None:
    """A plan that can't be made is told in one line, and nothing was stored."""
    engage.stop()
    result = notifier("plan")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("notifier: no connection (")
    assert not (place / "notifier.db").exists()


def test_plan_before_and_after_a_first_look(place: Path, engage: Simulator) -> None:
    """Before the first run everything would be stored in silence; the words fit 80 columns."""
    engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    result = notifier("plan")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if len(line) > 80] == []
    preview = document("plan")
    assert (preview["baseline"], preview["foreseen"]) == (1, [])
    assert not (place / "notifier.db").exists()


@pytest.mark.usefixtures("place")
def test_test_send_to_nobody() -> None:
    """A channel that is not configured is told, with the ones that there are."""
    result = notifier("test-send", "caht")
    assert result.exit_code == 2
    assert "there is no channel 'caht' in config.toml" in result.stderr
    assert "chat" in result.stderr
