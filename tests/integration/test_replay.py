"""`notifier replay`: what other rules would have told, as it is printed; nothing is sent and nothing written."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.store import silences, snapshot
from notifier.store.database import open_store
from tests.configured import settings, source
from tests.store_values import cancelled, plan

pytestmark = pytest.mark.usefixtures("own_logs")

RULE = '[[rule]]\nname = "{name}"\non = "{on}"\nchannels = ["{channel}"]\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a store that has two cancellations, and other rules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    settings(
        tmp_path,
        source("https://api.example.com", 'token = "t"'),
        {"chat": "console://", "desk": "console://"},
        'timezone = "Europe/Brussels"',
    )
    for folder in ("rules", "other"):
        (tmp_path / folder).mkdir()
    put(tmp_path / "rules", RULE.format(name="off", on="status_changed", channel="chat"))
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store, store.writing() as tx:
        now = utc_now()
        for number, ago in ((1, timedelta(days=2)), (2, timedelta(days=1)), (3, timedelta(days=30))):
            event = cancelled(str(number))
            snapshot.apply(tx, plan([replace(event, detected_at=now - ago)]), now)
    return tmp_path


def put(folder: Path, rules: str) -> None:
    (folder / "own.toml").write_text(rules, encoding="utf-8")


def replay(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["replay", "--rules", "other", *arguments])


def test_the_same_rules(place: Path) -> None:
    """Rules that say the same make no difference; only what happened lately counts."""
    put(place / "other", (place / "rules" / "own.toml").read_text(encoding="utf-8"))
    result = replay()
    assert result.exit_code == 0
    assert result.output.startswith("2 events from ")
    assert result.output.endswith("\nNo difference.\n")
    assert "3 events" in replay("--since", "40d").output


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        (RULE.format(name="off", on="created", channel="chat"), ["Gone: 2\n", "The same in both: 0."]),
        (RULE.format(name="off", on="status_changed", channel="desk"), ["Moved: 2\n", "    was to chat\n"]),
        (
            RULE.format(name="off", on="status_changed", channel="chat")
            + RULE.format(name="too", on="status_changed", channel="desk"),
            ["New: 2\n", "The same in both: 2."],
        ),
        (
            RULE.format(name="off", on="status_changed", channel="chat") + 'title = "Off"\n',
            ["Worded otherwise: 2\n", "    - Cancelled: ", "    + Off\n"],
        ),
    ],
)
def test_what_would_be_otherwise(place: Path, rules: str, shown: list[str]) -> None:
    """Messages that would be new, gone, moved or worded otherwise are listed, and a difference is no failure."""
    put(place / "other", rules)
    before = hashlib.sha256((place / "notifier.db").read_bytes()).digest()
    result = replay()
    assert result.exit_code == 0, result.output
    for text in shown:
        assert text in result.output, result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
    assert hashlib.sha256((place / "notifier.db").read_bytes()).digest() == before


def test_json(place: Path) -> None:
    """The document has both sides of each difference."""
    put(place / "other", RULE.format(name="off", on="status_changed", channel="desk"))
    document = json.loads(replay("--json").stdout)
    assert (document["events"], document["before"], document["after"]) == (2, 2, 2)
    moved = document["difference"]["moved"][0]
    assert (moved["before"]["channel"], moved["after"]["channel"]) == ("chat", "desk")


def test_silences_hold_as_they_did(place: Path) -> None:
    """What somebody had silenced at the time is told by neither set of rules; what came after its end is."""
    put(place / "other", RULE.format(name="off", on="status_changed", channel="desk"))
    now = utc_now()
    with open_store(place / "notifier.db", synchronous="normal") as store, store.writing() as tx:
        made = silences.add(
            tx,
            rules=["off"],
            where={"appointment": ["1", "2"]},
            author="ana",
            why="move",
            until=now + timedelta(days=9),
            now=now - timedelta(days=3),
        )
        silences.end(tx, made.id, "ana", now - timedelta(hours=36))
    document = json.loads(replay("--json").stdout)
    assert (document["events"], document["before"], document["after"]) == (2, 1, 1)
    assert document["difference"]["moved"][0]["after"]["appointments"] == ["2"]


def test_mistakes(place: Path) -> None:
    """Rules that are wrong are complained about like any others, and a folder without any is no set of rules."""
    result = replay()
    assert result.exit_code == 2
    assert "there are no rules in other" in result.output
    put(place / "other", RULE.format(name="off", on="status_changed", channel="desks"))
    result = replay()
    assert result.exit_code == 2
    assert result.output.startswith("other/own.toml:4: `channels`: there is no channel `desks`; did you mean `desk`?")
