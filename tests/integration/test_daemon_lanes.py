"""What the daemon makes of lanes that are paused or off, and of channels that hang."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from notifier.clock import utc_now
from notifier.core.delivery import Reason, State
from notifier.core.notice import notice_of
from notifier.core.rule import Rule
from notifier.core.standing import OPEN, Standing
from notifier.core.trouble import Edge, OpenTrouble, TroubleKind
from notifier.daemon import Daemon
from notifier.engage.simulator import Simulator
from notifier.notice_sender import NoticeSender
from notifier.store import history, lanes, notices, snapshot
from notifier.store.database import Store
from notifier.wiring import open_channels, policies_of
from tests.captured_logs import captured_logs
from tests.configured import settings, source
from tests.fake_receiver import CRAWL, Receiver, Reply, receiving
from tests.simulated import WAIT
from tests.store_values import cancelled, owed, plan

OFF = Standing(failures=1, failing_since=utc_now(), off_at=utc_now(), reason=Reason.GONE)


@pytest.fixture
def engage() -> Iterator[Simulator]:
    with Simulator(clock=utc_now) as simulator:
        yield simulator


def daemon_of(folder: Path, engage: Simulator, store: Store, channels: str, rules: Sequence[Rule] = ()) -> Daemon:
    configured = settings(folder, source(engage.base_url, f'token = "{engage.token}"') + channels, {})
    return Daemon(configured, rules, store)


def table(name: str, receiver: Receiver, path: str = "", **keys: str) -> str:
    lines = [f"[channels.{name}]", f'url = "{receiver.url}/{path}"', *(f'{key} = "{keys[key]}"' for key in keys)]
    return "\n".join(lines) + "\n"


def owe(store: Store, *channels: str, count: int = 1) -> None:
    """Owes each channel so many deliveries."""
    events = [cancelled(f"a{number}") for number in range(count)]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, [owed(event, channel) for event in events for channel in channels]), utc_now())


def states(store: Store) -> dict[str, State]:
    with store.reading() as tx:
        return {one.delivery.channel: one.state for one in history.deliveries(tx, 100)}


def switch_off(store: Store, channel: str) -> None:
    with store.writing() as tx:
        lanes.keep(tx, channel, OFF)


def test_a_round_says_that_a_channel_is_off(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """What is due there is not tried and fails the round; the other channels are served."""
    with receiving() as crm, receiving() as desk:
        channels = table("crm", crm) + table("desk", desk)
        assert daemon_of(tmp_path, engage, store, channels).run_once() == 0
        switch_off(store, "crm")
        assert daemon_of(tmp_path, engage, store, channels).run_once() == 0
        owe(store, "crm", "desk")
        assert daemon_of(tmp_path, engage, store, channels).run_once() == 1
        assert (len(crm.requests), len(desk.requests)) == (0, 1)
    assert states(store) == {"crm": State.PENDING, "desk": State.DELIVERED}


def test_a_channel_with_another_address_begins_anew(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """What was found out about the old one does not count, and that is told."""
    with receiving() as crm:
        assert daemon_of(tmp_path, engage, store, table("crm", crm)).run_once() == 0
        switch_off(store, "crm")
        owe(store, "crm")
        with captured_logs() as logs:
            assert daemon_of(tmp_path, engage, store, table("crm", crm, "new")).run_once() == 0
    assert [one["channel"] for one in logs.of("lane_anew")] == ["crm"]
    assert states(store) == {"crm": State.DELIVERED}


def test_a_round_goes_at_the_pace_of_its_channels(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """All that is due is sent before the round ends, however slowly the channel wants it."""
    owe(store, "crm", count=4)
    with receiving() as crm:
        began = utc_now()
        assert daemon_of(tmp_path, engage, store, table("crm", crm, rate="20/s")).run_once() == 0
        assert (utc_now() - began).total_seconds() > 3 * 0.05
        assert len(crm.requests) == 4


def test_a_channel_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, engage: Simulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is told to stop waits for a send in hand no longer than its grace, and leaves it as being sent."""
    monkeypatch.setattr("notifier.daemon.GRACE_SECONDS", 0.3)
    owe(store, "crm")
    with receiving(CRAWL) as crm:
        daemon = daemon_of(tmp_path, engage, store, table("crm", crm))
        daemon.start()
        assert crm.wait_for(1, WAIT)
        daemon.stop()
        assert not crm.released.is_set()
        assert states(store) == {"crm": State.SENDING}
        crm.released.set()
        daemon._lanes["crm"].join(WAIT)


def test_a_round_ends_though_a_channel_drips(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """Its send is given up when the channel's time is over; with three that hang no other is begun."""
    owe(store, "crm", count=5)
    with receiving(CRAWL) as crm:
        assert daemon_of(tmp_path, engage, store, table("crm", crm, timeout="1s")).run_once() == 1
        assert len(crm.requests) == 3
    with store.reading() as tx:
        standing = lanes.standing(tx, "crm")
    assert standing.is_paused


def test_a_notice_that_hangs_is_given_up(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """The operator's channels have the same patience, and say nothing about the lane for users."""
    now = utc_now()
    trouble = OpenTrouble(name="source acme", kind=TroubleKind.REFUSED, text="no", began_at=now, told_at=now)
    with receiving(CRAWL, Reply()) as ops:
        configured = settings(
            tmp_path, source(engage.base_url, f'token = "{engage.token}"') + table("ops", ops, timeout="1s"), {}
        )
        opened = open_channels(configured)
        sender = NoticeSender(opened["ops"], store, utc_now, policies_of(configured, opened)["ops"])
        with store.writing() as tx:
            notices.owe(tx, [notice_of(trouble, Edge.BEGAN, "ops", configured.zone, now)])
        first = sender.send_one()
        assert first is not None
        assert (first.state, first.reason) == (State.PENDING, Reason.UNCERTAIN)
        ops.released.set()
        sender.close()
    with store.reading() as tx:
        assert lanes.standing(tx, "ops") == OPEN
