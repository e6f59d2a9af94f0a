"""The snapshot: what is committed comes back as it was, once, and only where it belongs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec import structs
from sqlmodel import select

from notifier.core.change import FieldChange, Kind
from notifier.core.plan import Observation, Plan, Recorded, make_plan
from notifier.core.rule import Rule, Verdict, to_status
from notifier.core.slices import Slice
from notifier.core.sweep import Look, Span, SweepOutcome, SweepRun
from notifier.store import history, outbox, snapshot, sweeps
from notifier.store.database import Store, open_store
from notifier.store.snapshot import Applied
from notifier.store.tables import AppointmentRow
from tests.store_values import MINUTE, NOW, appointment, cancelled, known, owed, plan


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


def commit(store: Store, what: Plan) -> Applied:
    with store.writing() as tx:
        return snapshot.apply(tx, what, NOW)


FULL = appointment(
    "a-full",
    '\N{PILE OF POO} d\'accord "quoted" \\ \n',
    end=NOW + timedelta(days=1, minutes=30, microseconds=1),
    created_at=NOW - timedelta(days=3),
    meeting_type="VIDEO",
    office="12",
    subject="5",
    employee="7",
    customer="9",
    other_employees=("8", "10"),
    other_customers=("11",),
    external_id="\N{LATIN SMALL LETTER E WITH ACUTE}-1",
    hybrid=False,
    trailing_buffer_time=0,
    fingerprints=(("answers", "ab12"), ("location", "cd34")),
)
BARE = appointment("a-bare", start=None)
ELSEWHERE = appointment("a-zone", start=datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5.5))))


@pytest.mark.parametrize("state", [FULL, BARE, ELSEWHERE], ids=lambda state: state.id)
def test_a_state_comes_back_as_it_was(store: Store, state: object) -> None:
    """Every field survives: text of any script, absent times, empty lists, false and zero."""
    assert isinstance(state, type(BARE))
    row = known(state, revision=3, observed_at=NOW + timedelta(microseconds=7))
    commit(store, plan(rows=[row]))

    with store.reading() as tx:
        assert snapshot.known(tx, "acme", [state.id]) == {state.id: row}
        assert snapshot.digests(tx, "acme", [state.id]) == {state.id: row.digest}


def test_times_lie_in_the_columns_as_their_type_writes_them(store: Store) -> None:
    """What was stored in bulk is found by a search for its time."""
    commit(store, plan(rows=[known(state) for state in (FULL, BARE, ELSEWHERE)]))

    with store.reading() as tx:
        for state in (FULL, ELSEWHERE):
            query = select(AppointmentRow).where(AppointmentRow.start == state.start, AppointmentRow.id == state.id)
            row = tx.exec(query).one()
            assert (row.start, row.updated_at, row.observed_at) == (state.start, state.updated_at, NOW)


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    """It could mean any of two dozen moments."""
    naive = appointment(start=NOW.replace(tzinfo=None))

    with pytest.raises(ValueError, match="time zone"):
        commit(store, plan(rows=[known(naive)]))


def test_a_later_state_replaces_the_earlier(store: Store) -> None:
    """The snapshot has one row for each appointment: the last that was committed."""
    commit(store, plan(rows=[known(FULL), known(BARE)]))
    later = known(structs.replace(FULL, status="CANCELLED", office=None, end=None), 1, NOW + MINUTE)
    commit(store, plan(rows=[later]))

    with store.reading() as tx:
        assert snapshot.known(tx, "acme", [FULL.id, BARE.id]) == {FULL.id: later, BARE.id: known(BARE)}
        assert snapshot.count(tx, "acme") == 2


def test_what_is_written_is_known_in_the_same_transaction(store: Store) -> None:
    """A plan may be made and committed in one transaction that already knows an earlier state."""
    with store.writing() as tx:
        for revision in range(3):
            state = known(appointment(status=f"S{revision}"), revision)
            snapshot.apply(tx, plan(rows=[state]), NOW)
            assert snapshot.known(tx, "acme", ["a1"]) == {"a1": state}


def test_sources_do_not_mix(store: Store) -> None:
    """The same id in another source is another appointment."""
    commit(store, plan(rows=[known(FULL)]))
    commit(store, replace(plan(rows=[known(structs.replace(FULL, office="99"))]), source="other"))

    with store.reading() as tx:
        assert snapshot.known(tx, "acme", [FULL.id])[FULL.id].appointment.office == "12"
        assert snapshot.digests_within(tx, "acme", Span(None, None)).keys() == {FULL.id}
        assert snapshot.known(tx, "nobody", [FULL.id]) == {}
        assert snapshot.count(tx, "other") == 1


def test_a_question_may_be_long(store: Store) -> None:
    """More ids than one statement takes are asked for in parts; unknown ones are left out."""
    size = 2 * snapshot.CHUNK + 1
    commit(store, plan(rows=[known(appointment(f"a{number}")) for number in range(size)]))
    asked = [f"a{number}" for number in range(size + 5)]

    with store.reading() as tx:
        digests = snapshot.digests(tx, "acme", asked)
        assert len(digests) == size
        assert snapshot.digests_within(tx, "acme", Span(None, None)) == digests
        assert snapshot.known(tx, "acme", asked).keys() == digests.keys()
        assert snapshot.digests(tx, "acme", []) == {}


def test_events_come_back_as_they_were(store: Store) -> None:
    """An event keeps its states, changes, verdicts and their order."""
    before, after = FULL, structs.replace(FULL, start=None, other_employees=(), hybrid=True, status="NO_SHOW")
    event = replace(
        cancelled(),
        kinds=(Kind.STATUS_CHANGED, Kind.RESCHEDULED),
        before=before,
        after=after,
        changes=(
            FieldChange("status", FULL.status, "NO_SHOW"),
            FieldChange("start", FULL.start, None),
            FieldChange("other_employees", ("8", "10"), ()),
            FieldChange("hybrid", before=False, after=True),
            FieldChange("answers", None, None),
        ),
    )
    first_seen = replace(cancelled("a2"), before=None, changes=(FieldChange("status", None, "CANCELLED"),))
    verdicts = (Verdict("one", matched=True), Verdict("two", False, "where.office", "12 or 13", "none"))
    commit(store, replace(plan(), recorded=(Recorded(event, verdicts), Recorded(first_seen, ()))))

    with store.reading() as tx:
        newest, oldest = history.events(tx, 10)
    assert (oldest.event, oldest.verdicts) == (event, verdicts)
    assert (newest.event, newest.verdicts) == (first_seen, ())
    assert oldest.seq < newest.seq


def test_a_plan_applied_again_adds_nothing(store: Store) -> None:
    """Events and deliveries that are on record are left as they are, also those that were sent."""
    event = cancelled()
    again = plan([event], [owed(event), owed(event, "desk")], [known(event.after, 1)])
    first = commit(store, again)
    with store.writing() as tx:
        outbox.claim(tx, "chat", NOW, 1)
        before = history.deliveries(tx, 10)
    second = commit(store, again)

    assert first == Applied(1, 1, 2)
    assert second == Applied(1, 0, 0)
    with store.reading() as tx:
        assert len(history.events(tx, 10)) == 1
        assert history.deliveries(tx, 10) == before


def test_a_plan_applied_in_part_adds_the_rest(store: Store) -> None:
    """Of a plan that repeats an event only the new ones count, with their deliveries."""
    old, new = cancelled("a1"), cancelled("a2")
    commit(store, plan([old], [owed(old)]))

    assert commit(store, plan([old, new], [owed(old), owed(old, "desk"), owed(new)])) == Applied(0, 1, 1)
    with store.reading() as tx:
        assert [entry.delivery for entry in history.deliveries(tx, 10)] == [owed(new), owed(old)]


def test_the_core_finds_its_own_state_again(store: Store) -> None:
    """A poll whose rows did not change plans nothing against the stored snapshot; a change is one event."""
    rules = [Rule(name="all", description="", requirements=(to_status(["CANCELLED"]),), channels=("chat",))]

    def poll(digest: bytes, status: str) -> Plan:
        seen = Observation(structs.replace(FULL, status=status), digest, NOW)
        with store.writing() as tx:
            found = snapshot.known(tx, "acme", [FULL.id])
            looks = snapshot.looks(tx, "acme")
            made = make_plan("acme", "near", found, [seen], looks, rules, NOW)
            snapshot.apply(tx, made, NOW)
        return made

    plans = [poll(b"1", "ACCEPTED"), poll(b"1", "ACCEPTED"), poll(b"2", "CANCELLED"), poll(b"2", "CANCELLED")]

    assert [(len(made.baseline), len(made.recorded), len(made.deliveries)) for made in plans] == [
        (1, 0, 0),
        (0, 0, 0),
        (0, 1, 1),
        (0, 0, 0),
    ]


# Looks and sweeps


@pytest.mark.parametrize(
    "look",
    [
        Look(scope="s", began_at=NOW, span=Span(None, None), end_offset=None, filters={}),
        Look(
            scope="s",
            began_at=NOW.astimezone(timezone(timedelta(hours=-3))),
            span=Span(NOW, NOW + timedelta(days=7)),
            end_offset=timedelta(days=7, microseconds=1),
            filters={"office": ("12", "13"), "status": ()},
        ),
    ],
)
def test_a_look_comes_back_as_it_was(store: Store, look: Look) -> None:
    """Open ends, offsets and filters survive; a later look at the scope replaces the earlier."""
    other = replace(look, scope="t")
    with store.writing() as tx:
        snapshot.put_look(tx, "acme", replace(look, began_at=NOW - MINUTE, filters={"office": ("1",)}))
        snapshot.put_look(tx, "acme", other)
        snapshot.put_look(tx, "acme", look)
        snapshot.put_look(tx, "another", look)

    with store.reading() as tx:
        assert snapshot.looks(tx, "acme") == [look, other]
        assert snapshot.looks(tx, "another") == [look]


def run(minute: int, outcome: SweepOutcome = SweepOutcome.OK, watermark: datetime | None = None) -> SweepRun:
    return SweepRun(
        source="acme",
        sweep="near",
        started_at=NOW + minute * MINUTE,
        finished_at=NOW + (minute + 0.5) * MINUTE,
        outcome=outcome,
        pages=2,
        rows=150,
        changed=3,
        events=1,
        baseline=4,
        rejected=1,
        error="" if outcome is SweepOutcome.OK else "HTTP 503",
        watermark=watermark,
        lag=timedelta(seconds=41.5),
    )


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    """The figures of the last run are on record."""
    with store.writing() as tx:
        recorded = sweeps.record(tx, "acme", "near", run(1, watermark=NOW))

    with store.reading() as tx:
        assert sweeps.every(tx) == [recorded]
    assert recorded.last == run(1, watermark=NOW)
    assert (recorded.last_good_at, recorded.failing_since, recorded.failures) == (NOW + 1.5 * MINUTE, None, 0)


@pytest.mark.parametrize("trouble", [outcome for outcome in SweepOutcome if outcome is not SweepOutcome.OK])
def test_failures_are_counted_until_a_good_run(store: Store, trouble: SweepOutcome) -> None:
    """Trouble has a beginning and a number of runs; the first good run ends it."""
    outcomes = [SweepOutcome.OK, trouble, trouble, SweepOutcome.OK, trouble]
    with store.writing() as tx:
        seen = [sweeps.record(tx, "acme", "near", run(n, each)) for n, each in enumerate(outcomes)]

    good, later = NOW + 0.5 * MINUTE, NOW + 3.5 * MINUTE
    assert [(each.last_good_at, each.failing_since, each.failures) for each in seen] == [
        (good, None, 0),
        (good, NOW + MINUTE, 1),
        (good, NOW + MINUTE, 2),
        (later, None, 0),
        (later, NOW + 4 * MINUTE, 1),
    ]


def test_the_watermark_never_moves_back(store: Store) -> None:
    """A run that committed older changes, or none, leaves it where it was."""
    marks = [NOW, NOW - MINUTE, None, datetime(2026, 3, 2, 9, 31, tzinfo=UTC)]
    with store.writing() as tx:
        seen = [sweeps.record(tx, "acme", "near", run(n, watermark=m)) for n, m in enumerate(marks)]

    assert [each.last.watermark for each in seen if each.last] == [NOW, NOW, NOW, NOW + MINUTE]


def test_skipped_starts_are_counted(store: Store) -> None:
    """Also before the first run has ended, and whatever the runs come to."""
    with store.writing() as tx:
        sweeps.skip(tx, "acme", "near")
        assert [(each.last, each.skipped) for each in sweeps.every(tx)] == [(None, 1)]
        sweeps.record(tx, "acme", "near", run(1))
        sweeps.skip(tx, "acme", "near")
        sweeps.record(tx, "acme", "far", run(1))

    with store.reading() as tx:
        assert [(each.name, each.skipped) for each in sweeps.every(tx)] == [("far", 0), ("near", 2)]


def test_the_slices_of_a_scope_are_kept(store: Store) -> None:
    """Slices come back as they were, of their scope only; new ones replace them."""
    cuts = [Slice(Span(None, NOW), 7, 100), Slice(Span(NOW, None), 9, 20, fixed=True)]
    with store.writing() as tx:
        snapshot.put_slices(tx, "acme", "near", cuts)
    with store.reading() as tx:
        assert snapshot.slices(tx, "acme", "near") == cuts
        assert snapshot.slices(tx, "acme", "far") == snapshot.slices(tx, "other", "near") == []
    with store.writing() as tx:
        snapshot.put_slices(tx, "acme", "near", cuts[:1])
    with store.reading() as tx:
        assert snapshot.slices(tx, "acme", "near") == cuts[:1]
