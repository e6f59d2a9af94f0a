"""The operator's route in whole rounds: what goes wrong, what the operator gets, and that users get none of it.

Every round is a process of its own, so that each of these tests is one of restarts too.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.core.event import Event
from notifier.core.rule import condition
from notifier.engage.simulated.exchange import refuse
from notifier.operator import Operator
from notifier.store import hold, notices
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.fake_receiver import HANG, Reply
from tests.operator_world import World, documents, open_world
from tests.simulated import WAIT, HandClock

MORE_SWEEPS = "".join(
    f'[[sources.acme.sweeps]]\nname = "{name}"\nfrom = "-{days}d"\nto = "90d"\nevery = "1m"\n'
    for name, days in (("early", 20), ("earlier", 30), ("earliest", 40))
)


@pytest.fixture
def world(tmp_path: Path, clock: HandClock) -> Iterator[World]:
    with open_world(tmp_path, clock) as world:
        yield world


def test_a_source_that_goes_down_is_told_once_and_once_when_it_is_back(world: World) -> None:
    """The operator hears of it after five minutes, and when it has been back for five; in between nothing."""
    world.engage.stop()
    failures = [world.round(2) for _ in range(5)]
    assert failures == [1] * 5
    assert world.heard == [("began", "source acme")]
    (told,) = documents(world.ops)
    assert told["data"]["kind"] == "unavailable"
    assert "does not answer, since Tue 24 Nov 2026, 09:03" in told["data"]["title"]
    world.engage.start()
    assert [world.round(2) for _ in range(4)] == [0] * 4
    assert world.heard == [("began", "source acme"), ("ended", "source acme")]
    assert documents(world.ops)[1]["data"]["body"].startswith("From Tue 24 Nov 2026, 09:03 UTC until ")
    assert world.users.requests == []


def test_what_changed_meanwhile_is_told_to_users_only(world: World) -> None:
    """The end of an outage is the operator's, what happened in it is the users'."""
    (first, *_) = world.engage.enterprise.rows()
    world.refuse()
    world.engage.enterprise.cancel(first.id, world.clock.now)
    for _ in range(7):
        world.round()
    world.refuse(False)
    for _ in range(7):
        world.round()
    assert world.heard == [("began", "source acme"), ("ended", "source acme")]
    assert [one["subject"] for one in documents(world.users)] == [first.id]


def test_an_outage_that_is_short_is_not_told(world: World) -> None:
    """What is over before five minutes leaves no message and no trace."""
    world.refuse()
    for _ in range(4):
        world.round()
    world.refuse(False)
    for _ in range(7):
        world.round()
    assert world.heard == []
    with world.store() as store, store.reading() as tx:
        assert notices.troubles(tx) == {}


def test_a_source_that_flaps_is_one_trouble(world: World) -> None:
    """A source that fails at every second poll is one message in forty minutes, and one when it is over."""
    for minute in range(40):
        world.refuse(minute % 2 == 0)
        world.round()
    assert world.heard == [("began", "source acme")]
    for _ in range(7):
        world.round()
    assert world.heard == [("began", "source acme"), ("ended", "source acme")]


def test_a_source_that_is_down_is_one_message_for_all_its_sweeps(world: World) -> None:
    """Four sweeps that fail for one cause are one trouble, whenever they are run."""
    world.sweeps = MORE_SWEEPS
    world.round()
    world.refuse()
    for _ in range(8):
        world.round()
    assert world.heard == [("began", "source acme")]
    with world.store() as store, store.reading() as tx:
        assert list(notices.troubles(tx)) == ["source acme"]


def test_a_sweep_that_fails_alone_is_told_by_its_name(world: World) -> None:
    """A source that answers other sweeps is well; the one that it does not answer is the trouble."""
    world.sweeps = '[[sources.acme.sweeps]]\nname = "quick"\nstatus = "CANCELLED"\nevery = "1m"\n'
    world.round()
    world.engage.script = lambda request: refuse(503, "down") if "status" in request.query else None
    for _ in range(4):
        world.round(3)
    assert world.heard == [("began", "sweep acme/quick")]
    world.engage.script = None
    for _ in range(3):
        world.round(3)
    assert world.heard == [("began", "sweep acme/quick"), ("ended", "sweep acme/quick")]


def test_silence_that_turns_into_refusal_is_told_again(world: World) -> None:
    """A source that refuses us after it was silent waits for a person now."""
    world.engage.stop()
    for _ in range(3):
        world.round(3)
    world.engage.start()
    world.refuse()
    for _ in range(3):
        world.round()
    assert world.heard == [("began", "source acme"), ("worse", "source acme")]
    assert [one["data"]["kind"] for one in documents(world.ops)] == ["unavailable", "refused"]


def test_a_doubt_is_told_at_once(world: World) -> None:
    """Half of the appointments gone: the operator hears of it in the same round, with the commands; users nothing."""
    for row in world.engage.enterprise.rows()[:30]:
        world.engage.enterprise.remove(row.id)
    world.round()
    assert world.heard == [("began", "sweep acme/dated")]
    (told,) = documents(world.ops)
    assert "notifier release acme/dated" in told["data"]["body"]
    assert "notifier discard acme/dated" in told["data"]["body"]
    for _ in range(3):
        world.round()
    assert len(world.heard) == 1
    with world.store() as store, store.writing() as tx:
        hold.discard(tx, "acme", "dated", world.clock.now)
    for _ in range(8):
        world.round()
    assert world.heard == [("began", "sweep acme/dated"), ("ended", "sweep acme/dated")]
    assert world.users.requests == []


def test_dead_letters_are_told_in_the_round_in_which_they_die(world: World) -> None:
    """A channel that wants no messages any more is one message, however many are given up, and over after an hour."""
    world.users.reply_with(Reply(400))
    for row in world.engage.enterprise.rows()[:3]:
        world.engage.enterprise.cancel(row.id, world.clock.now)
        assert world.round() == 1
    assert world.heard == [("began", "channel users")]
    (told,) = documents(world.ops)
    assert "the last one: rejected" in told["data"]["body"]
    for _ in range(4):
        world.round(25)
    assert world.heard == [("began", "channel users"), ("ended", "channel users")]


def test_without_an_operator_the_log_has_the_edges(world: World) -> None:
    """Nothing is sent, and the log tells begin and end once each."""
    world.operator = ""
    with captured_logs() as logs:
        world.refuse()
        for _ in range(8):
            world.round()
        world.refuse(False)
        for _ in range(8):
            world.round()
        (began,) = logs.of("trouble_began")
        (ended,) = logs.of("trouble_ended")
    assert (began["trouble"], began["kind"], began["level"]) == ("source acme", "refused", "error")
    assert (ended["trouble"], ended["level"]) == ("source acme", "info")
    assert world.ops.requests == []


def make_trouble(world: World) -> None:
    """Puts a source that was refused for long on record, and owes the notice, which is not sent."""
    world.operator = world.operator.replace('"5m"', '"1s"')
    world.refuse()
    with world.store() as store:
        configured, daemon = world.settings(), world.daemon(store)
        for _ in range(2):
            world.clock.advance(minutes=1)
            for beat in daemon._beats:
                beat.poller.poll(beat.sweep)
            Operator(configured, store, world.clock, world.clock.ticks).look()
        daemon._close()
    assert world.ops.requests == []


def test_a_process_that_dies_before_it_sends_tells_once(world: World) -> None:
    """What was put down and not sent goes out at the next start, once."""
    make_trouble(world)
    world.round()
    world.round()
    assert world.heard == [("began", "source acme")]


def test_a_process_that_dies_while_it_sends_repeats_with_the_same_id(world: World) -> None:
    """What may have been sent goes out once more, under the id that it had."""
    make_trouble(world)
    with world.store() as store, store.writing() as tx:
        claimed = notices.claim(tx, "ops", world.clock.now)
    assert claimed is not None
    with captured_logs() as logs:
        world.round()
        assert [told["notices"] for told in logs.of("notices_interrupted")] == [1]
    world.round()
    (request,) = world.ops.requests
    assert request.headers["webhook-id"] == claimed.notice.id == json.loads(request.body)["id"]


def test_a_route_that_is_broken_is_an_error_in_the_log(world: World) -> None:
    """A notice follows the schedule of deliveries, and one that is given up is told in the log; the round fails."""
    world.ops.reply_with(Reply(503), Reply(410))
    make_trouble(world)
    with captured_logs() as logs:
        assert world.round() == 1
        assert [told["reason"] for told in logs.of("notice_retried")] == ["unavailable"]
        assert world.round() == 1
        (dead,) = logs.of("notice_dead")
    assert (dead["level"], dead["reason"], dead["channel"]) == ("error", "gone", "ops")
    assert dead["trouble"] == "source acme"
    with world.store() as store, store.reading() as tx:
        count = notices.counts(tx, world.clock.now)["ops"]
    assert (count.unsent, count.broken) == (0, True)
    first, second = world.ops.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


# ---- the daemon, in real time


def test_a_delivery_that_hangs_does_not_hold_back_the_notice(world: World) -> None:
    """While a message to the operator's own channel hangs, the news of a trouble goes out beside it."""
    world.rules = [rule(name="all", channels=("ops",))]
    world.operator = world.operator.replace('"5m"', '"1s"')
    world.ops.reply_with(HANG, Reply())
    with world.store() as store:
        daemon = world.daemon(store)
        (first, *_) = world.engage.enterprise.rows()
        world.engage.enterprise.cancel(first.id, world.clock.now)
        daemon.start()
        try:
            assert world.ops.wait_for(1, WAIT)
            world.clock.advance(minutes=1)
            world.refuse()
            world.engage.forget_requests()
            assert world.engage.wait_for_requests(1, WAIT)
            # The pause after a refusal: the next run fails without a request.
            world.clock.advance(minutes=1)
            assert world.ops.wait_for(2, WAIT)
            hung, told = documents(world.ops)
        finally:
            world.ops.released.set()
            daemon.stop()
    assert (hung["subject"], told["subject"]) == (first.id, "source acme")


def test_a_poll_that_crashes_is_told(world: World) -> None:
    """A mistake of ours is told at once, by its kind alone, and the sweep shows it; what it says may be anything."""

    def mistake(_: Event) -> tuple[bool, str]:
        raise RuntimeError("Mrs. Smith")

    world.rules = [rule(condition("a mistake", mistake), name="wrong", channels=("users",))]
    with world.store() as store:
        daemon = world.daemon(store)
        (first, *_) = world.engage.enterprise.rows()
        world.engage.enterprise.cancel(first.id, world.clock.now)
        daemon.start()
        try:
            assert world.ops.wait_for(1, WAIT)
        finally:
            daemon.stop()
        (told,) = documents(world.ops)
        assert (told["subject"], told["data"]["kind"]) == ("sweep acme/dated", "crashed")
        assert "RuntimeError" in told["data"]["body"]
        assert "Smith" not in json.dumps(told)
        with store.reading() as tx:
            (open_trouble,) = notices.troubles(tx).values()
    assert open_trouble.told_at is not None
