"""A send that takes too long is given up by our own clock, and holds up nothing else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread, current_thread

import pytest

from notifier.channels.answer import Hearing, given_up
from notifier.channels.channel import Channel, open_channel
from notifier.channels.parcel import Parcel
from notifier.channels.patience import MOST_ABANDONED, PatientChannel
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.escape import Target
from notifier.core.message import Message
from tests.fake_mailbox import mail_url
from tests.fake_receiver import CRAWL, Reply, receiving
from tests.simulated import WAIT

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SHORT = timedelta(seconds=0.5)
LONG = timedelta(seconds=WAIT)


def parcel() -> Parcel:
    return Parcel("delivery-1", Message("Cancelled", "When: Tuesday", Target.TEXT), {"id": "event-1"}, NOW)


@contextmanager
def patient(url: str, timeout: timedelta = LONG) -> Iterator[PatientChannel]:
    """Gives a channel that is waited for so long; its own time-outs are longer, unless it is `SHORT`."""
    opened = PatientChannel(open_channel("crm", url, timeout=LONG), timeout)
    try:
        yield opened
    finally:
        opened.close()


def test_what_is_answered_is_handed_on() -> None:
    """The outcome is the channel's own, and one thread does for many messages over one connection."""
    with receiving(Reply(503), Reply()) as receiver, patient(receiver.url) as channel:
        outcomes = [channel.send(parcel()) for _ in range(3)]
        assert len({request.port for request in receiver.requests}) == 1
        worker = channel._worker
    assert [(one.result, one.status) for one in outcomes] == [(Result.RETRY, 503), *[(Result.DELIVERED, 200)] * 2]
    assert worker is not None
    assert not worker.is_alive


def test_a_channel_that_never_sent_is_closed() -> None:
    """There is no thread to end, and no connection is left."""
    with receiving() as receiver, patient(receiver.url) as channel:
        assert channel.ready
    assert channel._worker is None


@pytest.mark.parametrize("schema", ["http", "json"])
def test_what_drips_is_given_up(schema: str) -> None:
    """However many bytes come; it may have arrived. Meanwhile the next message goes out over another connection."""
    with receiving(CRAWL, Reply()) as receiver:
        with patient(receiver.url.replace("http", schema, 1), SHORT) as channel:
            given_up = channel.send(parcel())
            assert (given_up.result, given_up.reason) == (Result.UNCERTAIN, Reason.UNCERTAIN)
            assert given_up.detail == "given up after 0.5 s without an answer"
            channel._timeout = LONG
            assert channel.send(parcel()).result is Result.DELIVERED
            (hung,) = channel._abandoned
            assert hung.is_alive
        receiver.released.set()
        hung._thread.join(WAIT)
        assert not hung.is_alive
        assert len(receiver.requests) == 2


@pytest.mark.parametrize("address", ["https://{}/", "jsons://{}/", mail_url("{}")])
def test_what_had_not_gone_out_is_known(address: str) -> None:
    """Where a connection does not even come to the message, it is certain that it did not arrive."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        # It says hello in no protocol.
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with patient(address.format(place), SHORT) as channel:
            outcome = channel.send(parcel())
    assert outcome == Outcome(Result.RETRY, Reason.TIMEOUT, detail="given up after 0.5 s; nothing had gone out")


def test_only_so_many_may_hang() -> None:
    """Then nothing is begun until one of them ends, which it does by itself."""
    with receiving(CRAWL) as receiver, patient(receiver.url, timedelta(seconds=0.2)) as channel:
        for _ in range(MOST_ABANDONED):
            assert channel.ready
            channel.send(parcel())
        assert not channel.ready
        assert channel.stuck().reason is Reason.TIMEOUT
        hung = list(channel._abandoned)
        receiver.reply_with(Reply())
        receiver.released.set()
        for worker in hung:
            worker._thread.join(WAIT)
        assert channel.ready
        channel._timeout = LONG
        assert channel.send(parcel()).result is Result.DELIVERED


def test_a_send_that_hangs_does_not_keep_from_closing() -> None:
    """Whoever closes a channel in the middle of a send does not wait for it."""
    with receiving(CRAWL) as receiver, patient(receiver.url) as channel:
        sending = Thread(target=channel.send, args=[parcel()])
        sending.start()
        assert receiver.wait_for(1, WAIT)
        channel.close()
        assert sending.is_alive()
        receiver.released.set()
        sending.join(WAIT)
        assert not sending.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_ours_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a send hears at once that there will be no outcome."""

    def mistake(*_: object) -> Outcome:
        raise ZeroDivisionError(current_thread().name)

    monkeypatch.setattr(Channel, "send", mistake)
    with patient("http://127.0.0.1:9") as channel, pytest.raises(RuntimeError, match="send-crm"):
        channel.send(parcel())


def test_nothing_is_known_of_a_service_with_a_wire_of_its_own() -> None:
    """What can't be overheard may have gone out."""
    assert given_up(Hearing(), SHORT).result is Result.UNCERTAIN


@pytest.mark.parametrize("address", ["http://{}/", "json://{}/", mail_url("{}")])
def test_a_channel_waits_half_of_its_time_for_an_answer(address: str) -> None:
    """However it speaks to its service, so that a service which says nothing is left by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        channel = PatientChannel(open_channel("crm", address.format(place), timeout=SHORT), LONG)
        assert channel.send(parcel()).reason in {Reason.UNCERTAIN, Reason.TIMEOUT}
        assert channel._abandoned == []
        channel.close()
