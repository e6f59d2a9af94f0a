"""Laws of the simulator's calendar: whatever happened, a query finds what a look at every row would find."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.order import Settled, arrange
from notifier.engage.simulated.query import Wanted, select
from notifier.engage.simulated.row import Row, instant

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
IDS = st.sampled_from([str(number) for number in range(8)])
STATUSES = st.sampled_from(["ACCEPTED", "CANCELLED", None])
MOMENTS = st.one_of(st.none(), st.integers(-20, 20).map(lambda steps: NOW + steps * timedelta(minutes=5)))


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    """A query by time, status, office or update, in any of the meanings."""
    among: list[tuple[str, frozenset[str]]] = []
    if draw(st.booleans()):
        among.append(("status", draw(st.sampled_from([frozenset({"ACCEPTED"}), frozenset({"ACCEPTED", "CANCELLED"})]))))
    if draw(st.booleans()):
        among.append(("office", frozenset({"11"})))
    since, until, updated = (None if at is None else instant(at) for at in draw(st.tuples(MOMENTS, MOMENTS, MOMENTS)))
    return Wanted(
        tuple(among),
        since,
        until,
        draw(st.sampled_from(["overlap", "start", "end", "contained"])),
        draw(st.sampled_from(["usual", "inclusive", "exclusive"])),
        updated,
    )


class Calendar(RuleBasedStateMachine):
    """Rows come, move and go, among them odd ones, and the same queries are asked again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.enterprise = Enterprise()
        self.rows: dict[str, Row] = {}
        self.asked: set[tuple[Wanted, Settled]] = set()

    @rule(name=IDS, start=MOMENTS, end=MOMENTS, status=STATUSES, office=st.sampled_from(["11", "12"]))
    def put(self, name: str, start: datetime | None, end: datetime | None, status: str | None, office: str) -> None:
        raw: dict[str, Any] = {"id": name, "status": status, "office": {"id": office}}
        raw |= {key: at and at.isoformat() for key, at in (("start", start), ("end", end), ("updatedAt", end))}
        self.enterprise.put(raw)
        self.note(name)

    @rule(name=IDS)
    def remove(self, name: str) -> None:
        if self.rows.pop(name, None):
            self.enterprise.remove(name)

    @rule(name=IDS, front=st.booleans())
    def shift(self, name: str, front: bool) -> None:
        if name in self.rows:
            self.enterprise.shift(name, "front" if front else "back")
            self.note(name)

    @rule(wanted=wishes(), order=st.sampled_from(["insertion", "start", "updated", "id"]))
    def ask(self, wanted: Wanted, order: Settled) -> None:
        self.asked.add((wanted, order))

    def note(self, name: str) -> None:
        row = self.enterprise.row(name)
        assert row is not None
        self.rows[name] = row

    def teardown(self) -> None:
        self.check()

    @rule()
    def check(self) -> None:
        for wanted, order in self.asked:
            assert self.enterprise.select(wanted, order) == arrange(select(self.rows.values(), wanted), order)


TestCalendar = Calendar.TestCase
TestCalendar.__doc__ = "The answers, remembered or not, are those of a look at every row, in their order."
