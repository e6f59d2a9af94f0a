"""What is logged while a test looks, with a way to wait for it."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from threading import Condition
from typing import Any

import structlog


class Logs:
    """Keeps the records that would be logged."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._came = Condition()

    def __call__(self, _: object, level: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Takes a record in place of whoever would write it."""
        with self._came:
            self._records.append({"level": level, **record})
            self._came.notify_all()
        raise structlog.DropEvent

    def of(self, action: str) -> list[dict[str, Any]]:
        """Returns the records of an action so far."""
        with self._came:
            return [record for record in self._records if record["event"] == action]

    def wait_for(self, action: str, timeout: float, count: int = 1) -> bool:
        """Waits until an action was logged so many times, at most so many seconds; tells whether it was."""
        with self._came:
            return self._came.wait_for(lambda: [one["event"] for one in self._records].count(action) >= count, timeout)


@contextmanager
def captured_logs() -> Iterator[Logs]:
    """Keeps what is logged within the block, by loggers that were made before it too."""
    logs = Logs()
    # The same list, since bound loggers hold on to it.
    processors = structlog.get_config()["processors"]
    former = list(processors)
    processors[:] = [logs]
    try:
        yield logs
    finally:
        processors[:] = former
