"""The disk on which the store lies: how much room it has, and what keeps a process from writing there."""

import os
import shutil
from pathlib import Path

from notifier.core.checkup import Room

PARTS = ("", "-wal", "-shm")
"""What the names of a store's files end in."""

NEXT_TO_NOTHING = 1_000_000
"""With less free space, in bytes, no commit can be counted on."""


def room_of(store: Path) -> Room | None:
    """Returns how much room there is for a store; None where nobody can tell."""
    try:
        free = shutil.disk_usage(store.parent).free
    except OSError:
        return None
    return Room(str(store.parent), free, sum(_size(Path(f"{store}{part}")) for part in PARTS))


def obstacle(store: Path) -> str:
    """Says why this process could not write to a store, as far as that can be seen from outside; empty if it could."""
    if not all(os.access(path, os.W_OK) for path in (store.parent, store)):
        return "this user may not write there"
    room = room_of(store)
    return "no space is left on its disk" if room and room.free < NEXT_TO_NOTHING else ""


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
