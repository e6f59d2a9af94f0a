"""A TOML file is read with the line of everything in it."""

from pathlib import Path

import pytest

from notifier.config.toml_file import Location, parse_toml, read_toml, shown
from notifier.errors import ConfigError, Problem

DOCUMENT = """\
# [ghost]
# ghost = "x"
title = "top"            # title = "ghost"
point.x = 1
point."y.z" = 2

[table]
text = '''[ghost]
ghost = 1
'''
"a = b" = "ghost = 1 # [ghost]"

[table.'deep ]'.er]
inline = { one = 1, two = { three = "}" }, list = [ "]", 2 ] }

[[row]]
name = "first"
items = [
    "a",   # comment with ] and "
    # "ghost",
    { b = 1 },
    [ "c",
      "d" ],
]
[row.where]
office = ["12"]

[[row]]
where.office = "12"
[[row.sub]]
x = 1979-05-27 07:32:00
[[row.sub]]
x = 2
"""

LINES: list[tuple[Location, int]] = [
    ((), 1),
    (("title",), 3),
    (("point",), 4),
    (("point", "x"), 4),
    (("point", "y.z"), 5),
    (("table",), 7),
    (("table", "text"), 8),
    (("table", "a = b"), 11),
    (("table", "deep ]"), 13),
    (("table", "deep ]", "er"), 13),
    (("table", "deep ]", "er", "inline", "two", "three"), 14),
    (("table", "deep ]", "er", "inline", "list", 1), 14),
    (("row",), 16),
    (("row", 0), 16),
    (("row", 0, "name"), 17),
    (("row", 0, "items"), 18),
    (("row", 0, "items", 0), 19),
    (("row", 0, "items", 1, "b"), 21),
    (("row", 0, "items", 2, 1), 23),
    (("row", 0, "where"), 25),
    (("row", 0, "where", "office", 0), 26),
    (("row", 1), 28),
    (("row", 1, "where"), 29),
    (("row", 1, "where", "office"), 29),
    (("row", 1, "sub", 0, "x"), 31),
    (("row", 1, "sub", 1), 32),
    (("row", 1, "sub", 1, "x"), 33),
]


@pytest.mark.parametrize(("location", "line"), LINES)
def test_line(location: Location, line: int) -> None:
    """Every kind of table, key and item is found on its line; comments and texts fool nobody."""
    assert parse_toml(Path("x.toml"), DOCUMENT).line(location) == line


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("missing",), 1),
        (("table", "missing"), 7),
        (("row", 1, "sub", 1, "missing", 3, "[key]"), 32),
        (("row", 0, "items", 0, "no such"), 19),
    ],
)
def test_line_of_what_is_missing(location: Location, line: int) -> None:
    """What is not there has the line of the nearest thing around it."""
    assert parse_toml(Path("x.toml"), DOCUMENT).line(location) == line


def test_a_table_that_is_opened_after_its_children() -> None:
    """A table's own header is its line, even if a header below it came first."""
    file = parse_toml(Path("x.toml"), "[a.b]\n[a]\n")
    assert (file.line(("a",)), file.line(("a", "b"))) == (2, 1)


TEXTS = [
    ('key = """one\ntwo\nthree"""', {1: 1, 2: 2, 3: 3}),
    ('key = """\none\ntwo\n"""', {1: 2, 2: 3, 3: 4}),
    ("key = '''\none\ntwo\n'''", {1: 2, 2: 3, 3: 4}),
    ("key = '''\none\\\ntwo'''", {1: 2, 2: 3}),
    ('key = """one \\\n   \n   still one\ntwo"""', {1: 1, 2: 4}),
    ('key = """a\\\\\nb"""', {1: 1, 2: 2}),
    ('key = "one\\ntwo"', {1: 1, 2: 1}),
    ('\nkey = "one"', {1: 2, 7: 2, 0: 2}),
    ('key = """\none"""', {99: 2}),
]


@pytest.mark.parametrize(("text", "lines"), TEXTS)
def test_line_inside_a_text(text: str, lines: dict[int, int]) -> None:
    """A line of a text is found in the file, whatever way the text is quoted; past its end counts its last line."""
    file = parse_toml(Path("x.toml"), text)
    assert {number: file.text_line(("key",), number) for number in lines} == lines


def test_line_inside_what_is_no_text() -> None:
    """Where there is no text, its line is that of the key."""
    assert parse_toml(Path("x.toml"), "\nkey = 5").text_line(("key",), 3) == 2


BROKEN = [
    ("a = 1\nb\n", 2, "Expected '=' after a key"),
    ("a = 1\nurl = slack://x\n", 2, "Invalid value: text needs quotes around it"),
    ('a = "x\nb = 1\n', 1, "a quote is not closed on this line"),
    ("a = 1\na = 2\n", 2, "this key is given twice"),
    ("[a]\n[a]\n", 2, "Cannot declare ('a',) twice"),
    ('a = """x\ny\n', 3, "Unterminated string"),
    ("= 1", 1, "Invalid statement: a line is a [table]"),
]


@pytest.mark.parametrize(("text", "line", "words"), BROKEN)
def test_broken_toml(text: str, line: int, words: str) -> None:
    """What is no TOML is a problem on its line, in words that help."""
    with pytest.raises(ConfigError) as caught:
        parse_toml(Path("x.toml"), text)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert problem.text.startswith("is not valid TOML")
    assert words in problem.text


def test_windows_files(tmp_path: Path) -> None:
    """A byte order mark and Windows' line ends change neither data nor lines."""
    path = tmp_path / "x.toml"
    path.write_bytes(b'\xef\xbb\xbfa = """\r\none\r\ntwo"""\r\nb = 2\r\n')
    file = read_toml(path)
    assert file.data == {"a": "one\ntwo", "b": 2}
    assert (file.line(("b",)), file.text_line(("a",), 2)) == (4, 3)


def test_unreadable_files(tmp_path: Path) -> None:
    """A missing file, a folder and a file that is no UTF-8 are problems like any other."""
    latin = tmp_path / "latin.toml"
    latin.write_bytes("a = 1\nb = 'é'\n".encode("latin-1"))
    for path, line, text in [
        (tmp_path / "none.toml", 1, "there is no such file"),
        (tmp_path, 1, "can't be read: Is a directory"),
        (latin, 2, "is not UTF-8 text; save the file as UTF-8"),
    ]:
        with pytest.raises(ConfigError) as caught:
            read_toml(path)
        assert caught.value.problems == (Problem(path, line, text),)


def test_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is shown relative to the working directory where it lies below it, and in full elsewhere."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert shown(here / "rules" / "x.toml") == Path("rules/x.toml")
    assert shown(Path("rules/../x.toml")) == Path("x.toml")
    assert shown(Path("../x.toml")) == tmp_path / "x.toml"


def test_problem_in_words() -> None:
    """A problem reads FILE:LINE: text, and an error lists one a line."""
    problems = [Problem(Path("rules/a.toml"), 3, "is odd"), Problem(Path("b.toml"), 1, "is even")]
    assert str(ConfigError(problems)) == "rules/a.toml:3: is odd\nb.toml:1: is even"
