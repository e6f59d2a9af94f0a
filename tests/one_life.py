"""One appointment that goes from state to state, committed to a store as a poll would commit it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.core.appointment import Appointment
from notifier.core.change import compare, kinds_of
from notifier.core.delivery import State
from notifier.core.event import Event, event_id
from notifier.store import snapshot
from notifier.store.database import Store
from tests.store_values import MINUTE, NOW, appointment, known, owed, plan

ACCEPTED = appointment()
CANCELLED = appointment(status="CANCELLED", updated_at=NOW + MINUTE)
MOVED = appointment(start=NOW + timedelta(days=2), updated_at=NOW + 2 * MINUTE)
MOVED_ON = appointment(start=NOW + timedelta(days=3), updated_at=NOW + 3 * MINUTE)


@dataclass
class Life:
    """One appointment that goes from state to state, which the channel `chat` hears of."""

    store: Store
    state: Appointment = ACCEPTED
    revision: int = 0
    events: list[Event] = field(default_factory=list)

    def goes_to(self, after: Appointment, *rules: str, at: datetime = NOW, born: State = State.PENDING) -> list[str]:
        """Commits that it is in this state now, and owes the event by these rules; returns the deliveries' ids."""
        self.revision += 1
        changes = compare(self.state, after)
        event = Event(
            id=event_id("acme", after.id, self.revision, b""),
            source="acme",
            sweep="near",
            kinds=kinds_of(changes),
            changes=changes,
            before=self.state,
            after=after,
            detected_at=at,
        )
        deliveries = [owed(event, rule=name, due_at=at) for name in rules]
        with self.store.writing() as tx:
            snapshot.apply(tx, plan([event], deliveries, [known(after, self.revision)]), at, born)
        self.state = after
        self.events.append(event)
        return [delivery.id for delivery in deliveries]
