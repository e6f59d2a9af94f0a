"""The lane of a channel that fails: paused, probed, switched off and resumed; and what waits there comes to no harm."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from notifier.channels.channel import open_channel
from notifier.core.delivery import Reason, State
from notifier.core.policy import PATIENT, Policy
from notifier.core.readers import Readers
from notifier.core.rule import Rule
from notifier.core.standing import OFF_AFTER, OPEN, PAUSE_AFTER, SHORTEST_PAUSE, Standing
from notifier.lane import Lane, drain
from notifier.sender import Sender, Sent
from notifier.store import history, lanes, snapshot
from notifier.store.database import Store, open_store
from notifier.store.history import DeliveryRecord
from notifier.store.outbox import TRIES
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.fake_receiver import CRAWL, Receiver, Reply, receiving
from tests.simulated import WAIT, HandClock
from tests.store_values import cancelled, owed, plan

DAY = timedelta(days=1)
ADDRESS = b"address"
HOURLY = Policy(interval=timedelta(hours=1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        with store.writing() as tx:
            lanes.enrol(tx, {"crm": ADDRESS})
        yield store


@contextmanager
def sending(
    store: Store, clock: HandClock, url: str, policy: Policy = PATIENT, rules: Mapping[str, Rule] | None = None
) -> Iterator[Sender]:
    """Gives the sender of the channel `crm`, as a process has it that has just been started."""
    sender = Sender(open_channel("crm", url), store, rules or {}, Readers(ZoneInfo("UTC")), clock, policy)
    try:
        yield sender
    finally:
        sender.close()


def owe(store: Store, clock: HandClock, count: int, prefix: str = "a") -> list[str]:
    """Records so many cancellations, each of another appointment, and returns the deliveries' ids."""
    events = [cancelled(f"{prefix}{number}") for number in range(count)]
    deliveries = [owed(event, "crm", due_at=clock.now) for event in events]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, deliveries), clock.now)
    return [delivery.id for delivery in deliveries]


def standing(store: Store) -> Standing:
    with store.reading() as tx:
        return lanes.standing(tx, "crm")


def on_record(store: Store) -> list[DeliveryRecord]:
    with store.reading() as tx:
        return history.deliveries(tx, 1000)[::-1]


def sent_now(sender: Sender) -> list[Sent]:
    """Sends all that may go out now."""
    return list(drain(sender))


def wait_for_the_probe(sender: Sender, clock: HandClock) -> None:
    """Lets time pass until something may go out again."""
    due = sender.next_due()
    assert due is not None
    assert due > clock.now
    clock.now = due


def fail(sender: Sender, clock: HandClock, store: Store) -> None:
    """Pauses the lane."""
    owe(store, clock, PAUSE_AFTER, "first")
    assert len(sent_now(sender)) == PAUSE_AFTER
    assert standing(store).is_paused


def test_a_paused_lane_costs_one_attempt_a_probe(store: Store, clock: HandClock) -> None:
    """Of what waits for a channel that is down, one message is tried after each pause, and that costs it no try."""
    with receiving(Reply(503)) as receiver, sending(store, clock, receiver.url) as sender:
        fail(sender, clock, store)
        waiting = owe(store, clock, 50)
        assert sender.send_one() is None
        for probe in range(1, 6):
            wait_for_the_probe(sender, clock)
            assert len(sent_now(sender)) == 1
            assert len(receiver.requests) == PAUSE_AFTER + probe
            assert standing(store).failures == PAUSE_AFTER + probe
        late = [one for one in on_record(store) if one.delivery.id in waiting]
        assert sorted(one.attempts for one in late) == [0] * 45 + [1] * 5
        receiver.reply_with(Reply())
        wait_for_the_probe(sender, clock)
        assert len(sent_now(sender)) == 50 + PAUSE_AFTER
        assert standing(store) == OPEN
    assert {one.state for one in on_record(store)} == {State.DELIVERED}


def test_a_message_outlives_every_probe(store: Store, clock: HandClock) -> None:
    """A lone message to a channel that is down for days is tried again and again, and is not given up."""
    (lone,) = owe(store, clock, 1)
    began = clock.now
    with receiving(Reply(503)) as receiver, sending(store, clock, receiver.url) as sender:
        while clock.now < began + 4 * DAY:
            assert len(sent_now(sender)) == 1
            wait_for_the_probe(sender, clock)
            clock.advance(hours=4)
        assert len(receiver.requests) > 2 * TRIES
        receiver.reply_with(Reply())
        (sent,) = sent_now(sender)
    assert (sent.delivery_id, sent.settlement.state) == (lone, State.DELIVERED)


def test_a_refusal_to_a_probe_keeps_its_message(store: Store, clock: HandClock) -> None:
    """The first few that are refused are dead at once; then the rest waits until somebody mends the credentials."""
    with receiving(Reply(401)) as receiver, sending(store, clock, receiver.url) as sender:
        fail(sender, clock, store)
        owe(store, clock, 3)
        for status in (401, 403, 404, 302, 401):
            receiver.reply_with(Reply(status))
            wait_for_the_probe(sender, clock)
            assert len(sent_now(sender)) == 1
        states = [one.state for one in on_record(store)]
        assert states == [State.DEAD] * PAUSE_AFTER + [State.PENDING] * 3
        receiver.reply_with(Reply())
        wait_for_the_probe(sender, clock)
        assert len(sent_now(sender)) == 3


def test_a_probe_that_is_not_wanted_is_no_answer(store: Store, clock: HandClock) -> None:
    """What is refused for what it says tells nothing of the channel: the next message finds out."""
    with receiving(Reply(503)) as receiver, sending(store, clock, receiver.url) as sender:
        fail(sender, clock, store)
        owe(store, clock, 2)
        receiver.reply_with(Reply(422), Reply(503))
        wait_for_the_probe(sender, clock)
        assert [one.outcome.reason for one in sent_now(sender)] == [Reason.REJECTED, Reason.UNAVAILABLE]
        assert standing(store).failures == PAUSE_AFTER + 1


def test_a_plea_to_wait_holds_for_all(store: Store, clock: HandClock) -> None:
    """After 429 with Retry-After nothing is sent there until then."""
    owe(store, clock, 3)
    with (
        receiving(Reply(429, {"Retry-After": "90"}), Reply()) as receiver,
        sending(store, clock, receiver.url) as sender,
    ):
        assert len(sent_now(sender)) == 1
        clock.advance(seconds=89)
        assert sent_now(sender) == []
        clock.advance(seconds=1)
        assert len(sent_now(sender)) == 3
    assert [one.attempts for one in on_record(store)] == [2, 1, 1]


def test_a_lane_says_when_it_pauses_and_opens(store: Store, clock: HandClock) -> None:
    """Each once, however many probes fail in between."""
    with (
        receiving(Reply(503)) as receiver,
        sending(store, clock, receiver.url) as sender,
        captured_logs() as logs,
    ):
        fail(sender, clock, store)
        owe(store, clock, 1)
        wait_for_the_probe(sender, clock)
        sent_now(sender)
        receiver.reply_with(Reply())
        wait_for_the_probe(sender, clock)
        sent_now(sender)
    (paused,) = logs.of("lane_paused")
    assert (paused["channel"], paused["failures"], paused["reason"]) == ("crm", PAUSE_AFTER, "unavailable")
    assert [one["channel"] for one in logs.of("lane_opened")] == ["crm"]


def test_what_is_gone_is_switched_off(store: Store, clock: HandClock) -> None:
    """After 410 nothing is claimed any more; the message that was refused waits with the others, and loses no try."""
    owe(store, clock, 3)
    with (
        receiving(Reply(410)) as receiver,
        sending(store, clock, receiver.url) as sender,
        captured_logs() as logs,
    ):
        (sent,) = sent_now(sender)
        assert (sent.settlement.state, sent.settlement.reason) == (State.PENDING, Reason.GONE)
        clock.advance(days=30)
        assert (sent_now(sender), sender.next_due()) == ([], None)
        assert len(receiver.requests) == 1
        receiver.reply_with(Reply(503))
        resume(store)
        assert len(sent_now(sender)) == 3
        clock.advance(seconds=6)
        receiver.reply_with(Reply())
        assert len(sent_now(sender)) == 3
    (off,) = logs.of("lane_off")
    assert (off["level"], off["reason"], off["detail"]) == ("error", "gone", "HTTP 410 Gone")
    assert [one.attempts for one in on_record(store)] == [3, 2, 2]


def resume(store: Store) -> Standing:
    """Does what a person does, in another process."""
    with open_store(store.path, synchronous="normal") as other, other.writing() as tx:
        return lanes.resume(tx, "crm")


def test_days_of_failure_switch_off(store: Store, clock: HandClock) -> None:
    """What waits stays, and is sent when a person resumes the channel."""
    owe(store, clock, 2)
    began = clock.now
    with receiving(Reply(503)) as receiver, sending(store, clock, receiver.url) as sender:
        while sender.next_due() is not None:
            clock.now = max(sender.next_due() or clock.now, clock.now) + timedelta(hours=4)
            sent_now(sender)
        assert OFF_AFTER <= clock.now - began <= OFF_AFTER + timedelta(hours=12)
        assert standing(store).off_at == clock.now
        assert {one.state for one in on_record(store)} == {State.PENDING}
        assert resume(store).off_at == clock.now
        receiver.reply_with(Reply())
        assert {one.settlement.state for one in sent_now(sender)} == {State.DELIVERED}
        assert standing(store) == OPEN


def test_a_restart_changes_nothing(store: Store, clock: HandClock) -> None:
    """The next process keeps the pause, and its first message is the probe."""
    with receiving(Reply(503)) as receiver:
        with sending(store, clock, receiver.url) as sender:
            fail(sender, clock, store)
            before = standing(store)
            owe(store, clock, 5)
        with open_store(store.path, synchronous="normal") as next_store:
            with next_store.writing() as tx:
                assert lanes.enrol(tx, {"crm": ADDRESS}) == []
            with sending(next_store, clock, receiver.url) as sender:
                assert standing(next_store) == before
                assert (sender.send_one(), sender.next_due()) == (None, before.paused_until)
                wait_for_the_probe(sender, clock)
                assert len(sent_now(sender)) == 1
    assert len(receiver.requests) == PAUSE_AFTER + 1


def test_another_address_is_another_channel(store: Store, clock: HandClock) -> None:
    """Nothing bad is known of it; one that is configured no more keeps its standing until it is again."""
    with receiving(Reply(410)) as receiver, sending(store, clock, receiver.url) as sender:
        owe(store, clock, 1)
        sent_now(sender)
    for addresses, anew, off in (
        ({}, [], True),
        ({"crm": ADDRESS, "team": b"other"}, [], True),
        ({"crm": b"another"}, ["crm"], False),
        ({"crm": ADDRESS}, [], False),
    ):
        with store.writing() as tx:
            assert lanes.enrol(tx, addresses) == anew
        assert standing(store).is_off is off


def test_a_person_may_be_faster_than_a_probe(store: Store, clock: HandClock) -> None:
    """A lane that was resumed while a probe was under way begins to count anew."""
    with receiving(Reply(503)) as receiver, sending(store, clock, receiver.url) as sender:
        fail(sender, clock, store)
        owe(store, clock, 1)
        wait_for_the_probe(sender, clock)
        receiver.hear(lambda: resume(store))
        assert sender.send_one() is not None
    assert (standing(store).failures, standing(store).is_paused) == (1, False)


def test_the_pace_is_kept(store: Store, clock: HandClock) -> None:
    """Between the begins of two sends lies the interval; what may not go out yet is due when it may."""
    owe(store, clock, 3)
    with receiving() as receiver, sending(store, clock, receiver.url, HOURLY) as sender:
        assert sender.send_one() is not None
        assert sender.send_one() is None
        due, kept_back = sender.next_due(), sender.kept_back()
        assert due is not None
        assert kept_back is not None
        assert timedelta(minutes=59) < due - clock.now <= timedelta(hours=1)
        assert timedelta(minutes=59) < kept_back <= timedelta(hours=1)
        assert len(receiver.requests) == 1


def test_all_that_is_due_goes_out_at_its_pace(store: Store, clock: HandClock) -> None:
    """Whoever sends all that there is waits for the pace, and for nothing that is due later."""
    owe(store, clock, 3)
    clock.advance(minutes=1)
    owe(store, clock, 1, "later")
    clock.advance(seconds=-30)
    with (
        receiving() as receiver,
        sending(store, clock, receiver.url, Policy(interval=timedelta(seconds=0.05))) as sender,
    ):
        assert len(sent_now(sender)) == 3
        assert sender.kept_back() is None


def test_a_template_that_fails_takes_no_turn(store: Store, clock: HandClock) -> None:
    """What is not sent does not count for the pace, nor against the channel."""
    failing, fine = owe(store, clock, 1), owe(store, clock, 1, "fine")
    rules = {"all": rule(name="all", title="{% if appointment.id == 'a0' %}{{ changes[7].field }}{% endif %}")}
    with receiving() as receiver, sending(store, clock, receiver.url.replace("http", "json"), HOURLY, rules) as sender:
        outcomes = {sent.delivery_id: sent.outcome.reason for sent in (sender.send_one(), sender.send_one()) if sent}
    assert outcomes == {failing[0]: Reason.TEMPLATE, fine[0]: Reason.OK}
    assert standing(store) == OPEN


def test_a_hanging_channel_is_paused(store: Store, clock: HandClock) -> None:
    """While three sends hang nothing else is claimed, and that counts as failures too, until the lane is paused."""
    owe(store, clock, 6)
    with (
        receiving(CRAWL) as receiver,
        sending(store, clock, receiver.url, Policy(timeout=timedelta(seconds=0.2))) as sender,
    ):
        assert [one.outcome.reason for one in sent_now(sender)] == [Reason.UNCERTAIN] * 3
        assert (standing(store).failures, standing(store).reason) == (PAUSE_AFTER, Reason.TIMEOUT)
        assert standing(store).paused_until == clock.now + SHORTEST_PAUSE
        wait_for_the_probe(sender, clock)
        assert sent_now(sender) == []
        assert standing(store).failures == PAUSE_AFTER + 1
        assert sorted(one.attempts for one in on_record(store)) == [0, 0, 0, 1, 1, 1]
        hung = list(sender._patient._abandoned)
        receiver.reply_with(Reply())
        receiver.released.set()
        for worker in hung:
            worker._thread.join(WAIT)
        sender._patient._timeout = timedelta(seconds=WAIT)
        wait_for_the_probe(sender, clock)
        assert {one.settlement.state for one in sent_now(sender)} == {State.DELIVERED}


def test_a_resumed_lane_goes_on_by_itself(store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that runs hears of it within its beat, whoever resumed it."""
    monkeypatch.setattr("notifier.lane.BEAT", timedelta(seconds=0.1))
    stopping = Event()
    owe(store, clock, 2)
    with receiving(Reply(410)) as receiver, sending(store, clock, receiver.url) as sender, captured_logs() as logs:
        lane = Lane(sender, clock, stopping, lambda _: None)
        lane.start()
        assert logs.wait_for("lane_off", WAIT)
        receiver.reply_with(Reply())
        resume(store)
        assert receiver.wait_for(3, WAIT)
        stopping.set()
        lane.join(WAIT)


def delivered_to(receiver: Receiver, channel: str) -> int:
    return sum(request.path == f"/{channel}" for request in receiver.requests)


def test_one_that_hangs_delays_none_of_nineteen(store: Store, clock: HandClock) -> None:
    """While the first send to one channel hangs, all that is owed to the others arrives."""
    names, messages, stopping = [f"c{number}" for number in range(19)], 5, Event()
    events = [cancelled(f"a{number}") for number in range(messages)]
    with store.writing() as tx:
        deliveries = [owed(event, name) for event in events for name in (*names, "slow")]
        snapshot.apply(tx, plan(events, deliveries), clock.now)
    with receiving(CRAWL) as slow, receiving() as fine:
        urls = {"slow": slow.url, **{name: f"{fine.url}/{name}" for name in names}}
        senders = [
            Sender(open_channel(name, url), store, {}, Readers(ZoneInfo("UTC")), clock) for name, url in urls.items()
        ]
        lanes_ = [Lane(sender, clock, stopping, lambda _: None) for sender in senders]
        for lane in lanes_:
            lane.start()
        assert slow.wait_for(1, WAIT)
        assert fine.wait_for(len(names) * messages, 2 * WAIT)
        assert not slow.released.is_set()
        assert [delivered_to(fine, name) for name in names] == [messages] * len(names)
        assert len(slow.requests) == 1
        stopping.set()
        for lane in lanes_[1:]:
            lane.join(WAIT)
            assert not lane._thread.is_alive()
        assert lanes_[0]._thread.is_alive()
        slow.released.set()
        for lane, sender in zip(lanes_, senders, strict=True):
            lane.join(WAIT)
            sender.close()
