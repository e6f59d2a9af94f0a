"""The locks say what is installed, wherever it is fetched from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")


def read(lock: str) -> str:
    return (ROOT / lock).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    """The version of each package that a lock names."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", read(lock), flags=re.MULTILINE))


def wanted(*requirements: object) -> set[str]:
    """The packages that these lines of pyproject.toml name."""
    return {re.split(r"[^a-z0-9-]", line)[0] for line in requirements if isinstance(line, str)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock: str) -> None:
    """The file can be installed with --require-hashes as it is."""
    entries = re.split(r"^(?=[a-z0-9])", read(lock).replace("\\\n", " "), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > 0
    assert not [entry for entry in entries if "--hash=sha256:" not in entry]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_says_where_to_fetch_from(lock: str) -> None:
    """Which index serves the packages is for the machine to say, and a lock made anywhere is the same."""
    assert "://" not in read(lock)
    assert not re.search(r"^-|(^|\s)/", read(lock), flags=re.MULTILINE)


def test_the_locks_agree_so_that_they_can_be_installed_together() -> None:
    """The lock of the tests holds the other two, version by version."""
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
    assert pins("requirements-build.lock").items() <= pins("requirements-dev.lock").items()


def test_the_locks_hold_all_that_pyproject_asks_for() -> None:
    """A dependency that was added without `bash .ci/lock` shows here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    assert wanted(*project["project"]["dependencies"]) <= set(pins("requirements.lock"))
    assert wanted(*project["project"]["optional-dependencies"]["cel"]) <= set(pins("requirements.lock"))
    assert wanted(*groups["build"]) == wanted(*project["build-system"]["requires"])
    assert wanted(*groups["build"]) <= set(pins("requirements-build.lock"))
    assert wanted(*groups["dev"]) <= set(pins("requirements-dev.lock"))
