"""A status fits a terminal and says everything; the same as JSON is one document."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from notifier import views
from notifier.core.delivery import State
from notifier.core.load import AddressLoad, Fit, SweepLoad
from notifier.core.sweep import SweepOutcome, SweepRun, Window
from notifier.status_view import Status, SweepStatus, show_status
from tests.builders import DAY, HOUR, MINUTE, NOW

ZONE = ZoneInfo("Europe/Brussels")
RUN = SweepRun(
    source="acme",
    sweep="near",
    started_at=NOW - timedelta(seconds=2),
    finished_at=NOW,
    outcome=SweepOutcome.OK,
    pages=12,
    rows=1234,
    changed=17,
    events=3,
    late=2,
    slices=4,
    held=5,
    window=Window(NOW - 6 * MINUTE, NOW),
    lag=timedelta(seconds=4),
)
NEVER = SweepLoad(
    source="acme",
    sweep="far",
    address="api.example.com",
    every=MINUTE,
    took=None,
    requests_per_minute=None,
    share=None,
    fit=Fit.UNKNOWN,
)
LOAD = replace(NEVER, took=timedelta(seconds=2), requests_per_minute=12.0, share=0.008, fit=Fit.FITS)


def sweep(last: SweepRun | None = RUN, name: str = "near", load: SweepLoad = LOAD) -> SweepStatus:
    return SweepStatus(
        source="acme",
        sweep=name,
        every=MINUTE,
        last=last,
        last_good_at=last.finished_at if last else None,
        complete_at=last.finished_at - HOUR if last else None,
        failing_since=None,
        skipped=1,
        overdue=False,
        load=load,
    )


def status(sweeps: Sequence[SweepStatus], troubles: Sequence[str] = ()) -> Status:
    asked = AddressLoad(address="api.example.com", budget=1500, requests_per_minute=12.04, share=0.00803)
    return Status(
        running=True,
        appointments=7,
        sweeps=tuple(sweeps),
        addresses=(asked,),
        deliveries={"desk": {State.PENDING: 2, State.DEAD: 1}},
        troubles=tuple(troubles),
        healthy=not troubles,
    )


def row(text: str, header: str, name: str) -> list[str]:
    """Returns the words of a sweep's row in the table with this header."""
    (part,) = [part for part in text.split("\n\n") if header in part.partition("\n")[0]]
    (line,) = [line for line in part.splitlines() if line.startswith(name)]
    return line.split()


def fits(text: str) -> bool:
    return all(len(line) <= views.WIDTH for line in text.splitlines())


def test_a_status_is_shown() -> None:
    """A status has rows for each sweep and channel, what its last run came to, its window, and its budget."""
    text = show_status(status([sweep(), sweep(None, "far", NEVER)]), ZONE)
    assert text.startswith("The daemon is running; 7 appointments in the snapshot.\n\n")
    assert text.endswith("\n\nAll is well.")
    assert row(text, "EVENTS", "acme/near") == ["acme/near", "1m", "ok", "11-24", "08:00", "1234", "3", "4", "s"]
    assert row(text, "EVENTS", "acme/far") == ["acme/far", "1m", "never", "ran", "-", "-", "-", "-"]
    assert " ".join(row(text, "CHANGED", "acme/near")) == "acme/near 11-24 07:54 11-24 08:00 17 2 5 11-24 07:00"
    assert row(text, "CHANGED", "acme/far") == ["acme/far", *"------"]
    near = ["acme/near", "2", "s", "yes", "1", "12", "4", "12", "0.8", "%"]
    assert row(text, "BUDGET", "acme/near") == near
    assert row(text, "BUDGET", "acme/far") == ["acme/far", "-", "-", "1", "-", "-", "-", "-"]
    assert "\napi.example.com: 12 of 1500 requests a minute, 0.8 %\n" in text
    assert row(text, "CHANNEL", "desk")[1:] == ["0", "2", "0", "0", "0", "1"]
    assert "SUPERSEDED" not in text


def test_what_was_not_to_be_sent_is_counted_apart() -> None:
    """A table of its own has it, of the channels to which there was any; both fit, however many there are."""
    many = replace(
        status([sweep()]),
        deliveries={"d" * 40: dict.fromkeys(State, 123_456), "chat": {State.UNCERTAIN: 2}, "desk": {State.DROPPED: 3}},
    )
    text = show_status(many, ZONE)
    assert fits(text)
    assert row(text, "UNCERTAIN", "chat")[1:] == ["0", "0", "0", "0", "2", "0"]
    assert row(text, "DROPPED", "desk") == ["desk", "0", "3", "0", "0"]
    assert [line for line in text.split("DROPPED")[1].splitlines() if line.startswith("chat")] == []


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        (None, "- -"),
        (Window(None, NOW), "- 11-24 08:00"),
        (Window(NOW - DAY, NOW), "11-23 08:00 11-24 08:00"),
    ],
)
def test_windows(window: Window | None, shown: str) -> None:
    """A window may have no beginning, and a run that got nowhere has none at all."""
    text = show_status(status([sweep(replace(RUN, window=window))]), ZONE)
    assert row(text, "CHANGED", "acme/near")[1:-5] == shown.split()


@pytest.mark.parametrize(
    ("rate", "share", "shown"),
    [(0.0, 0.0, "0.0      0.0 %"), (0.017, 0.00001, "<0.1     <0.1 %"), (7.26, 0.25, "7.3      25.0 %")],
)
def test_small_shares(rate: float, share: float, shown: str) -> None:
    """A sweep that asks next to nothing is not shown to ask nothing."""
    load = replace(LOAD, requests_per_minute=rate, share=share)
    assert shown in show_status(status([sweep(load=load)]), ZONE)


@pytest.mark.parametrize(("fit", "shown"), [(Fit.TOO_LONG, "too long"), (Fit.CROWDED, "crowded")])
def test_a_beat_that_can_not_be_kept(fit: Fit, shown: str) -> None:
    """The table of the budget tells why a sweep can't keep its beat."""
    assert f"  {shown}  " in show_status(status([sweep(load=replace(LOAD, fit=fit))]), ZONE)


def test_a_status_fits() -> None:
    """However long names, numbers and troubles are, no line is wider than a terminal, and no trouble is cut."""
    long = "a-sweep-whose-name-is-much-longer-than-it-needs-to-be"
    huge = replace(
        RUN,
        pages=12_345,
        rows=12_345_678,
        changed=1_234_567,
        events=123_456,
        late=12_345,
        held=12_345,
        slices=1234,
        window=Window(NOW - DAY, NOW),
        lag=3 * DAY + 4 * HOUR,
    )
    load = replace(LOAD, took=23 * HOUR + 59 * MINUTE, requests_per_minute=12_345.0, share=12.345, fit=Fit.TOO_LONG)
    wide = [replace(sweep(huge, long, load), skipped=12_345), sweep()]
    text = show_status(status(wide, ["acme/near is refused: " + "look at the token " * 9, "more"]), ZONE)
    assert fits(text)
    assert "\n! acme/near is refused: look at" in text
    assert " ".join(text.split()).count("look at the token") == 9
    assert text.endswith("\n! more")


def test_json_has_everything() -> None:
    """The JSON of a status has the window, the budget and all other figures; spans are seconds."""
    shown = json.loads(views.as_json(status([sweep()])))
    (one,) = shown["sweeps"]
    assert (one["every"], one["last"]["lag"], one["last"]["channels"]) == (60.0, 4.0, [])
    assert one["last"]["window"] == {"start": "2026-11-24T06:54:00+00:00", "end": "2026-11-24T07:00:00+00:00"}
    assert (one["last"]["late"], one["last"]["slices"], one["last"]["held"]) == (2, 4, 5)
    assert (one["load"]["share"], one["load"]["fit"], one["load"]["took"]) == (0.008, "fits", 2.0)
    assert one["complete_at"] == "2026-11-24T06:00:00+00:00"
    assert shown["addresses"] == [
        {"address": "api.example.com", "budget": 1500, "requests_per_minute": 12.04, "share": 0.00803}
    ]
    assert shown["deliveries"] == {"desk": {"pending": 2, "dead": 1}}
