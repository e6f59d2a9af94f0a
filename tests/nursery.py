"""Daemons that are born fast, since many of them are to die.

A process that has imported everything waits for orders, and at each becomes two: the child runs the command line as if
it had just been started, the parent says how that ended. So a start takes a tenth of a second, not a whole one.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from notifier import daemon
from notifier.channels.channel import register_plugins
from notifier.cli import main as command_line
from tests.fault_points import die_at

ROOT: Final = Path(__file__).parents[1]

LOOK_EVERY: Final = timedelta(seconds=0.5)
"""How often a daemon asks the clock: left to itself, most would die before they do so again."""

PATIENCE: Final = 30.0
"""Seconds that a daemon, or the nursery, may take to end."""


class Child:
    """A daemon that was started."""

    def __init__(self, pid: int, ending: Callable[[], str]) -> None:
        self.pid = pid
        #: How it ended: its exit code, or the number of the signal below zero; None while it lives.
        self.code: int | None = None
        self.ended = threading.Event()
        threading.Thread(target=self._watch, args=(ending,), daemon=True).start()

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal; one that has ended keeps its number until the next one starts, so no other is hit."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once, and waits for that."""
        self.send_signal(signal.SIGKILL)
        assert self.ended.wait(PATIENCE)

    def _watch(self, ending: Callable[[], str]) -> None:
        self.code = int(ending() or -signal.SIGKILL)
        self.ended.set()


class Nursery:
    """Starts one daemon after the other; each has to end before the next one starts."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._child: Child | None = None

    def start(self, *arguments: str, die: tuple[str, int] | None = None) -> Child:
        """Starts a daemon; it dies at a fault point where one is named, when it passes it for the so-manieth time."""
        assert self._child is None or self._child.ended.is_set()
        assert self._process.stdin is not None
        order = {"arguments": arguments, "die": die, "log": str(self._log)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._child = Child(int(self._line()), self._line)
        return self._child

    def close(self) -> None:
        """Kills the last daemon, and ends."""
        if self._child is not None:
            self._child.kill()
        self._process.communicate(timeout=PATIENCE)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _obey() -> None:
    """Does as told, line by line, until the input ends."""
    # What a process does only once, and slowly, is done here for all of them.
    register_plugins()
    vars(daemon)["LOOK_EVERY"] = LOOK_EVERY
    # A second thread would be missing in the children, and what it holds would be held for ever.
    assert threading.active_count() == 1
    former = 0
    for line in sys.stdin:
        if former:
            os.waitpid(former, 0)
        former = os.fork()
        if not former:
            _live(json.loads(line))
        _say(former)
        # It is looked at and left, so that its number is nobody else's until the next order comes.
        ended = os.waitid(os.P_PID, former, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        _say(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _live(order: Any) -> NoReturn:
    """Runs a command line to its end, as a process of its own."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.argv = ["notifier", *order["arguments"]]
    code = 1
    try:
        if order["die"]:
            die_at(*order["die"])
        command_line()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        if code and sys.exc_info()[0]:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


def _end_with_input() -> None:
    """Ends the process when nobody is there any more who could give orders."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    _obey()
