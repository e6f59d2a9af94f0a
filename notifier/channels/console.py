"""The plugin behind `console://`: shows a message on standard output, for a first configuration and the demo."""

import sys
from threading import Lock
from typing import Any

from apprise import NotifyBase, NotifyType

from notifier.channels.answer import Answer, cause, note
from notifier.core.delivery import Reason

_one_at_a_time = Lock()
"""Several channels may speak at once, and a message is only readable in one piece."""


class Console(NotifyBase):  # type: ignore[no-untyped-call]
    """Standard output as a channel."""

    service_name = "Console"  # type: ignore[assignment]
    protocol = "console"  # type: ignore[assignment]
    request_rate_per_sec = 0

    @staticmethod
    def parse_url(url: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Takes any address; there is only one console."""
        return {"schema": url.partition(":")[0].lower()}

    def url(self, *_: Any, **__: Any) -> str:
        """Returns the address."""
        return "console://"

    def send(self, body: str, title: str = "", notify_type: NotifyType = NotifyType.INFO, **_: Any) -> bool:  # noqa: ARG002
        """Prints the message; False where nobody reads."""
        try:
            _print(frame(title, body))
        except (OSError, ValueError) as error:
            # A closed file raises ValueError, a pipe that nobody reads any more an OSError.
            note(Answer(failure=Reason.UNAVAILABLE, words=f"standard output: {cause(error)}"))
            return False
        return True


def frame(title: str, body: str) -> str:
    """Returns the message with a line at its left that sets it apart from what else is printed."""
    lines = body.splitlines()
    return "\n".join([f"┌ {title}".rstrip(), *(f"│ {line}".rstrip() for line in lines), "└", ""])


def _print(text: str) -> None:
    out = sys.stdout
    if out is None:
        raise ValueError("there is none")
    encoding = getattr(out, "encoding", None) or "utf-8"
    with _one_at_a_time:
        out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()
