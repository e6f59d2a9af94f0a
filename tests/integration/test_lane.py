"""A lane sends what is due by itself, ends when it is told to, and reports when it ends otherwise."""

from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from notifier.channels.channel import Channel, open_channel
from notifier.core.readers import Readers
from notifier.errors import StoreError
from notifier.lane import BEAT, Lane
from notifier.sender import Sender, Sent
from notifier.store import snapshot
from notifier.store.database import Store
from tests.captured_logs import captured_logs
from tests.fake_receiver import HANG, Receiver, receiving
from tests.simulated import WAIT, HandClock
from tests.store_values import cancelled, owed, plan

SOON = BEAT.total_seconds() / 2
"""Seconds in which a lane that waits for its beat does nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def channel(receiver: Receiver) -> Iterator[Channel]:
    channel = open_channel("crm", receiver.url)
    yield channel
    channel.close()


@pytest.fixture
def sender(channel: Channel, store: Store, clock: HandClock) -> Sender:
    return Sender(channel, store, {}, Readers(ZoneInfo("UTC")), clock)


@pytest.fixture
def stopping() -> Iterator[Event]:
    stopping = Event()
    yield stopping
    stopping.set()


def owe(store: Store, appointment: str, due_at: datetime) -> None:
    """Records a cancellation that is owed to the channel at that time."""
    event = cancelled(appointment)
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event, "crm", due_at=due_at)]), due_at)


def ignore(_: str) -> None:
    """Hears of no end."""


def test_a_hint_is_followed_at_once(
    store: Store, sender: Sender, clock: HandClock, receiver: Receiver, stopping: Event
) -> None:
    """What was owed before the start goes out at once, and so does what is hinted at later; the beat is not awaited."""
    owe(store, "a1", clock.now)
    lane = Lane(sender, clock, stopping, ignore)
    lane.start()
    assert receiver.wait_for(1, SOON)
    for number, appointment in enumerate(("a2", "a3"), start=2):
        owe(store, appointment, clock.now)
        lane.wake()
        assert receiver.wait_for(number, SOON)
    stopping.set()
    lane.join(WAIT)


def test_a_retry_is_sent_when_it_falls_due(
    store: Store, sender: Sender, clock: HandClock, receiver: Receiver, stopping: Event
) -> None:
    """What falls due between two beats goes out then, without a hint."""
    owe(store, "a1", clock.now + timedelta(seconds=0.1))
    lane = Lane(sender, clock, stopping, ignore)
    lane.start()
    clock.advance(seconds=0.2)
    assert receiver.wait_for(1, SOON)
    stopping.set()
    lane.join(WAIT)


def test_a_lane_that_is_stopped_reports_nothing(sender: Sender, clock: HandClock, stopping: Event) -> None:
    """A lane ends soon after it was told to, and that is no accident; one that never began has nothing to end."""
    ended: list[str] = []
    lane = Lane(sender, clock, stopping, ended.append)
    lane.join(WAIT)
    lane.start()
    stopping.set()
    lane.join(WAIT)
    assert (lane._thread.is_alive(), ended) == (False, [])


def test_a_send_that_hangs_is_not_awaited(
    store: Store, sender: Sender, clock: HandClock, receiver: Receiver, stopping: Event
) -> None:
    """Whoever waits for a lane waits no longer than it wants to."""
    receiver.reply_with(HANG)
    owe(store, "a1", clock.now)
    lane = Lane(sender, clock, stopping, ignore)
    lane.start()
    assert receiver.wait_for(1, WAIT)
    stopping.set()
    lane.join(0.05)
    assert lane._thread.is_alive()
    receiver.released.set()
    lane.join(WAIT)
    assert not lane._thread.is_alive()


class Troubled(Sender):
    """A sender whose first sends end as a test says."""

    troubles: list[Exception]
    tried: Callable[[], None]

    def send_due(self, stopping: Callable[[], bool] = lambda: False) -> Generator[Sent, None, None]:
        try:
            if self.troubles:
                raise self.troubles.pop(0)
            yield from super().send_due(stopping)
        finally:
            self.tried()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_lane_that_dies_reports_itself(channel: Channel, store: Store, clock: HandClock, stopping: Event) -> None:
    """A lane that ends of a mistake of ours says so, since nothing would be sent there any more."""
    died, names = Event(), list[str]()
    sender = Troubled(channel, store, {}, Readers(ZoneInfo("UTC")), clock)
    sender.troubles, sender.tried = [RuntimeError("a mistake")], lambda: None

    def broken(name: str) -> None:
        names.append(name)
        died.set()

    lane = Lane(sender, clock, stopping, broken)
    lane.start()
    assert died.wait(WAIT)
    lane.join(WAIT)
    assert names == ["crm"]


def test_a_store_that_fails_is_told_at_the_edges(
    channel: Channel, store: Store, clock: HandClock, receiver: Receiver, stopping: Event
) -> None:
    """A lane outlives a store that fails, says when it began and when it was over, and then sends."""
    sender = Troubled(channel, store, {}, Readers(ZoneInfo("UTC")), clock)
    owe(store, "a1", clock.now)
    with captured_logs() as logs:
        lane = Lane(sender, clock, stopping, ignore)
        # Each try hints at the next one, as a poll might; the beat would do the same, more slowly.
        sender.troubles, sender.tried = [StoreError("its disk fails"), StoreError("its disk fails")], lane.wake
        lane.start()
        assert receiver.wait_for(1, SOON)
        assert logs.wait_for("store_recovered", WAIT)
        stopping.set()
        lane.join(WAIT)
        (failed,) = logs.of("store_failed")
        assert (failed["channel"], failed["error"]) == ("crm", "its disk fails")
        assert len(logs.of("store_recovered")) == 1
