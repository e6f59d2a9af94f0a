"""What the rules say that can't be meant, gathered from the files and the snapshot, each with file and line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from notifier.config.rulebook import Place, rule_places
from notifier.config.settings import Settings
from notifier.core.lint import Finding, empty_texts, lint_rules, unknown_ids, unused_channels
from notifier.core.rule import Rule
from notifier.errors import NoStore, Problem
from notifier.store import census
from notifier.store.database import Store

Ids = Mapping[str, frozenset[str]]
"""The ids that are known, by the name of the field that has them."""

FIELDS = ("office", "subject")
"""The fields whose ids are few, and all seen sooner or later."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding, and where it stands."""

    file: str
    #: From 1.
    line: int
    #: What kind of finding it is.
    code: str
    #: The rule, or for `unused-channel` the channel.
    name: str
    #: The key that it is about; empty for all of it.
    key: str
    text: str


def known_ids(settings: Settings) -> Ids | None:
    """Returns the ids that the snapshot has; None where there is no store yet, so that nobody can tell."""
    try:
        with Store.read_only(settings.store.url) as store, store.reading() as tx:
            return {field: census.values_of(tx, field) | settings.directory.ids(field) for field in FIELDS}
    except NoStore:
        return None


def lint(settings: Settings, rules: Sequence[Rule], known: Ids) -> list[Remark]:
    """Returns what is found in the rules, in the order of the files."""
    findings = chain(
        unused_channels(rules, settings.channels, settings.operator.channels),
        lint_rules(rules),
        unknown_ids(rules, known),
        empty_texts(rules),
    )
    places = rule_places(settings)
    order = {name: number for number, name in enumerate([*settings.channels, *places])}
    found = [(finding, _place(settings, places, finding)) for finding in findings]
    found.sort(key=lambda pair: (order[pair[0].name], pair[1].line))
    return [
        Remark(str(place.file), place.line, finding.code.value, finding.name, finding.key, finding.text)
        for finding, place in found
    ]


def _place(settings: Settings, places: Mapping[str, Place], finding: Finding) -> Problem:
    """Returns where the finding stands: the key in the rule, or the table of the channel."""
    if finding.name not in places:
        return settings.problem(("channels", finding.name), finding.text)
    file, location = places[finding.name]
    keys = tuple(finding.key.split(".")) if finding.key else ()
    return file.problem((*location, *keys), finding.text)
