"""`[directory]` and its file become one directory, or complaints with file and line."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.catalogue import language_of
from notifier.config.settings import Settings, load_settings
from notifier.core.directory import Entry
from notifier.errors import ConfigError
from tests.configured import source

LONDON = ZoneInfo("Europe/London")


def load(folder: Path, directory: str, csv: str = "") -> Settings:
    channels = '[channels.team]\nurl = "console://"\n[channels.desk]\nurl = "console://"\n'
    path, acme = folder / "config.toml", source("http://127.0.0.1:1", 'token = "t"')
    path.write_text(f"{directory}\n{acme}\n{channels}", encoding="utf-8")
    if csv:
        (folder / "d.csv").write_text(csv, encoding="utf-8")
    return load_settings(path, {})


def complaints(folder: Path, directory: str, csv: str = "") -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, directory, csv)
    return [f"{one.file.name}:{one.line}: {one.text}" for one in raised.value.problems]


def test_tables_and_file_are_one(tmp_path: Path) -> None:
    """A table stands in place of the file's line for the same; what a line leaves out it does not have."""
    text = (
        '[directory]\nfile = "d.csv"\n[directory.offices.12]\nname = "Centre"\nlanguage = "de"\nchannels = "team"\n'
        '[directory.subjects.51]\nname = "Mortgage"\n[directory.employees.301]\nchannels = ["team", "desk"]'
    )
    csv = (
        "kind,id,name,zone,language,channels\noffice,12,Old,Europe/London,,\n"
        "office,40,London,Europe/London,nl,team; desk\nemployee,302,Ana,,,\n"
    )
    settings = load(tmp_path, text, csv)
    assert settings.directory.entries == {
        ("office", "12"): Entry("Centre", None, ("team",), language_of("de")),
        ("office", "40"): Entry("London", LONDON, ("team", "desk"), language_of("nl")),
        ("employee", "302"): Entry("Ana"),
        ("subject", "51"): Entry("Mortgage"),
        ("employee", "301"): Entry("", None, ("team", "desk")),
    }
    assert tmp_path / "d.csv" in settings.files


def test_columns_in_any_order_and_number(tmp_path: Path) -> None:
    """As a spreadsheet writes them, with a mark at the begin."""
    settings = load(tmp_path, '[directory]\nfile = "d.csv"', '\ufeffid,kind,name\n12,office,"Centre, Brussels"\n')
    assert settings.directory.name_of("office", "12") == "Centre, Brussels"


def test_mistakes_in_tables(tmp_path: Path) -> None:
    """Each is on its line, with the nearest name."""
    text = '[directory.offices.12]\nlanguage = "deutsch"\nzone = "Europe/Londn"\n[directory.subject.1]\nname = "x"'
    found = complaints(tmp_path, text)
    assert any(one.startswith("config.toml:3: `zone`: there is no time zone") for one in found)
    assert any(one.startswith("config.toml:2: `language`: there is no language `deutsch`") for one in found)
    assert any("unknown key `subject`" in one and "subjects" in one for one in found)
    (channel,) = complaints(tmp_path, '[directory.offices.12]\nchannels = "tean"')
    assert channel.startswith("config.toml:2: `channels`: there is no channel `tean`")
    assert "did you mean `team`?" in channel


def test_mistakes_in_the_file(tmp_path: Path) -> None:
    """All of them at once, each on the line of the file."""
    csv = (
        "kind,id,name,zone,language,channels,colour\nofice,1,,,,\noffice,,x,,,\nsubject,2,,Europe/London,,\n"
        "office,3,,Nowhere,,\noffice,4,,,,tean\noffice,5,a,,,\noffice,5,b,,,\noffice,6,,,dee,\nsubject,7,,,de,\n"
    )
    found = complaints(tmp_path, '[directory]\nfile = "d.csv"', csv)
    assert [one.partition("`")[0] for one in found] == [
        "d.csv:1: there is no column ",
        *(f"d.csv:{line}: " for line in (2, 3, 4, 5, 6)),
        *(f"d.csv:{line}: " for line in (8, 9, 10)),
    ]
    assert found[7] == "d.csv:9: `language`: there is no language `dee`; did you mean `de`?"
    assert found[8] == "d.csv:10: `language`: is for offices only"
    assert "`office`" in found[1]


def test_cells_for_which_there_is_no_column(tmp_path: Path) -> None:
    """A comma too many drops nobody in silence, and neither does a column that is there twice."""
    csv = "kind,id,name,channels\noffice,1,Ghent,team,desk\noffice,2,Ghent,team\n"
    assert complaints(tmp_path, '[directory]\nfile = "d.csv"', csv) == [
        "d.csv:2: has more cells than columns; several `channels` stand in one cell, with ; between"
    ]
    twice = complaints(tmp_path, '[directory]\nfile = "d.csv"', "kind,id,name,name\noffice,1,Ghent,Gent\n")
    assert twice == ["d.csv:1: the column `name` is there 2 times"]


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    """It is a mistake of the line that names it."""
    (missing,) = complaints(tmp_path, '[directory]\nfile = "d.csv"')
    assert missing.startswith("config.toml:2: `file`:")
    assert "can't be read" in missing
    (tmp_path / "d.csv").write_bytes(b"kind,id\noffice,\xff\n")
    (binary,) = complaints(tmp_path, '[directory]\nfile = "d.csv"')
    assert binary.startswith("config.toml:2: `file`:")
