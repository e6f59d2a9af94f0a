"""A nominal day: silence at first, then each change told once, in words and to machines, and all of it on record."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import standardwebhooks

from notifier.clock import utc_now
from notifier.config.first_steps import starter_folder
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_mailbox import Mailbox, mail_url, mailbox
from tests.fake_receiver import Receiver, receiving

BRUSSELS = ZoneInfo("Europe/Brussels")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HOUR = timedelta(hours=1)


def noon(days: int) -> datetime:
    """Returns the noon so many days after the next one in Brussels; the next is less than a day away."""
    now = utc_now().astimezone(BRUSSELS)
    today = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return today + timedelta(days=days + (today <= now))


def times(start: datetime) -> str:
    """Returns how a message writes an hour that begins then."""
    return f"{start:%a} {start.day} {start:%b} {start.year}, 12:00–13:00"


@pytest.fixture
def desk() -> Iterator[tuple[Mailbox, str]]:
    with mailbox() as served:
        yield served


@pytest.fixture
def crm() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def place(workplace: Workplace, engage: Simulator, desk: tuple[Mailbox, str], crm: Receiver) -> Workplace:
    """An enterprise with appointments, the starter rules, a mail channel and a signed webhook."""
    engage.enterprise.fill(60, 1, utc_now())
    workplace.configure(
        {"desk": mail_url(desk[1]), "crm": f"{crm.url}/hooks"},
        secrets={"crm": SECRET},
        rules="",
    )
    for starter in (starter_folder() / "rules").glob("*.toml"):
        text = starter.read_text(encoding="utf-8").replace('channels = "team"', 'channels = ["desk", "crm"]')
        workplace.write_rules(starter.name, text)
    return workplace


def text_of(mail: EmailMessage) -> str:
    """Returns the plain part of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def documents(receiver: Receiver) -> list[dict[str, Any]]:
    """Returns what was posted, after a look at each signature."""
    judge = standardwebhooks.Webhook(SECRET)
    posted = [judge.verify(request.body, dict(request.headers)) for request in receiver.requests]
    return [dict(document) for document in posted]


def test_a_nominal_day(place: Workplace, engage: Simulator, desk: tuple[Mailbox, str], crm: Receiver) -> None:
    """The first run is silent; what then happens arrives once in mail and signed webhook, and nothing else does."""
    box, enterprise = desk[0], engage.enterprise
    cancelled = enterprise.create(utc_now(), Booking(start=noon(0), office="12", customer="777", employee="301"))
    missed = enterprise.create(utc_now(), Booking(start=noon(-1), office="13"))
    moved = enterprise.create(utc_now(), Booking(start=noon(1), office="14"))
    edited = enterprise.create(utc_now(), Booking(start=noon(2)))

    daemon = place.start_polling()
    assert (box.mails, crm.requests) == ([], [])

    enterprise.cancel(cancelled, utc_now())
    enterprise.no_show(missed, utc_now())
    enterprise.edit(edited, utc_now(), {"internalNotes": "Brings the contract"})
    assert box.wait_for(2, PATIENCE)
    assert crm.wait_for(2, PATIENCE)

    mails = {str(mail["Subject"]): text_of(mail) for mail in box.mails}
    late = f"Late cancellation: {times(noon(0))} Europe/Brussels"
    assert sorted(mails) == [late, f"No-show: {times(noon(-1))}, office 13"]
    assert "Status: confirmed → cancelled\n" in mails[late]
    assert f"When: {times(noon(0))} Europe/Brussels (in " in mails[late]
    assert "Where: office 12\nWho: employee 301 with customer 777\n" in mails[late]
    assert " by customer 777\n" in mails[late]
    assert mails[late].rstrip().endswith(f"Appointment: {cancelled}")

    first, second = sorted(documents(crm), key=lambda document: int(document["subject"]))
    assert [first["subject"], second["subject"]] == [cancelled, missed]
    assert first["type"] == "notifier.appointment.status_changed"
    assert first["source"] == "/sources/acme"
    assert first["time"] == first["data"]["appointment"]["updatedAt"]
    assert first["data"]["rule"] == "late-cancellation"
    assert {"field": "status", "before": "ACCEPTED", "after": "CANCELLED"} in first["data"]["changes"]
    assert first["data"]["appointment"]["office"] == {"id": "12"}
    assert second["data"]["rule"] == "no-show"

    enterprise.reschedule(moved, utc_now(), noon(2), noon(2) + HOUR)
    asked = enterprise.create(utc_now(), Booking(start=noon(3), office="11"), "INCOMING_REQUEST", by="CUSTOMER")
    assert box.wait_for(4, PATIENCE)
    assert crm.wait_for(4, PATIENCE)

    subjects = [str(mail["Subject"]) for mail in box.mails[2:]]
    assert sorted(subjects) == [
        f"Moved: {times(noon(1))} → {times(noon(2))}, office 14",
        f"New request: {times(noon(3))}, office 11",
    ]
    told = {document["subject"]: document["type"] for document in documents(crm)[2:]}
    assert told == {moved: "notifier.appointment.rescheduled", asked: "notifier.appointment.created"}

    assert daemon.stop().code == 0
    daemon = place.start_polling()
    assert (len(box.mails), len(crm.requests)) == (4, 4)
    assert_on_record(place, crm, {cancelled, missed, edited, moved, asked})
    dated = sum(row.start is not None for row in enterprise.rows())
    status = place.notifier("status")
    assert (status.code, status.lines[-1]) == (0, "All is well.")
    assert status.lines[0] == f"The daemon is running; {dated} appointments in the snapshot."
    assert daemon.stop().code == 0


def assert_on_record(place: Workplace, crm: Receiver, changed: set[str]) -> None:
    """Every change, delivery and reason can be read, as text and as JSON, and they agree with what arrived."""
    posted = documents(crm)
    event = next(document["id"] for document in posted if document["data"]["rule"] == "late-cancellation")
    commands = ["events", "deliveries", f"explain {event[:8]}"]
    told = place.notifiers(*commands, *(f"{command} --json" for command in commands))
    assert [answer.code for answer in told] == [0] * 6
    assert [line for answer in told[:3] for line in answer.lines if len(line) > 80] == []
    assert_texts(*(answer.out for answer in told[:3]))

    events, deliveries, story = (answer.document() for answer in told[3:])
    assert {entry["event"]["after"]["id"] for entry in events} == changed
    assert {document["id"] for document in posted} < {entry["event"]["id"] for entry in events}
    assert [(entry["state"], entry["attempts"]) for entry in deliveries] == [("delivered", 1)] * 8
    sent = [entry["delivery"]["id"] for entry in deliveries if entry["delivery"]["channel"] == "crm"]
    assert sorted(sent) == sorted(request.headers["webhook-id"] for request in crm.requests)
    assert story["record"]["event"]["id"] == event
    assert [verdict["rule"] for verdict in story["record"]["verdicts"] if verdict["matched"]] == ["late-cancellation"]
    assert len(story["deliveries"]) == 2


def assert_texts(events: str, deliveries: str, explained: str) -> None:
    """What is printed says what happened, what became of it, and why."""
    assert re.search(r"Cancelled +late-cancellation$", events, re.MULTILINE)
    assert re.search(r"crm +late-cancel\S* +delivered +ok ", deliveries)
    assert "status: ACCEPTED -> CANCELLED\n" in explained
    assert re.search(r"^  late-cancellation +matched$", explained, re.MULTILINE)
    assert re.search(r"^  no-show +no: to wants NO_SHOW, saw CANCELLED$", explained, re.MULTILINE)
    assert re.search(r"^    1\. .* delivered, ok \(200\)$", explained, re.MULTILINE)
