"""Patience with a channel, and the end of it: a send that takes too long is given up by our own clock.

A time-out of a socket counts anew with every byte, so that a service which drips is waited for without end. So each
channel sends in a thread of its own, which is waited for as long as one send may take. A thread that hangs can't be
ended: it is abandoned, together with its open channel, since Apprise's plugins are not made for two threads.
"""

from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread

from notifier.channels.answer import Hearing, given_up
from notifier.channels.channel import Channel
from notifier.channels.parcel import Parcel
from notifier.core.delivery import Outcome, Reason, Result

MOST_ABANDONED = 3
"""So many threads of one channel may hang at once; then no send is begun there until one of them ends."""

END_SECONDS = 1.0
"""How long a thread that has nothing to do may take to end."""


class PatientChannel:
    """Sends through a channel, and gives up on what takes too long; used by one thread at a time."""

    def __init__(self, channel: Channel, timeout: timedelta) -> None:
        self._channel = channel
        self._timeout = timeout
        #: None until there is something to send, and after one was abandoned.
        self._worker: _Worker | None = None
        self._abandoned: list[_Worker] = []

    @property
    def ready(self) -> bool:
        """Whether a send may be begun; not while as many as may hang do."""
        self._abandoned = [worker for worker in self._abandoned if worker.is_alive]
        return len(self._abandoned) < MOST_ABANDONED

    def stuck(self) -> Outcome:
        """Returns what a send would come to while it is not ready."""
        return Outcome(Result.RETRY, Reason.TIMEOUT, detail=f"not begun, since {len(self._abandoned)} sends hang")

    def send(self, parcel: Parcel) -> Outcome:
        """Sends once and says what came of it, after the time-out at the latest; only while it is ready."""
        if self._worker is None:
            self._worker = _Worker(self._channel)
        hearing = Hearing()
        try:
            return self._worker.send(parcel, hearing, self._timeout)
        except Empty:
            self._abandon(self._worker)
            return given_up(hearing, self._timeout)

    def close(self) -> None:
        """Closes what the channel keeps open; one that hangs closes itself when it ends."""
        if self._worker is None:
            self._channel.close()
        else:
            self._worker.dismiss()

    def _abandon(self, worker: "_Worker") -> None:
        worker.dismiss()
        self._abandoned.append(worker)
        self._worker, self._channel = None, self._channel.reopen()


class _Worker:
    """A thread with an open channel, which it closes in the end."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._parcels: SimpleQueue[tuple[Parcel, Hearing] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome | None] = SimpleQueue()
        self._idle = True
        self._thread = Thread(target=self._run, name=f"send-{channel.name}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def send(self, parcel: Parcel, hearing: Hearing, timeout: timedelta) -> Outcome:
        """Has a message sent and waits for what comes of it.

        Raises:
            Empty: that takes longer than the time-out.
            RuntimeError: a mistake of ours ended the thread; what it was is told where threads tell such things.
        """
        self._idle = False
        self._parcels.put((parcel, hearing))
        outcome = self._outcomes.get(timeout=timeout.total_seconds())
        self._idle = True
        if outcome is None:
            raise RuntimeError(f"the thread {self._thread.name} ended in the middle of a send")
        return outcome

    def dismiss(self) -> None:
        """Lets it end as soon as it has nothing to do, which is awaited where that is now."""
        self._parcels.put(None)
        if self._idle:
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        try:
            while (handed := self._parcels.get()) is not None:
                self._outcomes.put(self._channel.send(*handed))
        finally:
            # Whoever waits for an outcome is not to wait for nothing.
            self._outcomes.put(None)
            self._channel.close()
