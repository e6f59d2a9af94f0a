"""The planner: asks the store for all that a plan depends on, and the core for the plan; the poll line has no other.

Rehearsals have the same one, so that nothing which a plan will depend on some day can be forgotten there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.core.event import Event
from notifier.core.grant import Grant
from notifier.core.plan import Known, Observation, Plan, make_plan, plan_again
from notifier.core.recipients import Recipients
from notifier.core.sweep import OVERLAP, Look
from notifier.core.walk import Rules
from notifier.store import silences, snapshot
from notifier.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Planner:
    """What a plan depends on that people have said once for all."""

    rules: Rules
    grants: Mapping[str, Grant]
    recipients: Recipients
    #: By how much the source's clock may be off, or its list behind.
    overlap: timedelta = OVERLAP

    def plan(
        self,
        tx: Transaction,
        source: str,
        sweep: str,
        observed: Sequence[Observation],
        looks: Sequence[Look],
        now: datetime,
        gone: Collection[str] = (),
    ) -> tuple[Plan, Mapping[str, Known]]:
        """Returns what the observations mean, and what was known of the same appointments."""
        known = snapshot.known(tx, source, {*gone, *(seen.appointment.id for seen in observed)})
        plan = make_plan(
            source,
            sweep,
            known,
            observed,
            looks,
            self.rules,
            now,
            gone,
            self.grants,
            silences=silences.lasting(tx, now),
            recipients=self.recipients,
            overlap=self.overlap,
        )
        return plan, known

    def plan_again(self, tx: Transaction, source: str, sweep: str, events: Sequence[Event], now: datetime) -> Plan:
        """Returns who is told of events that are on record, one of each appointment."""
        known = snapshot.known(tx, source, [event.after.id for event in events])
        lasting = silences.lasting(tx, now)
        return plan_again(source, sweep, known, events, self.rules, now, silences=lasting, recipients=self.recipients)
