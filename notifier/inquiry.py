"""An inquiry: what is on record of an appointment or a rule, for whoever asks why somebody was told, or nobody was."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from notifier.core.plan import Known
from notifier.core.rule import Verdict
from notifier.store import history, hold, snapshot, sweeps
from notifier.store.database import Transaction
from notifier.store.history import AttemptRecord, DeliveryRecord, EventRecord

MOST_EVENTS: Final = 50
"""The newest so many are told of."""


@dataclass(frozen=True, slots=True)
class Story:
    """All that is on record about one event."""

    record: EventRecord
    deliveries: tuple[tuple[DeliveryRecord, tuple[AttemptRecord, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one source has shown of an appointment."""

    source: str
    #: None where it has never shown it.
    known: Known | None
    #: When what covers it was last read as a whole; of an appointment that is not known, when anything was.
    looked_at: datetime | None
    #: Since when sweeps of the source fail, by their names.
    failing: tuple[tuple[str, datetime], ...]
    #: Since when the brake doubts sweeps of the source, by their names.
    doubted: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What is on record about a question."""

    #: Whose events are asked for; None for those of all.
    appointment: str | None
    #: Whose verdicts are asked for; None for those of all.
    rule: str | None
    since: datetime
    #: Where the appointment was seen; empty where none is asked for.
    sightings: tuple[Sighting, ...]
    #: Oldest first.
    stories: tuple[Story, ...]
    #: The newest event of the appointment before that time; None where there is none on record.
    former: EventRecord | None


def story_of(tx: Transaction, record: EventRecord, rule: str | None = None) -> Story:
    """Returns what is on record about an event, as far as it concerns the rule."""
    told = tuple(
        (delivery, tuple(history.attempts(tx, delivery.seq)))
        for delivery in history.deliveries_of(tx, record.event.id)
        if rule is None or delivery.delivery.rule == rule
    )
    return Story(replace(record, verdicts=_of_rule(record.verdicts, rule)), told)


def inquire(
    tx: Transaction,
    sources: Collection[str],
    *,
    appointment: str | None,
    rule: str | None,
    since: datetime,
    now: datetime,
) -> Inquiry:
    """Returns what is on record about an appointment since a time, or about what a rule said to all."""
    records = history.events(tx, MOST_EVENTS, since=since, appointment=appointment)
    former = None
    if appointment is not None and not records:
        former = next(iter(history.events(tx, 1, appointment=appointment)), None)
    return Inquiry(
        appointment=appointment,
        rule=rule,
        since=since,
        sightings=tuple(_sighting(tx, source, appointment, now) for source in sources) if appointment else (),
        stories=tuple(story_of(tx, record, rule) for record in reversed(records)),
        former=former,
    )


def _of_rule(verdicts: Sequence[Verdict], rule: str | None) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in verdicts if rule is None or verdict.rule == rule)


def _sighting(tx: Transaction, source: str, appointment: str, now: datetime) -> Sighting:
    known = snapshot.known(tx, source, [appointment]).get(appointment)
    looks = snapshot.looks(tx, source)
    covering = [look for look in looks if known is None or look.covers(known.appointment, now)]
    records = [record for record in sweeps.every(tx) if record.source == source]
    doubts = ((record.name, hold.doubted_at(tx, source, record.name)) for record in records)
    return Sighting(
        source=source,
        known=known,
        looked_at=max((look.began_at for look in covering), default=None),
        failing=tuple((record.name, record.failing_since) for record in records if record.failing_since),
        doubted=tuple((name, since) for name, since in doubts if since),
    )
