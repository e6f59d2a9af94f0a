"""A source in a storm: its lists slip all the time, and what that costs it is bounded."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import stamina

from notifier import reading
from notifier.core.course import PATIENCE, SPARE
from notifier.core.slices import pages_of
from notifier.core.sweep import Sweep, SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.query import Span
from notifier.engage.simulated.slip import Slip, SlipKind
from notifier.engage.simulator import Simulator
from notifier.store import snapshot
from notifier.store.database import Store
from tests.polling import ALL, DATED, polling
from tests.simulated import NOW, HandClock

ROWS = 400
PAGE = 10
PLAIN = pages_of(ROWS, PAGE)


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        simulator.enterprise.fill(ROWS, 1, NOW)
        yield simulator


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A slice holds sixty appointments; failed requests are tried again at once."""
    monkeypatch.setattr(reading, "SLICE_ROWS", 60)
    with stamina.set_testing(True, attempts=2):
        yield


def limits(store: Store) -> list[int]:
    """Returns how many each slice may hold."""
    with store.reading() as tx:
        return [one.limit for one in snapshot.slices(tx, "acme", DATED.scope)]


@pytest.mark.parametrize("order", ["start", "updated", "unstable"])
@pytest.mark.parametrize("sweep", [DATED, ALL])
def test_a_storm_takes_a_small_multiple_of_a_plain_reading(
    tmp_path: Path, simulator: Simulator, clock: HandClock, order: Order, sweep: Sweep
) -> None:
    """However much slips; a sweep that can be cut is whole nevertheless, once it is known how to cut it."""
    simulator.order, simulator.slip = order, Slip(0.5, 7, (SlipKind.REORDER,))
    with polling(tmp_path, simulator, clock, page_size=PAGE) as (poller, _):
        runs = []
        for _ in range(4):
            runs.append(poller.poll(sweep))
            clock.advance(minutes=1)
    assert max(run.pages for run in runs) <= PATIENCE * PLAIN + SPARE
    if sweep is DATED:
        assert [run.outcome for run in runs[1:]] == [SweepOutcome.OK] * 3
        assert max(run.pages for run in runs[1:]) < 1.6 * PLAIN


def test_slices_grow_back_when_the_storm_is_over(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """While all slips they fit on a page; later on they are as large as before, and take as few requests."""
    with polling(tmp_path, simulator, clock, page_size=PAGE) as (poller, store):
        for _ in range(3):
            calm = poller.poll(DATED)
        simulator.slip = Slip(0.5, 7, (SlipKind.REORDER,))
        for _ in range(2):
            storm = poller.poll(DATED)
        assert min(limits(store)) < 2 * PAGE
        simulator.slip = Slip()
        for _ in range(20):
            later = poller.poll(DATED)
        assert set(limits(store)) == {60}
    assert storm.slices > 2 * calm.slices
    assert later.slices < storm.slices
    assert later.pages <= calm.pages


def test_what_overlaps_every_cut_is_not_cut_in_vain(tmp_path: Path, clock: HandClock) -> None:
    """Of a hundred appointments that are long and begin one after the other, every part would list nearly all."""
    with Simulator(clock=clock) as simulator:
        for number in range(100):
            start = NOW + timedelta(days=1, minutes=number)
            simulator.enterprise.create(NOW, Booking(start=start, end=start + timedelta(hours=9)))
        simulator.order = "unstable"
        with polling(tmp_path, simulator, clock, page_size=PAGE) as (poller, _):
            runs = [poller.poll(DATED) for _ in range(3)]
    assert max(run.pages for run in runs) <= PATIENCE * pages_of(100, PAGE) + SPARE + reading.PROBES
    assert runs[-1].slices == 1


@pytest.mark.parametrize("status", [(), ("ACCEPTED", "CANCELLED", "INCOMING_REQUEST", "COMPLETED", "NO_SHOW")])
def test_a_new_scope_is_cut_by_what_others_have_seen(
    tmp_path: Path, simulator: Simulator, clock: HandClock, status: tuple[str, ...]
) -> None:
    """What a new sweep will hold is known before it asks; no page is read only to see that it holds too much."""
    other = Sweep(
        name="other",
        every=DATED.every,
        begin=timedelta(days=-13),
        end=DATED.end,
        filters={"status": status} if status else {},
    )
    with polling(tmp_path, simulator, clock, page_size=PAGE) as (poller, store):
        poller.poll(DATED)
        run = poller.poll(other)
        with store.reading() as tx:
            slices = snapshot.slices(tx, "acme", other.scope)
    assert run.pages == sum(pages_of(one.rows, PAGE) for one in slices)
    assert max(one.rows for one in slices) <= 60


@pytest.mark.parametrize("span", ["overlap", "start", "end", "contained"])
def test_what_the_dates_mean_is_not_taken_from_one_that_is_gone(tmp_path: Path, clock: HandClock, span: Span) -> None:
    """An appointment that is moved while it is asked for says nothing; a source that shows none is soon left alone."""
    with Simulator(clock=clock, span=span) as simulator:
        simulator.enterprise.fill(ROWS, 1, NOW)
        probes = []

        def hiding(request: SeenRequest) -> Reply | None:
            if not any(name == "id[]" for name, _ in request.parameters):
                return None
            probes.append(request)
            return (
                Reply(200, b'{"data":[],"meta":{"offset":0,"limit":10,"totalCount":0}}') if len(probes) <= 3 else None
            )

        simulator.script = hiding
        with polling(tmp_path, simulator, clock, page_size=PAGE) as (poller, store):
            assert poller.poll(DATED).outcome is SweepOutcome.OK
            with store.reading() as tx:
                assert snapshot.contained(tx, "acme") is (span == "contained")
    assert 4 <= len(probes) <= 6
