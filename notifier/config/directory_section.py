"""`[directory]`: the tables, the file beside them, and the directory that they become."""

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema

from notifier.catalogue import CODES, language_of
from notifier.config.calendar_section import read_zone
from notifier.config.spelling import choices
from notifier.config.table import Table, Text, among, as_tuple
from notifier.config.toml_file import Location, TomlFile, shown
from notifier.core.directory import KINDS, Directory, Entry
from notifier.core.language import Language
from notifier.errors import Problem

COLUMNS: Final = ("kind", "id", "name", "zone", "language", "channels")
"""Of a file: the first two are needed in every line."""

_OF_OFFICES: Final = ("zone", "language")

_EntryZone = Annotated[ZoneInfo, BeforeValidator(read_zone), WithJsonSchema({"type": "string"})]
_Channels = Annotated[tuple[Text, ...], BeforeValidator(as_tuple)]


class PersonTable(Table):
    """`[directory.employees.ID]`, and the same of subjects."""

    #: What people call it; shown in place of the id.
    name: Text | None = None
    #: Who hears of it, where a rule has "directory:employee", or "directory:subject", among its channels.
    channels: _Channels = ()


class OfficeTable(Table):
    """`[directory.offices.ID]`."""

    #: What people call it; shown in place of the id.
    name: Text | None = None
    #: The time zone that it is in, if that is another one than `timezone`.
    zone: _EntryZone | None = None
    #: The language that is spoken there, if that is another one than `language`.
    language: Annotated[str, among("language", CODES)] | None = None
    #: Who hears of it, where a rule has "directory:office" among its channels.
    channels: _Channels = ()


class EntriesTable(Table):
    """What is called how, by kinds."""

    #: Offices by their ids.
    offices: dict[Text, OfficeTable] = Field(default={})
    #: Subjects by their ids.
    subjects: dict[Text, PersonTable] = Field(default={})
    #: Employees by their ids.
    employees: dict[Text, PersonTable] = Field(default={})


class DirectoryTable(EntriesTable):
    """`[directory]`."""

    #: A CSV file with the columns kind, id, name, zone, language, channels.
    file: Text | None = None


_PLACES: Final = {"office": "offices", "subject": "subjects", "employee": "employees"}


def read_directory(
    table: DirectoryTable, channels: Collection[str], folder: Path, file: TomlFile
) -> tuple[Directory, list[Problem]]:
    """Returns the entries of the tables and, where these say nothing of an id, of the file; and what is wrong."""
    entries: dict[tuple[str, str], Entry] = {}
    problems: list[Problem] = []
    if table.file is not None:
        path = folder / table.file
        try:
            problems += _read_file(path, entries, channels)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = error.strerror if isinstance(error, OSError) else error
            problems.append(file.problem(("directory", "file"), f"`file`: {shown(path)} can't be read: {why}"))
    found, more = read_entries(table, channels, ("directory",), file)
    return Directory(entries | found), [*problems, *more]


def read_entries(
    table: EntriesTable, channels: Collection[str], here: Location, file: TomlFile
) -> tuple[dict[tuple[str, str], Entry], list[Problem]]:
    """Returns the entries of the tables at a location, and what is wrong with them."""
    entries: dict[tuple[str, str], Entry] = {}
    problems: list[Problem] = []
    for kind, place in _PLACES.items():
        for id_, one in getattr(table, place).items():
            location = (*here, place, id_, "channels")
            problems += [file.problem(location, text) for text in _unknown(one.channels, channels)]
            language = getattr(one, "language", None)
            entries[kind, id_] = Entry(one.name or "", getattr(one, "zone", None), one.channels, _language(language))
    return entries, problems


_SURPLUS = "\0"
"""Under what name the reader has the cells of a line for which there is no column."""


def _read_file(path: Path, entries: dict[tuple[str, str], Entry], channels: Collection[str]) -> list[Problem]:
    """Adds the entries of a file; returns what is wrong with its lines."""
    problems: list[Problem] = []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True, restkey=_SURPLUS)
        columns = Counter(reader.fieldnames or ())
        problems += [
            Problem(shown(path), 1, f"there is no column `{name}`{choices(name, COLUMNS)}")
            for name in columns
            if name not in COLUMNS
        ]
        problems += [
            Problem(shown(path), 1, f"the column `{name}` is there {times} times")
            for name, times in columns.items()
            if times > 1
        ]
        for raw in reader:
            row = {name: (raw.get(name) or "").strip() for name in COLUMNS}
            key, named = (row["kind"], row["id"]), [name.strip() for name in row["channels"].split(";") if name.strip()]
            mistakes = [*_mistakes(row), *_unknown(named, channels)]
            if raw.get(_SURPLUS):
                mistakes.append("has more cells than columns; several `channels` stand in one cell, with ; between")
            if key in entries:
                mistakes.append(f"`id`: there is a line for {row['kind']} {row['id']} already")
            problems += [Problem(shown(path), reader.line_num, text) for text in mistakes]
            if not mistakes:
                zone = ZoneInfo(row["zone"]) if row["zone"] else None
                entries[key] = Entry(row["name"], zone, tuple(named), _language(row["language"]))
    return problems


def _language(code: str | None) -> Language | None:
    return language_of(code) if code else None


def _mistakes(row: Mapping[str, str]) -> Iterator[str]:
    """Yields what is wrong with a line by itself."""
    if row["kind"] not in KINDS:
        yield f"`kind`: there is no kind `{row['kind']}`{choices(row['kind'], KINDS)}"
    if not row["id"]:
        yield "`id`: is missing"
    yield from (f"`{name}`: is for offices only" for name in _OF_OFFICES if row[name] and row["kind"] != "office")
    if row["language"] and row["language"] not in CODES:
        yield f"`language`: there is no language `{row['language']}`{choices(row['language'], CODES)}"
    if row["zone"] and row["zone"] not in available_timezones():
        yield f"`zone`: there is no time zone `{row['zone']}`{choices(row['zone'], available_timezones())}"


def _unknown(named: Collection[str], channels: Collection[str]) -> Iterator[str]:
    for name in named:
        if name not in channels:
            yield f"`channels`: there is no channel `{name}`{choices(name, channels)}"
