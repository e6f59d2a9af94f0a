"""The installed command as a process: run to its end, or left running, watched and signalled."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any, Self

COMMAND = shutil.which("notifier", path=str(Path(sys.executable).parent)) or "notifier"
"""The script that the installation put beside the interpreter."""

PATIENCE = 30.0
"""Seconds until a test gives up."""

GRACE = 10.0
"""Seconds that `run` may take to end after a signal."""


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def document(self) -> Any:
        """Returns the one JSON document that was printed."""
        return json.loads(self.out)

    def logged(self, action: str = "") -> list[dict[str, Any]]:
        """Returns the log records, of an action if one is named."""
        records = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        return [record for record in records if action in {"", record["action"]}]


def run(folder: Path, *arguments: str, environ: Mapping[str, str]) -> Answer:
    """Runs the command in a folder to its end."""
    ended = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=_environ(environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Answer(ended.returncode, ended.stdout, ended.stderr)


class Running:
    """The command, running in a folder until it is told to end."""

    def __init__(self, folder: Path, *arguments: str, environ: Mapping[str, str], before: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*before, COMMAND, *arguments],
            cwd=folder,
            env=_environ(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._came = Condition()
        self._out: list[str] = []
        self._err: list[str] = []
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            Thread(target=self._read, args=(self._process.stdout, self._out), daemon=True),
            Thread(target=self._read, args=(self._process.stderr, self._err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for_log(self, action: str, times: int = 1) -> None:
        """Waits until so many lines about this action are logged, in whatever format."""
        self._wait_for(action, self._err, times)

    def wait_for_text(self, text: str) -> None:
        """Waits until a line with this text is printed."""
        self._wait_for(text, self._out)

    def _wait_for(self, text: str, lines: list[str], times: int = 1) -> None:
        with self._came:
            seen = self._came.wait_for(lambda: sum(text in line for line in lines) >= times, PATIENCE)
        assert seen, f"{text!r} did not come:\n" + "".join(self._err)

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait."""
        self._process.send_signal(number)

    def end(self, timeout: float = GRACE) -> Answer:
        """Waits until it ends, and returns how it did; fails where that takes too long."""
        code = self._process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return Answer(code, "".join(self._out), "".join(self._err))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Answer:
        """Sends a signal to end and returns how it did."""
        self.send_signal(number)
        return self.end()

    def kill(self) -> Answer:
        """Ends it at once, whatever it does; nothing happens where it has ended."""
        self._process.kill()
        return self.end()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._came:
                    lines.append(line)
                    self._came.notify_all()


def _environ(changes: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "NOTIFIER_CONFIG"}
    return inherited | {"PYTHONIOENCODING": "utf-8"} | dict(changes)
