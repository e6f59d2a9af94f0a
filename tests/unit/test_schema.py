"""The schemas for editors take what the loader takes, and refuse much of what it refuses."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from notifier.config.case_file import case_files, load_cases
from notifier.config.case_table import CaseFileTable, CaseTable, SentTable, SilenceTable, StepTable, ThenTable
from notifier.config.channel_section import ChannelTable
from notifier.config.config_table import ConfigTable, SourceTable
from notifier.config.first_steps import SCHEMAS, starter_folder, write_first_files
from notifier.config.rule_table import RuleFileTable, RuleTable, WhereTable
from notifier.config.rulebook import load_rulebook
from notifier.config.schema import cases_schema, config_schema, rules_schema
from notifier.config.settings import load_settings
from notifier.config.table import Table
from notifier.errors import ConfigError
from tests.unit.test_first_steps import EXAMPLE, switched_on

CONFIG = Draft7Validator(config_schema())
RULES = Draft7Validator(rules_schema())
CASES = Draft7Validator(cases_schema())

GOOD_CONFIG = """
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"
[channels.team]
url = "console://"
"""
GOOD_RULE = '[[rule]]\nname = "one"\non = "updated"\nchannels = "team"\n'


def complaints(validator: Draft7Validator, text: str) -> list[str]:
    """Returns what a schema has against the text of a file."""
    data = tomllib.loads(text)
    if validator is CASES:
        # To editors, the times of TOML are texts.
        data = json.loads(json.dumps(data, default=str))
    return [error.message for error in validator.iter_errors(data)]


@pytest.mark.parametrize("schema", [config_schema(), rules_schema(), cases_schema()])
def test_a_schema_is_one(schema: dict[str, Any]) -> None:
    """It is JSON, valid in its dialect, and knows no null, which TOML can't say."""
    Draft7Validator.check_schema(schema)
    assert '"null"' not in json.dumps(schema)


@pytest.mark.parametrize("path", sorted((starter_folder() / "rules").glob("*.toml")), ids=lambda path: path.name)
def test_the_starter_rules_are_taken(path: Path) -> None:
    """And name the schema in their first line, where editors look for it."""
    text = path.read_text(encoding="utf-8")
    cases = path.name.endswith(".test.toml")
    assert complaints(CASES if cases else RULES, text) == []
    assert text.startswith(f"#:schema ../{'cases' if cases else 'rules'}.schema.json\n")


def test_the_example_is_taken() -> None:
    """As it is, and with everything switched on."""
    assert EXAMPLE.startswith("#:schema ./config.schema.json\n")
    assert complaints(CONFIG, EXAMPLE) == []
    assert complaints(CONFIG, switched_on(EXAMPLE)) == []


def test_the_first_files_bring_the_schemas(tmp_path: Path) -> None:
    """Each stands where the first line of the files says."""
    write_first_files(tmp_path)
    for path in (tmp_path / "config.toml", *(tmp_path / "rules").glob("*.toml")):
        named = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#:schema ")
        found = json.loads((path.parent / named).resolve().read_text(encoding="utf-8"))
        assert found == SCHEMAS[Path(named).name]()


@pytest.mark.parametrize("table", [ConfigTable, SourceTable, ChannelTable, RuleFileTable, RuleTable, WhereTable])
def test_every_key_is_described(table: type[Table]) -> None:
    """An editor shows it while somebody writes."""
    schema = rules_schema() if "Rule" in table.__name__ or table is WhereTable else config_schema()
    here = schema["definitions"].get(table.__name__, schema)
    keys = {field.alias or name for name, field in table.model_fields.items()}
    assert keys == here["properties"].keys()
    assert not {key for key in keys if not here["properties"][key].get("description")}


@pytest.mark.parametrize("table", [CaseFileTable, CaseTable, StepTable, ThenTable, SentTable, SilenceTable])
def test_every_key_of_a_case_is_described(table: type[Table]) -> None:
    """An editor shows it while somebody writes."""
    here = cases_schema()["definitions"].get(table.__name__, cases_schema())
    for key, said in here["properties"].items():
        assert said.get("description"), key


@pytest.mark.parametrize(
    "line",
    [
        *("nosuch = 1", "at = 5", 'change = { status = "CANCELED" }', "sent = { channel = 5 }", "sent = 5", "name = 5"),
        *("before = { start = 5 }", "vanish = [5]", "then = { sent = [] }", 'silence = { until = "1h", nosuch = 1 }'),
    ],
)
def test_a_wrong_case_is_refused_by_both(line: str, tmp_path: Path) -> None:
    """What an editor marks, `rules test` complains of."""
    good = "" if line.startswith("name") else 'name = "a"\n'
    assert complaints(CASES, '[[case]]\nname = "a"\nsent = { channel = "team" }\nthen = { after = "2h" }\n') == []
    assert complaints(CASES, f"[[case]]\n{good}{line}\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "config.toml").write_text(GOOD_CONFIG, encoding="utf-8")
    (tmp_path / "rules" / "a.toml").write_text(GOOD_RULE, encoding="utf-8")
    (tmp_path / "rules" / "a.test.toml").write_text(f"[[case]]\n{good}{line}\n", encoding="utf-8")
    settings = load_settings(tmp_path / "config.toml", {})
    with pytest.raises(ConfigError):
        load_cases(settings, load_rulebook(settings), case_files(settings))


def rule_mistakes() -> Iterator[str]:
    """Yields keys of a rule that are wrong."""
    yield from ("nosuch = 1", "from = 5", 'to = "CANCELED"', 'to = "cancelled"', "to = []", 'max_age = "2 hours"')
    yield from ('max_age = "0s"', 'max_age = "-1h"', "max_age = 60", 'stop = "yes"', 'title = ""', "title = 5")
    yield from ('where.office = ""', "where.office = 12", "where.office = [12]", 'where.changed = ["nosuch"]')
    yield from ('where.nosuch = "12"', 'where.lead_time = "24h"', 'where.meeting_type = "office"', 'where = "x"')
    yield from (f'title = "{"x" * 5001}"', f'if = "{"x" * 2001}"', "description = 2026-01-01", "if = true")


@pytest.mark.parametrize("line", tuple(rule_mistakes()))
def test_a_wrong_rule_is_refused_by_both(line: str, tmp_path: Path) -> None:
    """What an editor marks, `check` complains of."""
    assert complaints(RULES, GOOD_RULE) == []
    assert complaints(RULES, GOOD_RULE + line)
    (tmp_path / "rules").mkdir()
    (tmp_path / "config.toml").write_text(GOOD_CONFIG, encoding="utf-8")
    (tmp_path / "rules" / "a.toml").write_text(GOOD_RULE + line, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_rulebook(load_settings(tmp_path / "config.toml", {}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nosuch = 1\n" + GOOD_CONFIG,
        "timezone = 1\n" + GOOD_CONFIG,
        "rules = []\n" + GOOD_CONFIG,
        GOOD_CONFIG + "nosuch = 1\n",
        GOOD_CONFIG + 'timeout = "30"\n',
        GOOD_CONFIG + 'rate = "10/d"\n',
        GOOD_CONFIG + "retry_on = [200]\n",
        GOOD_CONFIG + 'fields = ["nosuch"]\n',
        GOOD_CONFIG + 'signing_secret = ["a", "b", "c"]\n',
        GOOD_CONFIG + 'uncertain = "maybe"\n',
        GOOD_CONFIG + '[channels."a b"]\nurl = "console://"\n',
        GOOD_CONFIG + "[channels.none]\n",
        GOOD_CONFIG + '[store]\nsynchronous = "off"\n',
        GOOD_CONFIG + "[sources.acme.limits]\nconcurrency = 5\n",
        GOOD_CONFIG + '[[sources.acme.sweeps]]\nname = "x"\n',
        GOOD_CONFIG + '[[sources.acme.sweeps]]\nname = "x"\nevery = "1m"\nstatus = "nosuch"\n',
        GOOD_CONFIG + '[sources.acme.oauth]\ntoken_url = "https://x"\nclient_id = "x"\nclient_secret = "x"\n',
        GOOD_CONFIG.replace('token = "abc"\n', ""),
        GOOD_CONFIG.replace('enterprise = "acme"\n', ""),
    ],
)
def test_a_wrong_configuration_is_refused_by_both(text: str, tmp_path: Path) -> None:
    """What an editor marks, `check` complains of."""
    assert complaints(CONFIG, GOOD_CONFIG) == []
    assert complaints(CONFIG, text)
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_settings(tmp_path / "config.toml", {})


def test_a_reference_may_stand_for_any_text_of_a_configuration() -> None:
    """It is known only when notifier starts; in rules there are none."""
    assert complaints(CONFIG, GOOD_CONFIG + 'timeout = "${SLOW}"\nuncertain = "${file:uncertain}"\n') == []
    assert complaints(RULES, GOOD_RULE + 'max_age = "${AGE}"\n')
