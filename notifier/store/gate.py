"""The gate before the send line: what is due and may not go out all the same, since its hours are over or by a silence.

Both were asked when the delivery was made. They are asked again of what has waited since, as people may have said
something else, and its hours may have passed.
"""

import sqlite3
from dataclasses import replace
from datetime import datetime

import orjson
from sqlmodel import Session

from notifier.core.delivery import Delivery
from notifier.core.event import Event
from notifier.core.recheck import Terms
from notifier.core.recipients import Story
from notifier.core.route import Context, hear_silences, keep_hours
from notifier.store import rows, silences, texts
from notifier.store.backlog import Superseded, recheck_head
from notifier.store.claimed import Claimed
from notifier.store.driver import driver

_STORY = "story = json_insert(coalesce(story, '[]'), '$[#]', json(?))"
_POSTPONE = f"UPDATE delivery SET due_at = max(due_at, ?), not_before = ?, {_STORY} WHERE seq = ?"  # noqa: S608 - all ours
_KEEP_WAITING = "UPDATE delivery SET due_at = max(due_at, ?) WHERE seq = ?"
_SILENCE = (
    f"UPDATE delivery SET state = 'silenced', reason = ?, settled_at = ?, silence = ?, {_STORY}"  # noqa: S608 - all ours
    " WHERE seq = ?"
)


def postpone(tx: Session, seq: int, delivery: Delivery, event: Event, terms: Terms, now: datetime) -> bool:
    """Lets a delivery wait where its rule has hours and these are over; returns whether it does.

    Hours outside which nobody is told were asked once, when it was made: then somebody was to be told.
    """
    rule = terms.rules.get(delivery.rule)
    if rule is None or rule.hours is None:
        return False
    admission = keep_hours(rule, event, Context(now=now, recipients=terms.recipients))
    if admission.opens_at is None:
        return False
    opens_at = rows.stored(admission.opens_at)
    if delivery.not_before == admission.opens_at:  # which is told already
        driver(tx).execute(_KEEP_WAITING, (opens_at, seq))
        return True
    _tell(driver(tx), _POSTPONE, (opens_at, opens_at), admission.story, seq)
    return True


def recheck(tx: Session, head: Claimed, terms: Terms, now: datetime, superseded: list[Superseded]) -> Claimed | None:
    """Returns what is sent in place of what could be; None for nothing, or for something that has to be asked for.

    What is not sent by that is added to `superseded`.
    """
    rechecked = recheck_head(tx, head.seq, head.delivery, terms, now)
    superseded += rechecked.superseded
    if rechecked.event is None:
        return None
    passed = replace(head, event=rechecked.event)
    # What was tried may have arrived, so that more is to be told.
    swallowed = None if passed.attempt else swallow(tx, passed.seq, passed.delivery, passed.event, now)
    superseded += [swallowed] if swallowed else []
    return None if swallowed else passed


def swallow(tx: Session, seq: int, delivery: Delivery, event: Event, now: datetime) -> Superseded | None:
    """Settles a delivery that was never tried where a silence is about what it tells; returns what to say of it."""
    context = Context(now=now, silences=silences.lasting(tx, now))
    admission = hear_silences(delivery.rule, delivery.channel, event, context)
    if admission.silenced is None:
        return None
    settled = (admission.silenced.value, rows.stored(now), admission.silence)
    _tell(driver(tx), _SILENCE, settled, admission.story, seq)
    texts.prune_one(driver(tx), delivery.id)
    return Superseded(
        delivery=delivery.id,
        event_id=event.id,
        appointment=event.after.id,
        rule=delivery.rule,
        channel=delivery.channel,
        reason=admission.silenced,
        by=None,
    )


def _tell(connection: sqlite3.Connection, statement: str, values: tuple[object, ...], story: Story, seq: int) -> None:
    """Changes a delivery and adds a line to its story."""
    (line,) = story
    connection.execute(statement, (*values, orjson.dumps(line).decode(), seq))
