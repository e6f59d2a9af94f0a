"""`notifier rules lint`: what it prints, with which lines, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.core.lint import Code
from notifier.core.plan import make_plan
from notifier.store import snapshot
from notifier.store.database import open_store
from tests.builders import NOW, appointment, observation
from tests.markdown import DOCS, rows_of

CONFIG = """
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"
[channels.team]
url = "console://"
[channels.idle]
url = "console://"
"""
RULES = """
[[rule]]
name = "never"
on = "created"
from = "ACCEPTED"
channels = "team"

[[rule]]
name = "elsewhere"
on = "updated"
where.office = [
    "12",
    "99",
]
channels = "team"
title = '''
{{ appointment.listing }}'''
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """People run the program in the folder of the configuration."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "rules" / "a.toml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lint(*options: str) -> Result:
    """Runs the command."""
    return CliRunner().invoke(cli, ["rules", "lint", *options])


def test_findings_have_file_and_line(place: Path) -> None:
    """In the order of the files; what only the store knows is said not to be known while there is none."""
    found = lint()
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "config.toml:8: unused-channel: idle: no rule sends to this channel, nor does notifier itself",
        "rules/a.toml:4: never: never: on: no event has `on` created and `from` ACCEPTED",
        (
            "rules/a.toml:16: empty-text: elsewhere: title: "
            "says no more than `none` where `appointment.listing` has no value"
        ),
        "2 rules, 3 findings.",
    ]
    assert found.stderr == "There is no store yet: whether offices and subjects exist is not known.\n"
    assert not (place / "notifier.db").exists()


def test_the_snapshot_knows_the_offices(place: Path) -> None:
    """An office that no appointment has is named, one that some has is not."""
    plan = make_plan("acme", "near", {}, [observation(appointment(office="12"))], [], [], NOW)
    with open_store(place / "notifier.db") as store, store.writing() as tx:
        snapshot.apply(tx, plan, NOW)
    found = json.loads(lint("--json").stdout)
    assert [one for one in found if one["code"] == "unknown-id"] == [
        {
            "file": "rules/a.toml",
            "line": 11,
            "code": "unknown-id",
            "name": "elsewhere",
            "key": "where.office",
            "text": "no appointment that was seen has the office `99`",
        }
    ]


def test_nothing_found(place: Path) -> None:
    """The exit code tells scripts that all is well."""
    (place / "rules" / "a.toml").write_text('[[rule]]\nname="a"\non="updated"\nchannels=["team", "idle"]\n', "utf-8")
    found = lint()
    assert (found.exit_code, found.stdout) == (0, "1 rule, no findings.\n")
    assert (lint("--json").exit_code, json.loads(lint("--json").stdout)) == (0, [])


def test_every_code_is_explained() -> None:
    """Whoever finds one in the output finds it on the page of rules."""
    rows = rows_of(DOCS / "rules.md", "## Before rules go live")
    assert [code.strip("`") for code, *_ in rows] == [code.value for code in Code]
