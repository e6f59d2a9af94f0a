"""A channel that is switched off stays so through a restart, until a person resumes it; then nothing was lost."""

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import Reply, receiving


def test_what_is_off_is_resumed(workplace: Workplace, engage: Simulator) -> None:
    """Nothing is tried meanwhile, and what waited goes out within seconds of the command, each under its id."""
    made = [engage.enterprise.create(utc_now(), Booking(start=utc_now())) for _ in range(2)]
    with receiving(Reply(410)) as receiver:
        workplace.configure({"crm": receiver.url})
        daemon = workplace.start_watching()
        engage.enterprise.cancel(made[0], utc_now())
        daemon.wait_for_log("lane_off")
        daemon.kill()

        receiver.reply_with(Reply())
        daemon = workplace.start_polling()
        engage.enterprise.cancel(made[1], utc_now())
        workplace.await_poll()
        (crm,) = workplace.ask("channels")
        assert (crm["state"], crm["waiting"], crm["standing"]["reason"]) == ("off", 2, "gone")
        assert any("crm is switched off" in line for line in workplace.notifier("status").lines)
        assert len(receiver.requests) == 1

        resumed = workplace.notifier("resume", "crm")
        assert (resumed.code, resumed.lines) == (
            0,
            ["crm was switched off, and is open again; 2 deliveries wait for it."],
        )
        assert receiver.wait_for(3, PATIENCE)
        ended = daemon.stop()
    first, *rest = (request.headers["webhook-id"] for request in receiver.requests)
    assert first in rest
    assert len(set(rest)) == 2
    assert ended.code == 0
    assert {entry["state"] for entry in workplace.ask("deliveries")} == {"delivered"}
