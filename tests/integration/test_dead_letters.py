"""`deliveries`, `retry` and `drop`: what a person sees of dead letters, and what follows from a decision about them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from notifier.channels.channel import open_channel
from notifier.cli import cli
from notifier.clock import utc_now
from notifier.core.delivery import Outcome, Reason, Settlement, State
from notifier.core.delivery import Result as Sent
from notifier.core.policy import JITTER, RETRY_DELAYS
from notifier.core.readers import Readers
from notifier.sender import Sender
from notifier.store import outbox, snapshot
from notifier.store.database import Store, open_store
from notifier.store.delivery_tables import LaneRow
from notifier.store.driver import driver
from tests.configured import settings, source
from tests.fake_receiver import Reply, receiving
from tests.simulated import HandClock
from tests.store_values import cancelled, owed, plan

pytestmark = pytest.mark.usefixtures("own_logs")

UNANSWERED = Outcome(Sent.UNCERTAIN, Reason.UNCERTAIN)
GONE = Outcome(Sent.DEAD, Reason.NOT_FOUND, 404)


def notifier(*arguments: str) -> Result:
    """Runs a command in this process."""
    return CliRunner().invoke(cli, arguments)


def document(*arguments: str) -> Any:
    """Returns the JSON document that a command prints."""
    result = notifier(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two channels and a source that nobody asks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    settings(tmp_path, source("http://127.0.0.1:9", 'token = "t"'), {"chat": "console://", "desk": "console://"})
    return tmp_path


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with open_store(place / "notifier.db", synchronous="normal") as store:
        yield store


def give_up(
    store: Store, appointment: str, channel: str = "chat", rule: str = "all", outcome: Outcome = GONE, hours: int = 0
) -> str:
    """Puts a delivery on record that came to its end so many hours ago; returns its id."""
    event, then = cancelled(appointment), utc_now() - timedelta(hours=hours, minutes=1)
    delivery = owed(event, channel, rule)
    settlement = Settlement(State.UNCERTAIN if outcome is UNANSWERED else State.DEAD, outcome.reason)
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [delivery]), then)
        (claimed,) = outbox.claim(tx, channel, then, limit=1)
        outbox.record(driver(tx), claimed, outcome, settlement, then)
    return delivery.id


def states(*arguments: str) -> list[tuple[str, str]]:
    """Returns the ids and states of what `deliveries` lists, the oldest first."""
    return [(one["delivery"]["id"], one["state"]) for one in reversed(document("deliveries", *arguments))]


def stand(store: Store, channel: str, **values: Any) -> None:
    with store.writing() as tx:
        tx.add(LaneRow(channel=channel, address=b"", failing_since=utc_now(), failures=9, **values))


def test_what_is_listed(store: Store) -> None:
    """What waits for a decision is listed by its state, rule, channel, and how long ago it came to its end."""
    old = give_up(store, "a", hours=5)
    new = give_up(store, "b", channel="desk", rule="late")
    silent = give_up(store, "c", outcome=UNANSWERED)
    found = {
        arguments: [id_ for id_, _ in states(*arguments.split())]
        for arguments in (
            "--dead",
            "--uncertain",
            "--dead --uncertain",
            "--state uncertain",
            "--state dead --uncertain",
            "--dead --since 4h",
            "--rule late",
            "--channel chat --dead",
        )
    }
    assert found == {
        "--dead": [old, new],
        "--uncertain": [silent],
        "--dead --uncertain": [old, new, silent],
        "--state uncertain": [silent],
        "--state dead --uncertain": [old, new, silent],
        "--dead --since 4h": [new],
        "--rule late": [new],
        "--channel chat --dead": [old],
    }
    assert "uncertain" in notifier("deliveries", "--uncertain").stdout


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_the_same_words_mean_the_same(store: Store, command: str) -> None:
    """A decision is about what `deliveries` lists with the same options."""
    give_up(store, "a", hours=5)
    give_up(store, "b", channel="desk", rule="late")
    give_up(store, "c", outcome=UNANSWERED)
    word = {"retry": "retried", "drop": "dropped"}[command]
    for options in ("--rule late", "--channel chat --since 4h", "--channel chat --uncertain", "--channel chat"):
        listed = states(*options.split(), *(() if "--uncertain" in options else ("--dead",)))
        decided = document(command, *options.split())[word]
        assert [(one["id"], one["state"]) for one in decided] == listed
    assert states("--dead", "--uncertain") == []


def test_all_of_them(store: Store) -> None:
    """Everything is what is dead; what may have arrived is meant only where it is named."""
    dead, silent = give_up(store, "a"), give_up(store, "b", outcome=UNANSWERED)
    assert [one["id"] for one in document("retry", "--all")["retried"]] == [dead]
    assert [one["id"] for one in document("retry", "--all", "--uncertain")["retried"]] == [silent]
    other = give_up(store, "c", outcome=UNANSWERED)
    assert document("drop", other[:10]) == {
        "dropped": [
            {"seq": 3, "id": other, "event_id": cancelled("c").id, "rule": "all", "channel": "chat"}
            | {"state": "uncertain"}
        ]
    }


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("", "say which: ids, --rule, --channel, --since or --all"),
        ("--uncertain", "say which: ids, --rule, --channel, --since or --all"),
        ("--dead --json", "say which: ids, --rule, --channel, --since or --all"),
        ("abc --all", "ids say which; leave out the options that say so, too"),
        ("abc --channel chat", "ids say which; leave out the options that say so, too"),
        ("abc --uncertain", "ids say which; leave out the options that say so, too"),
        ("--all --rule late", "--all is everything; leave it out, or the options that say less"),
        ("--channel caht", "there is no channel 'caht'; did you mean `chat`?"),
        ("--since soon", "Invalid value for '--since'"),
    ],
)
def test_a_selection_that_is_none(store: Store, command: str, options: str, complaint: str) -> None:
    """What does not say clearly what is meant is a wrong usage, and nothing is decided."""
    dead = give_up(store, "a")
    result = notifier(command, *options.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in " ".join(result.stderr.split())
    assert states() == [(dead, "dead")]


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_an_id_that_is_none(store: Store, command: str) -> None:
    """Where one of several ids is wrong, nothing is decided about any of them."""
    dead = give_up(store, "a")
    result = notifier(command, dead, "ffff")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "notifier: there is no delivery 'ffff' on record\n"
    assert states() == [(dead, "dead")]


@pytest.mark.parametrize("command", ["retry --all", "drop --all", "deliveries --dead"])
def test_no_store(place: Path, command: str) -> None:
    """Before the first run there is nothing to decide about; to ask makes no store."""
    result = notifier(*command.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("notifier: there is no store at ")
    assert not (place / "notifier.db").exists()


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.usefixtures("store")
def test_nothing_is_meant(command: str) -> None:
    """Where nothing waits, that is said, and is no failure."""
    result = notifier(command, "--all")
    assert (result.exit_code, result.stdout.partition(":")[2].strip()) == (0, "no such delivery waits for a decision.")


def test_what_is_said(store: Store) -> None:
    """How many there were to which channel, and what keeps them from going out at once, within 80 columns."""
    for number in range(3):
        give_up(store, f"a{number}")
    give_up(store, "b", channel="desk")
    give_up(store, "c", channel="former")
    stand(store, "chat", paused_until=utc_now())
    stand(store, "desk", paused_until=utc_now(), off_at=utc_now())
    told = notifier("retry", "--all").stdout
    assert " ".join(told.split()) == (
        "Retried 5 deliveries: 3 to chat, 1 to desk, 1 to former. "
        "chat is paused, since it fails; what is for it waits until it works again. "
        "desk is switched off; what is for it waits until: notifier resume desk "
        "former is not configured; what is for it waits until it is. "
        "The daemon is not running; nothing goes out before it does."
    )
    assert all(len(line) <= 80 for line in told.splitlines())


def test_what_is_said_while_the_daemon_runs(store: Store) -> None:
    """Beside a daemon it is decided all the same, and said in one line where nothing is in the way."""
    store.lock()
    give_up(store, "a")
    assert notifier("retry", "--all").stdout == "Retried 1 delivery: 1 to chat.\n"
    give_up(store, "b", channel="desk")
    assert notifier("drop", "--channel", "desk").stdout == "Dropped 1 delivery: 1 to desk.\n"


def test_what_is_sent_again_arrives(store: Store) -> None:
    """After a retry the message goes out under the id that it had, and is tried like a new one until it arrives."""
    dead = give_up(store, "a")
    notifier("retry", dead)
    clock = HandClock()
    clock.now = utc_now()
    with receiving(Reply(503), Reply(503), Reply()) as receiver:
        channel = open_channel("chat", receiver.url)
        sender = Sender(channel, store, {}, Readers(ZoneInfo("UTC")), clock)
        for wait in (timedelta(0), *RETRY_DELAYS[:2]):
            due = sender.next_due()
            assert due is not None
            assert due - clock.now <= wait * (1 + JITTER)
            clock.now = max(clock.now, due)
            assert sender.send_one() is not None
        channel.close()
        assert {request.headers["webhook-id"] for request in receiver.requests} == {dead}
    (record,) = document("deliveries")
    assert (record["state"], record["attempts"], record["tries"]) == ("delivered", 4, 3)
