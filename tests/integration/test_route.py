"""From the change to the channel: what waits for its hours, what a silence swallows, and what each is told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifier.core.delivery import Reason, State
from notifier.core.hours import Calendar, Hours
from notifier.core.rule import to_status
from notifier.engage.simulated.enterprise import Enterprise
from notifier.inquiry import Story
from notifier.store import history, hold, outbox, silences, snapshot
from notifier.store.history import DeliveryRecord
from notifier.views import show_story
from tests.builders import HOUR, rule
from tests.operator_world import World, documents, heard, open_world
from tests.simulated import HandClock
from tests.store_values import cancelled, owed, plan

BRUSSELS = ZoneInfo("Europe/Brussels")
#: The world begins on a Tuesday at 10:00 in Brussels; it is closed until 12:00.
NOON = Hours(Calendar(name="noon", zone=BRUSSELS, opens=time(12), closes=time(13)))


@pytest.fixture
def world(tmp_path: Path, clock: HandClock) -> Iterator[World]:
    with open_world(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def life(world: World) -> Enterprise:
    return world.engage.enterprise


def told(world: World) -> list[Any]:
    """Returns what users were told: of each message which field became what."""
    return [
        [(change["field"], change.get("before"), change.get("after")) for change in one["data"]["changes"]]
        for one in documents(world.users)
    ]


def on_record(world: World) -> list[DeliveryRecord]:
    with world.store() as store, store.reading() as tx:
        return list(reversed(history.deliveries(tx, 100)))


def silence(world: World, **about: Any) -> int:
    usual: dict[str, Any] = {"rules": (), "where": {}, "author": "ana", "why": "move", "now": world.clock.now}
    with world.store() as store, store.writing() as tx:
        return silences.add(tx, **usual | {"until": world.clock.now + HOUR} | about).id


# Hours


def test_what_comes_outside_hours_is_told_when_they_begin(world: World, life: Enterprise) -> None:
    """Nothing goes out before, however often is polled; then one message tells what became of it meanwhile."""
    world.rules = [rule(name="all", channels=("users",), hours=NOON)]
    row = life.rows()[0]
    life.complete(row.id, world.clock.now)
    assert world.round() == 0
    life.no_show(row.id, world.clock.now)
    assert world.round() == 0
    assert told(world) == []
    assert [(one.state, one.delivery.due_at) for one in on_record(world)] == [
        (State.PENDING, datetime(2026, 11, 24, 11, tzinfo=UTC))
    ] * 2
    world.round(115)
    assert told(world) == []
    world.round(5)
    assert told(world) == [[("status", "ACCEPTED", "NO_SHOW")]]
    first, second = on_record(world)
    assert (first.state, first.reason, second.state) == (State.SUPERSEDED, Reason.COLLAPSED, State.DELIVERED)
    assert second.delivery.story == (
        ("hours", "outside mon-fri 12:00-13:00 Europe/Brussels (calendar noon); waits until 2026-11-24 12:00"),
    )


def test_what_was_undone_before_hours_began_is_not_told(world: World, life: Enterprise) -> None:
    """Nobody hears of either."""
    world.rules = [rule(name="all", channels=("users",), hours=NOON)]
    row = life.rows()[0]
    life.no_show(row.id, world.clock.now)
    world.round()
    life.accept(row.id, world.clock.now)
    world.round()
    world.round(120)
    assert told(world) == []
    assert {(one.state, one.reason) for one in on_record(world)} == {(State.SUPERSEDED, Reason.UNDONE)}


def test_also_what_waited_for_moments_only_is_compared(world: World, life: Enterprise) -> None:
    """Hours that begin within the time for which others are not compared make no difference."""
    world.rules = [rule(name="all", channels=("users",), hours=NOON)]
    row = life.rows()[0]
    world.clock.now = datetime(2026, 11, 24, 10, 59, 10, tzinfo=UTC)
    life.no_show(row.id, world.clock.now)
    world.round(0)
    life.accept(row.id, world.clock.now)
    world.round(0.5)
    world.round(0.5)
    assert told(world) == []


def test_what_is_urgent_passes_what_waits(world: World, life: Enterprise) -> None:
    """By another rule, or with `urgent`, the same appointment is told at once on the same channel."""
    world.rules = [
        rule(name="calm", channels=("users",), hours=NOON),
        rule(to_status(["NO_SHOW"]), name="now", channels=("users",), hours=NOON, urgent=True),
    ]
    row = life.rows()[0]
    life.cancel(row.id, world.clock.now)
    world.round()
    life.no_show(row.id, world.clock.now)
    assert world.round() == 0
    assert [one["data"]["rule"] for one in documents(world.users)] == ["now"]
    world.round(120)
    assert [one["data"]["rule"] for one in documents(world.users)] == ["now", "calm"]


def test_what_is_late_for_its_hours_waits_for_the_next(world: World, life: Enterprise) -> None:
    """What was made within them and could not go out until they were over is told the next day."""
    world.rules = [rule(name="all", channels=("users",), hours=NOON)]
    world.clock.now = datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    life.cancel(life.rows()[0].id, world.clock.now)
    with world.store() as store:
        daemon = world.daemon(store)
        daemon._pollers["acme"].poll(daemon._sweeps["acme"][0])
        daemon._close()
    world.round(10)
    assert told(world) == []
    (left,) = on_record(world)
    assert left.delivery.due_at == left.delivery.not_before == datetime(2026, 11, 25, 11, tzinfo=UTC)
    assert [what for what, _ in left.delivery.story] == ["hours", "hours"]
    world.clock.now = left.delivery.due_at
    world.round(0)
    assert len(told(world)) == 1


@pytest.mark.parametrize(("opens", "told_at_noon"), [(18, 0), (11, 1)])
def test_hours_that_were_changed_hold_for_what_waits(
    world: World, life: Enterprise, opens: int, told_at_noon: int
) -> None:
    """When the old ones begin, it goes out if the new ones have begun as well, and else waits for these."""
    world.rules = [rule(name="all", channels=("users",), hours=NOON)]
    life.complete(life.rows()[0].id, world.clock.now)
    world.round()
    later = Calendar(name="later", zone=BRUSSELS, opens=time(opens), closes=time(20))
    world.rules = [rule(name="all", channels=("users",), hours=Hours(later))]
    world.round(120)
    assert len(told(world)) == told_at_noon
    world.round(6 * 60)
    assert len(told(world)) == 1


def test_what_the_brake_held_waits_for_its_hours_when_it_is_released(world: World) -> None:
    """Neither a run's end nor a person makes it due before."""
    noon = world.clock.now + 2 * HOUR
    with world.store() as store, store.writing() as tx:
        for number, trips in enumerate((True, False)):
            event = cancelled(f"a{number}")
            held = replace(owed(event, "users", due_at=noon), not_before=noon)
            snapshot.apply(tx, plan([event], [held]), world.clock.now, State.HELD)
            if trips:
                hold.trip(tx, "acme", "near", world.clock.now)
                assert hold.release(tx, "acme", "near", world.clock.now) == 1
            else:
                assert hold.settle(tx, "acme", "near", world.clock.now) == 1
        assert outbox.next_due(tx, "users") == noon
        assert hold.settle(tx, "acme", "near", noon) == 0


# Silences


def test_what_a_silence_swallows_is_on_record(world: World, life: Enterprise) -> None:
    """It is settled at once with the silence's number, counted, and never sent; others are told, and it ends."""
    row, other = life.rows()[:2]
    number = silence(world, where={"appointment": [row.id]})
    for one in (row, other):
        life.cancel(one.id, world.clock.now)
    world.round()
    assert [one["subject"] for one in documents(world.users)] == [other.id]
    swallowed = next(one for one in on_record(world) if one.state is State.SILENCED)
    assert (swallowed.reason, swallowed.delivery.silence) == (Reason.SILENCE, number)
    assert swallowed.settled_at == swallowed.created_at
    with world.store() as store, store.reading() as tx:
        assert [one.swallowed for one in silences.listing(tx, world.clock.now)] == [1]
    world.clock.advance(hours=1)
    life.accept(row.id, world.clock.now)
    world.round()
    assert [one["subject"] for one in documents(world.users)] == [other.id, row.id]


def test_a_silence_swallows_what_waits(world: World, life: Enterprise) -> None:
    """What a rule's hours hold back is swallowed when they begin, if one is about it then."""
    world.rules = [rule(name="all", channels=("users",), hours=NOON)]
    life.cancel(life.rows()[0].id, world.clock.now)
    world.round()
    number = silence(world, rules=("all",), until=world.clock.now + 5 * HOUR)
    world.round(120)
    assert told(world) == []
    (swallowed,) = on_record(world)
    assert (swallowed.state, swallowed.reason, swallowed.delivery.silence) == (State.SILENCED, Reason.SILENCE, number)
    assert [what for what, _ in swallowed.delivery.story] == ["hours", "silence"]


def test_a_running_daemon_heeds_a_new_silence(world: World, life: Enterprise) -> None:
    """It is read with each commit, and so is its end."""
    rows = life.rows()
    with world.store() as store:
        daemon = world.daemon(store)
        poller, (sweep, *_) = daemon._pollers["acme"], daemon._sweeps["acme"]
        with store.writing() as tx:
            now = world.clock.now
            made = silences.add(tx, rules=(), where={}, author="ana", why="move", until=now + HOUR, now=now)
        life.cancel(rows[0].id, world.clock.now)
        poller.poll(sweep)
        with store.writing() as tx:
            silences.end(tx, made.id, "ben", world.clock.now)
        life.cancel(rows[1].id, world.clock.now)
        poller.poll(sweep)
        daemon._close()
    assert [one.state for one in on_record(world)] == [State.SILENCED, State.PENDING]


def test_explain_tells_each_step(world: World, life: Enterprise) -> None:
    """Each delivery has its story below it."""
    world.rules = [
        rule(name="calm", channels=("{meeting_type}",), otherwise="users", hours=NOON),
        rule(name="rest", channels=("users",), fallback=True),
    ]
    silence(world, rules=("calm",), where={"office": ["12"]}, until=world.clock.now + timedelta(minutes=1))
    row = life.rows()[0]
    life.cancel(row.id, world.clock.now)
    world.round(5)
    (found,) = on_record(world)
    with world.store() as store, store.reading() as tx:
        (record,) = history.events(tx, 9)
        shown = show_story(Story(record, ((found, ()),)), BRUSSELS)
    assert "rest  not asked: it is a fallback, and calm matched" in shown
    channel = found.delivery.story[0]
    assert channel[0] == "channel"
    lines = " ".join(shown.split())
    assert f"channel: {channel[1]}" in lines
    assert "hours: outside mon-fri 12:00-13:00 Europe/Brussels (calendar noon); waits until 2026-11-24 12:00" in lines


# The operator


def test_the_operator_hears_before_a_long_silence_ends(world: World) -> None:
    """An hour before, once; of a short one never, and of none when it was ended."""
    silence(world, until=world.clock.now + 30 * HOUR, why="the move")
    short = silence(world, until=world.clock.now + 24 * HOUR)
    world.round(23 * 60 + 30)
    assert heard(world.ops) == []
    world.round(5 * 60 + 30)
    assert heard(world.ops) == [("began", "silence 1")]
    assert "ana made it 1 day 5 h ago (the move)" in documents(world.ops)[-1]["data"]["body"]
    for _ in range(3):
        world.round(40)
    assert heard(world.ops) == [("began", "silence 1")]
    assert short == 2
