"""What a world in which the daemon was killed came to, by what is on record, what came, and what was really so."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Final, Self

import sqlalchemy

from notifier.audit import Audit, Truth, audit_store
from notifier.core.change import Kind
from notifier.core.delivery import State, delivery_id
from notifier.core.document import document
from notifier.core.event import Event
from notifier.core.grant import NO_TEXTS, USUAL, mask
from notifier.store import history
from notifier.store.database import Store, Transaction
from notifier.store.rows import moment_of, stored
from tests.kill_config import EXCUSED, LASTING, OPERATOR, ROUTES
from tests.ledger import GONE, Breach, Law, Owed, Told, breaches, repeats, state_of

ALL: Final = 10**9


@dataclass(kw_only=True)
class Account:
    """What one channel got."""

    owed: int = 0
    told: int = 0
    #: Of those that were told: what came again.
    repeated: int = 0
    #: The most that came again for one death.
    most: int = 0

    def __add__(self, other: Self) -> "Account":
        return Account(
            owed=self.owed + other.owed,
            told=self.told + other.told,
            repeated=self.repeated + other.repeated,
            most=max(self.most, other.most),
        )


@dataclass(kw_only=True)
class Report:
    """What one world, or several, came to."""

    #: Deaths by label; under no name, those at random moments.
    kills: Counter[str] = field(default_factory=Counter)
    #: Labels at which a daemon should have died and did not.
    missed: Counter[str] = field(default_factory=Counter)
    #: How long the killing took, in each world.
    seconds: list[float] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    breaches: list[Breach] = field(default_factory=list)
    #: Deliveries and notices by what became of them.
    deliveries: Counter[State] = field(default_factory=Counter)
    notices: Counter[State] = field(default_factory=Counter)
    #: Personal texts that are still kept though nothing is owed any more.
    texts: int = 0
    #: How the last daemon ended, which was let live until all was quiet; in each world.
    codes: list[int | None] = field(default_factory=list)

    def __add__(self, other: "Report") -> "Report":
        accounts = {name: self.accounts.get(name, Account()) + one for name, one in other.accounts.items()}
        return Report(
            kills=self.kills + other.kills,
            missed=self.missed + other.missed,
            seconds=self.seconds + other.seconds,
            audits=self.audits + other.audits,
            accounts=self.accounts | accounts,
            breaches=self.breaches + other.breaches,
            deliveries=self.deliveries + other.deliveries,
            notices=self.notices + other.notices,
            texts=self.texts + other.texts,
            codes=self.codes + other.codes,
        )

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, and every label was reached."""
        settled = set(self.deliveries) | set(self.notices) <= {State.DELIVERED, State.SUPERSEDED}
        true = all(audit.clean for audit in self.audits)
        return true and settled and not (self.texts or self.breaches or self.missed or any(self.codes))


def total(reports: Iterable[Report]) -> Report:
    """Returns what several worlds came to together."""
    return reduce(Report.__add__, reports, Report())


def reckon(store: Store, truth: Truth, told: Mapping[str, Sequence[Told]], since: datetime) -> Report:
    """Calls a store, and those who were told since a time, to account."""
    report = Report(audits=[audit_store(truth, store, "acme")])
    with store.reading() as tx:
        events = [(record.seq, record.event) for record in history.events(tx, ALL, source="acme")]
        deliveries = history.deliveries(tx, ALL)
        notices = list(_notices(tx))
        report.texts = tx.connection().execute(sqlalchemy.text("SELECT count(*) FROM text")).scalar_one()
    report.deliveries.update(record.state for record in deliveries)
    overtaken = {record.delivery.id for record in deliveries if record.state is State.SUPERSEDED}
    report.notices.update(state for _, state in notices)
    for channel, came in told.items():
        owed = [one for one, _ in notices] if channel == OPERATOR else list(_owed(channel, events, overtaken))
        again = repeats(came)
        report.accounts[channel] = Account(
            owed=len(owed), told=len(came), repeated=again.total(), most=max(again.values(), default=0)
        )
        report.breaches += breaches(channel, came, owed)
    report.breaches += _fired_twice(event for _, event in events)
    report.breaches += [Breach(Law.NOT_FIRED, LASTING, f"appointment {id_}") for id_ in unwatched(store, since)]
    return report


def _owed(channel: str, events: Iterable[tuple[int, Event]], overtaken: Collection[str]) -> Iterator[Owed]:
    """Yields what a channel is to hear of, by the rules and not by what the store made of them."""
    for place, event in events:
        cancelled = Kind.STATUS_CHANGED in event.kinds and event.after.status == "CANCELLED"
        for rule, channels in ROUTES.items():
            asked = (event.firing is not None) is (rule == LASTING)
            if channel in channels and asked and (cancelled or rule != "cancelled"):
                key = delivery_id(event.id, rule, channel)
                yield Owed(
                    key=key,
                    event=event.id,
                    rule=rule,
                    appointment=event.after.id,
                    place=place,
                    before=_before(event),
                    after=_state(event),
                    excused=channel in EXCUSED and key in overtaken,
                )


def _fired_twice(events: Iterable[Event]) -> Iterator[Breach]:
    """Yields the stays that are on record more than once."""
    stays = Counter((one.after.id, one.firing.began_at) for one in events if one.firing)
    for (appointment, began_at), times in stays.items():
        if times > 1:
            yield Breach(Law.FIRED_TWICE, LASTING, f"appointment {appointment}, since {began_at}: {times} times")


def unwatched(store: Store, since: datetime) -> list[str]:
    """Returns the appointments that were cancelled after a time and still are, with no record that they stay so."""
    query = "SELECT id, status_since FROM appointment WHERE status = 'CANCELLED' AND vanished_at IS NULL"
    with store.reading() as tx:
        asked = sqlalchemy.text(f"{query} AND status_since > :since")
        staying = tx.connection().execute(asked, {"since": stored(since)}).all()
        firings = [(record.event.after.id, record.event.firing) for record in history.events(tx, ALL)]
    told = {(id_, firing.began_at) for id_, firing in firings if firing}
    return [id_ for id_, began_at in staying if (id_, moment_of(began_at)) not in told]


def _state(event: Event) -> str:
    """Returns how the appointment stands after an event, in the words of a webhook."""
    data = document(mask(event, USUAL, NO_TEXTS), "")["data"]
    assert isinstance(data, Mapping)
    return state_of(data)


def _before(event: Event) -> str:
    if event.before is None or Kind.DISCOVERED in event.kinds:
        return GONE
    return _state(replace(event, after=event.before, kinds=(Kind.UPDATED,)))


def _notices(tx: Transaction) -> Iterator[tuple[Owed, State]]:
    for seq, name, trouble, state in tx.connection().execute(
        sqlalchemy.text("SELECT seq, id, trouble, state FROM notice")
    ):
        yield Owed(name, name, "", trouble, seq), State(state)
