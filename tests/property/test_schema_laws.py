"""The law of the schemas: an editor never marks what notifier would take."""

from datetime import UTC
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import ValidationError

from notifier.config.case_table import AppointmentTable, CaseFileTable, CaseTable, SentTable, SilenceTable, ThenTable
from notifier.config.config_table import ConfigTable
from notifier.config.rule_table import RuleFileTable, RuleTable, WhereTable
from notifier.config.schema import config_schema, rules_schema
from notifier.config.table import Table, as_tuple, read_table
from notifier.config.toml_file import TomlFile
from notifier.core.recipients import Recipients

TEXTS = st.sampled_from(
    (
        *("", "a", "12", "team", "acme", "CANCELLED", "status_changed", "start", "VIDEO", "full", "resend", "x" * 101),
        *("<24h", ">0s <24h", " >=2d", "5m", " 5m ", "+5m", "0m", "-1d", "05m", "9999999999w", "1/s", "0/s", "10/h"),
        *("https://api.example.com", "console://", "Europe/Brussels", "sqlite:///a", "true", "{{ when }}", "abc"),
    )
)
PLAIN = TEXTS | st.booleans() | st.integers(-1, 1001) | st.sampled_from((0.2, 1.0, 5.5))
VALUES = PLAIN | st.lists(PLAIN, max_size=3)


def keys(table: type[Table]) -> list[str]:
    """Returns the keys that the table knows, and one that it does not."""
    return [field.alias or name for name, field in table.model_fields.items()] + ["nosuch"]


def tables(table: type[Table], **inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns a few keys of the table with any values."""
    given_ = st.dictionaries(st.sampled_from(keys(table)), VALUES, max_size=3)
    return st.builds(lambda base, more: base | more, given_, st.fixed_dictionaries({}, optional=inner))


GOOD = {"name": "a", "on": "updated", "channels": "team"}
RULES = st.builds(
    lambda base, more: base | more, st.sampled_from((GOOD, {})), tables(RuleTable, where=tables(WhereTable))
)
SOURCE = {"base_url": "https://api.example.com", "enterprise": "acme", "token": "abc"}
FIELDS = ConfigTable.model_fields


def below(name: str, good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns named tables of a kind, made of a good one and of any keys."""
    table = FIELDS[name].annotation.__args__[1]  # type: ignore[union-attr]
    one = st.builds(lambda base, more: base | more, st.sampled_from((good, {})), tables(table))
    return st.dictionaries(st.sampled_from(("acme", "a b", "")), one, max_size=2)


CONFIGS = tables(ConfigTable, sources=below("sources", SOURCE), channels=below("channels", {"url": "console://"}))
CHANNELS = ("team", "12", "a")
CONTEXT = {
    "channels": CHANNELS,
    "sources": ("acme",),
    "calendars": ("a",),
    "recipients": Recipients(frozenset(CHANNELS)),
    "grants": {},
}
RULE_VALIDATOR = Draft7Validator(rules_schema())
CONFIG_VALIDATOR = Draft7Validator(config_schema())


def taken(table: type[Table], data: dict[str, Any]) -> bool:
    """Whether the tables of the loader take it."""
    try:
        table.model_validate(data, context=CONTEXT)
    except ValidationError:
        return False
    return True


ODD = PLAIN | st.dates() | st.times() | st.datetimes(timezones=st.none() | st.just(UTC))
INSIDE = tables(AppointmentTable) | tables(SentTable) | tables(SilenceTable) | tables(ThenTable) | ODD
INNER = INSIDE | st.lists(INSIDE, max_size=2)
CASES = st.builds(
    lambda base, more: base | more,
    tables(CaseTable),
    st.dictionaries(st.sampled_from(keys(CaseTable)), INNER, max_size=3),
)
FILES = st.sampled_from((CaseFileTable, RuleFileTable, ConfigTable))


@given(FILES, CASES | RULES | CONFIGS, st.sampled_from(("case", "rule", "")), ODD)
def test_whatever_is_written_is_taken_or_complained_of(
    table: type[Table], data: dict[str, Any], name: str, odd: object
) -> None:
    """With a line for each complaint, and no other end; whatever TOML can say stands anywhere."""
    written = {name: [data]} if name else data
    for value in (written, written | {"x": odd}, dict.fromkeys(keys(table), odd)):
        file = TomlFile(Path("a.toml"), value, {(): 1}, {})
        read, problems = read_table(table, file, context=CONTEXT | {"rules": ("a",)})
        assert (read is None) == bool(problems)
        assert all(one.line == 1 and one.text for one in problems)


@given(RULES)
def test_rules_that_are_taken_are_not_marked(rule: dict[str, Any]) -> None:
    """Whatever is written: what the loader takes, the schema takes."""
    data = {"rule": [rule]}
    assert RULE_VALIDATOR.is_valid(data) or not taken(RuleFileTable, data)


@given(CONFIGS)
def test_configurations_that_are_taken_are_not_marked(data: dict[str, Any]) -> None:
    """Whatever is written: what the loader takes, the schema takes."""
    assert CONFIG_VALIDATOR.is_valid(data) or not taken(ConfigTable, data)


def test_one_text_stands_for_a_list_of_one() -> None:
    """In both; this is what most keys that take lists rely on."""
    assert as_tuple("updated") == ("updated",)
    for on in ("updated", ["updated"]):
        assert RULE_VALIDATOR.is_valid({"rule": [GOOD | {"on": on}]})
        assert taken(RuleFileTable, {"rule": [GOOD | {"on": on}]})
