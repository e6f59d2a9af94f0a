"""Personal text leaves to those to whom it was granted, and is found nowhere else: by a real process."""

import json

from notifier.clock import utc_now
from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.overheard import Overheard
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import Reply, receiving

CANARY = "canary-3b1f"
PLANTED = {
    "internalNotes": f"{CANARY} notes",
    "messageForCustomer": f"{CANARY} message",
    "metadata": {CANARY: CANARY},
    "location": {"formattedAddress": f"{CANARY} street"},
}


def test_personal_text_is_kept(workplace: Workplace, engage: Simulator, overheard: Overheard) -> None:
    """The granted receiver has it; not the other one, nor a log line, an output, or the store in the end."""
    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    engage.enterprise.edit(made, utc_now(), PLANTED)
    # What goes out first is answered by a receiver that repeats it, and tried again.
    with receiving(Reply(503, body=CANARY.encode()), Reply(204)) as crm, receiving() as team:
        overheard.grant(crm)
        workplace.configure({"crm": crm.url, "team": team.url})
        path = workplace.folder / "config.toml"
        fields = f"fields = {json.dumps([*APPOINTMENT_FIELDS, *TEXT_FIELDS])}\nretry = ['1s']\n"
        path.write_text(
            path.read_text(encoding="utf-8").replace("[channels.crm]", f"[channels.crm]\n{fields}"), "utf-8"
        )
        daemon = workplace.start("--log-level", "debug", "run")
        daemon.wait_for_log("polled")
        engage.enterprise.cancel(made, utc_now(), reason=f"{CANARY} reason")
        assert crm.wait_for(2, PATIENCE)
        assert team.wait_for(1, PATIENCE)
        daemon.wait_for_log("delivered")
        event = json.loads(crm.requests[0].body)["id"]
        outputs = [daemon.stop()]
    outputs += workplace.notifiers(
        "events --json", "deliveries --json", "status --json", "plan --json", "privacy", f"explain {event} --json"
    )
    assert all(request.body.count(CANARY.encode()) == 6 for request in crm.requests)
    assert not any(CANARY.encode() in request.body for request in team.requests)
    assert not any(CANARY in answer.out + answer.err for answer in outputs)
    assert not any(CANARY.encode() in file.read_bytes() for file in workplace.folder.glob("notifier.db*"))
