"""The rules that the team wrote: every `rules/*.toml` as a tuple of rules, or a complaint with file and line.

Nothing that a rule says is ignored: a key that this version does not know is a mistake, not a wish.
"""

import glob
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from notifier.config.bundle_section import digest_of, group_of, throttle_of
from notifier.config.calendar_section import hours_of
from notifier.config.condition import compile_condition
from notifier.config.condition_cost import COST_LIMIT, cost
from notifier.config.rule_table import RuleFileTable, RuleTable
from notifier.config.settings import Outline, Settings
from notifier.config.table import (
    as_tuple,
    read_table,
)
from notifier.config.timed import watch_of
from notifier.config.toml_file import Location, TomlFile, read_toml
from notifier.core import rule as requirement
from notifier.core.change import Kind
from notifier.core.recipients import (
    Recipients,
)
from notifier.core.rule import ID_FIELDS, WORD_FIELDS, Requirement, Rule
from notifier.core.watch import Watch
from notifier.errors import ConfigError, Problem

TESTS = ".test.toml"
"""How the names of files end that hold cases for the rules beside them, and no rules."""

RULES_LIMIT = 5_000
"""The most rules in all files: every event is compared with every rule."""


def load_rulebook(settings: Settings | Outline) -> tuple[Rule, ...]:
    """Returns the rules of every file that the settings name, in the order of the files' names and their own.

    Raises:
        ConfigError: with everything that is wrong in all the files.
    """
    paths, problems = rule_files(settings)
    grants = {name: channel.grant for name, channel in settings.channels.items() if channel is not None}
    context = {
        "channels": tuple(settings.channels),
        "sources": tuple(settings.sources),
        "calendars": tuple(settings.calendars),
        "recipients": Recipients(frozenset(settings.channels), settings.directory),
        "grants": grants,
    }
    rules: list[Rule] = []
    files: list[TomlFile] = []
    mistakes: list[Problem] = []
    for path in paths:
        try:
            file = read_toml(path)
        except ConfigError as error:
            mistakes += error.problems
            continue
        files.append(file)
        table, found = read_table(RuleFileTable, file, context=context)
        mistakes += found
        rules += (_rule(entry, settings) for entry in table.rule) if table else ()
    mistakes += _twins(files)
    mistakes += _too_many(files)
    if problems or mistakes:
        raise ConfigError(
            [*problems, *sorted(mistakes, key=lambda mistake: (mistake.file.name, mistake.file, mistake.line))]
        )
    return tuple(rules)


Place = tuple[TomlFile, Location]
"""Where something is written."""


def rule_places(settings: Settings | Outline) -> dict[str, Place]:
    """Returns where each rule is written, by its name and in the order of the rules; for files that are right."""
    files = [read_toml(path) for path in rule_files(settings)[0]]
    return {name: (file, location[:-1]) for file in files for name, location in _names(file)}


def rule_files(settings: Settings | Outline) -> tuple[list[Path], list[Problem]]:
    """Returns the files by name, each once, without those of tests; a problem for each pattern that matches none."""
    found: set[Path] = set()
    problems: list[Problem] = []
    for index, pattern in enumerate(settings.rules):
        # Unlike `Path.glob`, this takes absolute patterns, and passes over the hidden files that editors leave behind.
        matches = glob.glob(pattern, root_dir=settings.folder, recursive=True)  # noqa: PTH207
        named = (settings.folder / match for match in matches if not match.endswith(TESTS))
        files = {path for path in named if path.is_file()}
        found |= files
        if not files:
            text = f"`rules`: no file matches `{_written(settings, index)}` in {settings.folder}"
            problems.append(settings.problem(("rules", index), text))
    return sorted(found, key=lambda path: (path.name, path)), problems


def _written(settings: Settings | Outline, index: int) -> str:
    """Returns the pattern as its author wrote it, or the default."""
    patterns = as_tuple(settings.file.data.get("rules"))
    if isinstance(patterns, tuple) and len(patterns) == len(settings.rules):
        return str(patterns[index])
    return settings.rules[index]


def _twins(files: Sequence[TomlFile]) -> Iterator[Problem]:
    """Finds rules of one name, whether or not the rest of them is right."""
    first: dict[str, str] = {}
    for file in files:
        for name, location in _names(file):
            if name in first:
                yield file.problem(location, f"there is a rule `{name}` in {first[name]} already")
            else:
                first[name] = f"{file.file}:{file.line(location)}"


def _too_many(files: Sequence[TomlFile]) -> Iterator[Problem]:
    """Finds the first rule that makes them too many, and the first condition that makes them too slow."""
    rules = [(file, index, rule) for file in files for index, rule in enumerate(_tables(file))]
    if len(rules) > RULES_LIMIT:
        file, index, _ = rules[RULES_LIMIT]
        yield file.problem(("rule", index), f"there are {len(rules)} rules, and at most {RULES_LIMIT} are allowed")
    costs = accumulate(cost(text) if isinstance(text := rule.get("if"), str) else 0 for *_, rule in rules)
    for (file, index, _), sum_ in zip(rules, costs, strict=True):
        if sum_ > COST_LIMIT:
            text = "`if`: all conditions up to here together take too long for one event; go through fewer lists"
            yield file.problem(("rule", index, "if"), text)
            return


def _tables(file: TomlFile) -> Iterator[Mapping[str, Any]]:
    """Yields what the file has as rules, right or wrong."""
    rules = file.data.get("rule")
    for entry in rules if isinstance(rules, list) else ():
        yield entry if isinstance(entry, Mapping) else {}


def _names(file: TomlFile) -> Iterator[tuple[str, Location]]:
    for index, entry in enumerate(_tables(file)):
        if isinstance(name := entry.get("name"), str):
            yield name, ("rule", index, "name")


def _rule(table: RuleTable, settings: Settings | Outline) -> Rule:
    return Rule(
        name=table.name,
        description=table.description,
        requirements=tuple(_requirements(table)),
        channels=table.channels,
        otherwise=table.otherwise,
        hours=None if table.hours is None else hours_of(table.hours, settings.calendars, settings.zone),
        urgent=table.urgent,
        group=group_of(table.group),
        digest=digest_of(table.digest, settings.zone),
        throttle=throttle_of(table.throttle),
        title=table.title,
        body=table.body,
        stop=table.stop,
        fallback=table.fallback,
        always=table.always,
        watch=_watch(table),
    )


def _watch(table: RuleTable) -> Watch | None:
    return watch_of(table.stays, table.overdue, table.before_start, table.remind, table.escalate)


def _requirements(table: RuleTable) -> Iterator[Requirement]:
    """Yields the keys in a fixed order, the plainest first: the first that fails is the reason that people read."""
    shared, watch = requirement.shared, _watch(table)
    if watch:
        yield requirement.timed(watch)
    else:
        yield shared(requirement.on_kinds, tuple(Kind(kind) for kind in table.on or ()))
    if table.status_before:
        yield shared(requirement.from_status, table.status_before)
    if table.status_after:
        yield shared(requirement.to_status, table.status_after)
    where = table.where
    for name in ("source", *ID_FIELDS, *WORD_FIELDS):
        if values := getattr(where, name):
            yield requirement.field_among(name, values)
    if where.changed:
        yield shared(requirement.changed_any, where.changed)
    if where.lead_time:
        yield shared(requirement.lead_time, where.lead_time)
    if table.condition:
        yield requirement.condition(table.condition, compile_condition(table.condition))
    if table.max_age:
        # Last of all: whoever reads it knows that everything else held.
        yield shared(requirement.max_age, table.max_age)
