"""What the process does about its memory before it begins to work: settings of the allocator and of the collector."""

import ctypes
import gc
import sys

_M_ARENA_MAX = -8
"""glibc's number for the most heaps."""

HEAPS = 2
"""Into how many heaps the threads share; they hold the interpreter's lock while they allocate, so that few suffice."""


def share_heaps() -> None:
    """Keeps glibc from giving each thread a heap of its own: what one of them frees is then of use to the others.

    There is a thread for each sweep, and each has held thousands of appointments once. Other libraries have one heap.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            libc.mallopt(_M_ARENA_MAX, HEAPS)


def calm_collector() -> None:
    """Keeps the cycle collector from walking, page after page, through objects that live as long as the process.

    A page is tens of thousands of short-lived objects, none of them in a cycle; collecting at the default pace takes
    up to half of a poll's time.
    """
    # What was set apart before may have died since.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
