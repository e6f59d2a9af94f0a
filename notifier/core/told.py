"""What was told: one message as it reached its channel, in plain words; or why it could not be made."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message that went out."""

    at: datetime
    channel: str
    rule: str
    #: Of a webhook, the type of its document.
    title: str
    #: Of a webhook, its document.
    body: str
    #: The ids of the events that it tells of, in their order.
    events: tuple[str, ...]
    #: Whose events these are, in the same order.
    appointments: tuple[str, ...]
    #: Why the template of its rule fails, so that nothing goes out; empty where it does not.
    failure: str = ""
