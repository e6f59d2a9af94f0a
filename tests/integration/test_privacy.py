"""Who gets what, as the commands tell it: `privacy`, `check`, and what `plan` and `test-send` may show."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.commands.privacy import recipients, show_recipients
from notifier.core.appointment import APPOINTMENT_FIELDS
from notifier.loading import load_everything

pytestmark = pytest.mark.usefixtures("own_logs", "here")

CONFIG = """
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"

[channels.team]
url = "slack://aaaaaaaaa/bbbbbbbbb/cccccccccccccccccccccccc/#team"

[channels.crm]
url = "https://user:password@crm.example.com/hooks/secret"
fields = ["internal_notes", "answers", "start", "office"]

[operator]
channels = "team"
"""
RULES = """
[[rule]]
name = "cancelled"
on = "status_changed"
to = "CANCELLED"
channels = ["crm"]

[[rule]]
name = "moved"
on = "rescheduled"
channels = ["crm"]
title = "{{ appointment.internal_notes }}"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a configuration in which one channel may see personal text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    Path("config.toml").write_text(CONFIG, encoding="utf-8")
    Path("rules").mkdir()
    Path("rules/rules.toml").write_text(RULES, encoding="utf-8")


def notifier(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")


def test_privacy_tells_who_gets_what() -> None:
    """Each channel with its service, the rules that send there, its fields, and which of them are personal."""
    result = notifier("privacy")
    assert result.exit_code == 0
    team, crm, summary = result.stdout.strip().split("\n\n")
    assert crm == (
        "crm: https://crm.example.com/***\n"
        "  rules     cancelled, moved\n"
        "  fields    id, status, updated_at, start, office\n"
        "  personal  answers, internal_notes"
    )
    assert team.startswith("team: slack://***\n  rules     none: it gets nothing of any appointment\n")
    assert team.endswith("  personal  none\n  operator  troubles of notifier itself")
    assert summary == "Personal text may leave to crm (answers, internal_notes)."
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_privacy_as_a_document() -> None:
    """The same, for programs; no part of an address that could be a secret."""
    printed = notifier("privacy", "--json").stdout
    team, crm = json.loads(printed)
    assert crm == {
        "channel": "crm",
        "service": "https://crm.example.com/***",
        "fields": ["id", "status", "updated_at", "start", "office"],
        "personal": ["answers", "internal_notes"],
        "names": [],
        "rules": ["cancelled", "moved"],
        "operator": False,
    }
    assert (team["fields"], team["personal"], team["operator"]) == (list(APPOINTMENT_FIELDS), [], True)
    assert not any(secret in printed for secret in ("password", "secret", "aaaaaaaaa"))


def test_nobody_gets_personal_text_unless_somebody_says_so() -> None:
    """Without `fields`, none of it leaves."""
    edit("config.toml", 'fields = ["internal_notes", "answers", "start", "office"]', "")
    edit("rules/rules.toml", "internal_notes", "office")
    settings, rules = load_everything(Path("config.toml"), {})
    assert show_recipients(recipients(settings, rules)).endswith("\n\nNo personal text leaves to anybody.")
    assert "ersonal" not in notifier("check").stdout


def test_check_says_where_personal_text_goes() -> None:
    """Whoever changes the configuration sees it without asking."""
    result = notifier("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == "Personal text may leave to crm (answers, internal_notes)."


@pytest.mark.parametrize("command", ["check", "privacy", "run", "plan"])
def test_a_template_that_says_too_much_is_refused(command: str) -> None:
    """By whatever command reads the rules, with file and line, the channel and what to do."""
    edit("rules/rules.toml", "{{ appointment.internal_notes }}", "{{ appointment.customer }}")
    result = notifier(command)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "rules/rules.toml:12: `title`: the channel `crm` may not see `appointment.customer`:"
    )
    assert "add `customer` to `fields` of [channels.crm]" in result.stderr


def test_what_is_wrong_in_the_configuration_hides_no_such_mistake() -> None:
    """And a field that is misspelt is complained of once, not once for each template as well."""
    edit("rules/rules.toml", "{{ appointment.internal_notes }}", "{{ appointment.customer }}")
    edit("config.toml", 'token = "abc"', "")
    both = notifier("check").stderr
    assert "the channel `crm` may not see `appointment.customer`" in both
    assert "config.toml:2" in both
    edit("config.toml", '"internal_notes", ', '"internl_notes", ')
    misspelt: Any = notifier("check").stderr
    assert "did you mean `internal_notes`?" in misspelt
    assert "may not see" not in misspelt
