"""Dead letters: deliveries that were given up, or may have arrived, and what a person decides about them.

What waits can be dropped, too: it may be for a channel that is gone for good.

They stay until somebody does. To send one again keeps its id and its place among those of its appointment, and counts
its tries anew; its attempts stay on record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlmodel import Session, col

from notifier.core.delivery import Reason, State
from notifier.errors import StoreError
from notifier.store import texts
from notifier.store.delivery_tables import DeliveryRow

DECIDABLE = frozenset({State.DEAD, State.UNCERTAIN})
"""The states in which a delivery waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters are meant: those of which all holds that is given."""

    #: Their ids, or the beginnings of these; then their state is not asked for.
    ids: tuple[str, ...] = ()
    rule: str | None = None
    channel: str | None = None
    #: Given up at this time or later; owed since then where it waits.
    since: datetime | None = None
    states: frozenset[State] = frozenset({State.DEAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A delivery about which a person decides."""

    #: Of its row.
    seq: int
    id: str
    event_id: str
    rule: str
    channel: str
    #: The one in which it waits for the decision.
    state: State


def find(tx: Session, selection: Selection) -> list[Letter]:
    """Returns what the selection means, in the order in which it was made; what is one message stays together.

    Raises:
        StoreError: an id that no delivery has, or that several begin with, or that of one about which there is nothing
            to decide.
    """
    if selection.ids:
        found = {letter for one in selection.ids for letter in _told_with(tx, _by_id(tx, one))}
        return sorted(found, key=lambda letter: letter.seq)
    query = _LETTERS.where(col(DeliveryRow.state).in_(selection.states))
    if selection.rule is not None:
        query = query.where(col(DeliveryRow.rule) == selection.rule)
    if selection.channel is not None:
        query = query.where(col(DeliveryRow.channel) == selection.channel)
    if selection.since is not None:
        # What waits is not settled.
        query = query.where(func.coalesce(DeliveryRow.settled_at, DeliveryRow.created_at) >= selection.since)
    return [_letter(row) for row in tx.execute(query.order_by(col(DeliveryRow.seq)))]


def retry(tx: Session, letters: Sequence[Letter], now: datetime) -> None:
    """Owes them again, from now on and as often as what is new; one that may have arrived still may."""
    _update(tx, letters, state=State.PENDING, reason=Reason.RETRIED, due_at=now, settled_at=None, tries=0)


def drop(tx: Session, letters: Sequence[Letter], now: datetime) -> None:
    """Ends them: they are never sent."""
    _update(tx, letters, state=State.DROPPED, reason=Reason.DROPPED, settled_at=now)
    texts.prune(tx)


def channels(tx: Session) -> set[str]:
    """Returns the channels to which there ever was a delivery."""
    return set(tx.execute(select(col(DeliveryRow.channel)).distinct()).scalars())


# Of many rows at once, so only what is asked for.
_LETTERS = select(
    col(DeliveryRow.seq),
    col(DeliveryRow.id),
    col(DeliveryRow.event_id),
    col(DeliveryRow.rule),
    col(DeliveryRow.channel),
    col(DeliveryRow.state),
)


def _by_id(tx: Session, id_: str) -> Letter:
    # Ids are hexadecimal: "g" follows every digit.
    found = tx.execute(_LETTERS.where(col(DeliveryRow.id) >= id_, col(DeliveryRow.id) < f"{id_}g").limit(2)).all()
    if not found:
        raise StoreError(f"there is no delivery {id_!r} on record")
    if len(found) > 1:
        raise StoreError(f"more than one delivery's id begins with {id_!r}; write more of it")
    letter = _letter(found[0])
    if letter.state not in DECIDABLE:
        raise StoreError(f"the delivery {id_!r} is {letter.state.value}; there is nothing to decide about it")
    return letter


def _told_with(tx: Session, letter: Letter) -> list[Letter]:
    """Returns the letter with all that its message tells, whichever of them it is."""
    leader = select(col(DeliveryRow.bundled_in)).where(col(DeliveryRow.seq) == letter.seq).scalar_subquery()
    found = [_letter(row) for row in tx.execute(_LETTERS.where(col(DeliveryRow.bundled_in) == leader))]
    return found or [letter]


def _letter(row: Row[Any]) -> Letter:
    values = row._asdict()
    return Letter(**values | {"state": State(values["state"])})


_AT_ONCE = 500
"""Rows changed by one statement: SQLite takes only so many values."""


def _update(tx: Session, letters: Sequence[Letter], **values: object) -> None:
    for begin in range(0, len(letters), _AT_ONCE):
        some = [letter.seq for letter in letters[begin : begin + _AT_ONCE]]
        statement = update(DeliveryRow).where(col(DeliveryRow.seq).in_(some)).values(**values)
        tx.execute(statement, execution_options={"synchronize_session": False})
