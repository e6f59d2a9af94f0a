"""The map in CONTRIBUTING.md is of this tree."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]


def test_every_file_and_folder_of_the_package_is_on_the_map() -> None:
    """Whoever looks for a file finds the line that says what it belongs to."""
    files = {path.name for path in (ROOT / "notifier").glob("[!_]*.py")}
    folders = {f"{path.parent.name}/" for path in (ROOT / "notifier").glob("*/__init__.py")}
    assert not {name for name in files | folders if not re.search(rf"\b{re.escape(name)}", MAP)}


def test_everything_on_the_map_is_there() -> None:
    """A file that was renamed or moved does not stay on the map."""
    named = set(re.findall(r"[\w.]+\.py\b|[\w.]*\w/(?=[\s,])", MAP))
    here = {path.name for path in (*ROOT.glob("*.py"), *(ROOT / "notifier").rglob("*.py"))}
    folders = {f"{path.name}/" for path in (*ROOT.iterdir(), *(ROOT / "notifier").rglob("*")) if path.is_dir()}
    assert not named - here - folders
