"""What the operator hears of our own side: lanes, templates, disk, clock, heartbeat, and the ways to him."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.core.standing import OFF_AFTER
from notifier.operator import Operator
from notifier.status import read_status
from notifier.store import lanes, notices
from tests.builders import rule
from tests.captured_logs import Logs, captured_logs
from tests.fake_receiver import Receiver, Reply, receiving
from tests.operator_world import World, documents, heard, open_world
from tests.simulated import HandClock


@pytest.fixture
def world(tmp_path: Path, clock: HandClock) -> Iterator[World]:
    with open_world(tmp_path, clock) as world:
        yield world


BOTH = '[operator]\nchannels = ["ops", "desk"]\nafter = "5m"\n'


def cancel(world: World, count: int, skip: int = 0) -> None:
    """Lets some appointments be cancelled."""
    for row in world.engage.enterprise.rows()[skip : skip + count]:
        world.engage.enterprise.cancel(row.id, world.clock.now)


def ill(world: World) -> bool:
    """Says whether the way to the operator makes the daemon ill."""
    with world.store() as store:
        store.lock()
        return not read_status(world.settings(), store, world.clock.now).healthy


def edges(logs: Logs, trouble: str) -> list[tuple[str, str]]:
    """Returns what was logged of a trouble: its level, and whether it began or ended."""
    return [
        (one["level"], action)
        for action in ("trouble_began", "trouble_ended")
        for one in logs.of(action)
        if one["trouble"] == trouble
    ]


# ---- lanes


def test_a_channel_that_is_down_is_told_once_and_once_when_it_is_back(world: World) -> None:
    """Its lane is paused at once, and told when that lasts; with what waits, and what to do."""
    world.users.reply_with(Reply(503))
    cancel(world, 6)
    for _ in range(5):
        world.round(2)
    assert world.heard == [("began", "lane users")]
    (told,) = documents(world.ops)
    assert told["data"]["kind"] == "paused"
    assert "is paused: its channel fails, since Tue 24 Nov 2026, 09:03" in told["data"]["title"]
    assert "unavailable (HTTP 503 Service Unavailable); 6 messages wait" in told["data"]["body"]
    assert "notifier channels" in told["data"]["body"]
    assert "notifier resume users" in told["data"]["body"]
    world.users.reply_with(Reply())
    for _ in range(5):
        world.round(2)
    assert world.heard == [("began", "lane users"), ("ended", "lane users")]
    assert not ill(world)


def test_a_lane_that_is_paused_for_short_is_not_told(world: World) -> None:
    """What is over before five minutes leaves no message."""
    world.users.reply_with(Reply(503))
    cancel(world, 6)
    for _ in range(3):
        world.round()
    world.users.reply_with(Reply())
    for _ in range(5):
        world.round(2)
    assert world.heard == []


def test_a_lane_that_fails_for_days_is_told_before_it_is_switched_off_and_when(world: World) -> None:
    """Three messages in five days: that it is paused, a day before, and that it is off."""
    world.users.reply_with(Reply(503))
    cancel(world, 6)
    for _ in range(2):
        world.round(6)
    days = OFF_AFTER.days
    for _ in range(days + 1):
        world.round(24 * 60)
    assert world.heard == [("began", "lane users"), ("worse", "lane users"), ("worse", "lane users")]
    assert [one["data"]["kind"] for one in documents(world.ops)] == ["paused", "closing", "off"]


def test_a_channel_that_is_gone_is_told_at_once(world: World) -> None:
    """Its lane is off, its message stays, and it is over when a person has opened it."""
    world.users.reply_with(Reply(410))
    cancel(world, 1)
    world.round()
    assert world.heard == [("began", "lane users")]
    (told,) = documents(world.ops)
    assert told["data"]["kind"] == "off"
    assert "1 message waits" in told["data"]["body"]
    world.users.reply_with(Reply())
    with world.store() as store, store.writing() as tx:
        lanes.resume(tx, "users")
    for _ in range(7):
        world.round()
    assert world.heard == [("began", "lane users"), ("ended", "lane users")]


def test_the_lane_of_a_channel_is_told_by_the_other_one(world: World) -> None:
    """The operator's own channel, used for messages too, does not tell that it does not work."""
    world.operator = BOTH
    world.rules = [rule(name="all", channels=("ops",))]
    world.ops.reply_with(Reply(410))
    cancel(world, 1)
    world.round()
    assert (heard(world.ops), heard(world.desk)) == ([], [("began", "lane ops")])
    assert not ill(world)


def test_where_there_is_no_other_channel_the_log_and_the_status_tell(world: World) -> None:
    """Nothing is sent where it would not arrive; it is an error in the log, once, and the daemon is ill."""
    world.rules = [rule(name="all", channels=("ops",))]
    world.ops.reply_with(Reply(410))
    cancel(world, 1)
    with captured_logs() as logs:
        for _ in range(3):
            world.round()
        assert edges(logs, "lane ops") == [("error", "trouble_began")]
    assert heard(world.ops) == []
    assert ill(world)
    world.ops.reply_with(Reply())
    with world.store() as store, store.writing() as tx:
        lanes.resume(tx, "ops")
    with captured_logs() as logs:
        for _ in range(7):
            world.round()
        assert edges(logs, "lane ops") == [("info", "trouble_ended")]
    assert heard(world.ops) == []
    assert not ill(world)


# ---- templates


def test_a_template_that_fails_is_told_by_its_rule(world: World) -> None:
    """However many messages it costs, it is one; the channel is not in trouble for it. An hour later it is over."""
    bad = "{{ appointment.start / 0 }}"
    world.rules = [rule(name="bad", channels=("users",), title=bad)]
    world.users_url = world.users.url.replace("http", "json")  # which shows words
    cancel(world, 3)
    for _ in range(3):
        world.round()
    assert world.heard == [("began", "rule bad")]
    (told,) = documents(world.ops)
    assert told["data"]["kind"] == "template"
    assert "3 messages were given up" in told["data"]["body"]
    assert "notifier retry --rule bad" in told["data"]["body"]
    for _ in range(4):
        world.round(25)
    assert world.heard == [("began", "rule bad"), ("ended", "rule bad")]
    assert world.users.requests == []


# ---- disk and clock


def test_a_disk_that_is_nearly_full_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once when it begins, and once when there has been room for a while."""
    usage, name = shutil.disk_usage(world.folder), f"disk {world.folder}"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=63_000_000))
        for _ in range(3):
            world.round()
        assert world.heard == [("began", name)]
        (told,) = documents(world.ops)
        assert (told["data"]["kind"], "63 MB are free" in told["data"]["body"]) == ("disk", True)
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=63_000_000_000))
        for _ in range(7):
            world.round()
    assert world.heard == [("began", name), ("ended", name)]


def test_a_clock_that_was_set_is_told(world: World) -> None:
    """Two clocks that run apart by more than a minute from one look to the next are told once, and when it is over."""
    ticks = HandClock()
    with world.store() as store, captured_logs() as logs:
        operator = Operator(world.settings(), store, world.clock, ticks.ticks)

        def told(wall: float, real: float) -> int:
            world.clock.advance(minutes=wall)
            ticks.advance(minutes=real)
            operator.look()
            return len(edges(logs, "clock"))

        assert [told(1, 1), told(1.9, 1), told(62, 1), told(1, 1)] == [0, 0, 1, 1]
        assert [told(1, 1) for _ in range(5)] == [1, 1, 1, 1, 2]
        assert told(-60, 1) == 3
        with store.reading() as tx:
            trouble = notices.troubles(tx)["clock"]
        assert (trouble.kind, trouble.began_at) == ("clock", world.clock.now)
        assert trouble.text == "it was put back by 1 h 1 min"


def test_a_clock_that_was_put_forward_makes_nobody_slow(world: World) -> None:
    """What a sleeping machine did not do in an hour is no trouble of its sweeps, nor of the way to the operator."""
    ticks = HandClock()
    cancel(world, 1)
    with world.store() as store:
        operator = Operator(world.settings(), store, world.clock, ticks.ticks)
        for wall in (0, 60, 0.5):
            world.clock.advance(minutes=wall)
            ticks.advance(minutes=min(wall, 1))
            operator.look()
        with store.reading() as tx:
            assert list(notices.troubles(tx)) == ["clock"]


# ---- the ways to the operator


def test_a_way_to_the_operator_that_is_broken_is_told_by_the_other(world: World) -> None:
    """It is an error in the log, once when it begins and once when it ends, and the daemon is ill meanwhile."""
    world.operator = BOTH
    world.ops.reply_with(Reply(503))
    world.refuse()
    with captured_logs() as logs:
        for _ in range(10):
            world.round(2)
        assert edges(logs, "operator ops") == [("error", "trouble_began")]
    assert heard(world.desk) == [("began", "source acme"), ("began", "operator ops")]
    assert "unavailable (HTTP 503 Service Unavailable)" in documents(world.desk)[1]["data"]["body"]
    assert ill(world)
    world.ops.reply_with(Reply())
    world.refuse(False)
    with captured_logs() as logs:
        for _ in range(14):
            world.round(4)
        assert edges(logs, "operator ops") == [("info", "trouble_ended")]
    assert set(heard(world.desk)) == {
        (edge, name) for edge in ("began", "ended") for name in ("source acme", "operator ops")
    }
    assert len(heard(world.desk)) == 4
    assert set(heard(world.ops)) == {("began", "source acme"), ("ended", "source acme")}
    assert not ill(world)


def test_an_only_way_that_is_broken_is_told_by_log_and_status(world: World) -> None:
    """It is not told by itself, and neither before it has lasted."""
    world.operator = '[operator]\nchannels = "ops"\nafter = "5m"\n'
    world.ops.reply_with(Reply(503))
    world.users.reply_with(Reply(400))
    cancel(world, 1)
    with captured_logs() as logs:
        for _ in range(3):
            world.round()
        assert edges(logs, "operator ops") == []
        for _ in range(6):
            world.round()
        assert edges(logs, "operator ops") == [("error", "trouble_began")]
    assert ill(world)
    assert set(heard(world.ops)) == {("began", "channel users")}


# ---- the heartbeat


@pytest.fixture
def monitor() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_round_in_which_all_answered_is_a_heartbeat(world: World, monitor: Receiver) -> None:
    """One fetch for each, and none where a sweep was refused."""
    world.operator = f'[operator]\nheartbeat_url = "{monitor.url}/ping"\n'
    world.round()
    world.round()
    assert [request.path for request in monitor.requests] == ["/ping"] * 2
    world.refuse()
    world.round()
    assert len(monitor.requests) == 2


def test_a_monitor_that_does_not_hear_is_told_when_it_lasts(world: World, monitor: Receiver) -> None:
    """It is told by the operator's channels, without the address, and when it hears again."""
    world.operator += f'heartbeat_url = "{monitor.url}/ping/e5a5c7a0"\n'
    monitor.reply_with(Reply(500))
    for _ in range(4):
        assert world.round(2) == 0
    assert world.heard == [("began", "heartbeat")]
    (told,) = documents(world.ops)
    assert "It looks like this: HTTP 500" in told["data"]["body"]
    assert not any(word in str(told) for word in ("e5a5c7a0", str(monitor.port)))
    monitor.reply_with(Reply())
    for _ in range(4):
        world.round(2)
    assert world.heard == [("began", "heartbeat"), ("ended", "heartbeat")]


def test_a_monitor_that_was_taken_out_is_no_trouble(world: World, monitor: Receiver) -> None:
    """Who took it out knows, so nothing is told."""
    without = world.operator
    world.operator += f'heartbeat_url = "{monitor.url}"\n'
    monitor.reply_with(Reply(500))
    for _ in range(4):
        world.round(2)
    world.operator = without
    world.round()
    with world.store() as store, store.reading() as tx:
        assert notices.troubles(tx) == {}
    assert world.heard == [("began", "heartbeat")]
