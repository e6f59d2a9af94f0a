"""Timelines: what happens when, and what must arrive in which window of time, and nothing else.

A timeline has a clock that jumps from one thing that happens to the next: what the test wants to happen (`at`,
`change`), and what the lanes would do (a sender has something to do at its `next_due`). Receivers are real servers;
whatever reaches one while a sender sends has arrived at that time. So a day of tries takes a second, and a window is as
narrow as the schedule lets it be.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import orjson
from msgspec import structs

from notifier.channels.channel import open_channel
from notifier.core.appointment import Appointment
from notifier.core.delivery import Reason, State
from notifier.core.policy import JITTER, Policy
from notifier.core.readers import Readers
from notifier.core.rule import Rule
from notifier.lane import BEAT
from notifier.sender import Sender
from notifier.store import history, snapshot
from notifier.store.database import Store, Transaction, open_store
from tests.builders import appointment, known, rule, step
from tests.fake_mailbox import Mailbox
from tests.fake_receiver import Receiver, Reply, Request
from tests.simulated import NOW, HandClock
from tests.store_values import owed, plan

MOST_STEPS = 5000
"""More than any of these stories has."""

SLACK = timedelta(milliseconds=1)
"""Of a window that is a moment."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that reached a receiver, whatever that answered."""

    at: timedelta
    #: The appointment and its state, as in "a CANCELLED".
    told: str
    #: Under which it was sent; empty where the receiver doesn't see it.
    id: str = ""


@dataclass(frozen=True, slots=True)
class Want:
    """Something that must arrive, in a window."""

    begin: timedelta
    end: timedelta
    told: str

    def __str__(self) -> str:
        return f"{self.begin} to {self.end}: {self.told}"


def between(begin: timedelta, end: timedelta, *told: str) -> list[Want]:
    """These must arrive at some time from begin to end."""
    return [Want(begin, end, one) for one in told]


def at(moment: timedelta, *told: str) -> list[Want]:
    """These must arrive at this time."""
    return between(moment, moment + SLACK, *told)


def after(waits: Sequence[timedelta], told: str, begin: timedelta = timedelta(0)) -> list[Want]:
    """This must arrive at once, and again after each of these waits, which may be stretched or shrunk."""
    wants, soonest, latest = at(begin, told), begin, begin
    for wait in waits:
        soonest, latest = soonest + wait * (1 - JITTER), latest + wait * (1 + JITTER)
        wants += between(soonest, latest + SLACK, told)
    return wants


def _appointment(one: Arrival | Want) -> str:
    return one.told.partition(" ")[0]


class Target(Protocol):
    """A server that keeps what reached it."""

    def told(self) -> Sequence[tuple[str, str]]:
        """Returns what reached it so far, in order: the id, and the appointment with its state."""


class Hook(Receiver):
    """A receiver of webhooks that answers what a test makes of each request, or in turn."""

    def __init__(self, *replies: Reply | str, answer: Callable[[Request], Reply | str] | None = None) -> None:
        super().__init__(replies)
        self._answer_to = answer

    def take(self, request: Request) -> Reply | str:
        in_turn = super().take(request)
        return self._answer_to(request) if self._answer_to else in_turn

    def told(self) -> Sequence[tuple[str, str]]:
        return [(request.headers.get("webhook-id", ""), told_by(request)) for request in self.requests]


def told_by(request: Request) -> str:
    """Returns the appointment and the state that a request tells of: as a webhook of ours, or as Apprise's."""
    document = orjson.loads(request.body)
    if "subject" in document:
        return f"{document['subject']} {document['data']['appointment']['status']}"
    return str(document["title"])


@contextmanager
def hook(
    *replies: Reply | str, answer: Callable[[Request], Reply | str] | None = None, listening: bool = True
) -> Iterator[Hook]:
    """Runs a receiver of webhooks for the length of the block."""
    receiver = Hook(*replies, answer=answer)
    if listening:
        receiver.listen()
    try:
        yield receiver
    finally:
        receiver.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """A mail server."""

    box: Mailbox

    def told(self) -> Sequence[tuple[str, str]]:
        return [("", str(mail["Subject"])) for mail in self.box.bodies]


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt as it is on record."""

    at: timedelta
    told: str
    reason: Reason | None


class Timeline:
    """A store, the senders of its channels, and a clock; made by `timeline`."""

    def __init__(self, store: Store, stack: ExitStack, rules: Mapping[str, Rule]) -> None:
        self.store = store
        self.clock = HandClock()
        self._stack = stack
        self._rules = rules
        self._senders: dict[str, Sender] = {}
        self._targets: dict[str, Target] = {}
        self._arrivals: dict[str, list[Arrival]] = {}
        self._acts: list[tuple[datetime, Callable[[], object]]] = []
        self._appointments: dict[str, Appointment] = {}

    @property
    def now(self) -> timedelta:
        """How long it has been going."""
        return self.clock.now - NOW

    def channel(self, name: str, target: Target, url: str, **terms: Any) -> None:
        """Adds a channel that leads to a server; every change is owed to it from now on."""
        policy = Policy(**terms)
        opened = open_channel(name, url, timeout=policy.timeout)
        if "resend" not in terms:
            policy = replace(policy, resend=opened.custom.resend)
        sender = Sender(opened, self.store, self._rules, Readers(ZoneInfo("UTC")), self.clock, policy)
        self._stack.callback(sender.close)
        self._senders[name], self._targets[name], self._arrivals[name] = sender, target, []

    def at(self, moment: timedelta, act: Callable[[], object]) -> None:
        """Lets something happen at this time; of what happens at once, what was said first goes first."""
        self._acts.append((NOW + moment, act))
        self._acts.sort(key=lambda one: one[0])

    def change(self, moment: timedelta, id_: str, status: str = "CANCELLED") -> None:
        """Lets a poll find at this time that an appointment came into a state, which is owed to every channel."""
        self.at(moment, lambda: self._change(id_, status))

    def run(self, span: timedelta) -> None:
        """Lets so much time pass."""
        end = self.clock.now + span
        for _ in range(MOST_STEPS):
            while self._acts and self._acts[0][0] <= self.clock.now:
                self._acts.pop(0)[1]()
            busy = [self._send(name) for name in self._senders]
            moment = min(self._moments(), default=None)
            if moment is None or moment > end:
                self.clock.now = end
                return
            if any(busy) and moment <= self.clock.now:
                continue
            # What is due and does not go out is looked at again as a lane does.
            self.clock.now = moment if moment > self.clock.now else self.clock.now + BEAT
        raise AssertionError(f"after {MOST_STEPS} steps it is {self.clock.now}, and there is still something to do")

    def arrivals(self, channel: str) -> list[Arrival]:
        """Returns what reached a channel's server."""
        return self._arrivals[channel]

    def expect(self, channel: str, *wants: Sequence[Want]) -> None:
        """Asserts that this arrived, each in its window and in the order of its appointment, and nothing else."""
        arrived = sorted(self._arrivals[channel], key=_appointment)
        wanted = sorted((want for some in wants for want in some), key=_appointment)
        shown = "\n  ".join(["wanted", *map(str, wanted), "came", *(f"{one.at}: {one.told}" for one in arrived)])
        assert [one.told for one in arrived] == [want.told for want in wanted], shown
        assert all(want.begin <= one.at <= want.end for one, want in zip(arrived, wanted, strict=True)), shown
        # What is sent again is the same message; what is another one has another id.
        messages = {(one.id, one.told) for one in arrived if one.id}
        assert len({id_ for id_, _ in messages}) == len(messages) == len({told for _, told in messages}), messages

    def states(self, channel: str) -> dict[str, State]:
        """Returns what became of each message to a channel."""
        with self.store.reading() as tx:
            records = history.deliveries(tx, 1000, channel=channel)
            return {self._told_of(tx, one.delivery.event_id): one.state for one in reversed(records)}

    def tries(self, channel: str) -> list[Tried]:
        """Returns the attempts that are on record for a channel, in their order."""
        with self.store.reading() as tx:
            return sorted(
                (
                    Tried(attempt.started_at - NOW, self._told_of(tx, one.delivery.event_id), attempt.reason)
                    for one in history.deliveries(tx, 1000, channel=channel)
                    for attempt in history.attempts(tx, one.seq)
                ),
                key=lambda tried: tried.at,
            )

    def _send(self, name: str) -> bool:
        """Sends all that a lane would send now; returns whether there was anything."""
        sent = False
        while self._senders[name].send_one() is not None:
            sent = True
            known = self._arrivals[name]
            known += [Arrival(self.now, told, id_) for id_, told in self._targets[name].told()[len(known) :]]
        return sent

    def _moments(self) -> Iterator[datetime]:
        """Yields when something happens next."""
        yield from (moment for moment, _ in self._acts[:1])
        yield from (due for sender in self._senders.values() if (due := sender.next_due()) is not None)

    def _change(self, id_: str, status: str) -> None:
        before = self._appointments.get(id_) or appointment(id=id_, start=NOW + timedelta(days=30))
        after_ = structs.replace(before, status=status, updated_at=self.clock.now)
        event = replace(step(before, after_), detected_at=self.clock.now)
        deliveries = [owed(event, name, due_at=self.clock.now) for name in self._senders]
        with self.store.writing() as tx:
            rows = [known(after_, observed_at=self.clock.now)]
            snapshot.apply(tx, plan([event], deliveries, rows), self.clock.now)
        self._appointments[id_] = after_

    def _told_of(self, tx: Transaction, event_id: str) -> str:
        after_ = history.event(tx, event_id).event.after
        return f"{after_.id} {after_.status}"


ALL = rule(name="all", title="{{ appointment.id }} {{ appointment.status }}", body="-")
"""Tells of every change; a title is what a receiver is known to have been told."""


@contextmanager
def timeline(folder: Path, *rules: Rule) -> Iterator[Timeline]:
    """Gives a timeline that begins now, without channels."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(folder / "notifier.db", synchronous="normal"))
        yield Timeline(store, stack, {one.name: one for one in rules or (ALL,)})
