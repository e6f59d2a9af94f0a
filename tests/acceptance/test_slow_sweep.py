"""A sweep that takes longer than its beat is never under way twice."""

from threading import Event

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace


def test_a_slow_sweep_is_skipped(workplace: Workplace, engage: Simulator) -> None:
    """While a sweep is under way its next start is left out, logged and counted, and what it saw is not lost."""
    released = Event()

    def answer_late(_: SeenRequest) -> Reply | None:
        released.wait(PATIENCE)
        return None

    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    workplace.configure({"team": "console://"})
    daemon = workplace.start_watching()
    engage.enterprise.cancel(made, utc_now())
    engage.script = answer_late
    daemon.wait_for_log("sweep_skipped")
    engage.script = None
    released.set()
    daemon.wait_for_text(f"Appointment: {made}")
    (sweep,) = workplace.ask("status")["sweeps"]
    ended = daemon.stop()
    skipped = ended.logged("sweep_skipped")
    assert (skipped[0]["source"], skipped[0]["sweep"]) == ("acme", "near")
    assert 1 <= sweep["skipped"] <= len(skipped)
    assert engage.peak == 1
