"""A world for the operator's route: an enterprise, users, an operator, and rounds each of which is a new process."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from notifier.config.settings import Settings
from notifier.core.notice import TYPE_PREFIX
from notifier.core.rule import Rule
from notifier.daemon import Daemon
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.grants import READ
from notifier.engage.simulator import Simulator
from notifier.store.database import Store, open_store
from tests.builders import rule
from tests.configured import settings, source
from tests.fake_receiver import Receiver, receiving
from tests.simulated import HandClock


class World:
    """An enterprise, a channel for users and two for the operator; every round is a new process on one store."""

    def __init__(
        self, folder: Path, clock: HandClock, engage: Simulator, users: Receiver, ops: Receiver, desk: Receiver
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.engage = engage
        self.users = users
        #: How its channel is addressed; by itself it is a webhook.
        self.users_url = users.url
        #: The operator's, and one more that he has if the test says so.
        self.ops = ops
        self.desk = desk
        self.operator = '[operator]\nchannels = "ops"\nafter = "5m"\n'
        self.sweeps = ""
        self.rules: Sequence[Rule] = [rule(name="all", channels=("users",))]

    def daemon(self, store: Store) -> Daemon:
        return Daemon(self.settings(), self.rules, store, clock=self.clock, ticks=self.clock.ticks)

    def settings(self) -> Settings:
        """Returns what `config.toml` says now."""
        table = source(self.engage.base_url, f'token = "{self.engage.token}"') + self.sweeps
        channels = {"users": self.users_url, "ops": self.ops.url, "desk": self.desk.url}
        return settings(self.folder, table, channels, self.operator)

    def round(self, minutes: float = 1) -> int:
        """Lets some minutes go by, then polls and sends once."""
        self.clock.advance(minutes=minutes)
        with self.store() as store:
            return self.daemon(store).run_once()

    def store(self) -> Store:
        return open_store(self.folder / "notifier.db", synchronous="normal")

    def refuse(self, refuses: bool = True) -> None:
        """Takes the scope away, or gives it back: nothing else fails so quickly."""
        self.engage.scopes = frozenset() if refuses else frozenset({READ})

    @property
    def heard(self) -> list[tuple[str, str]]:
        """What the operator got: type and subject of the documents."""
        return heard(self.ops)


def heard(receiver: Receiver) -> list[tuple[str, str]]:
    """Returns type and subject of the notices that came."""
    found = [one for one in documents(receiver) if one["type"].startswith(TYPE_PREFIX)]
    return [(one["type"].removeprefix(TYPE_PREFIX), one["subject"]) for one in found]


def documents(receiver: Receiver) -> list[Any]:
    """Returns all that came."""
    return [json.loads(request.body) for request in receiver.requests]


@contextmanager
def open_world(folder: Path, clock: HandClock) -> Iterator[World]:
    """A world with some appointments, which have been seen; in the end no user has heard of a trouble."""
    with ExitStack() as stack:
        engage = stack.enter_context(Simulator(clock=clock))
        for _ in range(60):
            engage.enterprise.create(clock.now, Booking(start=clock.now))
        users, ops, desk = (stack.enter_context(receiving()) for _ in range(3))
        world = World(folder, clock, engage, users, ops, desk)
        assert world.round() == 0
        yield world
        assert heard(users) == []
