"""A store, a timekeeper over it, and appointments whose lives a test leads by a clock set by hand; without a network.

Beside it a model says in plain words what is to be told: it walks through everything at each look, and keeps in memory
what the store keeps in rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from unittest.mock import patch

from msgspec import structs

from notifier import timekeeper
from notifier.core.appointment import Appointment
from notifier.core.change import Kind
from notifier.core.plan import make_plan
from notifier.core.rule import Rule, timed
from notifier.core.sweep import Look, Span, Sweep
from notifier.core.watch import MOST_REMINDERS, Watch
from notifier.store import history, snapshot
from notifier.store.database import open_store
from notifier.timekeeper import Timekeeper
from tests.builders import DAY, MINUTE, observation, rule
from tests.poll_world import _fresh_store
from tests.simulated import HandClock

EVERYTHING = Sweep(name="everything", every=MINUTE, filters={})
ON_TIME = 15 * MINUTE

Told = tuple[str, datetime | None, int, bool, datetime]
"""Whose stay, since when, which message, whether others are told, and when."""


def asking(watch: Watch, *more: object, name: str = "asks") -> Rule:
    """Returns a rule that asks the clock."""
    return rule(timed(watch), *more, name=name, watch=watch)  # type: ignore[arg-type]


class TimedWorld:
    """All of it; to be closed."""

    def __init__(self, rules: Sequence[Rule], page: int = 2) -> None:
        self.clock = HandClock()
        self.truth: dict[str, Appointment] = {}
        self._folder = TemporaryDirectory()
        path = Path(self._folder.name) / "notifier.db"
        path.write_bytes(_fresh_store())
        self.store = open_store(path, synchronous="normal")
        self._page = page
        self.restart(rules)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self._folder.cleanup()

    def restart(self, rules: Sequence[Rule]) -> None:
        """Begins anew on what was stored, with these rules."""
        self.rules = rules
        self.keeper = Timekeeper(self.store, rules, {"acme": (EVERYTHING,)}, self.clock)
        with self.store.writing() as tx:
            self.keeper.enrol(tx)

    def set(self, name: str, **changes: object) -> None:
        """Makes an appointment, or changes it."""
        now = self.clock()
        old = self.truth.get(name) or Appointment(
            id=name, status="INCOMING_REQUEST", updated_at=now, created_at=now, start=now + 3 * DAY, end=now + 3 * DAY
        )
        self.truth[name] = structs.replace(old, **changes, updated_at=now)

    def poll(self) -> None:
        """Reads everything, as one sweep does."""
        now = self.clock()
        with self.store.writing() as tx:
            ids = set(self._ids())
            known = snapshot.known(tx, "acme", ids | self.truth.keys())
            observed = [observation(state, now) for state in self.truth.values()]
            gone = known.keys() - self.truth.keys()
            looks = snapshot.looks(tx, "acme")
            plan = make_plan("acme", "everything", known, observed, looks, self.rules, now, gone)
            snapshot.apply(tx, plan, now)
            snapshot.put_look(tx, "acme", _look(now))

    def _ids(self) -> list[str]:
        with self.store.reading() as tx:
            return list(snapshot.digests_within(tx, "acme", Span(None, None)))

    def look(self) -> frozenset[str]:
        """Looks at what is due, in small pages."""
        with patch.object(timekeeper, "PAGE", self._page):
            return self.keeper.look()

    def told(self) -> list[Told]:
        """Returns what was told, the oldest first."""
        with self.store.reading() as tx:
            found = [record.event for record in reversed(history.events(tx, 10_000))]
        return [
            (one.after.id, one.firing.began_at, one.firing.number, one.firing.escalation, one.detected_at)
            for one in found
            if one.firing
        ]


def _look(now: datetime) -> Look:
    return Look(scope=EVERYTHING.scope, began_at=now, span=Span(None, None), end_offset=None, filters={})


@dataclass(frozen=True)
class _Seen:
    state: Appointment
    since: datetime
    silent_at: datetime | None
    observed_at: datetime
    listed: bool = True


@dataclass
class _Course:
    number: int = 0
    due: datetime | None = None
    escalate: datetime | None = None


class Model:
    """What is to be told, by walking through all that was seen."""

    def __init__(self, watch: Watch, loaded_at: datetime) -> None:
        self._watch = watch
        self._loaded_at = loaded_at
        self._seen: dict[str, _Seen] = {}
        self._polled_at: datetime | None = None
        self._courses: dict[tuple[str, datetime], _Course] = {}
        self.told: list[Told] = []

    def poll(self, truth: Mapping[str, Appointment], now: datetime) -> None:
        """Sees everything."""
        for name, state in truth.items():
            before = self._seen.get(name)
            if before is None:
                silent_at = now if self._polled_at is None else None
                self._seen[name] = _Seen(state, state.updated_at, silent_at, now)
            elif state != before.state or not before.listed:
                since = before.since if state.status == before.state.status else state.updated_at
                self._seen[name] = _Seen(state, since, before.silent_at, now)
        for name in self._seen.keys() - truth.keys():
            self._seen[name] = replace(self._seen[name], listed=False)
        self._polled_at = now

    def look(self, now: datetime) -> None:
        """Tells what is due."""
        for name, seen in self._seen.items():
            begin = self._begin(seen, now)
            if begin is None or self._polled_at is None or self._polled_at <= seen.observed_at:
                continue
            self._tell(name, seen, begin, now)

    def _tell(self, name: str, seen: _Seen, begin: datetime, now: datetime) -> None:
        watch, known = self._watch, self._polled_at
        assert known is not None
        moment = begin if watch.kind is Kind.BEFORE_START else begin + watch.span
        course = self._courses.get((name, begin))
        if course is None:
            if moment > known or moment <= self._loaded_at or (seen.silent_at and moment <= seen.silent_at):
                return
            course = self._courses[name, begin] = _Course(due=moment)
        escalate = course.escalate
        if course.due is not None and course.due <= known:
            self.told.append((name, begin, course.number, False, now))
            base = course.due if now - course.due <= ON_TIME else now
            if course.number == 0 and watch.escalate:
                course.escalate = base + watch.escalate.after
            course.due = base + watch.remind if watch.remind and course.number < MOST_REMINDERS else None
            course.number += 1
        if escalate is not None and escalate <= known:
            self.told.append((name, begin, 0, True, now))
            course.escalate = None

    def _begin(self, seen: _Seen, now: datetime) -> datetime | None:
        state, watch = seen.state, self._watch
        if not seen.listed or state.status not in watch.statuses:
            return None
        if watch.kind is Kind.OVERDUE:
            return None if state.end is None else max(state.end, seen.since)
        if watch.kind is Kind.BEFORE_START:
            if state.start is None or state.start <= now:
                return None
            return max(state.start - watch.span, seen.since)
        return seen.since
