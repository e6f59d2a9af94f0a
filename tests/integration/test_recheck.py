"""What is sent, logged and shown of what was overtaken while it waited."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.channels.channel import open_channel
from notifier.core.delivery import State
from notifier.core.policy import Policy
from notifier.core.readers import Readers
from notifier.core.recheck import Terms
from notifier.core.rule import to_status
from notifier.inquiry import Story
from notifier.sender import Sender
from notifier.store import history, outbox
from notifier.store.database import Store, open_store
from notifier.views import show_deliveries, show_story
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.fake_receiver import Reply, receiving
from tests.one_life import CANCELLED, MOVED, MOVED_ON, Life
from tests.simulated import HandClock
from tests.store_values import MINUTE, NOW, appointment

RULES = {"all": rule(name="all"), "cancelled": rule(to_status(["CANCELLED"]), name="cancelled")}
ZONE = ZoneInfo("Europe/Brussels")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


@pytest.fixture
def life(store: Store) -> Life:
    return Life(store)


def test_a_sender_sends_what_is_true(store: Store, life: Life, clock: HandClock) -> None:
    """After a pause the message tells the whole way, the log says what it overtook, and nothing else goes out."""
    clock.now = NOW
    with receiving(Reply(503), Reply()) as receiver:
        sender = Sender(
            open_channel("chat", receiver.url), store, RULES, Readers(ZONE), clock, Policy(recheck_after=MINUTE)
        )
        (first,) = life.goes_to(MOVED, "all")
        assert sender.send_one() is not None
        clock.advance(minutes=10)
        (second,) = life.goes_to(MOVED_ON, "all", at=clock.now)
        with captured_logs() as logs:
            sent = sender.send_one()
        assert sender.send_one() is None
        sender.close()
        documents = [json.loads(request.body) for request in receiver.requests]
    assert sent is not None
    assert sent.settlement.state is State.DELIVERED
    assert [document["id"] for document in documents] == [event.id for event in life.events]
    (change,) = documents[1]["data"]["changes"]
    assert (change["field"], change["before"], change["after"]) == (
        "start",
        "2026-03-03T09:30:00.000Z",
        "2026-03-05T09:30:00.000Z",
    )
    (told,) = logs.of("delivery_superseded")
    assert (told["delivery"], told["by"], told["reason"], told["channel"]) == (first, second, "collapsed", "chat")


def test_a_sender_passes_all_that_was_undone(store: Store, clock: HandClock) -> None:
    """However many they are, the one that is left goes out at once."""
    clock.now = NOW
    for number in range(outbox.MOST_SUPERSEDED + 1):
        life = Life(store, appointment(f"a{number}"))
        life.goes_to(appointment(f"a{number}", "CANCELLED"), "all")
        life.goes_to(appointment(f"a{number}"))
    left = Life(store, appointment("b"))
    left.goes_to(appointment("b", "CANCELLED"), "all")
    clock.advance(minutes=10)
    with receiving() as receiver:
        sender = Sender(open_channel("chat", receiver.url), store, RULES, Readers(ZONE), clock)
        with captured_logs() as logs:
            sent = sender.send_one()
        sender.close()
    assert sent is not None
    assert sent.event == left.events[0]
    assert len(logs.of("delivery_superseded")) == outbox.MOST_SUPERSEDED + 1


def test_a_story_tells_what_overtook_it(store: Store, life: Life) -> None:
    """The event of the message that tells of it too, or why there is none; and what that message tells."""
    life.goes_to(MOVED, "all", "cancelled")
    (last,) = life.goes_to(MOVED_ON, "all")
    with store.writing() as tx:
        outbox.claim(tx, "chat", NOW + timedelta(hours=1), 9, Terms(MINUTE, RULES))
    with store.reading() as tx:
        stories = [
            show_story(
                Story(history.event(tx, event.id), tuple((one, ()) for one in history.deliveries_of(tx, event.id))),
                ZONE,
            )
            for event in life.events
        ]
        listed = show_deliveries(history.deliveries(tx, 10), ZONE)
    by = life.events[1].id[:10]
    superseded = "  chat, by all: superseded 2026-03-02 11:30:00, a later one tells of it too,\n    that of event"
    assert f"{superseded} {by}" in stories[0]
    assert "its message tells: Moved, start: 2026-03-03 10:30:00 -> 2026-03-05 10:30:00" in stories[1]
    assert f"superseded  by {last[:10]}" in listed


def test_a_story_tells_why_nothing_was_sent(store: Store, life: Life) -> None:
    """It was undone, or led elsewhere."""
    life.goes_to(CANCELLED, "cancelled")
    life.goes_to(appointment(status="NO_SHOW"))
    other = Life(store, appointment("b"))
    other.goes_to(appointment("b", "CANCELLED"), "all")
    other.goes_to(appointment("b"))
    with store.writing() as tx:
        assert outbox.claim(tx, "chat", NOW + timedelta(hours=1), 9, Terms(MINUTE, RULES)) == []
    with store.reading() as tx:
        outdated, undone = (
            show_story(Story(history.event(tx, event.id), ((history.deliveries_of(tx, event.id)[0], ()),)), ZONE)
            for event in (life.events[0], other.events[0])
        )
    assert (
        "superseded 2026-03-02 11:30:00, while it waited it led to\n    where the rule does not ask for it" in outdated
    )
    assert "superseded 2026-03-02 11:30:00, it was undone while it waited" in undone
