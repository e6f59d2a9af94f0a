"""The end of the process, whatever still hangs."""

import os
import sys
import threading


def leave(code: int) -> None:
    """Ends the process, at once where a thread still waits for a network that does not answer.

    Such a thread can't be ended, and the interpreter would wait for it: for those of a pool even where they are
    daemons. What it was doing is done again.
    """
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
