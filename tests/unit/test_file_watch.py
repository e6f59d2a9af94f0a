"""A change of files counts once it has come to rest."""

import os
from pathlib import Path

import pytest

from notifier.file_watch import FileWatch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("one", encoding="utf-8")
    return path


def test_what_stays_as_it_is_did_not_change(path: Path) -> None:
    """However often it is looked at."""
    watch = FileWatch(lambda: [path])
    assert [watch.changed() for _ in range(3)] == [False] * 3


def test_a_change_counts_at_the_second_look(path: Path) -> None:
    """Whoever writes may not have finished at the first; it counts until it is taken."""
    watch = FileWatch(lambda: [path])
    path.write_text("longer", encoding="utf-8")
    assert [watch.changed() for _ in range(3)] == [False, True, True]
    watch.take()
    assert [watch.changed() for _ in range(2)] == [False, False]


def test_a_file_that_is_being_written_is_left_alone(path: Path) -> None:
    """As long as every look finds something else."""
    watch = FileWatch(lambda: [path])
    for length in range(4, 8):
        path.write_text("x" * length, encoding="utf-8")
        assert not watch.changed()
    assert watch.changed()


def test_another_file_in_its_place_is_a_change(path: Path) -> None:
    """Even where it is as long, and as old."""
    watch = FileWatch(lambda: [path])
    twin, before = path.with_name("twin"), path.stat()
    twin.write_text("two", encoding="utf-8")
    os.utime(twin, ns=(before.st_atime_ns, before.st_mtime_ns))
    twin.replace(path)
    assert [watch.changed(), watch.changed()] == [False, True]


def test_files_may_come_and_go(path: Path) -> None:
    """One more file is a change, and one that is gone; put back as it was, nothing changed."""
    files = [path]
    watch = FileWatch(lambda: files)
    more = path.with_name("more.toml")
    files.append(more)
    assert [watch.changed(), watch.changed()] == [False, True]
    files.remove(more)
    assert [watch.changed(), watch.changed()] == [False, False]
    aside = path.rename(path.with_name("aside"))
    assert [watch.changed(), watch.changed()] == [False, True]
    aside.rename(path)
    assert [watch.changed(), watch.changed()] == [False, False]
