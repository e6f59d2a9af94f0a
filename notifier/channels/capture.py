"""A channel that keeps what is handed to it and sends nothing: for rehearsals of the send line."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from notifier.channels.answer import Hearing
from notifier.channels.channel import Channel
from notifier.channels.parcel import Parcel
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.escape import Target

Keep = Callable[[Parcel], None]


@dataclass(frozen=True, slots=True)
class CapturingChannel(Channel):
    """Stands for a channel, and takes everything; made by `capture`."""

    _keep: Keep

    def reopen(self) -> Channel:
        """Returns itself: nothing is open."""
        return self

    def send(self, parcel: Parcel, known: Hearing | None = None) -> Outcome:  # noqa: ARG002 - nobody answers
        """Keeps the parcel, which counts as delivered."""
        self._keep(parcel)
        return Outcome(Result.DELIVERED, Reason.OK)


def capture(channel: Channel, keep: Keep) -> CapturingChannel:
    """Returns what stands for the channel and hands to `keep` what would go there, in plain words."""
    same = {field.name: getattr(channel, field.name) for field in fields(channel)}
    return CapturingChannel(**(same | {"target": Target.TEXT}), _keep=keep)
