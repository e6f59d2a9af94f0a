"""What is seen of the disk of a store."""

import os
import shutil
from pathlib import Path

import pytest

from notifier.core.checkup import Room
from notifier.store.disk import obstacle, room_of


def test_how_much_room_there_is(tmp_path: Path) -> None:
    """What is free is that of the disk, what is taken is the store with what stands beside it."""
    store = tmp_path / "notifier.db"
    store.write_bytes(b"x" * 1000)
    (tmp_path / "notifier.db-wal").write_bytes(b"x" * 500)
    room = room_of(store)
    assert room is not None
    assert (room.folder, room.taken) == (str(tmp_path), 1500)
    assert 0 < room.free <= shutil.disk_usage(tmp_path).total


def test_nobody_can_tell(tmp_path: Path) -> None:
    """A folder that is not there has no room that anybody could speak of, and is an obstacle."""
    store = tmp_path / "away" / "notifier.db"
    assert room_of(store) is None
    assert obstacle(store) == "this user may not write there"


def test_what_keeps_from_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing does, or a file that is for reading only, or a disk without space."""
    store = tmp_path / "notifier.db"
    store.touch()
    assert obstacle(store) == ""
    monkeypatch.setattr("notifier.store.disk.room_of", lambda _: Room("", 1000, 0))
    assert obstacle(store) == "no space is left on its disk"
    # Not by its mode: whoever runs the tests may be allowed everything.
    monkeypatch.setattr(os, "access", lambda path, _: path != store)
    assert obstacle(store) == "this user may not write there"
