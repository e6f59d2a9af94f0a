"""A TOML file as data, together with the line of everything in it, so that a complaint can say where.

`tomllib` gives the data but no positions. So the text is read a second time for these alone: by a scanner that runs
only over what `tomllib` accepted, and therefore checks nothing.
"""

import os
import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notifier.errors import ConfigError, Problem

SIZE_LIMIT = 1_000_000
"""Bytes of the longest file; what people write by hand is shorter."""

Location = tuple[str | int, ...]
"""The way to a value from the top of a file: keys of tables and indexes of lists, from 0."""


@dataclass(frozen=True, slots=True)
class TomlFile:
    """What a file says, and where it says it."""

    #: As its author would recognise it.
    file: Path
    data: dict[str, Any]
    #: The line of every table, key and list item.
    lines: Mapping[Location, int]
    #: For each line of a text, the line of the file on which it begins.
    text_lines: Mapping[Location, tuple[int, ...]]

    def line(self, location: Location) -> int:
        """Returns the line of what stands at the location, or else of the nearest thing around it."""
        while location not in self.lines:
            location = location[:-1]
        return self.lines[location]

    def text_line(self, location: Location, number: int) -> int:
        """Returns the line of the file that holds line `number` (from 1) of the text at the location."""
        lines = self.text_lines.get(location)
        return self.line(location) if lines is None else lines[min(max(number, 1), len(lines)) - 1]

    def problem(self, location: Location, text: str) -> Problem:
        """Returns a complaint about what stands at the location."""
        return Problem(self.file, self.line(location), text)


def read_toml(path: Path) -> TomlFile:
    """Reads the file.

    Raises:
        ConfigError: it can't be read, is no UTF-8 or no TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise ConfigError([Problem(shown(path), 1, f"has more than {SIZE_LIMIT:,} bytes; split it into several")])
        # Editors on Windows may put a byte order mark in front, which is no part of the text.
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError([Problem(shown(path), 1, "there is no such file")]) from error
    except OSError as error:
        raise ConfigError([Problem(shown(path), 1, f"can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(shown(path), line, "is not UTF-8 text; save the file as UTF-8")]) from error
    return parse_toml(shown(path), text)


def parse_toml(file: Path, text: str) -> TomlFile:
    """Reads the text of a file; `file` is how complaints call it.

    Raises:
        ConfigError: it is no TOML.
    """
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax_problem(file, text, str(error))]) from error
    scanner = _Scanner(text)
    scanner.scan()
    return TomlFile(file, data, scanner.lines, scanner.text_lines)


def shown(path: Path) -> Path:
    """Returns the path as its user would recognise it: relative to the working directory where it lies below."""
    here = Path.cwd()
    # Not `resolve`: behind a symbolic link may be a place that the user never heard of.
    there = Path(os.path.abspath(path))  # noqa: PTH100
    return there.relative_to(here) if there.is_relative_to(here) else there


_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HINTS = {
    "Invalid value": "text needs quotes around it",
    "Illegal character '\\n'": "a quote is not closed on this line",
    "Cannot overwrite a value": "this key is given twice",
    "Invalid statement": "a line is a [table], a key = value, or a # comment",
}


def _syntax_problem(file: Path, text: str, message: str) -> Problem:
    position = _POSITION.search(message)
    message = _POSITION.sub("", message)
    line = int(position[1]) if position and position[1] else text.count("\n") + 1
    column = f" (column {position[2]})" if position and position[2] else ""
    hint = f": {_HINTS[message]}" if message in _HINTS else ""
    return Problem(file, line, f"is not valid TOML{column}: {message}{hint}")


_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: The three quotes of a multi-line string may have up to two more before them, which belong to the text.
_STRING = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
)
#: A number, a date or a truth value: never holds what ends it.
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]*")
#: What moves lines in a quoted text: a backslash that joins lines, an escape (maybe of a line feed), a line feed.
_LINE_MATTER = re.compile(r"\\[ \t]*\n\s*|\\(?P<feed>n|x0[aA]|u000[aA]|U0000000[aA])|\\.|(?P<plain>\n)")


class _Scanner:
    """One walk over valid TOML that writes down where everything stands."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Location, int] = {(): 1}
        self.text_lines: dict[Location, tuple[int, ...]] = {}
        self._text = text
        self._at = 0
        self._feeds = [match.start() for match in re.finditer("\n", text)]
        #: How many tables each array of tables has so far.
        self._counts: dict[Location, int] = {}

    def scan(self) -> None:
        table: Location = ()
        self._take(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._take(_BLANK)

    def _header(self) -> Location:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        brackets = 2 if is_array else 1
        self._at += brackets
        *parents, name = self._key()
        self._at += brackets
        location = self._enter((), parents, line)
        location = (*location, name)
        if is_array:
            self.lines.setdefault(location, line)
            self._counts[location] = self._counts.get(location, 0) + 1
            location = self._newest(location)
        self.lines[location] = line
        return location

    def _pair(self, table: Location) -> None:
        line = self._line()
        *parents, name = self._key()
        self._at += len("=")
        self._take(_SPACE)
        location = (*self._enter(table, parents, line), name)
        self.lines[location] = line
        self._value(location)

    def _enter(self, location: Location, parents: list[str], line: int) -> Location:
        """Walks into tables that a dotted name only passes, which stand where they are first named."""
        for name in parents:
            self.lines.setdefault((*location, name), line)
            location = self._newest((*location, name))
        return location

    def _newest(self, location: Location) -> Location:
        count = self._counts.get(location)
        return location if count is None else (*location, count - 1)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._take(_SPACE)
            quoted = self._text[self._at] in "\"'"
            part = self._take(_STRING if quoted else _BARE_KEY)
            parts.append(tomllib.loads(f"key = {part}")["key"] if quoted else part)
            self._take(_SPACE)
            if self._text[self._at] != ".":
                return parts
            self._at += len(".")

    def _value(self, location: Location) -> None:
        first = self._text[self._at]
        if first == "[":
            self._list(location)
        elif first == "{":
            self._inline_table(location)
        elif first in "\"'":
            line = self._line()
            self.text_lines[location] = _text_lines(self._take(_STRING), line)
        else:
            self._take(_PLAIN_VALUE)

    def _list(self, location: Location) -> None:
        for index in self._items("]"):
            item = (*location, index)
            self.lines[item] = self._line()
            self._value(item)

    def _inline_table(self, location: Location) -> None:
        for _ in self._items("}"):
            self._pair(location)

    def _items(self, end: str) -> Iterator[int]:
        """Stops before each item between brackets, for the caller to read it, and behind the closing bracket."""
        self._at += 1
        self._take(_BLANK)
        index = 0
        while self._text[self._at] != end:
            yield index
            index += 1
            self._take(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1
                self._take(_BLANK)
        self._at += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, "the text was accepted by tomllib"
        self._at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect_left(self._feeds, self._at) + 1


def _text_lines(literal: str, line: int) -> tuple[int, ...]:
    """Returns the line of the file for each line of the text that a quoted literal on `line` stands for."""
    quotes = literal[:3] if literal.startswith(('"""', "'''")) else literal[:1]
    content = literal[len(quotes) : -len(quotes)]
    if len(quotes) > 1 and content.startswith("\n"):
        content = content[1:]
        line += 1
    lines = [line]
    for match in re.finditer("(?P<plain>\n)(?P<feed>)" if quotes[0] == "'" else _LINE_MATTER, content):
        line += match[0].count("\n")
        if match["plain"] or match["feed"]:
            lines.append(line)
    return tuple(lines)
