"""The poll line: what a poll of a simulated enterprise leaves in the store, and what it leaves alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import stamina
from structlog.testing import capture_logs

from notifier import reading
from notifier.core.change import Kind
from notifier.core.manner import Manner
from notifier.core.rule import on_kinds, to_status
from notifier.core.sweep import Sweep, SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulator import Simulator
from notifier.poller import REFUSED_PAUSE, Poller
from notifier.store import history, hold, snapshot, sweeps
from notifier.store.database import open_store
from tests.builders import record, rule
from tests.polling import ALL, DATED, UNDATED, client_on, events_in, polling
from tests.simulated import LIST, NOW, HandClock

SOON = NOW + timedelta(days=1)


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        simulator.enterprise.fill(40, 1, NOW)
        yield simulator


@pytest.fixture(autouse=True)
def without_waits() -> Iterator[None]:
    """Failed requests are tried again at once, twice in all."""
    with stamina.set_testing(True, attempts=2):
        yield


def book(simulator: Simulator, clock: HandClock, **changes: Any) -> str:
    """Books an appointment for tomorrow."""
    values: dict[str, Any] = {"start": SOON, "end": SOON + timedelta(hours=1)} | changes
    return simulator.enterprise.create(clock(), Booking(**values))


def test_a_first_poll_is_silent(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Everything is stored, no event is recorded."""
    with polling(tmp_path, simulator, clock) as (poller, store):
        run = poller.poll(DATED)
        assert (run.outcome, run.events) == (SweepOutcome.OK, 0)
        assert run.rows == run.changed == run.baseline > 0
        assert events_in(store) == []


def test_a_poll_of_the_same_adds_nothing(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What is as we know it is counted, and neither written nor told; nor is it after a restart."""
    with polling(tmp_path, simulator, clock) as (poller, _):
        first = poller.poll(DATED)
        again = poller.poll(DATED)
    with polling(tmp_path, simulator, clock) as (poller, store):
        restarted = poller.poll(DATED)
        assert events_in(store) == []
    assert (again.rows, again.changed) == (restarted.rows, restarted.changed) == (first.rows, 0)


def test_changes_become_events_and_deliveries(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A cancellation and a move are one event each, and the rule that asks for one has one delivery to make."""
    cancelled = rule(
        on_kinds([Kind.STATUS_CHANGED]), to_status(["CANCELLED"]), name="cancelled", channels=("chat", "mail")
    )
    gone, moved = book(simulator, clock), book(simulator, clock)
    with polling(tmp_path, simulator, clock, (cancelled,)) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        simulator.enterprise.cancel(gone, clock())
        simulator.enterprise.reschedule(moved, clock(), SOON + timedelta(hours=2), SOON + timedelta(hours=3))
        run = poller.poll(DATED)
        told = {event.after.id: event.kinds for event in events_in(store)}
        with store.reading() as tx:
            owed = history.deliveries(tx, 10)
    assert told == {gone: (Kind.STATUS_CHANGED, Kind.UPDATED), moved: (Kind.RESCHEDULED,)}
    assert sorted(one.delivery.channel for one in owed) == ["chat", "mail"]
    assert run.channels == {"chat", "mail"}
    assert run.watermark == NOW + timedelta(minutes=1)


def test_what_appears_after_a_look_is_news(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A new appointment is created; an old one that turns up changed is discovered, with an unknown state before."""
    later = NOW + timedelta(days=200)
    far = book(simulator, clock, start=later, end=later + timedelta(hours=1))
    clock.advance(hours=1)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        clock.advance(hours=1)
        new = book(simulator, clock)
        simulator.enterprise.reschedule(far, clock(), SOON, SOON + timedelta(hours=1))
        poller.poll(DATED)
        events = {event.after.id: event for event in events_in(store)}
    assert events[new].kinds == (Kind.CREATED,)
    assert events[far].kinds == (Kind.STATUS_CHANGED, Kind.DISCOVERED)
    assert events[far].before is None


def test_a_wider_scope_is_silent(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A sweep that is added, and a span that is widened, are baseline where nobody had looked before."""
    narrow = replace(DATED, end=timedelta(days=7))
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(narrow)
        clock.advance(hours=1)
        wide = poller.poll(DATED)
        other = poller.poll(UNDATED)
        assert wide.baseline > 0
        assert (wide.events, other.events) == (0, 0)
        assert events_in(store) == []


def test_undated_invitations_have_a_sweep_of_their_own(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """An invitation is seen by the sweep that asks for no dates, and its later date is a change of the same one."""
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        poller.poll(UNDATED)
        clock.advance(minutes=1)
        name = simulator.enterprise.invite(clock(), Booking())
        assert poller.poll(DATED).events == 0
        assert poller.poll(UNDATED).events == 1
        clock.advance(minutes=1)
        simulator.enterprise.accept(name, clock(), start=SOON, end=SOON + timedelta(hours=1))
        poller.poll(DATED)
        first, second = events_in(store)
    assert (first.kinds, first.after.start) == ((Kind.CREATED,), None)
    assert second.kinds == (Kind.STATUS_CHANGED, Kind.RESCHEDULED)
    assert (second.before, second.after.start) == (first.after, SOON)


def test_two_sweeps_that_overlap_tell_once(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A change that both of two sweeps bring is one event."""
    name = book(simulator, clock)
    near = Sweep(name="near", every=timedelta(minutes=1), begin=timedelta(0), end=timedelta(days=7), filters={})
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        poller.poll(near)
        clock.advance(minutes=1)
        simulator.enterprise.cancel(name, clock())
        poller.poll(near)
        poller.poll(DATED)
        assert [event.sweep for event in events_in(store)] == ["near"]


def test_a_page_from_before_another_sweeps_commit_changes_nothing(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """A slow page with an old state does not undo the newer one that another sweep stored meanwhile."""
    name = book(simulator, clock)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        stale = simulator.enterprise.get(name)
        simulator.enterprise.edit(name, clock(), {"internalNotes": "so that its record differs"})
        clock.advance(minutes=1)

        def slow(_: SeenRequest) -> Reply | None:
            """While the page with the old state is under way, another sweep sees and stores the cancellation."""
            simulator.script = None
            body = orjson.dumps({"data": [stale], "meta": {"offset": 0, "limit": 100, "totalCount": 1}})
            clock.advance(seconds=1)
            simulator.enterprise.cancel(name, clock())
            poller.poll(replace(DATED, name="fast"))
            return Reply(200, body)

        simulator.script = slow
        poller.poll(DATED)
        with store.reading() as tx:
            known = snapshot.known(tx, "acme", [name])[name]
        assert known.appointment.status == "CANCELLED"
        assert [event.after.status for event in events_in(store)] == ["CANCELLED"]


def test_rows_that_slip_between_pages_are_read_again(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """When fewer distinct appointments came than the list says it has, the list is read again."""
    rows = [record(id=str(number)) for number in range(30)]
    passes: list[list[int]] = [[*range(10), *range(9, 19), *range(19, 29)], list(range(30))]
    served: list[int] = []

    def slipping(request: SeenRequest) -> Reply:
        offset = int(dict(request.parameters)["offset"])
        served.append(offset)
        order = passes[0] if len(served) <= 4 else passes[1]
        page = [rows[number] for number in order[offset : offset + 10]]
        meta = {"offset": offset, "limit": 10, "totalCount": 30}
        return Reply(200, orjson.dumps({"data": page, "meta": meta}))

    simulator.script = slipping
    with polling(tmp_path, simulator, clock, page_size=10, concurrency=1) as (poller, _):
        run = poller.poll(ALL)
    assert (run.outcome, run.rows, run.pages) == (SweepOutcome.OK, 30, 8)


def test_a_list_that_never_adds_up_is_incomplete(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """After a few passes the poll ends and says how much came; what came is stored."""
    meta = {"offset": 0, "limit": 100, "totalCount": 2}
    simulator.script = lambda _: Reply(200, orjson.dumps({"data": [record(id="1")], "meta": meta}))
    with polling(tmp_path, simulator, clock) as (poller, store):
        run = poller.poll(DATED)
        with store.reading() as tx:
            assert snapshot.count(tx, "acme") == 1
            (recorded,) = sweeps.every(tx)
    assert run.outcome is SweepOutcome.INCOMPLETE
    assert run.error == "1 of 2 appointments came in 3 passes"
    assert recorded.failures == 1


def test_a_bad_record_is_rejected_and_the_rest_goes_on(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Records without id or `updatedAt`, or that are no objects, are counted, told once, and nothing else is lost."""
    bad: list[object] = [record(id=None), record(id="9", updatedAt=None), "nonsense", None]
    page = [*bad, record(id="1")]
    meta = {"offset": 0, "limit": 100, "totalCount": len(page)}
    simulator.script = lambda _: Reply(200, orjson.dumps({"data": page, "meta": meta}))
    with polling(tmp_path, simulator, clock) as (poller, store), capture_logs() as logs:
        runs = [poller.poll(DATED) for _ in range(2)]
        with store.reading() as tx:
            assert snapshot.count(tx, "acme") == 1
    assert [(run.outcome, run.rejected) for run in runs] == [(SweepOutcome.OK, 4)] * 2
    assert [entry["event"] for entry in logs].count("record_rejected") == 4


def test_what_the_vendor_adds_passes_and_is_told_once(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A status, a meeting type and a field that nobody knows are taken as they are, with one warning each."""
    raw = record(id="x", start="2026-11-25T09:00:00.000Z", end="2026-11-25T10:00:00.000Z")
    strange = raw | {"status": "ON_HOLD", "meetingType": "HOLOGRAM", "mood": "fine"}
    with polling(tmp_path, simulator, clock) as (poller, store), capture_logs() as logs:
        for state in (raw, strange, strange | {"mood": "better"}):
            simulator.enterprise.put(state)
            poller.poll(DATED)
            clock.advance(minutes=1)
        (event,) = events_in(store)
    assert (event.after.status, event.after.meeting_type) == ("ON_HOLD", "HOLOGRAM")
    warned = sorted(entry["value"] for entry in logs if entry["event"] == "unfamiliar_value")
    assert warned == ["field mood", "meeting type HOLOGRAM", "status ON_HOLD"]


def test_a_source_that_fails_is_told_of_at_the_edges(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """An outage of many polls is one line when it begins and one when it ends, and loses no change."""
    name = book(simulator, clock)
    with polling(tmp_path, simulator, clock) as (poller, store), capture_logs() as logs:
        poller.poll(DATED)
        simulator.script = lambda _: Reply(503)
        outcomes = {poller.poll(DATED).outcome for _ in range(3)}
        simulator.script = None
        clock.advance(days=1)
        simulator.enterprise.cancel(name, clock())
        poller.poll(DATED)
        assert [event.after.id for event in events_in(store)] == [name]
    assert outcomes == {SweepOutcome.UNAVAILABLE}
    edges = [entry["event"] for entry in logs if entry["event"] in {"poll_failed", "poll_recovered"}]
    assert edges == ["poll_failed", "poll_recovered"]


def test_a_source_that_refuses_is_left_alone_for_a_while(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """After a 403 no sweep of the source asks again until the pause is over, and then it works as before."""
    with polling(tmp_path, simulator, clock) as (poller, _):
        simulator.scopes = ()
        refused = poller.poll(DATED)
        asked = len(simulator.requests)
        others = [poller.poll(UNDATED), poller.poll(DATED)]
        assert len(simulator.requests) == asked == 1
        simulator.scopes = ("engage:appointments:readOnly",)
        clock.advance(seconds=REFUSED_PAUSE.total_seconds())
        assert poller.poll(DATED).outcome is SweepOutcome.OK
    assert {run.outcome for run in (refused, *others)} == {SweepOutcome.REFUSED}
    assert all("engage:appointments:readOnly" in run.error for run in (refused, *others))


def test_a_clock_that_was_set_back_makes_no_pause_longer(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """A source that refused us is asked again, though by the clock its pause has hours to go."""
    with polling(tmp_path, simulator, clock) as (poller, _):
        simulator.fail_next(401, times=1)
        assert poller.poll(DATED).outcome is SweepOutcome.REFUSED
        clock.advance(hours=-10)
        assert poller.poll(DATED).outcome is SweepOutcome.OK


def test_news_of_a_list_that_is_behind_is_news(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """`overlap` says how far behind it may be: what was made before the last look, and listed after it, is told."""
    manner = Manner(overlap=timedelta(minutes=15))
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store, client_on(simulator, clock) as client:
        poller = Poller("acme", client, store, (), clock, manner)
        poller.poll(DATED)
        made = clock()
        clock.advance(minutes=9)
        poller.poll(DATED)
        simulator.enterprise.create(made, Booking(start=NOW + timedelta(days=1)))
        clock.advance(minutes=1)
        assert poller.poll(DATED).events == 1


def test_a_large_reading_is_committed_in_slices(
    tmp_path: Path, simulator: Simulator, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed before a source failed in the middle stays, and the next poll goes on from there."""
    monkeypatch.setattr(reading, "SLICE_ROWS", 10)
    with polling(tmp_path, simulator, clock, page_size=10, concurrency=1) as (poller, store):
        simulator.script = lambda _: Reply(503) if len(simulator.requests) > 5 else None
        assert poller.poll(DATED).outcome is SweepOutcome.UNAVAILABLE
        with store.reading() as tx:
            stored = snapshot.count(tx, "acme")
        assert 0 < stored < 40
        simulator.script = None
        run = poller.poll(DATED)
        assert (run.outcome, run.events) == (SweepOutcome.OK, 0)
        with store.reading() as tx:
            assert run.changed == snapshot.count(tx, "acme") - stored


def test_what_moved_out_of_the_span_is_rescheduled(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A missing appointment is asked for by its id, and found to have moved: never a disappearance."""
    name = book(simulator, clock)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        far = NOW + timedelta(days=300)
        simulator.enterprise.reschedule(name, clock(), far, far + timedelta(hours=1))
        run = poller.poll(DATED)
        (event,) = events_in(store)
        assert (event.kinds, event.after.start) == ((Kind.RESCHEDULED,), far)
        assert poller.poll(DATED).pages == run.pages - 1


def test_an_invitation_that_is_cancelled_is_told(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What leaves a sweep because its status changed is asked for as well."""
    with polling(tmp_path, simulator, clock) as (poller, store):
        name = simulator.enterprise.invite(clock(), Booking())
        poller.poll(UNDATED)
        clock.advance(minutes=1)
        simulator.enterprise.cancel(name, clock())
        poller.poll(UNDATED)
        (event,) = events_in(store)
    assert (event.after.id, event.after.status) == (name, "CANCELLED")


def test_what_is_gone_has_vanished_once(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What no enquiry finds is told with its last known state, and not asked for again; told too when it is back."""
    name = book(simulator, clock)
    raw = simulator.enterprise.get(name)
    assert raw is not None
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        simulator.enterprise.remove(name)
        clock.advance(minutes=1)
        poller.poll(DATED)
        again = poller.poll(DATED)
        assert (again.pages, again.events) == (1, 0)
        simulator.enterprise.put(raw)
        clock.advance(minutes=1)
        poller.poll(DATED)
        assert poller.poll(DATED).events == 0
        gone, back = events_in(store)
    assert (gone.kinds, gone.after.id, gone.after.status) == ((Kind.VANISHED,), name, "ACCEPTED")
    assert (back.kinds, back.before) == ((Kind.DISCOVERED,), gone.after)


def test_a_preview_tells_of_absences_too(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What would vanish is shown with the id that its event will have."""
    name = book(simulator, clock)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        simulator.enterprise.remove(name)
        clock.advance(minutes=1)
        foreseen = [entry.event.id for plan in poller.preview(DATED, pytest.fail) for entry in plan.recorded]
        poller.poll(DATED)
        assert [event.id for event in events_in(store)] == foreseen


def test_an_incomplete_reading_proves_no_absence(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """While rows slip, what did not come is not even asked for."""
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        simulator.forget_requests()
        meta = {"offset": 0, "limit": 100, "totalCount": 2}
        simulator.script = lambda _: Reply(200, orjson.dumps({"data": [], "meta": meta}))
        assert poller.poll(DATED).outcome is SweepOutcome.INCOMPLETE
        assert not any(name == "id[]" for request in simulator.requests for name, _ in request.parameters)
        assert events_in(store) == []


@pytest.mark.parametrize("answer", ["empty", "half", "renamed"])
def test_a_reading_that_misses_much_is_doubted(
    tmp_path: Path, simulator: Simulator, clock: HandClock, answer: str
) -> None:
    """An empty list, half of it, or other ids than before: nobody is told that appointments vanished."""
    simulator.enterprise.fill(100, 2, NOW)
    clock.advance(hours=1)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        rows = [raw for row in simulator.enterprise.rows() if (raw := simulator.enterprise.get(row.id))]
        for row in rows if answer != "half" else rows[::2]:
            simulator.enterprise.remove(row["id"])
            if answer == "renamed":
                simulator.enterprise.put(row | {"id": f"apt_{row['id']}"})
        clock.advance(hours=1)
        run = poller.poll(DATED)
        assert run.outcome is SweepOutcome.DOUBTFUL
        assert {"empty": "empty list", "half": "lost data", "renamed": "changed its ids"}[answer] in run.error
        assert events_in(store) == []
        with store.writing() as tx:
            hold.release(tx, "acme", DATED.name, clock())
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        assert {event.kinds for event in events_in(store)} == {(Kind.VANISHED,)}


def test_the_page_size_that_a_source_takes_is_remembered(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """After a restart the source is not asked again for pages that it refused."""
    with polling(tmp_path, simulator, clock, page_size=2000) as (poller, _):
        assert poller.poll(DATED).outcome is SweepOutcome.OK
    with polling(tmp_path, simulator, clock, page_size=2000) as (poller, _):
        assert poller.poll(DATED).outcome is SweepOutcome.OK
    # Once to find out, and once more to see whether it was something that passes.
    assert simulator.counts[LIST, 400] == 2


def test_a_preview_commits_nothing_and_names_the_same_events(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """What a preview shows is what the next poll records, ids included."""
    name = book(simulator, clock)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        simulator.enterprise.cancel(name, clock())
        foreseen = [entry.event.id for plan in poller.preview(DATED, pytest.fail) for entry in plan.recorded]
        assert events_in(store) == []
        poller.poll(DATED)
        assert [event.id for event in events_in(store)] == foreseen
        assert simulator.counts[LIST, 200] == 3


def test_more_is_asked_for_than_the_span(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """The API does not say what its dates mean, so a margin is asked for on both sides."""
    with polling(tmp_path, simulator, clock) as (poller, _):
        poller.poll(DATED)
    asked = dict(simulator.requests[0].parameters)
    assert asked["from"] == "2026-11-09T21:00:00.000Z"
    assert asked["to"] == "2027-02-22T21:00:00.000Z"
