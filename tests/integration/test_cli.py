"""The commands in this process: their arguments, their exit codes and what they print.

`run`, `demo` and `test-send` end their process, so they are tried as processes, in `tests/acceptance`.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.core.brake import Decision
from notifier.core.delivery import Outcome, Reason, Settlement, State
from notifier.core.delivery import Result as Sent
from notifier.core.event import Event
from notifier.core.sweep import Progress
from notifier.daemon import Daemon
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.loading import load_everything
from notifier.progress import Watcher
from notifier.store import history, hold, outbox, rows, snapshot
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from tests.configured import settings, source
from tests.polling import DATED, polling
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
        outbox.record(driver(tx), claimed, Outcome(result, reason, detail=detail), Settlement(state, reason), NOW)


def commands(group: click.Command = cli, before: str = "") -> dict[str, click.Command]:
    """Returns every command by its words, those of groups by all of theirs."""
    assert isinstance(group, click.Group)
    found: dict[str, click.Command] = {}
    for name, command in sorted(group.commands.items()):
        words = f"{before} {name}".strip()
        found |= commands(command, words) if isinstance(command, click.Group) else {words: command}
    return found


@pytest.mark.parametrize("command", ["", "webhook", *commands()])
def test_help(command: str) -> None:
    """Every command explains itself within 80 columns."""
    result = notifier(*command.split(), "--help")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", [name for name in commands() if name.split()[0] not in {"demo", "init", "schema"}])
def test_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Every command that needs a configuration says where it looked for one, and ends with 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    parameters = commands()[command].params
    arguments = [one for one in parameters if isinstance(one, click.Argument) and one.required]
    given = ["1" if one.type is click.INT else "x" for one in arguments]
    given += ["--all"] if command == "silence add" else []
    options = [f"{one.opts[0]}=x" for one in parameters if isinstance(one, click.Option) and one.required]
    result = notifier(*command.split(), *given, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("config.toml:1: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "title"), [("config", "The configuration of notifier"), ("rules", "Rules of notifier")]
)
def test_schema(kind: str, title: str) -> None:
    """The schema of each kind of file is printed as JSON, and needs no configuration."""
    found = json.loads(notifier("schema", kind).stdout)
    assert found["title"] == title
    assert found["$schema"] == "http://json-schema.org/draft-07/schema#"


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
    assert "chat, by all: dead; to send it again: notifier retry " in result.stdout
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
    assert document("status")["deliveries"] == {"chat": dict.fromkeys(State, 0) | {"pending": 1}}


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


def a_round(store: Store) -> int:
    """Polls and sends once, in this process."""
    configured, rules = load_everything(Path("config.toml"), {})
    return Daemon(configured, rules, store).run_once()


def test_plan_shows_what_is_due_by_the_clock(place: Path, engage: Simulator, store: Store) -> None:
    """As far as the snapshot tells; what has changed since is no stay any more, and nothing is recorded."""
    rule = '[[rule]]\nname = "open"\nstays = { status = "INCOMING_REQUEST", for = "1h" }\nchannels = "chat"\n'
    (place / "rules" / "rules.toml").write_text(rule, encoding="utf-8")
    assert a_round(store) == 0
    booking = Booking(start=utc_now() + timedelta(hours=3))
    waits, answered = (engage.enterprise.create(utc_now(), booking, "INCOMING_REQUEST") for _ in range(2))
    # The second one finds them as they were.
    assert [a_round(store), a_round(store)] == [0, 0]
    with store.writing() as tx:
        for table, column, hours in (("appointment", "status_since", 2), ("timed_rule", "loaded_at", 3)):
            past = rows.stored(utc_now() - timedelta(hours=hours))
            driver(tx).execute(f"UPDATE {table} SET {column} = ?", (past,))  # noqa: S608 - all ours
    engage.enterprise.accept(answered, utc_now())
    preview = document("plan")
    due = [one["recorded"]["event"] for one in preview["foreseen"] if one["recorded"]["event"]["firing"]]
    assert [(one["after"]["id"], one["kinds"]) for one in due] == [(waits, ["stays"])]
    with store.reading() as tx:
        assert not [record for record in history.events(tx, 100) if record.event.firing]
    assert a_round(store) == 0
    with store.reading() as tx:
        (record,) = (record for record in history.events(tx, 100) if record.event.firing)
    assert (record.event.after.id, record.event.id) == (waits, due[0]["id"])


class Told(Watcher):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        assert (progress.source, progress.sweep) in self._readings
        self.all.append(progress)


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_progress(place: Path, engage: Simulator, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """A command that reads everything tells after each page how far it has come."""
    for _ in range(3):
        engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    open_store(place / "notifier.db").close()
    told = Told()
    monkeypatch.setattr("notifier.cli.open_watcher", lambda _: told)
    notifier(command)
    assert [(one.sweep, one.rows, one.expected) for one in told.all] == [("dated", 3, 3)]
    # Its lines are logged where nothing else is that is not wrong.
    levels = {name: logging.getLogger(f"notifier.{name}").getEffectiveLevel() for name in ("progress", "poller")}
    assert levels == {"progress": logging.INFO, "poller": logging.ERROR}


def test_verify_says_what_it_could_not_read(place: Path, engage: Simulator) -> None:
    """Where the list slips all the time, nobody hears that all is well."""
    for _ in range(80):
        engage.enterprise.create(utc_now(), Booking(start=utc_now() + timedelta(days=1)))
    token = f'token = "{engage.token}"\npage_size = 8\nlimits = {{ requests_per_minute = 3000 }}'
    settings(place, source(engage.base_url, token), {"chat": "console://"})
    with polling(place, engage, utc_now) as (poller, _):
        poller.poll(DATED)
    calm = notifier("verify")
    assert (calm.exit_code, calm.output) == (0, "The snapshot is as the source has it.\n")
    engage.order = "unstable"
    slipping = notifier("verify")
    assert slipping.exit_code == 1
    assert slipping.stdout == ""
    assert "acme/dated slipped while it was read: " in slipping.stderr


def test_check_counts(place: Path) -> None:
    """What is right is counted, with the channels that tell the operator."""
    plain = notifier("check")
    with (place / "config.toml").open("a", encoding="utf-8") as config:
        config.write('\n[operator]\nchannels = "chat"\n')
    counted = notifier("check")
    with (place / "config.toml").open("a", encoding="utf-8") as config:
        config.write('heartbeat_url = "https://hc.example.com/e5a5c7a0"\n')
    beating = notifier("check")
    assert plain.stdout == "config.toml: 1 sweeps, 1 rules, 1 channels: all fine.\n"
    assert counted.stdout == "config.toml: 1 sweeps, 1 rules, 1 channels (1 for the operator): all fine.\n"
    assert beating.stdout.endswith("1 channels (1 for the operator), a heartbeat every 1s: all fine.\n")


@pytest.mark.usefixtures("place")
def test_test_send_to_nobody() -> None:
    """A channel that is not configured is told, with the ones that there are."""
    result = notifier("test-send", "caht")
    assert result.exit_code == 2
    assert "there is no channel 'caht' in config.toml" in result.stderr
    assert "chat" in result.stderr


# ---- what the brake holds


def trip(store: Store, *events: Event, channels: tuple[str, ...] = ("chat",)) -> None:
    """Puts events on record whose deliveries the brake holds."""
    with store.writing() as tx:
        deliveries = [owed(event, channel) for event in events for channel in channels]
        snapshot.apply(tx, plan(events, deliveries), NOW, State.HELD)
        hold.trip(tx, events[0].source, events[0].sweep, NOW)


def near(event: Event) -> Event:
    """Returns the event as the one sweep of the configuration would have found it."""
    return replace(event, sweep="dated")


def test_what_is_held_is_listed_and_explained(store: Store) -> None:
    """By its state, with the reason and the commands that end it, within 80 columns."""
    event = near(cancelled())
    trip(store, event)
    (listed,) = document("deliveries", "--state", "held")
    assert (listed["state"], listed["reason"]) == ("held", "brake")
    told = notifier("explain", event.id).stdout
    words = " ".join(told.split())
    assert "held by the brake; notifier release acme/dated sends it, notifier discard acme/dated drops it" in words
    assert document("status")["deliveries"]["chat"]["held"] == 1
    shown = [line for command in ("status", "deliveries") for line in notifier(command).stdout.splitlines()]
    assert any("HELD" in line for line in shown)
    assert all(len(line) <= 80 for line in (*shown, *told.splitlines()))


def test_release(store: Store) -> None:
    """What the brake held is due now, and the next reading is believed; a second time nothing is held any more."""
    trip(store, near(cancelled("a")), near(cancelled("b")), channels=("chat", "desk"))
    result = notifier("release", "acme/dated")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Released 4 deliveries of acme/dated: 2 to chat, 2 to desk.",
        "Its next reading is believed: what that misses has vanished, unless its id is found.",
    ]
    assert {one["state"] for one in document("deliveries")} == {"pending"}
    with store.reading() as tx:
        assert hold.decision(tx, "acme", "dated") is Decision.RELEASED
    again = notifier("release", "acme/dated")
    assert (again.exit_code, again.stdout.splitlines()[0]) == (0, "The brake held nothing of acme/dated.")


def test_discard(store: Store) -> None:
    """What the brake held is settled, with its reason, and told to nobody."""
    event = near(cancelled())
    trip(store, event)
    result = notifier("discard", "acme/dated")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Discarded 1 delivery of acme/dated: 1 to chat.",
        "If its next reading misses suspiciously much again, that is forgotten in silence.",
    ]
    (listed,) = document("deliveries", "--state", "discarded")
    assert listed["reason"] == "discarded"
    assert "discarded 20" in notifier("explain", event.id).stdout
    with store.reading() as tx:
        assert hold.decision(tx, "acme", "dated") is Decision.DISCARDED


@pytest.mark.parametrize("command", ["release", "discard"])
def test_a_decision_about_a_sweep_that_is_gone(store: Store, command: str) -> None:
    """What it left is ended all the same, and nothing waits for the day on which it comes back."""
    trip(store, cancelled())
    result = notifier(command, "acme/near")
    assert result.exit_code == 0
    assert result.stdout.endswith("acme/near is not configured any more, so that nothing else follows.\n")
    assert document("deliveries", "--state", "held") == []
    with store.reading() as tx:
        assert (hold.decision(tx, "acme", "near"), hold.doubted_at(tx, "acme", "near")) == (None, None)
    # Now that nothing of it is held, there is no such sweep.
    assert notifier(command, "acme/near").exit_code == 2


@pytest.mark.parametrize("command", ["release", "discard"])
@pytest.mark.usefixtures("store")
def test_a_decision_about_a_sweep_that_never_was(command: str) -> None:
    """The nearest name is told."""
    result = notifier(command, "acme/date")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no sweep 'acme/date' in config.toml; did you mean `acme/dated`?" in result.stderr


@pytest.mark.parametrize("command", ["release", "discard"])
def test_a_decision_before_the_first_run(place: Path, command: str) -> None:
    """There is nothing to decide yet, and no store is made for it."""
    result = notifier(command, "acme/dated")
    assert (result.exit_code, result.stdout) == (1, "")
    assert not (place / "notifier.db").exists()


def test_a_decision_while_the_daemon_runs(store: Store) -> None:
    """It needs no turn of the daemon's: the lock of the store is not asked for."""
    store.lock()
    trip(store, near(cancelled()))
    assert notifier("release", "acme/dated").exit_code == 0
