"""What becomes of a message that waits when what people wrote about it changes: each line of the table in the docs."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from notifier.cli import cli
from notifier.core.delivery import State
from notifier.core.notice import TYPE_PREFIX
from notifier.daemon import Daemon
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.loading import load_everything
from notifier.store import history
from notifier.store.database import Store, open_store
from tests.configured import source
from tests.fake_receiver import Receiver, Reply, receiving
from tests.operator_world import documents, heard
from tests.simulated import HandClock

RULE = """\
[[rule]]
name = "{name}"
on = "status_changed"
to = "{to}"
channels = "{channel}"
"""


class Office:
    """An enterprise in which an appointment was cancelled, and a team that was not reached and has yet to hear of it.

    Every round is what a daemon does that has just taken over.
    """

    def __init__(self, folder: Path, clock: HandClock, engage: Simulator, team: Receiver, ops: Receiver) -> None:
        self.folder = folder
        self.clock = clock
        self.engage = engage
        self.team = team
        self.ops = ops
        self.made = engage.enterprise.create(clock.now, Booking(start=clock.now))
        self.configure()
        self.rule()
        assert self.round() == 0
        engage.enterprise.cancel(self.made, clock.now)
        assert self.round() == 1
        assert len(team.requests) == 1

    def configure(self, *, name: str = "team", url: str = "", more: str = "") -> None:
        """Writes `config.toml`, in which the team has this address."""
        channel = f'[channels.{name}]\nurl = "{url or words(self.team)}"\nretry = ["1s", "1s", "1s", "1s"]\n{more}'
        ops = f'[channels.ops]\nurl = "{self.ops.url}"\n[operator]\nchannels = "ops"\nafter = "1m"\n'
        table = source(self.engage.base_url, f'token = "{self.engage.token}"')
        (self.folder / "config.toml").write_text(f"{table}{channel}{ops}", encoding="utf-8")

    def rule(self, *, name: str = "cancelled", to: str = "CANCELLED", channel: str = "team", more: str = "") -> None:
        """Writes the only rule."""
        (self.folder / "rules").mkdir(exist_ok=True)
        text = RULE.format(name=name, to=to, channel=channel) + more
        (self.folder / "rules" / "a.toml").write_text(text, encoding="utf-8")

    def round(self, minutes: float = 1) -> int:
        """Lets some time go by, and lets a daemon that reads what is written now poll and send once."""
        self.clock.advance(minutes=minutes)
        loaded = load_everything(self.folder / "config.toml", {})
        with self.store() as store:
            return Daemon(*loaded, store, clock=self.clock, ticks=self.clock.ticks).run_once()

    def store(self) -> Store:
        return open_store(self.folder / "notifier.db", synchronous="normal")

    def states(self) -> list[State]:
        with self.store() as store, store.reading() as tx:
            return [one.state for one in history.deliveries(tx, 10)]


def words(receiver: Receiver) -> str:
    """Returns an address at which Apprise posts title and text."""
    return receiver.url.replace("http://", "json://")


def titles(receiver: Receiver) -> list[str]:
    return [json.loads(one.body)["title"] for one in receiver.requests]


@pytest.fixture
def office(tmp_path: Path, clock: HandClock) -> Iterator[Office]:
    """The team can't be reached at first."""
    with Simulator(clock=clock) as engage, receiving(Reply(503), Reply()) as team, receiving() as ops:
        yield Office(tmp_path, clock, engage, team, ops)


def test_new_words(office: Office) -> None:
    """What waits goes out in the words that its rule has now."""
    before = titles(office.team)
    office.rule(more='title = "Called off: {{ appointment.id }}"\n')
    assert office.round() == 0
    assert titles(office.team) == [*before, f"Called off: {office.made}"]


@pytest.mark.parametrize("waits", [1, 10])
def test_a_rule_that_asks_for_something_else(office: Office, waits: int) -> None:
    """What waits goes out all the same, however long it waited: it was asked for when it happened."""
    office.configure(more='recheck_after = "5m"\n')
    office.rule(to="COMPLETED")
    assert office.round(waits) == 0
    assert office.states() == [State.DELIVERED]


@pytest.mark.parametrize(("waits", "becomes"), [(1, State.DELIVERED), (10, State.SUPERSEDED)])
def test_a_rule_that_does_not_ask_for_what_came_of_it(office: Office, waits: int, becomes: State) -> None:
    """Where more has happened meanwhile, what waited for long is told as it is now if the new rule asks for that."""
    office.configure(more='recheck_after = "5m"\n')
    office.rule(to="COMPLETED")
    later = office.clock.now + timedelta(days=1)
    office.engage.enterprise.reschedule(office.made, office.clock.now, later, later + timedelta(hours=1))
    assert office.round(waits) == 0
    assert office.states() == [becomes]


def test_other_channels(office: Office) -> None:
    """What waits goes where it was owed; what is noticed from now on goes to the new channel alone."""
    with receiving() as desk:
        office.configure(more=f'[channels.desk]\nurl = "{words(desk)}"\n')
        office.rule(channel="desk")
        assert office.round() == 0
        assert (len(office.team.requests), len(desk.requests)) == (2, 0)
        other = office.engage.enterprise.create(office.clock.now, Booking(start=office.clock.now))
        assert office.round() == 0
        office.engage.enterprise.cancel(other, office.clock.now)
        assert office.round() == 0
        assert (len(office.team.requests), len(desk.requests)) == (2, 1)


@pytest.mark.parametrize("name", ["renamed", "unlike"])
def test_a_rule_that_is_gone_or_renamed(office: Office, name: str) -> None:
    """What waits goes out once, in the default words, and nothing goes out under the new name."""
    office.rule(name=name, to="CANCELLED" if name == "renamed" else "COMPLETED", more='title = "New"\n')
    assert office.round() == 0
    assert office.round() == 0
    first, second = titles(office.team)
    assert first == second != "New"
    assert office.states() == [State.DELIVERED]


def test_another_address(office: Office) -> None:
    """What waits goes to where the channel is now."""
    with receiving() as desk:
        office.configure(url=words(desk))
        assert office.round() == 0
        assert (len(office.team.requests), len(desk.requests)) == (1, 1)


def test_a_channel_that_comes_back(office: Office) -> None:
    """What is for it waits, which the operator hears once; when it is back, it goes out, and he hears that too."""
    office.configure(name="desk")
    office.rule(channel="desk")
    assert [office.round(), office.round()] == [1, 1]
    assert heard(office.ops) == [("began", "channel team")]
    (told,) = notices(office)
    assert told["data"]["kind"] == "missing"
    assert "notifier drop --waiting --channel team" in told["data"]["body"]
    office.configure()
    office.rule()
    assert [office.round(), office.round()] == [0, 0]
    assert len(office.team.requests) == 2
    assert heard(office.ops) == [("began", "channel team"), ("ended", "channel team")]


def test_a_channel_that_is_gone_for_good(office: Office, run_cli: Any) -> None:
    """What is for it can be dropped, though it was not given up; then the operator hears that nothing waits."""
    office.configure(name="desk")
    office.rule(channel="desk")
    assert office.round() == 1
    config = str(office.folder / "config.toml")
    assert "Dropped 1 delivery: 1 to team." in run_cli("drop", "--waiting", "--channel", "team", "--config", config)
    assert [office.round(), office.round()] == [0, 0]
    assert office.states() == [State.DROPPED]
    assert heard(office.ops) == [("began", "channel team"), ("ended", "channel team")]


def notices(office: Office) -> list[Any]:
    return [one for one in documents(office.ops) if one["type"].startswith(TYPE_PREFIX)]


@pytest.fixture
def run_cli() -> Any:
    """Runs a command and returns what it prints."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    return run
