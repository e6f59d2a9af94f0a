"""The search for marked values: that they are planted, and that it finds one wherever it leaked to."""

import json
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import Callable

import pytest

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.overheard import OWN, Overheard
from tests.acceptance.workplace import Workplace
from tests.canary import MARKS, PERSONAL, SECRETS, found_in
from tests.fake_receiver import Request, receiving

ADDRESSES = {"crm": "http://127.0.0.1:1", "hook": "http://127.0.0.1:1/hooks", "desk": "mailto://127.0.0.1:1/?to=a@b.cd"}


@pytest.mark.parametrize("kind", MARKS)
def test_a_value_is_found_in_every_writing(kind: str) -> None:
    """As it is, in capitals, in hexadecimal, and within base64."""
    mark = MARKS[kind].encode()
    written = [mark, mark.upper(), mark.hex().encode(), *(b64encode(b"user:x"[ahead:] + mark) for ahead in range(3))]
    assert all(kind in found_in(b"{" + one + b"}") for one in written)


def test_what_is_planted(workplace: Workplace, engage: Simulator) -> None:
    """Every kind of secret stands in the configuration or the environment, and every personal one in appointments."""
    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    workplace.configure(ADDRESSES)
    planted = found_in((workplace.folder / "config.toml").read_bytes() + json.dumps(workplace.environ).encode())
    # The address of a monitor is planted by those tests that have one.
    assert planted == set(SECRETS) - {"heartbeat"}
    engage.enterprise.cancel(made, utc_now())
    (row,) = engage.enterprise.rows()
    assert found_in(row.body) == set(PERSONAL)
    workplace.notifier("check")


def to_log(place: Workplace, mark: str) -> None:
    # What a person mistypes is repeated.
    place.notifier(mark)


def to_the_store(place: Workplace, mark: str) -> None:
    with sqlite3.connect(place.store) as store:
        store.execute("CREATE TABLE leak (what TEXT)")
        store.execute("INSERT INTO leak VALUES (?)", [mark])
    store.close()


def to_a_copy(place: Workplace, mark: str) -> None:
    (place.folder / "copies").mkdir()
    (place.folder / "copies" / "notifier.db-wal").write_bytes(b"\0" + mark.encode() + b"\0")


@pytest.mark.parametrize("leak", [to_log, to_the_store, to_a_copy])
@pytest.mark.parametrize("kind", ["token", "internal notes"])
def test_a_leak_is_found(
    workplace: Workplace, engage: Simulator, leak: Callable[[Workplace, str], None], kind: str
) -> None:
    """Where one value was written, said or logged, the test fails with the place and the kind, and not the value."""
    folder = workplace.folder / "leaking"
    folder.mkdir()
    place = Workplace(folder, engage)
    place.configure(ADDRESSES)
    leak(place, MARKS[kind])
    with pytest.raises(AssertionError) as raised:
        place.close()
    (told,) = place.search.leaks
    assert told.endswith(f": {kind}")
    assert MARKS[kind] not in str(raised.value)
    # The folder of the test itself is searched in its end.
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", MARKS)
def test_what_a_receiver_may_have(kind: str) -> None:
    """Personal text only if it was granted, what stands in its address only in the head, and other secrets never."""
    with receiving() as granted, receiving() as other:
        heard = Overheard()
        heard.grant(granted)
        for receiver in (granted, other):
            heard.requests.append((receiver, Request("/", {}, MARKS[kind].encode(), 0)))
            heard.requests.append((receiver, Request(f"/?{MARKS[kind]}", {}, b"", 0)))
        leaks = [leak for leak in heard.search().leaks if leak.endswith(f": {kind}")]
    assert heard.search().looked_at["message"] == 8
    bodies = [leak for leak in leaks if leak.startswith("the body")]
    assert len(bodies) == (1 if kind in PERSONAL else 2)
    assert len(leaks) - len(bodies) == (0 if kind in OWN else 2)
