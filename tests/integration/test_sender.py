"""The send line of one channel, against a store in a file and a receiver on this machine."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from notifier.catalogue import language_of
from notifier.channels.channel import open_channel
from notifier.core.delivery import Reason, Result, State
from notifier.core.directory import Directory, Entry
from notifier.core.grant import USUAL
from notifier.core.policy import PATIENT, RETRY_DELAYS
from notifier.core.readers import Readers
from notifier.core.recipients import Recipients
from notifier.core.rule import Rule
from notifier.sender import Sender
from notifier.store import history, snapshot
from notifier.store.database import Store
from notifier.store.history import AttemptRecord, DeliveryRecord
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.fake_mailbox import mail_url, mailbox
from tests.fake_receiver import RESET, Receiver, Reply, receiving
from tests.simulated import HandClock
from tests.store_values import cancelled, owed, plan

RULES = {"all": rule(name="all", channels=("crm",), title="Cancelled {{ appointment.id }}")}


@contextmanager
def sending(store: Store, clock: HandClock, url: str, rules: Mapping[str, Rule] = RULES) -> Iterator[Sender]:
    """Gives the sender of the channel `crm`."""
    channel = open_channel("crm", url)
    try:
        yield Sender(channel, store, rules, Readers(ZoneInfo("Europe/Brussels")), clock)
    finally:
        channel.close()


def owe(store: Store, *revisions: int, appointment: str = "a1", name: str = "all") -> list[str]:
    """Records a cancellation for each revision, owed to the channel `crm`; returns the deliveries' ids."""
    events = [cancelled(appointment, revision) for revision in revisions]
    deliveries = [owed(event, "crm", name) for event in events]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, deliveries), events[0].detected_at)
    return [delivery.id for delivery in deliveries]


def on_record(store: Store) -> list[tuple[DeliveryRecord, list[AttemptRecord]]]:
    """Returns all deliveries, oldest first, each with its attempts."""
    with store.reading() as tx:
        return [(one, history.attempts(tx, one.seq)) for one in reversed(history.deliveries(tx, 100))]


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


def test_what_is_owed_is_sent_once(store: Store, clock: HandClock) -> None:
    """A delivery goes out under its id with the event's document, is put on record, and does not go out again."""
    (owed_id,) = owe(store, 1)
    with receiving() as receiver, sending(store, clock, receiver.url) as sender, captured_logs() as logs:
        assert sender.next_due() is not None
        sent = sender.send_one()
        assert sent is not None
        assert (sender.send_one(), sender.next_due()) == (None, None)
        (request,) = receiver.requests
    assert request.headers["webhook-id"] == owed_id
    assert json.loads(request.body)["id"] == cancelled().id
    assert json.loads(request.body)["data"]["rule"] == "all"
    ((delivery, (attempt,)),) = on_record(store)
    assert (delivery.state, delivery.reason, delivery.settled_at) == (State.DELIVERED, Reason.OK, clock.now)
    assert (attempt.number, attempt.status, attempt.started_at) == (1, 200, clock.now)
    assert sent.settlement.state is State.DELIVERED
    (told,) = logs.of("delivered")
    assert (told["delivery"], told["channel"], told["attempt"]) == (owed_id, "crm", 1)


def test_a_receiver_is_told_names(store: Store, clock: HandClock) -> None:
    """What the directory calls the office stands beside its id in what goes out."""
    book = Recipients(directory=Directory({("office", "12"): Entry("Brussels")}))
    about = cancelled()
    about = replace(about, after=structs.replace(about.after, office="12"))
    with store.writing() as tx:
        snapshot.apply(tx, plan([about], [owed(about, "crm", "all")]), about.detected_at)
    with receiving() as receiver, closing(open_channel("crm", receiver.url)) as channel:
        Sender(channel, store, RULES, Readers(ZoneInfo("UTC"), book.directory), clock, PATIENT, USUAL, book).send_one()
        (request,) = receiver.requests
    assert json.loads(request.body)["data"]["appointment"]["office"] == {"id": "12", "name": "Brussels"}


def test_what_is_claimed_is_told_as_it_was_weighed(store: Store, clock: HandClock) -> None:
    """Names that become known between a claim and its message are for the next one, claimed ahead or not."""
    events = [
        replace(one, after=structs.replace(one.after, office="12"))
        for one in (cancelled(f"a{number}") for number in range(3))
    ]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, [owed(one, "crm") for one in events]), events[0].detected_at)
    clock.now = events[0].detected_at
    calls = iter(("One", "Two", "Three"))

    class Interrupted(Sender):
        def _attempt(self, owed: Any) -> Any:
            self.rename({"acme": Directory({("office", "12"): Entry(next(calls))})})
            return super()._attempt(owed)

    with receiving() as receiver, closing(open_channel("crm", receiver.url)) as channel:
        sender = Interrupted(channel, store, RULES, Readers(ZoneInfo("UTC")), clock)
        assert len(list(sender.send_due())) == 3
        offices = [json.loads(one.body)["data"]["appointment"]["office"] for one in receiver.requests]
    assert [one.get("name") for one in offices] == [None, "One", "Two"]


def test_a_mail_in_german(store: Store, clock: HandClock) -> None:
    """Whoever reads German gets the default texts in it, down to the mail that arrives."""
    owe(store, 1, name="usual")
    readers = Readers(ZoneInfo("Europe/Brussels"), language=language_of("de"))
    with mailbox() as (box, server), closing(open_channel("crm", mail_url(server))) as channel:
        sent = Sender(channel, store, {"usual": rule(name="usual", channels=("crm",))}, readers, clock).send_one()
    assert sent is not None
    assert sent.outcome.result is Result.DELIVERED
    (mail,) = box.mails
    text, html = (str(part.get_content()) for part in mail.iter_parts())
    assert mail["Subject"].startswith("Abgesagt: ")
    assert "Status: bestätigt → abgesagt" in text
    assert "<br" in html
    assert "Geändert: " in html


def test_nothing_is_owed(store: Store, clock: HandClock) -> None:
    """A channel that is owed nothing is left alone."""
    with receiving() as receiver, sending(store, clock, receiver.url) as sender:
        assert (sender.send_one(), sender.next_due(), receiver.requests) == (None, None, [])


def test_what_was_claimed_ahead_is_handed_back(store: Store, clock: HandClock) -> None:
    """One that is told to stop leaves no trace on what it had not begun; what is left goes out in its turn."""
    clock.now = cancelled().detected_at
    names = [owe(store, 1, appointment=name)[0] for name in ("a1", "a2", "a3")]
    with receiving() as receiver, sending(store, clock, receiver.url) as sender:
        stops = iter([False, False, True])
        assert [sent.delivery_id for sent in sender.send_due(lambda: next(stops))] == names[:1]
        assert [(one.state, len(tries)) for one, tries in on_record(store)] == [
            (State.DELIVERED, 1),
            (State.PENDING, 0),
            (State.PENDING, 0),
        ]
        assert [sent.delivery_id for sent in sender.send_due()] == names[1:]
        assert ids(receiver) == names
    assert [(one.state, one.attempts, len(tries)) for one, tries in on_record(store)] == [(State.DELIVERED, 1, 1)] * 3


def test_whoever_looks_no_further_leaves_nothing_claimed(store: Store, clock: HandClock) -> None:
    """The one after the last that somebody wanted to hear of is free for others."""
    clock.now = cancelled().detected_at
    for name in ("a1", "a2"):
        owe(store, 1, appointment=name)
    with receiving() as receiver, sending(store, clock, receiver.url) as sender:
        sends = sender.send_due()
        next(sends)
        assert [one.state for one, _ in on_record(store)] == [State.DELIVERED, State.SENDING]
        sends.close()
        assert [one.state for one, _ in on_record(store)] == [State.DELIVERED, State.PENDING]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply(503), Reason.UNAVAILABLE), (Reply(429), Reason.RATE_LIMITED), (RESET, Reason.UNCERTAIN)],
)
def test_what_may_pass_is_tried_again(store: Store, clock: HandClock, reply: Reply | str, reason: Reason) -> None:
    """After a failure that may pass the delivery waits for about five seconds, and goes out under the same id."""
    (owed_id,) = owe(store, 1)
    with receiving(reply, Reply()) as receiver, sending(store, clock, receiver.url) as sender:
        first = sender.send_one()
        assert first is not None
        assert (first.settlement.state, first.settlement.reason) == (State.PENDING, reason)
        due = sender.next_due()
        assert due is not None
        assert timedelta(seconds=4) <= due - clock.now <= timedelta(seconds=6)
        clock.now = due - timedelta(milliseconds=1)
        assert sender.send_one() is None
        clock.now = due
        second = sender.send_one()
        assert second is not None
        assert second.settlement.state is State.DELIVERED
        assert ids(receiver) == [owed_id, owed_id]


def test_the_other_side_may_ask_for_more_time(store: Store, clock: HandClock) -> None:
    """A Retry-After that is longer than our own wait is kept."""
    owe(store, 1)
    with (
        receiving(Reply(429, {"Retry-After": "600"})) as receiver,
        sending(store, clock, receiver.url) as sender,
    ):
        sender.send_one()
        assert sender.next_due() == clock.now + timedelta(minutes=10)


def test_a_refusal_is_final(store: Store, clock: HandClock) -> None:
    """What the other side refuses for good is a dead letter at once, which is an error in the log."""
    owe(store, 1)
    with (
        receiving(Reply(404)) as receiver,
        sending(store, clock, receiver.url) as sender,
        captured_logs() as logs,
    ):
        sender.send_one()
        assert sender.next_due() is None
    ((delivery, (attempt,)),) = on_record(store)
    assert (delivery.state, delivery.reason, attempt.detail) == (State.DEAD, Reason.NOT_FOUND, "HTTP 404 Not Found")
    (told,) = logs.of("delivery_dead")
    assert (told["level"], told["reason"], told["detail"]) == ("error", "not_found", "HTTP 404 Not Found")


def test_the_schedule_ends(store: Store, clock: HandClock) -> None:
    """A message that a working channel does not take is tried as often as the schedule says; then it is given up."""
    (doomed,) = owe(store, 1)
    tries = 0
    with receiving() as receiver, sending(store, clock, receiver.url) as sender:
        while (due := sender.next_due()) is not None and tries < 20:
            clock.now = max(clock.now, due)
            receiver.reply_with(Reply(503))
            sent = sender.send_one()
            assert sent is not None
            assert sent.delivery_id == doomed
            tries += 1
            # Others are taken in between.
            receiver.reply_with(Reply())
            owe(store, 1, appointment=f"b{tries}")
            assert sender.send_one() is not None
    assert tries == len(RETRY_DELAYS) + 1
    (delivery, attempts), *_ = on_record(store)
    assert (delivery.state, delivery.reason) == (State.DEAD, Reason.EXHAUSTED)
    assert {attempt.reason for attempt in attempts} == {Reason.UNAVAILABLE}
    whole = attempts[-1].started_at - attempts[0].started_at
    assert 0.8 * sum(RETRY_DELAYS, timedelta()) <= whole <= 1.2 * sum(RETRY_DELAYS, timedelta())


def test_a_template_that_fails_sends_nothing(store: Store, clock: HandClock) -> None:
    """Where a rule's template fails on an event, its delivery is dead with the reason, and the next one goes on."""
    owe(store, 1)
    owe(store, 1, appointment="a2", name="fine")
    rules = {
        "all": rule(name="all", title="{{ changes[7].field }}"),
        "fine": rule(name="fine"),
    }
    with receiving() as receiver, sending(store, clock, receiver.url.replace("http", "json"), rules) as sender:
        outcomes = [sender.send_one(), sender.send_one()]
        assert len(receiver.requests) == 1
    assert [one and one.outcome.reason for one in outcomes] == [Reason.TEMPLATE, Reason.OK]
    (dead, (attempt,)), _ = on_record(store)
    assert dead.state is State.DEAD
    assert attempt.detail == "line 1: `changes[7]` is undefined"


def test_a_webhook_needs_no_template(store: Store, clock: HandClock) -> None:
    """What is sent the document alone gets it, whatever a rule's template makes of the event."""
    owe(store, 1)
    rules = {"all": rule(name="all", title="{{ changes[7].field }}")}
    with receiving() as receiver, sending(store, clock, receiver.url, rules) as sender:
        sent = sender.send_one()
        assert sent is not None
        assert sent.settlement.state is State.DELIVERED
        assert json.loads(receiver.requests[0].body)["data"]["rule"] == "all"


def test_a_rule_that_was_removed_still_owes(store: Store, clock: HandClock) -> None:
    """What is owed by a rule that is not there any more goes out all the same."""
    owe(store, 1)
    with receiving() as receiver, sending(store, clock, receiver.url, {}) as sender:
        sent = sender.send_one()
        assert len(receiver.requests) == 1
    assert sent is not None
    assert (sent.rule, sent.settlement.state) == ("all", State.DELIVERED)


def test_an_appointments_messages_keep_their_order(store: Store, clock: HandClock) -> None:
    """While an older message waits for its next try, the newer ones of its appointment wait and others pass."""
    clock.now = cancelled().detected_at
    first, second = owe(store, 1, 2)
    (other,) = owe(store, 1, appointment="a2")
    with receiving(Reply(503), Reply()) as receiver, sending(store, clock, receiver.url) as sender:
        while sender.send_one() is not None:
            pass
        assert ids(receiver) == [first, other]
        clock.advance(seconds=6)
        while sender.send_one() is not None:
            pass
        assert ids(receiver) == [first, other, first, second]
