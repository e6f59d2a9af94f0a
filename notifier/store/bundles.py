"""The bundles: what waits together is closed at the claim that its first due delivery makes, in that transaction.

From then on the deliveries of a message are one: they are tried, settled and retried together, under the id of the one
that leads. What comes later is for another message.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson
from sqlmodel import Session

from notifier.core.bundle import (
    Bundle,
    Throttle,
    free_at,
    gathers,
    most_of,
    read_bundle,
    say_over,
    takes_early,
    write_bundle,
)
from notifier.core.recheck import Terms
from notifier.store import claimed as claims
from notifier.store import rows
from notifier.store.backlog import Superseded
from notifier.store.claimed import Claimed
from notifier.store.driver import driver
from notifier.store.gate import postpone, recheck

# There are two of them, or one twice.
_OPEN = (
    "channel = ? AND bundle IN (?, ?) AND settled_at IS NULL AND state = 'pending' AND attempts = 0"
    " AND bundled_in IS NULL"
)
_WAITING = f"SELECT seq FROM delivery WHERE {_OPEN} AND seq > ? AND due_at <= ? ORDER BY seq"  # noqa: S608 - all ours
_ONE = f"{claims.SELECT} WHERE delivery.seq = ?"
_MEMBERS = f"{claims.SELECT} WHERE bundled_in = ? AND delivery.seq <> ? AND settled_at IS NULL ORDER BY delivery.seq"
_JOIN = "UPDATE delivery SET bundled_in = ? WHERE seq = ?"
_START = "UPDATE delivery SET state = 'sending', attempts = ?, tries = ? WHERE bundled_in = ? AND state = 'pending'"
_UNSTART = (
    "UPDATE delivery SET state = 'pending', attempts = attempts - 1, tries = tries - 1"
    " WHERE bundled_in = ? AND state = 'sending' AND attempts = ?"
)
_PART = "UPDATE delivery SET bundled_in = NULL WHERE bundled_in = ?"
# Of what was begun within the time, either no end is on record, or one within it too.
_LATELY = (
    "SELECT started_at FROM delivery CROSS JOIN attempt ON delivery_seq = delivery.seq AND number = 1"
    " WHERE channel = ? AND bundle IN (?, ?) AND {} AND (bundled_in IS NULL OR bundled_in = delivery.seq)"
    " AND started_at > ?"
)
_BEGUN = f"{_LATELY.format('settled_at IS NULL')} UNION ALL {_LATELY.format('settled_at > ?')} ORDER BY 1 DESC LIMIT ?"
_PUT_OFF = (
    "UPDATE delivery SET due_at = ?, not_before = ?, bundle = ?,"  # noqa: S608 - all ours
    " story = CASE WHEN instr(coalesce(story, ''), '[\"throttle\",') THEN story"
    " ELSE json_insert(coalesce(story, '[]'), '$[#]', json(?)) END"
    f" WHERE {_OPEN} AND due_at < ?"
)


_EVER = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Room:
    """How much one message of a channel takes: for machines, which are told all or nothing."""

    size: int
    #: What a delivery takes of that.
    weigh: Callable[[sqlite3.Connection, Claimed], int]


AMPLE = Room(0, lambda _, __: 0)
"""That of a channel whose messages are cut where they are too long."""


def hold_back(tx: Session, head: Claimed, terms: Terms, now: datetime) -> int:
    """Puts off all that waits like the head if too much went out lately; returns how many deliveries that are."""
    rule = terms.rules.get(head.delivery.rule)
    if head.gathers is None or rule is None or rule.throttle is None:
        return 0
    bundle = read_bundle(head.gathers)
    free = free_at(rule.throttle, _begun(tx, head.delivery.channel, bundle, rule.throttle, now), now)
    if free is None:
        return 0
    story = orjson.dumps(say_over(rule.throttle)).decode()
    until, over = rows.stored(free), bundle.of_over
    values = (until, until, write_bundle(over), story, head.delivery.channel, *_pair(over.joined), until)
    return driver(tx).execute(_PUT_OFF, values).rowcount


def is_gathering(head: Claimed) -> bool:
    """Whether others go out with it, if there are any."""
    return head.gathers is not None and gathers(read_bundle(head.gathers))


def close(
    tx: Session, head: Claimed, terms: Terms | None, now: datetime, room: Room, superseded: list[Superseded]
) -> Claimed | None:
    """Returns the first of those that go out together, with the others as its members; None if nothing is left.

    The head is due. The others are those that wait for the same, and for nothing that stays behind. All of them are
    re-checked first by the terms, unless there are none.
    """
    assert head.gathers is not None
    connection, bundle = driver(tx), read_bundle(head.gathers)
    rule = None if terms is None else terms.rules.get(head.delivery.rule)
    most, left = most_of(bundle, None if rule is None else rule.group), room.size
    chosen: list[Claimed] = []

    def add(one: Claimed) -> bool:
        """Says whether there is room for more."""
        nonlocal left
        passed = one if terms is None else recheck(tx, one, terms, now, superseded)
        if passed is None:
            return True
        left -= room.weigh(connection, passed)
        if left < 0 and chosen:
            return False
        chosen.append(passed)
        return len(chosen) < most

    waiting = _seqs(connection, head, bundle, now, 0) if add(head) else deque()
    while waiting:
        seq = waiting.popleft()
        if seq == head.seq or not claims.barring(connection, seq) <= {one.seq for one in chosen}:
            continue
        one = claims.read(connection.execute(_ONE, (seq,)).fetchone())
        if terms is not None and postpone(tx, one.seq, one.delivery, one.event, terms, now):
            continue
        gone = len(superseded)
        if not add(one):
            break
        # What it was collapsed into may be due by that.
        if len(superseded) > gone:
            waiting = _seqs(connection, head, bundle, now, seq)
    return replace(chosen[0], members=tuple(chosen[1:])) if chosen else None


def join(connection: sqlite3.Connection, leader: Claimed) -> None:
    """Makes the leader and its members one from now on."""
    connection.executemany(_JOIN, [(leader.seq, one.seq) for one in leader.together])


def with_members(connection: sqlite3.Connection, leader: Claimed) -> Claimed:
    """Returns a leader that was tried before with its members."""
    found = connection.execute(_MEMBERS, (leader.seq, leader.seq)).fetchall()
    return replace(leader, members=tuple(map(claims.read, found)))


def start(connection: sqlite3.Connection, leader: Claimed) -> None:
    """Marks the members as being sent, in the attempt of their leader."""
    connection.execute(_START, (leader.attempt, leader.tries, leader.seq))


def unstart(connection: sqlite3.Connection, leader: Claimed) -> None:
    """Takes back that the members are being sent; what was never tried is open for others again."""
    connection.execute(_UNSTART, (leader.seq, leader.attempt))
    if leader.attempt == 1:
        connection.execute(_PART, (leader.seq,))


def _seqs(connection: sqlite3.Connection, head: Claimed, bundle: Bundle, now: datetime, after: int) -> deque[int]:
    """Returns the rows of those that wait with the head, in their order."""
    until = rows.stored(_EVER if takes_early(bundle) else now)
    return deque(
        seq for (seq,) in connection.execute(_WAITING, (head.delivery.channel, *_pair(bundle.joined), after, until))
    )


def _begun(tx: Session, channel: str, bundle: Bundle, throttle: Throttle, now: datetime) -> Sequence[datetime]:
    """Returns when the last messages went out that a throttle counts, the newest first."""
    since = rows.stored(now - throttle.per)
    which = (channel, *_pair(bundle.counted))
    found = driver(tx).execute(_BEGUN, (*which, since, *which, since, since, throttle.most))
    return [rows.moment_of(started_at) for (started_at,) in found]


def _pair(bundles: Sequence[Bundle]) -> tuple[str, str]:
    return write_bundle(bundles[0]), write_bundle(bundles[-1])
