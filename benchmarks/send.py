"""How many deliveries a second go out: to one webhook, to twenty at once, and through Apprise.

All of it as in earnest: claimed, rendered, signed, sent over a socket, settled and recorded, each by itself. The
receiver is a process of its own, which answers at once, and then, as one that is not on the same machine, after some
milliseconds. In the same run a bare client posts as many documents of the same size over one connection, since
absolute times say little: the share of its pace is the figure.

    python -m benchmarks.send --deliveries 2000
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import orjson

from benchmarks.measure import machine
from notifier.channels.channel import open_channel
from notifier.clock import utc_now
from notifier.core.change import Kind
from notifier.core.delivery import Delivery, State, delivery_id
from notifier.core.document import document
from notifier.core.event import Event
from notifier.core.grant import USUAL, mask
from notifier.core.plan import Plan, Recorded
from notifier.core.readers import Readers
from notifier.core.rule import Rule, Verdict, on_kinds
from notifier.logs import configure_logs
from notifier.sample import sample_event
from notifier.sender import Sender
from notifier.store import outbox, snapshot
from notifier.store.database import Store, open_store

MANY = 20
SECRET = "whsec_" + "A" * 43
RULE = Rule(name="all", description="", requirements=(on_kinds(Kind),), channels=())
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


@dataclass(frozen=True)
class Figure:
    """What one way of sending came to."""

    what: str
    deliveries: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def pace(self) -> float:
        """Deliveries a second."""
        return self.deliveries / self.wall_seconds


def serve(delay_seconds: float) -> None:
    """Answers every request with 200, as cheaply as it can be done here; ends with its standard input."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
                await reader.readexactly(int(length))
                if delay_seconds:
                    await asyncio.sleep(delay_seconds)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        os._exit(0)

    asyncio.run(listen())


@contextmanager
def receiver(delay_seconds: float = 0) -> Iterator[int]:
    """Runs the receiver and yields its port."""
    command = [sys.executable, "-m", "benchmarks.send", "--serve", "--delay", str(delay_seconds * 1000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.stdin.close()


def timed(what: str, deliveries: int, send: Callable[[], object]) -> Figure:
    """Returns how long it took, in this process."""
    began, cpu = time.perf_counter(), time.process_time()
    send()
    return Figure(what, deliveries, time.perf_counter() - began, time.process_time() - cpu)


def bare(port: int, deliveries: int) -> Figure:
    """Posts the same document with nothing but the client."""
    body = orjson.dumps(document(mask(_event(0), USUAL), RULE.name))
    with httpx.Client(headers={"Content-Type": "application/cloudevents+json"}) as client:
        client.post(f"http://127.0.0.1:{port}/", content=body)

        def send() -> None:
            for _ in range(deliveries):
                client.post(f"http://127.0.0.1:{port}/", content=body).raise_for_status()

        return timed("a bare client", deliveries, send)


def ours(what: str, urls: Mapping[str, str], deliveries: int, folder: Path) -> Figure:
    """Sends what a filled outbox owes to these channels, each in a thread of its own."""
    each = deliveries // len(urls)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(folder / f"{what}.db"))
        senders = [_sender(store, name, url) for name, url in urls.items()]
        for sender in senders:
            stack.callback(sender.close)
        # The first one opens the connection, as it would have been for long.
        _fill(store, list(urls), 0, 1)
        _drain(senders)
        _fill(store, list(urls), 1, each + 1)
        figure = timed(what, each * len(urls), lambda: _drain(senders))
        with store.reading() as tx:
            left = {name: counts for name, counts in outbox.counts(tx).items() if counts[State.DELIVERED] != each + 1}
        if left:
            raise SystemExit(f"not everything was delivered: {left}")
        return figure


def _sender(store: Store, name: str, url: str) -> Sender:
    channel = open_channel(name, url, [SECRET] if url.startswith("http") else [])
    return Sender(channel, store, {RULE.name: RULE}, Readers(ZoneInfo("UTC")), utc_now)


def _drain(senders: list[Sender]) -> None:
    def drain(sender: Sender) -> None:
        for _ in sender.send_due():
            pass

    with ThreadPoolExecutor(len(senders)) as lanes:
        list(lanes.map(drain, senders))


def _event(number: int) -> Event:
    return sample_event(f"{number:020x}", "acme", utc_now() - timedelta(seconds=1))


def _fill(store: Store, channels: list[str], first: int, last: int) -> None:
    """Owes an event with each of these numbers to each channel; every one is about another appointment."""
    events = [_event(number) for number in range(first, last)]
    owed = [_owed(event, channel) for event in events for channel in channels]
    recorded = tuple(Recorded(event, (Verdict(RULE.name, matched=True),)) for event in events)
    with store.writing() as tx:
        snapshot.apply(tx, Plan("acme", "near", (), recorded, tuple(owed), ()), utc_now())


def _owed(event: Event, channel: str) -> Delivery:
    return Delivery(
        id=delivery_id(event.id, RULE.name, channel),
        event_id=event.id,
        rule=RULE.name,
        channel=channel,
        order_key=event.id,
        due_at=event.detected_at,
    )


def main() -> None:
    """Takes the figures and prints them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument("--delay", type=float, default=5, help="milliseconds that the second receiver takes")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.delay / 1000)
        return
    configure_logs("json", "error")
    print(machine())
    for delay in (0, arguments.delay):
        print(f"{f'after {delay:g} ms':16}{'a second':>10}{'CPU ms each':>14}{'of bare':>10}")
        figures = measure(arguments.deliveries, delay / 1000)
        for one in figures:
            share = one.pace / figures[0].pace
            print(f"{one.what:16}{one.pace:>10.0f}{one.cpu_seconds / one.deliveries * 1000:>14.2f}{share:>10.0%}")


def measure(number: int, delay_seconds: float) -> list[Figure]:
    """Returns the figures for a receiver that answers after so long, that of the bare client first."""
    with receiver(delay_seconds) as port, tempfile.TemporaryDirectory(prefix="notifier-send-") as name:
        folder, url = Path(name), f"http://127.0.0.1:{port}/hook"
        return [
            bare(port, number),
            ours("one webhook", {"crm": url}, number, folder),
            ours(f"{MANY} webhooks", {f"crm-{one}": url for one in range(MANY)}, number, folder),
            ours("Apprise", {"json": f"json://127.0.0.1:{port}/"}, number, folder),
        ]


if __name__ == "__main__":
    main()
