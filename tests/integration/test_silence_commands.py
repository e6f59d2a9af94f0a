"""`notifier silence`, and what other commands show of what a silence swallowed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.core.delivery import Reason
from notifier.store import silences, snapshot
from notifier.store.database import Store, open_store
from tests.configured import settings, source
from tests.store_values import NOW, cancelled, owed, plan

pytestmark = pytest.mark.usefixtures("own_logs")

RULES = '[[rule]]\nname = "late"\non = "status_changed"\nchannels = "chat"\n'
SUMMER, WINTER = "2999-07-01T08:00", "2999-12-01T08:00"
ABOUT = ("--rule", "late", "--until", WINTER, "--why", "the move")


def notifier(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def document(*arguments: str) -> Any:
    """Returns the JSON document that a command prints."""
    result = notifier(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a configuration whose zone is that of Brussels, and no store yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    monkeypatch.setenv("LOGNAME", "ana")
    settings(
        tmp_path,
        source("https://api.example.com", 'token = "t"'),
        {"chat": "console://", "desk": "console://"},
        'timezone = "Europe/Brussels"',
    )
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.toml").write_text(RULES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with open_store(place / "notifier.db", synchronous="normal") as opened:
        yield opened


@pytest.mark.parametrize(
    ("until", "meant"),
    [
        (SUMMER, datetime(2999, 7, 1, 6, tzinfo=UTC)),
        (WINTER, datetime(2999, 12, 1, 7, tzinfo=UTC)),
        ("2999-12-01", datetime(2999, 11, 30, 23, tzinfo=UTC)),
        ("2999-12-01T08:00+05:45", datetime(2999, 12, 1, 2, 15, tzinfo=UTC)),
        ("2999-12-01T08:00Z", datetime(2999, 12, 1, 8, tzinfo=UTC)),
    ],
)
def test_until_when(until: str, meant: datetime) -> None:
    """A time without a zone is by the clock of the configured one, summer and winter."""
    made = document("silence", "add", "--all", "--until", until, "--why", "the move")
    assert datetime.fromisoformat(made["until"]) == meant


def test_it_is_made_listed_and_ended(store: Store) -> None:
    """With what it is about, who made it and why; over, it is listed on request."""
    made = notifier("silence", "add", "--where", "office=12", "--where", "office=13", "--where", "kind=created", *ABOUT)
    assert (made.exit_code, made.stderr) == (0, "")
    said = "Silence 1 until 2999-12-01 08:00:00: rule late, office 12 or 13, kind created."
    assert made.stdout.split() == said.split()
    listed = notifier("silence", "list").stdout
    assert "1        2999-12-01 08:00  lasts  0          ana\n" in listed
    assert "1: rule late, office 12 or 13, kind created (the move)\n" in listed
    ended = notifier("silence", "end", "1", "--author", "ben")
    assert (ended.exit_code, ended.stdout) == (0, "Silence 1 is over.\n")
    assert notifier("silence", "list").stdout == "No silences.\n"
    (over,) = document("silence", "list", "--all")
    assert (over["silence"]["author"], over["silence"]["ended_by"], over["lasts"]) == ("ana", "ben", False)
    with store.reading() as tx:
        assert silences.lasting(tx, utc_now()) == ()


@pytest.mark.parametrize(
    ("number", "said"), [("7", "there is no silence 7; see: notifier silence list"), ("1", "the silence 1 is over")]
)
def test_what_can_not_be_ended(store: Store, number: str, said: str) -> None:
    """It says why, and ends with 1."""
    with store.writing() as tx:
        past = utc_now() - timedelta(hours=1)
        silences.add(tx, rules=(), where={}, author="ana", why="move", until=past, now=past - timedelta(hours=1))
    result = notifier("silence", "end", number)
    assert (result.exit_code, result.stderr) == (1, f"notifier: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--until", WINTER, "--why", "x"), "say what it is about: --rule, --where or --all"),
        (("--all", *ABOUT), "--all is everything"),
        (("--rule", "lat", "--until", WINTER, "--why", "x"), "there is no rule 'lat'; did you mean `late`?"),
        (("--where", "ofice=12", *ABOUT), "there is no key 'ofice'; did you mean `office`?"),
        (("--where", "office", *ABOUT), "'office' is not like office=12"),
        (("--where", "office=", *ABOUT), "'office=' is not like office=12"),
        (("--where", "channel=chatt", *ABOUT), "there is no channel 'chatt'; did you mean `chat`?"),
        (("--where", "kind=create", *ABOUT), "there is no kind 'create'; did you mean `created`?"),
        (("--where", "source=acm", *ABOUT), "there is no source 'acm'; did you mean `acme`?"),
        (("--where", "meeting_type=VIDE", *ABOUT), "there is no meeting type 'VIDE'; did you mean `VIDEO`?"),
        (("--all", "--until", "2020-01-01T08:00", "--why", "x"), "2020-01-01T08:00 is past"),
        (("--all", "--until", "tomorrow", "--why", "x"), "'tomorrow' is not like 2026-12-01T08:00"),
        (("--all", "--until", WINTER, "--why", " "), "say why"),
        (("--all", "--until", WINTER, "--why", "a\nb"), "--why: must be plain text on one line"),
        (("--all", "--until", WINTER, "--why", "a", "--author", "\x1b[2J"), "--author: must be plain text on one line"),
        (("--where", "office=\udcff", *ABOUT), "--where: must be plain text on one line"),
    ],
)
def test_what_is_refused(place: Path, arguments: tuple[str, ...], said: str) -> None:
    """A silence that nobody would notice, or that says nothing; nothing is stored then."""
    result = notifier("silence", "add", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert not (place / "notifier.db").exists()


def test_nobody_knows_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container there may be no name; then one has to be given."""
    monkeypatch.setattr("getpass.getuser", lambda: dict[str, str]()["uid"])
    refused = notifier("silence", "add", *ABOUT)
    assert refused.exit_code == 2
    assert "nobody knows who you are here; say so: --author" in refused.stderr
    assert document("silence", "add", *ABOUT, "--author", "ana")["author"] == "ana"


def test_without_a_store_there_is_none() -> None:
    """Listing and ending make none."""
    for arguments in (("list",), ("end", "1")):
        assert notifier("silence", *arguments).exit_code == 1


def test_what_it_swallowed_is_counted_and_listed(store: Store) -> None:
    """By `silence list`, `deliveries --silenced`, `status` and `explain`."""
    number = document("silence", "add", *ABOUT)["id"]
    events = [cancelled("a1"), cancelled("a2")]
    story = (("silence", "silence 1 swallowed it"),)
    swallowed = replace(owed(events[0]), silenced=Reason.SILENCE, silence=number, story=story)
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, [swallowed, owed(events[1])]), NOW)
    (record,) = document("silence", "list")
    assert record["swallowed"] == 1
    (listed,) = document("deliveries", "--silenced")
    assert (listed["delivery"]["event_id"], listed["state"], listed["reason"]) == (events[0].id, "silenced", "silence")
    shown = notifier("status").stdout
    assert "lasts  1" in shown
    assert "SILENCED" in shown
    explained = notifier("explain", events[0].id).stdout
    assert (
        "chat, by all: silenced 2026-03-02 10:30:00, nobody is told\n    silence: silence 1 swallowed it" in explained
    )
    assert document("explain", events[0].id)["deliveries"][0][0]["delivery"]["story"] == [
        ["silence", "silence 1 swallowed it"]
    ]
