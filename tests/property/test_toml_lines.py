"""Laws of the second reading of a TOML file, over documents written in every style that TOML knows."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from notifier.config.toml_file import Location, parse_toml

#: Pieces of quoted text: as written, and for each what it does, "line" (a new line of the text here), "feed" (the same
#: through an escape, which is no new line of the file) or "join" (a new line of the file only).
BASIC = [
    ("word ", ""),
    ("# [no.table] ", ""),
    ("key = 'x', ] } ", ""),
    ("'''", ""),
    (r"\" ", ""),
    (r"\\ ", ""),
    (r"\n", "feed"),
    (r"\u000A", "feed"),
]
MULTILINE_BASIC = [*BASIC, ('"" x', ""), ("\n", "line"), ("\\\n   \tx", "join"), ("\\  \n\n x", "join join")]
LITERAL = [("word ", ""), ("# [no.table] ", ""), ('"""', ""), ("] } = , ", ""), ("\\n", ""), ("\\", "")]
MULTILINE_LITERAL = [*LITERAL, ("'' x", ""), ("\n", "line")]
PLAIN = ["1", "-2.5e3", "true", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00", "0xdead_beef", "nan"]
NOISE = ["", "\n", "# [table]\n", '  # key = """\n', "\t\n\n"]


class Writer:
    """Writes a document and notes down where everything comes to stand."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Location, int] = {(): 1}
        self.text_lines: dict[Location, tuple[int, ...]] = {}
        self.count = 0

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def yes(self) -> bool:
        return bool(self.draw(st.booleans()))

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def key(self) -> tuple[str, str]:
        """Returns a key that no other has, and one way to write it."""
        self.count += 1
        key: tuple[str, str] = self.pick(
            [
                (f"k-{self.count}", f"k-{self.count}"),
                (f"{self.count}", f"{self.count}"),
                (f"a.b {self.count}]", f'"a.b {self.count}]"'),
                (f'q" #{self.count}', rf'"q\" #{self.count}"'),
                (f"l = {self.count}", f"'l = {self.count}'"),
                (f"é{self.count}", rf'"\u00e9{self.count}"'),
            ]
        )
        return key

    def path(self, location: Location) -> Location:
        """Writes a key, perhaps a dotted one, and returns where it leads."""
        line = self.line
        for number in range(self.pick([1, 1, 2, 3])):
            name, written = self.key()
            self.text += (self.pick([".", " . ", "\t."]) if number else "") + written
            location = (*location, name)
            self.lines[location] = line
        return location

    def pair(self, location: Location, depth: int) -> None:
        location = self.path(location)
        self.text += self.pick(["=", " = ", "\t=  "])
        self.value(location, depth)

    def value(self, location: Location, depth: int) -> None:
        kind = self.pick(["plain", "text", "text", *(["list", "table"] if depth else [])])
        if kind == "plain":
            self.text += self.pick(PLAIN)
        elif kind == "text":
            self.quoted(location)
        elif kind == "list":
            self.items(location, depth)
        else:
            self.inline(location, depth)

    def quoted(self, location: Location) -> None:
        quotes, pieces = self.pick([('"', BASIC), ("'", LITERAL), ('"""', MULTILINE_BASIC), ("'''", MULTILINE_LITERAL)])
        if quotes == "'":
            pieces = [piece for piece in pieces if "'" not in piece[0]]
        self.text += quotes + (self.pick(["x", "\n"]) if len(quotes) > 1 else "")
        lines = [self.line]
        for written, effect in self.draw(st.lists(st.sampled_from(pieces), max_size=5)):
            self.text += written
            if effect in {"line", "feed"}:
                lines.append(self.line)
        # Up to two quotes of the closing kind may end the text itself; a backslash before them would escape one.
        tail = self.pick(["", " " + quotes[0], " " + 2 * quotes[0]]) if len(quotes) > 1 else ""
        self.text += tail + quotes
        self.text_lines[location] = tuple(lines)

    def items(self, location: Location, depth: int) -> None:
        self.text += "["
        size = self.pick([0, 1, 2, 3])
        for index in range(size):
            self.text += self.pick(["", " ", "\n", "# ] a comment\n", "\n\n  "])
            item = (*location, index)
            self.lines[item] = self.line
            self.value(item, depth - 1)
            self.text += self.pick(["", " ", "\n"]) + ("," if index < size - 1 or self.yes() else "")
        self.text += self.pick(["", "\n", " # [\n"]) + "]"

    def inline(self, location: Location, depth: int) -> None:
        self.text += "{ "
        for number in range(self.pick([0, 1, 2])):
            self.text += ", " if number else ""
            self.pair(location, depth - 1)
        self.text += " }"

    def body(self, location: Location) -> None:
        for _ in range(self.pick([0, 1, 2, 3])):
            self.text += self.pick(NOISE)
            self.pair(location, 2)
            self.text += self.pick(["\n", " # ''' comment\n"])
        self.text += self.pick(NOISE)

    def table(self, parent: Location, opening: str, closing: str) -> None:
        """Writes a table below a parent that has a header of its own."""
        line = self.line
        self.text += opening + "".join(f'"{part}".' for part in parent if isinstance(part, str))
        location = self.path(parent)
        self.text += closing + self.pick(["\n", "  # [[x]]\n"])
        if opening == "[[":
            self.lines[location] = line
            location = (*location, 0)
            self.lines[location] = line
        self.body(location)


@st.composite
def documents(draw: Any) -> Writer:
    """Documents with what the scanner should find in them."""
    writer = Writer(draw)
    writer.body(())
    for _ in range(writer.pick([0, 1, 2])):
        writer.table((), *writer.pick([("[", "]"), ("[[", "]]"), ("[ ", " ]")]))
    rows = writer.pick([0, 1, 3])
    for row in range(rows):
        array: Location = ("rows",)
        writer.lines.setdefault(array, writer.line)
        writer.lines[*array, row] = writer.line
        writer.text += writer.pick(["[[rows]]\n", '[["rows"]] # x\n'])
        writer.body((*array, row))
        if writer.yes():
            writer.table((*array, row), *writer.pick([("[", "]"), ("[[", "]]")]))
    return writer


def locations(value: object, here: Location = ()) -> dict[Location, object]:
    """Returns everything in the data by its location."""
    found: dict[Location, object] = {here: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found |= locations(item, (*here, key))
    return found


@given(documents(), st.booleans())
def test_everything_is_found_where_it_was_written(document: Writer, windows: bool) -> None:
    """Every table, key and item of a document is known by the line on which it was written."""
    text = document.text.replace("\n", "\r\n") if windows else document.text
    file = parse_toml(Path("x.toml"), text)
    assert file.lines == document.lines
    assert file.text_lines == document.text_lines


@given(documents())
def test_exactly_what_is_in_the_data_is_found(document: Writer) -> None:
    """The scanner finds what tomllib finds and nothing else, and as many lines in each text as the text has."""
    file = parse_toml(Path("x.toml"), document.text)
    data = locations(file.data)
    assert file.lines.keys() == data.keys()
    texts = {location: value.count("\n") + 1 for location, value in data.items() if isinstance(value, str)}
    assert {location: len(lines) for location, lines in file.text_lines.items()} == texts
