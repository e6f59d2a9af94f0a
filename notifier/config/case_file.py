"""The cases that a team wrote for its rules: every `*.test.toml` beside them, or a complaint with file and line.

A case says what an appointment is like, what happens to it and when, and which messages come of that. What it leaves
out is filled in here: an ordinary appointment, confirmed, two hours before its start.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import structs

from notifier.config.case_table import (
    NONE,
    AppointmentTable,
    CaseFileTable,
    CaseTable,
    SentTable,
    SilenceTable,
    StepTable,
    moment_of,
)
from notifier.config.directory_section import EntriesTable, read_entries
from notifier.config.rulebook import TESTS, rule_files
from notifier.config.settings import Settings
from notifier.config.table import read_table
from notifier.config.toml_file import Location, TomlFile, read_toml
from notifier.core.appointment import TEXT_FIELDS, Appointment
from notifier.core.directory import Directory
from notifier.core.expectation import Expected
from notifier.core.rule import Rule
from notifier.errors import ConfigError, Problem

ID: Final = "1701"
"""Of an appointment to which a case gives none."""

_TIMES: Final = ("start", "end", "created_at", "updated_at")
_LENGTH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Happening:
    """An appointment as the source shows it from a moment on."""

    appointment: Appointment
    #: The personal texts that changed, by the names of their fields.
    texts: tuple[tuple[str, object], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSilence:
    """A silence that somebody makes at a step."""

    rules: tuple[str, ...]
    where: Mapping[str, tuple[str, ...]]
    until: datetime
    author: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens at one moment of a case, and which messages come of that until the next one."""

    at: datetime
    changed: tuple[Happening, ...]
    #: Ids that the source does not show any more.
    vanished: tuple[str, ...]
    #: Silences that begin before anything else happens.
    silences: tuple[NewSilence, ...]
    expected: tuple[Expected, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a test of rules."""

    name: str
    file: Path
    line: int
    source: str
    directory: Directory
    #: What was known all along.
    before: tuple[Happening, ...]
    #: The first one is the case itself; never none.
    steps: tuple[Step, ...]


def case_files(settings: Settings) -> list[Path]:
    """Returns the files with cases that lie beside the rules."""
    folders = dict.fromkeys(path.parent for path in rule_files(settings)[0])
    return sorted(path for folder in folders for path in folder.glob(f"[!.]*{TESTS}") if path.is_file())


def load_cases(settings: Settings, rules: Sequence[Rule], paths: Iterable[Path]) -> tuple[Case, ...]:
    """Returns the cases of these files, in their order.

    Raises:
        ConfigError: with everything that is wrong in all the files.
    """
    context = {
        "channels": tuple(settings.channels),
        "sources": tuple(settings.sources),
        "rules": tuple(rule.name for rule in rules),
    }
    cases: list[Case] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            file = _with_lists(read_toml(path))
        except ConfigError as error:
            problems += error.problems
            continue
        table, found = read_table(CaseFileTable, file, context=context)
        problems += [*found, *_twins(file)]
        if table:
            reader = _Reader(settings, file, problems)
            cases += [reader.case(number, one) for number, one in enumerate(table.case)]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (str(problem.file), problem.line)))
    return tuple(cases)


def _twins(file: TomlFile) -> Iterator[Problem]:
    """Finds cases of one name in a file."""
    first: dict[str, int] = {}
    cases = file.data.get("case")
    for number, entry in enumerate(cases if isinstance(cases, list) else ()):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, str):
            line = file.line(("case", number, "name"))
            if first.setdefault(name, line) != line:
                text = f"there is a case `{name}` in line {first[name]} already"
                yield file.problem(("case", number, "name"), text)


class _Reader:
    """Reads the cases of one file."""

    def __init__(self, settings: Settings, file: TomlFile, problems: list[Problem]) -> None:
        self._settings = settings
        self._zone: ZoneInfo = settings.zone
        self._file = file
        self._problems = problems

    def case(self, number: int, table: CaseTable) -> Case:
        """Returns the case that a table describes."""
        here: Location = ("case", number)
        at = moment_of(table.at, datetime.min.replace(tzinfo=UTC), self._zone)
        known: dict[str, Appointment] = {}
        before = tuple(
            self._happening(one, (*here, "before", place), at, at - timedelta(days=1), known)
            for place, one in enumerate(table.before)
        )
        steps = [self._step(table, here, at, known)]
        for place, later in enumerate(table.then):
            at += later.after
            steps.append(self._step(later, (*here, "then", place), at, known))
        return Case(
            name=table.name,
            file=self._file.file,
            line=self._file.line((*here, "name")),
            source=table.source or next(iter(self._settings.sources)),
            directory=self._directory(table.directory, (*here, "directory")),
            before=before,
            steps=tuple(steps),
        )

    def _directory(self, table: EntriesTable, here: Location) -> Directory:
        entries, problems = read_entries(table, self._settings.channels, here, self._file)
        self._problems += problems
        return Directory({**self._settings.directory.entries, **entries})

    def _step(self, table: StepTable, here: Location, at: datetime, known: dict[str, Appointment]) -> Step:
        changed = tuple(
            self._happening(one, (*here, "change", place), at, at, known) for place, one in enumerate(table.change)
        )
        for place, name in enumerate(table.vanish):
            if name not in known:
                self._complain((*here, "vanish", place), f"`vanish`: no appointment `{name}` is there before")
        expected = [self._expected(one, (*here, "sent", place), at) for place, one in enumerate(table.sent)]
        silences = [self._silence(one, (*here, "silence", place), at) for place, one in enumerate(table.silence)]
        return Step(
            at=at,
            changed=changed,
            vanished=table.vanish,
            silences=tuple(silences),
            expected=tuple(expected),
            line=self._file.line(here),
        )

    def _silence(self, table: SilenceTable, here: Location, at: datetime) -> NewSilence:
        until = self._moment("until", table.until, at, here) or at
        if until <= at:
            self._complain((*here, "until"), "`until` is not after the step that it stands in")
        return NewSilence(rules=table.rule, where=table.where, until=until, author=table.author, why=table.why)

    def _happening(
        self,
        table: AppointmentTable,
        here: Location,
        at: datetime,
        updated_at: datetime,
        known: dict[str, Appointment],
    ) -> Happening:
        """Returns what a table says of an appointment, on top of what it was before; remembers it."""
        name = table.id or (next(iter(known)) if len(known) == 1 and here[-2] == "change" else ID)
        if here[-2] == "before" and name in known:
            self._complain(here, f"`before`: there is an appointment `{name}` already; give each an `id` of its own")
        said = table.model_dump(exclude_none=True, exclude={"id", *TEXT_FIELDS})
        times = {key: said.pop(key) for key in _TIMES if key in said}
        told = {key: self._moment(key, value, at, here) for key, value in times.items()}
        former = known.get(name) or _usual(name, at, new=here[-2] == "change")
        after = structs.replace(
            former,
            **({"updated_at": updated_at} | told),
            **{key: None if value == NONE else value for key, value in said.items()},
        )
        if "start" in told and "end" not in told:
            after = structs.replace(after, end=_end(former, after.start))
        texts = {key: text for key in TEXT_FIELDS if (text := getattr(table, key)) is not None}
        after = structs.replace(after, fingerprints=_fingerprints(after, texts))
        known[name] = after
        return Happening(after, tuple((key, text) for key, text in texts.items() if text))

    def _moment(self, key: str, value: Any, at: datetime, here: Location) -> datetime | None:
        if value == NONE:
            return None
        try:
            return moment_of(value, at, self._zone)
        except OverflowError:
            self._complain((*here, key), f"`{key}` is too far away")
            return at

    def _expected(self, table: SentTable, here: Location, at: datetime) -> Expected:
        moment = None if table.at is None else self._moment("at", table.at, at, here)
        if moment is not None and moment < at:
            # A time of the day may be that of the next day.
            moment += timedelta(days=1) if moment > at - timedelta(days=1) else timedelta(0)
        if moment is not None and moment < at:
            self._complain((*here, "at"), "`at` is before the step that it stands in")
        return Expected(
            channel=table.channel,
            at=moment,
            rule=table.rule,
            title=table.title,
            body=table.body,
            parts=table.text,
            line=self._file.line((*here, "channel")),
        )

    def _complain(self, location: Location, text: str) -> None:
        self._problems.append(self._file.problem(location, text))


def _usual(name: str, at: datetime, *, new: bool) -> Appointment:
    """Returns an ordinary appointment; a new one was made just now."""
    start = at + timedelta(hours=2)
    return Appointment(
        id=name,
        status="ACCEPTED",
        updated_at=at,
        start=start,
        end=start + _LENGTH,
        created_at=at if new else at - timedelta(days=3),
        meeting_type="OFFICE",
        office="12",
        subject="51",
        employee="301",
        customer="201",
        updated_by="301",
        updated_by_type="EMPLOYEE",
    )


def _end(former: Appointment, start: datetime | None) -> datetime | None:
    """Returns the end of an appointment that was given another start: it lasts as long as before."""
    if start is None:
        return None
    return start + (former.end - former.start if former.start and former.end else _LENGTH)


def _fingerprints(appointment: Appointment, texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    known = dict(appointment.fingerprints)
    changed = {name: blake2b(text.encode(), digest_size=8).hexdigest() if text else "" for name, text in texts.items()}
    return tuple(sorted((name, mark) for name, mark in (known | changed).items() if mark))


_LISTED: Final = ("before", "change", "sent", "silence", "then")


def _with_lists(file: TomlFile) -> TomlFile:
    """Returns the file with a list wherever a case may have one table or several, and the lines moved along."""
    lines, text_lines = dict(file.lines), dict(file.text_lines)

    def listed(step: object, here: Location) -> object:
        if not isinstance(step, dict):
            return step
        for key in _LISTED:
            if isinstance(step.get(key), dict):
                for known in (lines, text_lines):
                    _move(known, (*here, key))
        return {key: [value] if key in _LISTED and isinstance(value, dict) else value for key, value in step.items()}

    def case_of(case: object, here: Location) -> object:
        found = listed(case, here)
        if isinstance(found, dict) and isinstance(found.get("then"), list):
            then = [listed(step, (*here, "then", number)) for number, step in enumerate(found["then"])]
            return found | {"then": then}
        return found

    cases = file.data.get("case")
    if not isinstance(cases, list):
        return file
    data = file.data | {"case": [case_of(case, ("case", number)) for number, case in enumerate(cases)]}
    return replace(file, data=data, lines=lines, text_lines=text_lines)


def _move(lines: dict[Location, Any], prefix: Location) -> None:
    """Puts what lies below a location one level deeper, into the first item of a list."""
    length = len(prefix)
    below = [location for location in lines if location[:length] == prefix and len(location) > length]
    for location in below:
        lines[*prefix, 0, *location[length:]] = lines[location]
