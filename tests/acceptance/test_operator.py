"""The operator's route of the installed command: what a kill and a restart make of it."""

import json
from typing import Any

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.grants import READ
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import HANG, Receiver, Reply, receiving


def documents(receiver: Receiver) -> list[Any]:
    return [json.loads(request.body) for request in receiver.requests]


def test_a_kill_between_trouble_and_message(workplace: Workplace, engage: Simulator) -> None:
    """What was being sent comes again under its id, later starts tell nothing, and the end comes once."""
    engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with receiving(HANG, Reply()) as ops:
        workplace.configure({"ops": ops.url})
        with (workplace.folder / "config.toml").open("a", encoding="utf-8") as config:
            config.write('\n[operator]\nchannels = "ops"\nafter = "1s"\n')
        workplace.start_watching().stop()
        engage.scopes = frozenset()
        daemon = workplace.start()
        assert ops.wait_for(1, PATIENCE)
        daemon.kill()
        for _ in range(2):
            daemon = workplace.start()
            daemon.wait_for_log("poll_failed")
            assert ops.wait_for(2, PATIENCE)
            daemon.stop()
        (trouble,) = workplace.ask("status")["reported"]
        assert (trouble["name"], trouble["kind"]) == ("source acme", "refused")
        engage.scopes = frozenset({READ})
        daemon = workplace.start()
        assert ops.wait_for(3, PATIENCE)
        daemon.stop()
        told = [(one["type"], one["subject"]) for one in documents(ops)]
        assert told == [("notifier.trouble.began", "source acme")] * 2 + [("notifier.trouble.ended", "source acme")]
        first, again, _ = (request.headers["webhook-id"] for request in ops.requests)
        assert first == again
        assert workplace.ask("status")["reported"] == []
