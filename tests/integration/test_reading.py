"""How a sweep is read: in slices, in whatever order the source lists, and only what may have changed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import stamina

import notifier.engage.client
from notifier import reading
from notifier.core.change import Kind
from notifier.core.manner import Manner
from notifier.core.sweep import Progress, Sweep, SweepOutcome
from notifier.engage.answer import Page, page_of
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.query import Edges, Span
from notifier.engage.simulator import Simulator
from notifier.poller import Poller
from notifier.store import snapshot
from notifier.store.database import Store, open_store
from tests.polling import DATED, client_on, events_in, polling
from tests.simulated import NOW, HandClock

ROWS = 400
NEAR = Sweep(name="near", every=timedelta(minutes=1), begin=timedelta(days=-1), end=timedelta(days=7), filters={})
FAST = Sweep(name="fast", every=NEAR.every, begin=NEAR.begin, end=NEAR.end, filters={"status": ("CANCELLED",)})


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        simulator.enterprise.fill(ROWS, 1, NOW)
        yield simulator


@pytest.fixture(autouse=True)
def without_waits() -> Iterator[None]:
    """Failed requests are tried again at once, twice in all."""
    with stamina.set_testing(True, attempts=2):
        yield


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice holds sixty appointments, which is three pages of the tests here."""
    monkeypatch.setattr(reading, "SLICE_ROWS", 60)


@pytest.fixture
def read_pages(monkeypatch: pytest.MonkeyPatch) -> list[Page]:
    """Gives the pages that were read and not recalled."""
    found: list[Page] = []

    def noted(body: bytes) -> Page:
        found.append(page_of(body))
        return found[-1]

    monkeypatch.setattr(notifier.engage.client, "page_of", noted)
    return found


def book(simulator: Simulator, clock: HandClock, days: float = 1) -> str:
    """Books an appointment so many days from now."""
    start = NOW + timedelta(days=days)
    return simulator.enterprise.create(clock(), Booking(start=start, end=start + timedelta(hours=1)))


def move(simulator: Simulator, clock: HandClock, name: str, days: float) -> None:
    """Moves an appointment to so many days from now."""
    start = NOW + timedelta(days=days)
    simulator.enterprise.reschedule(name, clock(), start, start + timedelta(hours=1))


def snapshot_of(store: Store) -> dict[str, str]:
    """Returns the status of each appointment in the snapshot that did not vanish."""
    with store.reading() as tx:
        ids = snapshot.digests_within(tx, "acme", reading.ANYWHERE)
        return {name: known.appointment.status for name, known in snapshot.known(tx, "acme", ids).items()}


def test_a_large_sweep_is_read_in_slices_that_are_remembered(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """The first run finds out how to cut it; the next ones, after a restart too, ask no more than they need."""
    with polling(tmp_path, simulator, clock, page_size=20) as (poller, _):
        first = poller.poll(DATED)
    clock.advance(minutes=1)
    with polling(tmp_path, simulator, clock, page_size=20) as (poller, store):
        second = poller.poll(DATED)
        with store.reading() as tx:
            slices = snapshot.slices(tx, "acme", DATED.scope)
    assert first.outcome is second.outcome is SweepOutcome.OK
    assert second.rows == pytest.approx(first.rows, abs=5)
    assert second.pages < first.pages
    assert len(slices) == second.slices > 5
    assert all(one.rows <= 60 * reading.TOLERANCE for one in slices)
    # Each page repeats a record of the one before, so that twenty rows are nineteen.
    assert second.pages <= sum(one.rows // 19 + 1 for one in slices)


def test_slices_are_cut_again_when_they_grow(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What is in memory at once stays bounded, however many are booked for one day."""
    with polling(tmp_path, simulator, clock, page_size=20) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        for number in range(150):
            book(simulator, clock, 3 + number / 300)
        assert poller.poll(DATED).events == 150
        with store.reading() as tx:
            assert max(one.rows for one in snapshot.slices(tx, "acme", DATED.scope)) <= 60 * reading.TOLERANCE


@pytest.mark.parametrize("order", ["insertion", "start", "updated", "id", "unstable"])
@pytest.mark.parametrize("page_size", [7, 20])
def test_every_order_gives_the_same_events(
    tmp_path: Path, simulator: Simulator, clock: HandClock, order: Order, page_size: int
) -> None:
    """Whichever way the source sorts, and whatever changes while we page, each change is told once."""
    simulator.order = order
    lives = iter(_life(simulator, clock))
    with polling(tmp_path, simulator, clock, page_size=page_size, concurrency=1) as (poller, store):
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        clock.advance(minutes=1)

        def stir(_: SeenRequest) -> Reply | None:
            next(lives, None)
            return None

        simulator.script = stir
        outcomes = [poller.poll(DATED).outcome]
        clock.advance(minutes=1)
        simulator.script = None
        for _ in lives:
            pass  # what did not happen meanwhile happens now
        outcomes.append(poller.poll(DATED).outcome)
        assert outcomes[-1] is SweepOutcome.OK
        told = sorted((event.after.id, event.kinds[0]) for event in events_in(store))
        assert told == sorted(_expected(simulator))
        truth = {row.id: row.status for row in simulator.enterprise.rows()}
        assert {name: truth.get(name) for name in snapshot_of(store)} == snapshot_of(store)


CANCELLED, MOVED, BOOKED = 12, 12, 6


def _life(simulator: Simulator, clock: HandClock) -> Iterator[bool]:
    """Changes one appointment after the other."""
    rows = [row.id for row in simulator.enterprise.rows() if row.status == "ACCEPTED"]
    for name in rows[: 2 * CANCELLED : 2]:
        simulator.enterprise.cancel(name, clock())
        yield True
    for number, name in enumerate(rows[-2 * MOVED :: 2]):
        move(simulator, clock, name, 1 + number)
        yield True
    for number in range(BOOKED):
        book(simulator, clock, 2 + number)
        yield True


def _expected(simulator: Simulator) -> list[tuple[str, Kind]]:
    """Returns what the life amounts to, from the enterprise's own records."""
    found: list[tuple[str, Kind]] = []
    for row in simulator.enterprise.rows():
        raw = simulator.enterprise.get(row.id) or {}
        if raw["updatedAt"] < "2026-11-24T09:01":
            continue
        fresh = raw["createdAt"] >= "2026-11-24T09:01"
        kind = Kind.CREATED if fresh else Kind.STATUS_CHANGED if row.status == "CANCELLED" else Kind.RESCHEDULED
        found.append((row.id, kind))
    assert len(found) == CANCELLED + MOVED + BOOKED
    return found


@pytest.mark.parametrize("span", ["overlap", "start", "end", "contained"])
@pytest.mark.parametrize("edges", ["usual", "inclusive", "exclusive"])
def test_whatever_the_dates_mean_nothing_is_missed_or_taken_for_missing(
    tmp_path: Path, clock: HandClock, span: Span, edges: Edges
) -> None:
    """The documentation says neither whether dates are of starts or ends, nor whether they are included."""
    with Simulator(clock=clock, span=span, edges=edges) as simulator:
        simulator.enterprise.fill(ROWS, 1, NOW)
        with polling(tmp_path, simulator, clock, page_size=20) as (poller, store):
            poller.poll(DATED)
            clock.advance(minutes=1)
            simulator.forget_requests()
            assert poller.poll(DATED).outcome is SweepOutcome.OK
            assert not any(name == "id[]" for request in simulator.requests for name, _ in request.parameters)
            within = [row.id for row in simulator.enterprise.rows() if _starts_in(simulator, row.id, DATED)]
            assert set(within) <= snapshot_of(store).keys()
            assert events_in(store) == []


def _starts_in(simulator: Simulator, name: str, sweep: Sweep) -> bool:
    start = (simulator.enterprise.get(name) or {})["start"]
    span = sweep.span(NOW)
    assert span.start is not None
    assert span.end is not None
    return start is not None and span.start.isoformat() < start < span.end.isoformat()


def test_a_row_that_crosses_a_boundary_is_seen_once(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Moved between two slices while the sweep goes on, forwards and backwards: one event each, none vanished."""
    ahead, back = book(simulator, clock, -10), book(simulator, clock, 80)
    with polling(tmp_path, simulator, clock, page_size=20, concurrency=1) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        asked = iter(range(10**6))

        def moving(_: SeenRequest) -> Reply | None:
            if next(asked) == 12:
                move(simulator, clock, ahead, 79)
                move(simulator, clock, back, -11)
            return None

        simulator.script = moving
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        told = [(event.after.id, event.kinds) for event in events_in(store)]
        assert sorted(told) == sorted([(ahead, (Kind.RESCHEDULED,)), (back, (Kind.RESCHEDULED,))])
        clock.advance(minutes=1)
        assert poller.poll(DATED).events == 0


def test_a_source_that_does_not_heed_dates_is_read_as_one(
    tmp_path: Path, simulator: Simulator, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where cutting is of no use, it is given up after a few requests, and not tried again by the next run."""
    rows = [simulator.enterprise.get(row.id) for row in simulator.enterprise.rows()]
    monkeypatch.setattr(reading, "SLICE_ROWS", 100)

    def heedless(request: SeenRequest) -> Reply:
        asked = dict(request.parameters)
        offset, limit = int(asked["offset"]), int(asked["limit"])
        return _page(rows[offset : offset + limit], offset, limit, len(rows))

    simulator.script = heedless
    with polling(tmp_path, simulator, clock, page_size=50) as (poller, _):
        first, second = poller.poll(DATED), poller.poll(DATED)
    assert (first.outcome, second.outcome) == (SweepOutcome.OK, SweepOutcome.OK)
    assert (first.rows, second.rows, second.slices) == (ROWS, ROWS, 1)
    assert first.pages < 60
    assert second.pages == 9


def _page(rows: list[Any], offset: int, limit: int, total: int) -> Reply:
    return Reply(200, orjson.dumps({"data": rows, "meta": {"offset": offset, "limit": limit, "totalCount": total}}))


def test_what_is_byte_for_byte_the_same_is_not_read_again(
    tmp_path: Path, simulator: Simulator, clock: HandClock, read_pages: list[Page]
) -> None:
    """A page that came before costs a hash; one of its rows changed, and that page alone is read."""
    name = book(simulator, clock, 2)
    with polling(tmp_path, simulator, clock, page_size=20) as (poller, _):
        poller.poll(DATED)
        poller.poll(DATED)
        read_pages.clear()
        same = poller.poll(DATED)
        assert (same.outcome, same.changed, read_pages) == (SweepOutcome.OK, 0, [])
        simulator.enterprise.cancel(name, clock())
        changed = poller.poll(DATED)
        assert (changed.rows, changed.events, len(read_pages)) == (same.rows, 1, 1)


def test_the_same_bytes_are_a_change_if_something_else_was_stored_meanwhile(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """One sweep sees a cancellation, the source takes it back to the letter: the other sweep tells the return."""
    name = book(simulator, clock, 2)
    before = simulator.enterprise.get(name)
    assert before is not None
    with polling(tmp_path, simulator, clock, page_size=20) as (poller, store):
        for _ in range(2):
            poller.poll(NEAR)
        simulator.enterprise.cancel(name, clock())
        poller.poll(FAST)
        simulator.enterprise.put(before)
        poller.poll(NEAR)
        assert [event.after.status for event in events_in(store)] == ["CANCELLED", "ACCEPTED"]


def test_a_fast_sweep_takes_the_state_before_from_the_snapshot(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """A sweep that asks for cancelled ones alone knows what they were, and that one is not cancelled any more."""
    name = book(simulator, clock, 2)
    with polling(tmp_path, simulator, clock, page_size=20) as (poller, store):
        poller.poll(NEAR)
        poller.poll(FAST)
        clock.advance(minutes=1)
        simulator.enterprise.cancel(name, clock())
        assert poller.poll(FAST).events == 1
        clock.advance(minutes=1)
        simulator.enterprise.accept(name, clock())
        assert poller.poll(FAST).events == 1
        told = [(event.before and event.before.status, event.after.status) for event in events_in(store)]
        assert told == [("ACCEPTED", "CANCELLED"), ("CANCELLED", "ACCEPTED")]


def test_progress_is_told_page_by_page(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Rows grow, and in the end as many came as were expected."""
    told: list[Progress] = []
    with open_store(tmp_path / "notifier.db") as store, client_on(simulator, clock, page_size=20) as client:
        run = Poller("acme", client, store, (), clock, watch=told.append).poll(DATED)
    assert {(one.source, one.sweep) for one in told} == {("acme", "dated")}
    assert told[-1].rows == told[-1].expected == run.rows
    assert [one.rows for one in told] == sorted(one.rows for one in told)


@pytest.fixture
def gateway(clock: HandClock) -> Iterator[Simulator]:
    """A source with a gateway that can filter by `updatedAt`."""
    with Simulator(clock=clock, updated_since="updated-from") as simulator:
        simulator.enterprise.fill(ROWS, 1, NOW)
        yield simulator


def windowed(tmp_path: Path, simulator: Simulator, clock: HandClock, work: Callable[[Poller, Store], None]) -> None:
    """Works with a poller that asks for news alone, and for everything once in an hour."""
    manner = Manner(complete_every=timedelta(hours=1), overlap=timedelta(minutes=5))
    with (
        open_store(tmp_path / "notifier.db", synchronous="normal") as store,
        client_on(simulator, clock, page_size=20, updated_since="updated-from") as client,
    ):
        work(Poller("acme", client, store, (), clock, manner), store)


def test_a_gateway_is_asked_for_the_window_alone(tmp_path: Path, gateway: Simulator, clock: HandClock) -> None:
    """After a complete reading one request tells what is new; its window reaches back by the overlap."""
    name = book(gateway, clock, 2)

    def work(poller: Poller, store: Store) -> None:
        whole = poller.poll(NEAR)
        clock.advance(minutes=10)
        gateway.enterprise.cancel(name, clock())
        clock.advance(minutes=1)
        news = poller.poll(NEAR)
        assert (whole.whole, news.whole) == (True, False)
        assert (news.pages, news.events, news.outcome) == (1, 1, SweepOutcome.OK)
        assert whole.watermark is not None
        assert news.window is not None
        assert news.window.start == whole.watermark - timedelta(minutes=5)
        assert news.window.end == clock()
        assert news.late == 0
        assert events_in(store)[0].after.status == "CANCELLED"

    windowed(tmp_path, gateway, clock, work)


def test_the_complete_reading_keeps_a_gateway_honest(tmp_path: Path, gateway: Simulator, clock: HandClock) -> None:
    """What a gateway keeps to itself, and what disappears, is found within the hour; as late where it lies before."""
    silent, gone = book(gateway, clock, 2), book(gateway, clock, 3)

    def work(poller: Poller, store: Store) -> None:
        poller.poll(NEAR)
        clock.advance(minutes=10)
        book(gateway, clock, 5)
        assert poller.poll(NEAR).events == 1
        clock.advance(minutes=20)
        raw = gateway.enterprise.get(silent)
        assert raw is not None
        gateway.enterprise.put(raw | {"status": "CANCELLED"})
        gateway.enterprise.remove(gone)
        book(gateway, clock, 4)
        assert [poller.poll(NEAR).events for _ in range(2)] == [1, 0]
        clock.advance(minutes=31)
        run = poller.poll(NEAR)
        assert (run.whole, run.events, run.late) == (True, 2, 2)
        kinds = [event.kinds[0] for event in events_in(store)]
        assert kinds == [Kind.CREATED, Kind.CREATED, Kind.STATUS_CHANGED, Kind.VANISHED]

    windowed(tmp_path, gateway, clock, work)


def test_a_time_from_the_future_narrows_no_window(tmp_path: Path, gateway: Simulator, clock: HandClock) -> None:
    """A record that says it was updated next year does not hide what is updated until then."""
    wrong, right = book(gateway, clock, 2), book(gateway, clock, 3)

    def work(poller: Poller, store: Store) -> None:
        poller.poll(NEAR)
        clock.advance(minutes=1)
        raw = gateway.enterprise.get(wrong)
        assert raw is not None
        gateway.enterprise.put(raw | {"status": "NO_SHOW", "updatedAt": "2027-11-24T09:00:00.000Z"})
        poller.poll(NEAR)
        clock.advance(minutes=1)
        gateway.enterprise.cancel(right, clock())
        assert poller.poll(NEAR).events == 1
        assert [event.after.status for event in events_in(store)] == ["NO_SHOW", "CANCELLED"]

    windowed(tmp_path, gateway, clock, work)
