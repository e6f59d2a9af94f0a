"""The demo in this process: what it says, and that it fails where something was not told."""

import re
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest

from notifier import demo
from notifier.audit import Audit, Finding, Truth, audit_store
from notifier.demo import run_demo
from notifier.store.database import Store
from tests.captured_logs import captured_logs

LONG = 60.0
"""Seconds that no test waits for."""


class Said:
    """Keeps what the demo says, and tells when a line with a certain beginning comes."""

    def __init__(self, awaited: str = "never said") -> None:
        self.lines: list[str] = []
        self.came = Event()
        self._awaited = awaited

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith(self._awaited):
            self.came.set()

    def beginning(self, text: str) -> list[str]:
        return [line for line in self.lines if line.startswith(text)]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody reads along, so one happening follows another at once."""
    monkeypatch.setattr(demo, "PAUSE", demo.PAUSE / 100)
    return iter(())


def live(said: Said, seed: int = 1, *, faults: bool = False) -> int:
    """Runs the demo until the awaited line came, and returns its exit code."""
    stop = Event()

    def wait() -> None:
        said.came.wait(LONG)
        stop.set()

    stopper = Thread(target=wait)
    stopper.start()
    try:
        return run_demo(LONG, seed, said, stop, faults=faults)
    finally:
        said.came.set()
        stopper.join()


def test_a_happening_is_told_by_its_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """The first happening is a late cancellation, which is told in a message before the demo says by which rule."""
    said = Said("  told by the rule")
    with captured_logs():
        assert live(said) == 0
    assert said.lines[0].startswith("A made-up enterprise with 60 appointments; it is Tue 3 Mar 2026, 10:00 there.")
    assert said.lines[1].startswith("First look: ")
    (happening,) = said.beginning("● ")
    assert " cancels appointment " in happening
    assert said.beginning("  told") == ["  told by the rule late-cancellation\n"]
    assert said.lines[-1].startswith("1 happenings, 1 messages, 0 failures.")
    assert capsys.readouterr().out.startswith("┌ Late cancellation: ")


def test_a_source_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first look that does not succeed is said, and the demo fails."""
    monkeypatch.setattr(demo, "_CONFIG", demo._CONFIG.replace("{token}", "wrong"))
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 0.5)
    said = Said()
    assert live(said) == 1
    assert said.beginning("  FAILED: The first look")
    assert said.lines[-1].startswith("0 happenings, 0 messages, 1 failures.")


def test_a_happening_that_is_not_told_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A happening whose message does not arrive is said, and the demo fails."""
    monkeypatch.setattr(demo, "_CONFIG", demo._CONFIG.replace("console://", "http://127.0.0.1:9/"))
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 3.0)
    said = Said("  FAILED: not told")
    assert live(said) == 1
    assert said.beginning("● ")


def test_faults_are_told_of_and_got_over(capsys: pytest.CaptureFixture[str]) -> None:
    """With faults the demo says what it does, what struck, and that nothing was lost; the message is as without."""
    said = Said("  told by the rule")
    with captured_logs():
        assert live(said, faults=True) == 0
    assert "The source misbehaves: 25% of the requests meet one of " in said.lines[0]
    (told,) = said.beginning("  told")
    assert told.startswith("  told by the rule late-cancellation\n  in spite of: ")
    assert re.search(r"^\d+ of \d+ requests met a fault\.\nWhat struck: ", said.lines[-1], re.MULTILINE)
    assert "Nothing was lost and nothing invented:\n1 changes, 1 events, and the snapshot is" in said.lines[-1]
    assert capsys.readouterr().out.startswith("┌ Late cancellation: ")


def test_what_faults_cost_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is not on record in the end is named, and the demo fails."""
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(demo, "FAULTY_PATIENCE_SECONDS", 20.0)

    def without_events(truth: Truth, store: Store, source: str) -> Audit:
        """The same as if the last event had never been recorded."""
        found = audit_store(truth, store, source)
        return replace(found, lost=(Finding("1001", "it was last told to be ACCEPTED"),))

    monkeypatch.setattr(demo, "audit_store", without_events)
    said = Said("  told by the rule")
    assert live(said, faults=True) == 1
    assert "WRONG: appointment 1001: it was last told to be ACCEPTED\n1 findings.\n" in said.lines[-1]


def test_a_demo_that_was_stopped_does_not_fail() -> None:
    """Whoever stops the demo before it has begun gets its figures, and no complaint."""
    stop, said = Event(), Said()
    stop.set()
    assert run_demo(None, 1, said, stop) == 0
    assert said.beginning("  FAILED") == []
    assert said.lines[-1].startswith("0 happenings, ")


def test_two_seeds_are_two_lives() -> None:
    """Another seed makes other things happen."""
    lives = []
    for seed in (1, 2):
        said = Said("● ")
        assert live(said, seed) == 0
        lives.append(said.beginning("● "))
    assert lives[0] != lives[1]
