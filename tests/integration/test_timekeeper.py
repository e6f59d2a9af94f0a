"""The timekeeper over a real store, and in a daemon: what lasts is told once, and nothing of it twice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.core.change import Kind
from notifier.core.rule import Rule, field_among
from notifier.core.watch import Escalation
from notifier.daemon import Daemon
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.store import hold, watches
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from notifier.store.watches import FIRST, Question
from tests.builders import DAY, HOUR, MINUTE, watch
from tests.configured import settings, source
from tests.fake_receiver import receiving
from tests.simulated import NOW, HandClock
from tests.timed_world import TimedWorld, asking

ASKS = asking(watch())


@pytest.fixture
def world() -> Iterator[TimedWorld]:
    """Everything was looked at once, when there was nothing."""
    with TimedWorld([ASKS]) as world:
        world.poll()
        world.clock.advance(minutes=1)
        yield world


def later(world: TimedWorld, span: timedelta) -> None:
    """Lets time pass; then polls and looks."""
    world.clock.now += span
    world.poll()
    world.clock.advance(seconds=10)
    world.look()


def test_a_look_again_tells_nothing(world: TimedWorld) -> None:
    """What was committed is on record; even where that it was told is lost, its id is the same."""
    world.set("1")
    later(world, MINUTE)
    later(world, 2 * HOUR)
    assert len(world.told()) == 1
    world.look()
    with world.store.writing() as tx:
        driver(tx).execute("DELETE FROM watch")
    assert world.look() == frozenset()
    with world.store.reading() as tx:
        assert driver(tx).execute("SELECT count(*) FROM delivery").fetchone() == (1,)
    assert len(world.told()) == 1


def test_who_was_not_asked_for_is_asked_for_when_it_changes(world: TimedWorld) -> None:
    """A request that comes to the office of the rule after its moment is told then."""
    world.restart([asking(watch(), field_among("office", ["12"]))])
    world.set("1", office="11")
    later(world, MINUTE)
    later(world, 2 * HOUR)
    assert world.told() == []
    world.set("1", office="12")
    later(world, MINUTE)
    assert world.told() == []
    later(world, MINUTE)
    assert [one[0] for one in world.told()] == ["1"]


def test_a_source_that_is_doubted_tells_nothing(world: TimedWorld) -> None:
    """What its sweeps say may be nonsense; when that is over, what lasts is told."""
    world.set("1")
    later(world, MINUTE)
    with world.store.writing() as tx:
        hold.trip(tx, "acme", "everything", world.clock())
    later(world, 2 * HOUR)
    assert world.told() == []
    with world.store.writing() as tx:
        hold.end_decision(tx, "acme", "everything")
    world.look()
    assert len(world.told()) == 1


def test_a_rule_that_was_away_is_new(world: TimedWorld) -> None:
    """So is one that asks for something else; with another duration it is the same."""
    world.set("1")
    later(world, MINUTE)
    world.clock.now += 90 * MINUTE
    world.restart([asking(watch(span=HOUR))])
    later(world, MINUTE)
    assert len(world.told()) == 1
    world.set("2")
    later(world, MINUTE)
    world.restart([])
    world.clock.now += 3 * HOUR
    world.restart([ASKS])
    later(world, MINUTE)
    assert [one[0] for one in world.told()] == ["1"]


@pytest.mark.parametrize("kind", [Kind.STAYS, Kind.OVERDUE, Kind.BEFORE_START])
def test_nobody_is_walked_through(world: TimedWorld, kind: Kind) -> None:
    """Whoever is asked for is found by an index, with what was told of them."""
    asked = watch(kind=kind)
    world.restart([asking(asked)])
    for question in watches.questions("acme", "asks", asked, NOW, NOW + DAY, NOW + DAY):
        plan = plan_of(world.store, question)
        assert len(plan) == 2, plan
        assert "SEARCH appointment USING INDEX ix_appointment_" in plan[0]
        assert ">" in plan[0]
        assert "<" in plan[0]
        assert "SEARCH watch USING INDEX" in plan[1]


def test_an_index_is_there_while_a_rule_asks(world: TimedWorld) -> None:
    """Nobody else pays for it; it is made of what the snapshot has, and goes with the last rule that asks."""

    def indexes() -> set[str]:
        with world.store.reading() as tx:
            found = driver(tx).execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'appointment'"
            )
            return {name for (name,) in found} & {"ix_appointment_stay", "ix_appointment_end"}

    world.restart([asking(watch(kind=Kind.OVERDUE), name="late"), asking(watch(kind=Kind.STAYS), name="open")])
    assert indexes() == {"ix_appointment_stay", "ix_appointment_end"}
    world.restart([asking(watch(kind=Kind.OVERDUE), name="late"), asking(watch(kind=Kind.BEFORE_START), name="near")])
    assert indexes() == {"ix_appointment_end"}
    world.restart([])
    assert indexes() == set()


def plan_of(store: Store, question: Question) -> list[str]:
    """Returns how SQLite answers a question, without how it reads a list of words."""
    statement, values = watches.bound_query(question, FIRST, 10)
    with store.reading() as tx:
        steps = driver(tx).execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return [
        step[3]
        for step in steps
        if step[3].startswith(("SEARCH", "SCAN", "USE TEMP B-TREE FOR ORDER")) and "json_each" not in step[3]
    ]


def test_a_daemon_tells_it(tmp_path: Path) -> None:
    """Round by round: in silence, at its moment, again, to others; and not once it was answered."""
    clock = HandClock()
    rule = asking(watch(remind=4 * HOUR, escalate=Escalation(HOUR, ("boss",))), name="unanswered")
    with (
        Simulator(clock=clock) as engage,
        receiving() as desk,
        receiving() as boss,
        open_store(tmp_path / "notifier.db", synchronous="normal") as store,
    ):
        channels = {"desk": desk.url, "boss": boss.url}

        def after(span: timedelta) -> tuple[int, int]:
            clock.now += span
            assert daemon(tmp_path, engage, store, channels, rule, clock).run_once() == 0
            return len(desk.requests), len(boss.requests)

        assert after(MINUTE) == (0, 0)
        request = engage.enterprise.create(clock(), Booking(start=NOW + DAY), status="INCOMING_REQUEST")
        assert after(MINUTE) == (0, 0)
        assert after(118 * MINUTE) == (0, 0)
        assert after(2 * MINUTE) == (1, 0)
        assert after(MINUTE) == (1, 0)
        assert after(HOUR) == (1, 1)
        assert after(3 * HOUR) == (2, 1)
        engage.enterprise.accept(request, clock())
        assert after(5 * HOUR) == (2, 1)


def daemon(
    folder: Path, engage: Simulator, store: Store, channels: dict[str, str], rule: Rule, clock: HandClock
) -> Daemon:
    """Returns a daemon with one rule, by a clock set by hand."""
    configured = settings(folder, source(engage.base_url, f'token = "{engage.token}"'), channels)
    return Daemon(configured, [rule], store, clock=clock)
