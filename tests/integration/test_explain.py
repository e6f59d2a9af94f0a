"""`notifier explain`: why somebody was told, or nobody was, by event, by appointment and by rule."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.core.event import Event
from notifier.core.plan import Plan, Recorded
from notifier.core.rule import Verdict
from notifier.core.sweep import Look, Span, SweepOutcome, SweepRun
from notifier.store import hold, snapshot, sweeps
from notifier.store.database import Store, open_store
from tests.configured import settings, source
from tests.store_values import appointment, cancelled, known, owed

pytestmark = pytest.mark.usefixtures("own_logs")

AGO = timedelta(hours=3)
OFF = Verdict("off", matched=True)
OTHER = Verdict("other", matched=False, key="to", wanted="NO_SHOW", saw="CANCELLED")
LATE = Verdict("other", matched=False, key="max_age", wanted="1h", saw="2 h")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store in the working folder, beside a configuration of one source."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    settings(tmp_path, source("https://api.example.com", 'token = "t"'), {"chat": "console://"})
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["explain", *arguments])


def said(*arguments: str) -> str:
    """Returns what is printed, on one line."""
    result = explain(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def put(store: Store, name: str, *verdicts: Verdict, ago: timedelta = AGO) -> Event:
    """Puts a cancellation on record, owed to `chat` by each rule that matched."""
    event = replace(cancelled(name), detected_at=utc_now() - ago)
    deliveries = tuple(owed(event, "chat", verdict.rule) for verdict in verdicts if verdict.matched)
    row = known(event.after, 1, event.detected_at)
    with store.writing() as tx:
        snapshot.apply(tx, Plan("acme", "near", (row,), (Recorded(event, verdicts),), deliveries, ()), utc_now())
    return event


def look(store: Store, ago: timedelta = AGO) -> None:
    """Puts a look at the whole source on record."""
    began = utc_now() - ago
    with store.writing() as tx:
        everything = Look(scope="s", began_at=began, span=Span(None, None), end_offset=None, filters={})
        snapshot.put_look(tx, "acme", everything)


def test_an_appointment_with_events(store: Store) -> None:
    """Every event is told as its own story, the oldest first, with what each rule said and what became of it."""
    look(store)
    put(store, "a1", OFF, OTHER)
    text = said("--appointment", "a1")
    assert text.startswith("Appointment a1 acme shows it as CANCELLED, as changed 2026-03-02 09:30:00 it was last ")
    assert "1 event since " in text
    assert "; 1 delivery, 0 delivered. Event " in text
    assert "Rules off matched other no: to wants NO_SHOW, saw CANCELLED Deliveries chat, by off: pending, due " in text


def test_nobody_was_told(store: Store) -> None:
    """Where no rule matched, or only too late, that is the answer."""
    put(store, "a1", OTHER)
    put(store, "a2", LATE)
    assert "; nobody was told. " in said("--appointment", "a1")
    assert said("--appointment", "a1").endswith("Deliveries none: no rule matched")
    assert said("--appointment", "a2").endswith("Deliveries none: it was noticed too late for other")


def test_nothing_happened(store: Store) -> None:
    """Without an event in that time, the answer is what is known: what it is like, when that was looked at."""
    look(store, timedelta(minutes=5))
    event = put(store, "a1", OFF, ago=timedelta(days=9))
    text = said("--appointment", "a1")
    assert "it was last looked at " in text
    assert "No event since " in text
    assert f"The last one before is {event.id[:10]}, " in text
    assert "1 event since " in said("--appointment", "a1", "--since", "10d")


def test_baseline(store: Store) -> None:
    """What was there all along at its first sight was stored in silence, and that is said."""
    look(store)
    with store.writing() as tx:
        rows = (known(appointment("a1"), observed_at=utc_now() - AGO),)
        snapshot.apply(tx, Plan("acme", "near", rows, (), (), ("a1",)), utc_now())
    text = said("--appointment", "a1")
    assert "it was stored in silence " in text
    assert text.endswith("nor before: no change of it was seen, so that no rule was asked.")


def test_vanished(store: Store) -> None:
    """What is not shown any more is said to be gone, with its last state."""
    with store.writing() as tx:
        row = known(appointment("a1"), 1)
        gone = type(row)(row.appointment, row.digest, 1, row.observed_at, utc_now() - AGO)
        snapshot.apply(tx, Plan("acme", "near", (gone,), (), (), ()), utc_now())
    text = said("--appointment", "a1")
    assert "acme has not shown it any more since " in text
    assert "; it was ACCEPTED, as changed " in text


def test_what_nobody_knows(store: Store) -> None:
    """Of what was never seen, the answer is how far anybody looked."""
    assert "acme was last read as a whole: never" in said("--appointment", "a9")
    look(store)
    text = said("--appointment", "a9")
    assert "acme has not shown it, or only so long ago that it was let go acme was last read as a whole 2" in text


def test_what_kept_us_from_seeing_it(store: Store) -> None:
    """Sweeps that fail and doubts of the brake are part of the answer."""
    now = utc_now()
    run = SweepRun(source="acme", sweep="near", started_at=now - AGO, finished_at=now, outcome=SweepOutcome.UNAVAILABLE)
    with store.writing() as tx:
        sweeps.record(tx, "acme", "near", run)
        hold.trip(tx, "acme", "near", now)
    text = said("--appointment", "a1")
    assert "the sweep acme/near has failed since " in text
    assert "the brake doubts the sweep acme/near since " in text


def test_one_rule(store: Store) -> None:
    """Asked by a rule, the answer is what that said to every event, and to whom it was told."""
    put(store, "a1", OFF, OTHER)
    put(store, "a2", Verdict("off", matched=False, key="on", wanted="created", saw="status_changed"), OTHER)
    text = said("--rule", "off")
    assert text.startswith("off was asked about 2 events since ")
    assert " and matched 1. " in text
    assert "appointment a1: Cancelled matched chat: pending" in text
    assert "appointment a2: Cancelled no: on wants created, saw status_changed" in text
    assert "other" not in text
    assert said("--rule", "of").startswith("of was asked about no event since ")
    event = put(store, "a3", OFF, OTHER)
    assert "other" not in said(event.id, "--rule", "off")


def test_without_events(store: Store) -> None:
    """Where nothing happened, no rule was asked."""
    assert store
    assert said("--rule", "off").startswith("No event since ")


def test_json(store: Store) -> None:
    """The document has the sightings and the stories."""
    look(store)
    put(store, "a1", OFF, OTHER)
    document = json.loads(explain("--appointment", "a1", "--json").stdout)
    assert document["sightings"][0]["known"]["appointment"]["status"] == "CANCELLED"
    assert document["stories"][0]["record"]["verdicts"][0]["rule"] == "off"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "say what to explain: an event, --appointment or --rule"),
        (("abc", "--appointment", "1"), "an event says which appointment"),
    ],
)
def test_usage(store: Store, arguments: tuple[str, ...], text: str) -> None:
    """What is to be explained must be said, once."""
    assert store
    result = explain(*arguments)
    assert result.exit_code == 2
    assert text in result.output
