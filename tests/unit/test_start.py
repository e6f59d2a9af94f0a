"""start.py, but for what only a network and a fresh machine can show."""

import sys
from pathlib import Path

import pytest

import start


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place that start.py takes for its own."""
    monkeypatch.setattr(start, "ROOT", tmp_path)
    monkeypatch.setattr(start, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(start, "STAMP", tmp_path / ".venv" / "start.json")
    monkeypatch.setattr(start, "LOG", tmp_path / ".venv" / "start.log")
    return tmp_path


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_digest_changes_with_content_and_names_but_not_with_bytecode(checkout: Path) -> None:
    """So that the package is built again when, and only when, it would differ."""
    source = write(checkout / "notifier" / "one.py")
    first = start.digest("notifier", "absent.md")
    write(checkout / "notifier" / "__pycache__" / "one.pyc")
    assert start.digest("notifier", "absent.md") == first
    write(source, "y")
    changed = start.digest("notifier", "absent.md")
    source.rename(checkout / "notifier" / "two.py")
    assert len({first, changed, start.digest("notifier", "absent.md")}) == 3


def test_what_is_finished_is_not_done_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start runs nothing, changed sources are built and installed again, a changed lock starts afresh."""
    done: list[str] = []
    lock = write(checkout / "requirements.lock")
    source = write(checkout / "notifier" / "one.py")
    monkeypatch.setattr(start, "run", lambda doing, _command: done.append(doing))

    def started() -> list[str]:
        done.clear()
        start.prepare(["requirements.lock"])
        return list(done)

    assert started() == ["making .venv", "installing", "building", "installing"]
    assert started() == []
    write(source, "y")
    assert started() == ["building", "installing"]
    write(lock, "y")
    assert started() == ["making .venv", "installing", "building", "installing"]


def test_a_start_that_was_cut_short_goes_on_where_it_was(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is done at the next start, and what was finished before it is not."""
    write(checkout / "requirements.lock")

    def run(doing: str, _command: object) -> None:
        done.append(doing)
        if doing == "building" and failing:
            start.fail("no")

    done: list[str] = []
    failing = True
    monkeypatch.setattr(start, "run", run)
    with pytest.raises(SystemExit):
        start.prepare(["requirements.lock"])
    done.clear()
    failing = False
    start.prepare(["requirements.lock"])
    assert done == ["building", "installing"]


def test_a_venv_that_somebody_else_made_is_left_alone(checkout: Path) -> None:
    """start.py replaces .venv only if its own stamp lies in it."""
    theirs = write(checkout / ".venv" / "pyvenv.cfg")
    with pytest.raises(SystemExit, match=r"start\.py: \.venv is here already"):
        start.prepare([])
    assert theirs.exists()


def test_a_failed_step_is_one_line_and_the_rest_is_kept(checkout: Path) -> None:
    """The line names what was being done and why it failed; all output is in .venv/start.log."""
    (checkout / ".venv").mkdir()
    with pytest.raises(SystemExit, match=r"^start\.py: trying failed: ERROR: no such thing \(all of it: [^\n]*\)$"):
        start.run("trying", [sys.executable, "-c", "print('first\\nERROR: no such thing\\nhint'); exit(1)"])
    assert (checkout / ".venv" / "start.log").read_text(encoding="utf-8").splitlines()[0] == "first"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "WARNING: Retrying (Retry(total=4)) after ...\nERROR: No matching distribution",
            "no package index was reached",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM\nx", "not the one that the lock names"),
        ("ERROR: No matching distribution found for x==1\nx", "ERROR: No matching distribution found for x==1"),
        ("", "it said nothing"),
    ],
)
def test_the_cause_of_a_failed_install_is_named(output: str, line: str) -> None:
    """No index, a tampered download and a missing package read differently."""
    assert line in start.cause(output)


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """No arguments is a wrong usage: nothing is installed for it."""
    with pytest.raises(SystemExit) as ended:
        start.main([])
    assert ended.value.code == 2
    assert "start.py demo" in capsys.readouterr().out
