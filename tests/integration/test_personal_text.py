"""Canary: personal text that is planted in the source reaches those who may see it, and nobody and nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notifier import views
from notifier.clock import utc_now
from notifier.config.settings import Settings, load_settings
from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.core.delivery import State
from notifier.core.rule import Rule
from notifier.daemon import Daemon
from notifier.engage.simulated.row import write_time
from notifier.engage.simulator import Simulator
from notifier.store import history, letters
from notifier.store.database import Store, open_store
from notifier.store.letters import Selection
from tests.builders import participant, record, rule
from tests.captured_logs import Logs, captured_logs
from tests.configured import settings, source
from tests.fake_mailbox import mailbox
from tests.fake_receiver import Receiver, Reply, receiving

PLANTED: Mapping[str, Any] = {
    "answers": [{"id": "1", "question": {"id": "81"}, "value": "canary-answer-3b"}],
    "internalNotes": "canary-notes-19",
    "location": {"formattedAddress": "canary-street-77"},
    "messageForCustomer": "canary-message-5e",
    "metadata": {"canary-key-c4": "canary-value-d2"},
    "appointmentParticipants": [
        participant("CUSTOMER", "201", videoUrl="https://video.example.com/canary-link-aa"),
        participant("EMPLOYEE", "301", videoUrl="https://video.example.com/canary-link-bb"),
    ],
}
CANARIES = {
    "answers": b"canary-answer-3b",
    "internal_notes": b"canary-notes-19",
    "location": b"canary-street-77",
    "message_for_customer": b"canary-message-5e",
    "metadata": b"canary-value-d2",
    "video_links": b"canary-link-aa",
}
BROKEN = Reply(400, body=b"canary-notes-19 canary-answer-3b is not what we want, and canary-str...")


def heard(text: bytes) -> set[str]:
    """Returns the fields whose canary sings in a text."""
    return {name for name, canary in CANARIES.items() if canary in text}


@dataclass(frozen=True)
class Scene:
    """A source with texts in it, a store, and the folder in which all of it lies."""

    folder: Path
    engage: Simulator
    store: Store

    def configured(self, channels: Mapping[str, str], granted: Mapping[str, Sequence[str]]) -> Settings:
        """Returns the settings in which some channels may see more than the usual."""
        settings(self.folder, source(self.engage.base_url, f'token = "{self.engage.token}"'), channels)
        path = self.folder / "config.toml"
        text = path.read_text(encoding="utf-8")
        for name, fields in granted.items():
            text = text.replace(f"[channels.{name}]", f"[channels.{name}]\nfields = {json.dumps(list(fields))}")
        path.write_text(text, encoding="utf-8")
        return load_settings(path, {})

    def round(
        self, channels: Mapping[str, str], granted: Mapping[str, Sequence[str]], rules: Sequence[Rule] = ()
    ) -> None:
        """Polls and sends once; every channel is told of everything unless other rules are given."""
        everything = [rule(name="all", channels=tuple(channels))]
        Daemon(self.configured(channels, granted), rules or everything, self.store).run_once()

    def stored(self) -> set[str]:
        """Returns what is found in the files of the store."""
        self.store.wipe_log()
        return set().union(*(heard(path.read_bytes()) for path in self.folder.glob("notifier.db*")))

    def listed(self) -> bytes:
        """Returns what the commands print of the events and deliveries."""
        with self.store.reading() as tx:
            events, deliveries = history.events(tx, 100), history.deliveries(tx, 100)
            attempts = [history.attempts(tx, one.seq) for one in deliveries]
        return views.as_json([events, deliveries, attempts]).encode()

    def states(self) -> list[State]:
        with self.store.reading() as tx:
            return [record.state for record in history.deliveries(tx, 100)]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An appointment with every personal text, that was looked at and then cancelled."""
    with Simulator(clock=utc_now) as engage, open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        now = write_time(utc_now())
        made = engage.enterprise.put(record(start=now, end=now, createdAt=now, updatedAt=now, **PLANTED))
        scene = Scene(tmp_path, engage, store)
        scene.round({"console": "console://"}, {})
        engage.enterprise.cancel(made, utc_now(), reason="canary-answer-3b")
        yield scene


@pytest.mark.parametrize(("fields", "wiped"), [(TEXT_FIELDS, True), (APPOINTMENT_FIELDS, False)])
def test_the_daemon_wipes_the_log_where_personal_text_passes(scene: Scene, fields: Sequence[str], wiped: bool) -> None:
    """Else there is nothing to wipe."""
    with receiving() as crm:
        everything = [rule(name="all", channels=("crm",))]
        daemon = Daemon(scene.configured({"crm": crm.url}, {"crm": fields}), everything, scene.store)
        daemon.start()
        daemon._wipe()
        assert (daemon._scheduler.get_job("wipe") is not None) is wiped
        daemon.stop()


def said_in(logs: Logs) -> bytes:
    """Returns all that was logged."""
    return str(logs._records).encode()


def told(receiver: Receiver) -> Any:
    """Returns the appointment in the only document that a receiver got."""
    (request,) = receiver.requests
    return json.loads(request.body)["data"]["appointment"]


def test_whoever_was_granted_a_text_gets_it_and_nobody_else(scene: Scene) -> None:
    """In documents and in mails; no log line, no list and no file has any of it afterwards."""
    with ExitStack() as stack:
        crm, desk, team = (stack.enter_context(receiving()) for _ in range(3))
        box, address = stack.enter_context(mailbox())
        mail = f"mailto://{address}/?from=a@example.com&to=b@example.com"
        channels = {"crm": crm.url, "desk": desk.url, "team": team.url, "mail": mail}
        granted = {"crm": [*APPOINTMENT_FIELDS, *TEXT_FIELDS], "desk": ["answers", "start"], "mail": ["internal_notes"]}
        rules = [
            rule(name="all", channels=("crm", "desk", "team")),
            rule(name="mailed", channels=("mail",), body="Notes: {{ appointment.internal_notes }}"),
        ]
        logs = stack.enter_context(captured_logs())
        scene.round(channels, granted, rules)
    assert scene.states() == [State.DELIVERED] * 4
    assert heard(crm.requests[0].body) == set(CANARIES)
    assert told(crm)["internalNotes"] == PLANTED["internalNotes"]
    assert told(crm)["location"] == PLANTED["location"]
    assert told(crm)["metadata"] == PLANTED["metadata"]
    assert told(crm)["answers"][0] == PLANTED["answers"][0]
    assert told(crm)["videoLinks"] == [f"https://video.example.com/canary-link-{end}" for end in ("aa", "bb")]
    assert told(desk).keys() == {"id", "status", "updatedAt", "start", "answers"}
    assert heard(desk.requests[0].body) == {"answers"}
    assert heard(team.requests[0].body) == set()
    (letter,) = box.mails
    assert heard(bytes(letter)) == {"internal_notes"}
    assert logs.of("delivered")
    assert heard(said_in(logs)) == heard(scene.listed()) == scene.stored() == set()


def test_a_text_waits_in_the_store_only_for_who_may_see_it(scene: Scene) -> None:
    """It goes when the last of them has got it, and nobody sees it who lost the right meanwhile."""
    with receiving(Reply(503), Reply(503), Reply(204)) as crm, receiving() as team:
        channels, granted = {"crm": crm.url, "team": team.url}, {"crm": ["internal_notes", "answers"]}
        scene.round(channels, granted)
        assert scene.stored() == {"internal_notes", "answers"}
        scene.round(channels, {"crm": ["answers"]})
        assert scene.stored() == {"answers"}
        retry(scene)
        scene.round(channels, granted)
        # The one that was taken away does not come back.
        assert scene.stored() == {"answers"}
        retry(scene)
        scene.round(channels, granted)
    assert [heard(request.body) for request in crm.requests][-1] == {"answers"}
    assert json.loads(crm.requests[-1].body)["data"]["appointment"]["internalNotes"] is None
    assert heard(b"".join(request.body for request in team.requests)) == scene.stored() == set()


def test_a_dead_letter_keeps_its_text_until_it_is_dropped(scene: Scene) -> None:
    """A receiver that repeats in its answer what it got does not bring it onto our record."""
    with receiving(BROKEN) as crm, captured_logs() as logs:
        scene.round({"crm": crm.url}, {"crm": TEXT_FIELDS})
    assert scene.states() == [State.DEAD]
    assert scene.stored() == set(CANARIES)
    assert b"canary" not in scene.listed()
    assert logs.of("delivery_dead")
    assert b"canary" not in said_in(logs)
    with scene.store.writing() as tx:
        letters.drop(tx, letters.find(tx, Selection()), utc_now())
    assert scene.stored() == set()


def test_without_a_grant_no_text_gets_as_far_as_the_store(scene: Scene) -> None:
    """Not even where the message never goes out."""
    with receiving(Reply(503)) as crm:
        scene.round({"crm": crm.url}, {"crm": APPOINTMENT_FIELDS})
    assert scene.states() == [State.PENDING]
    assert scene.stored() == set()


def test_a_channel_that_no_rule_sends_to_gets_no_text_read(scene: Scene) -> None:
    """Its grant alone brings nothing into the store."""
    with receiving(Reply(503)) as crm:
        rules = [rule(name="all", channels=("crm",))]
        scene.round({"crm": crm.url, "spare": "console://"}, {"spare": TEXT_FIELDS}, rules)
    assert scene.stored() == set()


def retry(scene: Scene) -> None:
    """Makes what was not delivered due at once."""
    with scene.store.writing() as tx:
        tx.connection().exec_driver_sql(
            "UPDATE delivery SET due_at = '2000-01-01 00:00:00.000000' WHERE settled_at IS NULL"
        )
