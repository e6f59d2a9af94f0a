"""The process sets up its memory once, and wherever it runs."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from notifier import memory


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector as an interpreter begins with it; afterwards it is as it was, which may be calm already."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def heaps_asked_for(monkeypatch: pytest.MonkeyPatch, platform: str, *, glibc: bool) -> list[tuple[int, int]]:
    """Returns what the allocator of a system is told."""
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *setting: told.append(setting)) if glibc else SimpleNamespace()
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    memory.share_heaps()
    return told


def test_threads_share_heaps_where_each_would_have_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Glibc is told how many heaps there may be; where there is no glibc, nobody is told anything."""
    m_arena_max = -8  # in malloc.h
    assert heaps_asked_for(monkeypatch, "linux", glibc=True) == [(m_arena_max, memory.HEAPS)]
    assert heaps_asked_for(monkeypatch, "linux", glibc=False) == []
    assert heaps_asked_for(monkeypatch, "darwin", glibc=True) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is nothing to ask")
def test_the_real_allocator_can_be_told() -> None:
    """Nothing goes wrong with the library that is really there."""
    memory.share_heaps()


@pytest.mark.usefixtures("collector")
def test_what_is_there_is_not_collected_again() -> None:
    """The collector leaves alone what lives as long as the process, and comes less often for the rest."""
    before = gc.get_threshold()[0]
    memory.calm_collector()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] > before
