"""The laws of the poll line, whatever the source does in whatever order: no change lost, none invented."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from notifier.core.sweep import SweepOutcome
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.page import Cap
from notifier.engage.simulated.slip import Slip
from tests.auditor import Audit
from tests.doings import STARTS, VERBS, Doing, do
from tests.poll_world import HONEST_FAULTS, SWEEPS, Interruption, Overtaking, World

EXAMPLES = int(os.environ.get("NOTIFIER_POLL_EXAMPLES", "60"))
STEPS = int(os.environ.get("NOTIFIER_POLL_STEPS", "25"))

ORDERS: tuple[Order, ...] = ("insertion", "start", "updated", "id", "unstable")

doings = st.builds(
    Doing,
    st.sampled_from(VERBS),
    st.integers(0, 30),
    st.integers(0, len(STARTS) - 1),
    st.integers(0, 5),
)
names = st.sampled_from(tuple(SWEEPS))
times = st.sampled_from([timedelta(seconds=1), timedelta(seconds=50)])
waits = st.sampled_from(
    [
        timedelta(seconds=1),
        timedelta(seconds=50),
        timedelta(minutes=4),
        timedelta(minutes=6),
        timedelta(minutes=20),
        timedelta(hours=3),
        timedelta(hours=26),
        timedelta(days=8),
    ]
)
interruptions = st.lists(
    st.builds(
        Interruption,
        st.integers(1, 20),
        st.one_of(doings, doings, st.sampled_from(HONEST_FAULTS), times, st.builds(Overtaking, doings, names)),
    ),
    max_size=4,
)


@pytest.fixture(autouse=True)
def _in_silence() -> Iterator[None]:
    """What a thousand polls log would hide what failed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


class PollMachine(RuleBasedStateMachine):
    """A poll line beside the truth of what it polls."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    @initialize(
        page_size=st.integers(3, 7),
        slice_rows=st.sampled_from([6, 10, 5000]),
        span=st.sampled_from(["overlap", "start", "end", "contained"]),
        skew=st.sampled_from([0, 0, -100, 100]),
        many=st.integers(0, 24),
    )
    def begin(self, page_size: int, slice_rows: int, span: str, skew: int, many: int) -> None:
        """An enterprise with some appointments is polled for the first time some time later."""
        self.world = World(page_size=page_size, slice_rows=slice_rows, span=span, skew=timedelta(seconds=skew))
        for number in range(many):
            self._do(Doing("create", start=number, choice=number))
        self.world.clock.advance(hours=1)

    def teardown(self) -> None:
        if self.world is not None:
            self.world.close()

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world

    @rule(several=st.lists(doings, min_size=1, max_size=6))
    def happen(self, several: list[Doing]) -> None:
        """Something happens in the enterprise, or much at once."""
        for doing in several:
            self._do(doing)

    @rule(span=waits)
    def wait(self, span: timedelta) -> None:
        """Time passes."""
        self.here.clock.now += span

    @rule(sweep=names)
    def poll(self, sweep: str) -> None:
        """A sweep is polled."""
        self._poll(sweep)

    @rule(several=st.lists(doings, max_size=4), sweep=names, meanwhile=interruptions)
    def poll_while(self, several: list[Doing], sweep: str, meanwhile: list[Interruption]) -> None:
        """Something happens, and a sweep is polled while more does: requests fail, and other sweeps are polled."""
        for doing in several:
            self._do(doing)
        self._poll(sweep, meanwhile)

    @rule(made=doings, replaced=doings, request=st.integers(2, 4), sweep=st.sampled_from(["everything", "near"]))
    def poll_while_replaced(self, made: Doing, replaced: Doing, request: int, sweep: str) -> None:
        """One is new, and while it is listed another one makes place for a third: the list is as long as it was."""
        self._do(replace(made, verb="create"))
        self._poll(sweep, [Interruption(request, replace(replaced, verb="replace"))])

    @rule(first=doings, then=doings, request=st.sampled_from([1, 1, 2, 3]), sweep=names, other=names)
    def poll_overtaken(self, first: Doing, then: Doing, request: int, sweep: str, other: str) -> None:
        """One changes, and again while the page that tells of it is under way; another sweep tells of that before."""
        self._do(first)
        self._poll(sweep, [Interruption(request, Overtaking(replace(then, pick=first.pick), other))])

    @rule(sweeps=st.lists(names, max_size=3, unique=True))
    def tend(self, sweeps: list[str]) -> None:
        """What lies in none of these sweeps is let go, or asked for."""
        self._pass(self.here.tend(sweeps))

    @rule()
    def restart(self) -> None:
        """The process ends, and begins anew on the same store."""
        self.here.restart()

    @rule(order=st.sampled_from(ORDERS))
    def reorder(self, order: Order) -> None:
        """The list comes in another order from now on."""
        self.here.simulator.order = order

    @rule(cap=st.sampled_from(["refuse", "clamp", "silent"]), rows=st.sampled_from([None, 2, 3, 4]))
    def cap_pages(self, cap: Cap, rows: int | None) -> None:
        """The source gives fewer rows at once, or more again."""
        self.here.simulator.cap, self.here.simulator.page_cap = cap, rows

    @rule(share=st.sampled_from([0.0, 0.2, 0.6]), seed=st.integers(1, 1000))
    def slip(self, share: float, seed: int) -> None:
        """Rows begin to slip between pages, or cease to."""
        self.here.simulator.slip = Slip(share, seed)

    @rule(sweeps=st.lists(names, min_size=1, max_size=3, unique=True))
    def calm(self, sweeps: list[str]) -> None:
        """All troubles end, and so every sweep is whole again."""
        self.here.simulator.slip = Slip()
        self.here.calm()
        for sweep in sweeps:
            assert self._poll(sweep) in {SweepOutcome.OK, SweepOutcome.DOUBTFUL}

    def _do(self, doing: Doing) -> None:
        do(self.here.truth, self.here.source_clock(), doing)

    def _poll(self, sweep: str, meanwhile: Sequence[Interruption] = ()) -> SweepOutcome:
        return self._pass(self.here.poll(sweep, meanwhile))

    def _pass(self, audit: Audit) -> SweepOutcome:
        assert not audit.breaches, "\n".join(map(str, audit.breaches))
        return audit.run.outcome


TestPollMachine = PollMachine.TestCase
TestPollMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
