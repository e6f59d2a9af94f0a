"""What a receiver was told, life by life of the daemon that tells it, and which laws of delivery that breaks."""

import json
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from random import Random
from threading import Condition
from typing import Any

from notifier.core import digest
from notifier.core.delivery import delivery_id
from tests.fake_receiver import PATIENCE, RESET, Receiver, Reply, Request
from tests.kill_config import CHAT

NOT_SAID = ""
"""The state in a message that does not tell it."""

GONE = "gone"
"""The state of what is not there, yet or any more."""

STATE = ("status", "start", "end", "office", "employee", "meetingType")
"""What is compared of what was told with what is so."""

SILENCE = "/silence"
"""Where a receiver is asked whether all has come that was on its way."""


@dataclass(frozen=True, slots=True)
class Told:
    """One message as it came."""

    #: In which life of the daemon, from 1.
    life: int
    #: What a receiver can tell a repetition by.
    key: str
    event: str
    rule: str
    appointment: str
    #: How the appointment stands by it; nothing where it does not say.
    state: str = NOT_SAID
    #: The message, where it tells others as well.
    among: str = ""

    @property
    def message(self) -> str:
        """What it came with."""
        return self.among or self.key


@dataclass(frozen=True, slots=True)
class Owed:
    """One message that is to come, by the rules."""

    key: str
    event: str
    rule: str
    appointment: str
    #: Where its event stands among the others.
    place: int
    #: How the appointment stood before and after its event.
    before: str = ""
    after: str = ""
    #: Whether it need not come, since it was overtaken.
    excused: bool = False


class Law(StrEnum):
    """What must not happen."""

    LOST = "lost"
    STRANGE = "owed to nobody"
    ID_CHANGED = "under another id"
    REPEATED_UNKILLED = "repeated without a kill"
    REPEATED_TWICE = "of which one kill repeated two"
    OVERTAKEN = "overtaken"
    OUTDATED = "of which the last is not so any more"
    REGROUPED = "again with other changes"
    ELSEWHERE = "of which one came in two messages"
    FIRED_TWICE = "twice of one stay"
    NOT_FIRED = "lacking of a stay"


@dataclass(frozen=True, slots=True)
class Breach:
    """One law broken once."""

    law: Law
    channel: str
    what: str


def repeats(told: Sequence[Told]) -> Counter[int]:
    """Returns how many messages came again for the death that ended each life.

    What came in one life and comes in a later one was not on record when the first life ended.
    """
    lives: dict[str, list[int]] = defaultdict(list)
    for message, life in dict.fromkeys((one.message, one.life) for one in told):
        lives[message].append(life)
    return Counter(life for came in lives.values() for life in came[:-1])


def _regrouped(told: Sequence[Told]) -> Iterator[str]:
    """Yields the messages that came again and told something else."""
    contents: dict[tuple[str, int], set[str]] = defaultdict(set)
    for one in told:
        contents[one.message, one.life].add(one.event)
    first: dict[str, set[str]] = {}
    for (message, _), events in contents.items():
        if first.setdefault(message, events) != events:
            yield message


def _elsewhere(told: Sequence[Told]) -> Iterator[str]:
    """Yields what came in one message, and came in another one again."""
    homes: dict[tuple[str, str], Told] = {}
    for one in told:
        home = homes.setdefault((one.event, one.rule), one)
        if home.message != one.message and (home.among or one.among):
            yield f"{one.rule} of event {one.event}, in life {one.life}"


def breaches(channel: str, told: Sequence[Told], owed: Collection[Owed]) -> Iterator[Breach]:
    """Yields the laws that are broken by what a channel was told, beside what was owed to it."""

    def breach(law: Law, what: str) -> Breach:
        return Breach(law, channel, what)

    known = {(one.event, one.rule): one for one in owed}
    came = {(one.event, one.rule): one.key for one in told}
    yield from (
        breach(Law.LOST, f"{one.rule} of event {one.event}")
        for pair, one in known.items()
        if pair not in came and not one.excused
    )
    for one in told:
        expected = known.get((one.event, one.rule))
        if expected is None:
            yield breach(Law.STRANGE, f"{one.rule} of event {one.event}")
        elif one.key != expected.key:
            yield breach(Law.ID_CHANGED, f"{one.key} instead of {expected.key}")
    for (key, life), times in Counter((one.key, one.life) for one in told).items():
        if times > 1:
            yield breach(Law.REPEATED_UNKILLED, f"{key} in life {life}, {times} times")
    for life, times in repeats(told).items():
        if times > 1:
            yield breach(Law.REPEATED_TWICE, f"{times} after life {life}")
    yield from (breach(Law.REGROUPED, what) for what in _regrouped(told))
    yield from (breach(Law.ELSEWHERE, what) for what in _elsewhere(told))
    yield from (breach(Law.OVERTAKEN, what) for what in _overtaken(told, known))
    yield from (breach(Law.OUTDATED, what) for what in _outdated(told, owed))


def _overtaken(told: Sequence[Told], known: Mapping[tuple[str, str], Owed]) -> Iterator[str]:
    """Yields what came after something newer of the same appointment; a message that came again is no news."""
    newest: dict[str, tuple[int, Told]] = {}
    for one in told:
        if (owed := known.get((one.event, one.rule))) is None:
            continue
        place, by = newest.get(one.appointment, (0, one))
        if owed.place < place and (one.message != by.message or one.life == by.life):
            yield f"event {one.event} of appointment {one.appointment}, in life {one.life}"
        if owed.place >= place:
            newest[one.appointment] = owed.place, one


def _outdated(told: Sequence[Told], owed: Collection[Owed]) -> Iterator[str]:
    """Yields the appointments that do not stand as those believe who heard all that was told."""
    believed: dict[str, str] = {}
    truth: dict[str, str] = {}
    for one in sorted(owed, key=attrgetter("place")):
        believed.setdefault(one.appointment, one.before)
        truth[one.appointment] = one.after
    for message in told:
        believed[message.appointment] = message.state
    for appointment, state in truth.items():
        if believed[appointment] not in {state, NOT_SAID}:
            yield f"appointment {appointment}: {believed[appointment]} instead of {state}"


class Ledger(Receiver):
    """A receiver that takes everything, and puts down what it was told in which life."""

    def __init__(self, read: Callable[[int, Request], Sequence[Told]]) -> None:
        super().__init__([Reply()])
        self.told: list[Told] = []
        self.life = 0
        #: Is called while a message has come and is not answered; says whether the sender was killed.
        self.strike: Callable[[], bool] | None = None
        self._read = read
        self._refused_share = 0.0
        self._chance = Random(0)  # noqa: S311 - nothing is secret here
        self._open = 0
        self._changed = Condition()

    def refuse(self, share: float, seed: int) -> None:
        """Refuses, for the time being, this share of all that comes."""
        self._refused_share = share
        self._chance = Random(seed)  # noqa: S311 - nothing is secret here

    def take(self, request: Request) -> Reply | str:
        """Puts down what came, and answers unless the sender is dead."""
        if request.path == SILENCE:
            return Reply(headers={"Connection": "close"})
        strike = self.strike
        if self._chance.random() < self._refused_share:
            return Reply(503)
        with self._changed:
            self.told += self._read(self.life, request)
        return RESET if strike and strike() else Reply()

    def begin(self, life: int) -> None:
        """Begins a new life, after everything has come that was on its way in the one before."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as asking:
            # Connections are taken in their order, so all before this one have been taken when it is answered.
            asking.sendall(f"GET {SILENCE} HTTP/1.0\r\n\r\n".encode())
            assert asking.recv(1)
        with self._changed:
            assert self._changed.wait_for(lambda: not self._open, PATIENCE)
            self.life = life
            self.strike = None

    def process_request(self, request: Any, client_address: Any) -> None:
        """Counts a connection that is open from now on."""
        with self._changed:
            self._open += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers on a connection until it is closed."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()


def read_webhook(life: int, request: Request, channel: str = "") -> Sequence[Told]:
    """Reads the document that our webhooks post; the channel is needed where it may tell several things."""
    document, key = json.loads(request.body), request.headers["webhook-id"]
    if document["type"] != digest.TYPE:
        return [_read(life, key, document)]
    told = [_read(life, key, one) for one in document["data"]["items"]]
    ids = [delivery_id(one.event, one.rule, channel) for one in told]
    # By the id of one of them; by any other it is owed to nobody.
    return [replace(one, key=id_ if key in ids else key, among=key) for one, id_ in zip(told, ids, strict=True)]


def _read(life: int, key: str, document: Mapping[str, Any]) -> Told:
    rule = document["data"].get("rule", "")
    state = state_of(document["data"]) if rule else NOT_SAID
    return Told(life, key, document["id"], rule, document["subject"], state)


def state_of(data: Mapping[str, Any]) -> str:
    """Returns how an appointment stands by the data of an event."""
    if "vanished" in data["kinds"]:
        return GONE
    return json.dumps({name: data["appointment"].get(name) for name in STATE})


def read_chat(life: int, request: Request) -> Sequence[Told]:
    """Reads what Apprise posts of a message whose words are event, appointment and rule."""
    event, appointment, rule = json.loads(request.body)["message"].split()
    # The words hold no id of the message; this is the one that it has.
    return [Told(life, delivery_id(event, rule, CHAT), event, rule, appointment)]
