"""What is shown of readings that last: bars on a terminal, a line a minute elsewhere, nothing of short ones."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest

from notifier.core.sweep import Progress
from notifier.progress import LINE_SECONDS, PATIENCE_SECONDS, RATE_SECONDS, Bars, Lines, Watcher, open_watcher
from tests.captured_logs import Logs, captured_logs


class Seconds:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A terminal without a size, as far as anybody asks."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def isatty(self) -> bool:
        return True

    def taken(self) -> str:
        """Returns what was written since it was last asked for."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def logs() -> Iterator[Logs]:
    with captured_logs() as logs:
        yield logs


def came(watcher: Watcher, rows: int, expected: int = 1000, sweep: str = "near") -> None:
    watcher(Progress("acme", sweep, rows, expected))


def test_a_line_a_minute(seconds: Seconds, logs: Logs) -> None:
    """After a minute, and after each further one, a line tells what came, how fast, and how long the rest takes."""
    lines = Lines(seconds)
    with lines.reading("acme", "near"):
        for _ in range(12):
            seconds.now += 10
            came(lines, int(seconds.now) - 1000)
    assert [{**one, "level": "info"} for one in logs.of("reading")] == [
        {
            "level": "info",
            "event": "reading",
            "source": "acme",
            "sweep": "near",
            "rows": rows,
            "expected": 1000,
            "per_second": 1.0,
            "remaining_seconds": 1000 - rows,
        }
        for rows in (60, 120)
    ]


def test_no_line_of_a_short_reading(seconds: Seconds, logs: Logs) -> None:
    """A sweep that is read in less than a minute says nothing, however often it is read."""
    lines = Lines(seconds)
    for _ in range(5):
        with lines.reading("acme", "near"):
            seconds.now += LINE_SECONDS - 1
            came(lines, 10)
    assert logs.of("reading") == []


def test_several_readings_have_lines_of_their_own(seconds: Seconds, logs: Logs) -> None:
    """Each reading counts its own minutes, from its own beginning."""
    lines = Lines(seconds)
    with lines.reading("acme", "near"):
        seconds.now += 30
        with lines.reading("acme", "far"):
            seconds.now += 30
            came(lines, 10)
            came(lines, 10, sweep="far")
            seconds.now += 30
            came(lines, 20)
            came(lines, 20, sweep="far")
    assert [one["sweep"] for one in logs.of("reading")] == ["near", "far"]


def test_a_reading_of_which_nothing_came(seconds: Seconds, logs: Logs) -> None:
    """Where there is no rate, no remaining time is made up."""
    lines = Lines(seconds)
    with lines.reading("acme", "near"):
        seconds.now += LINE_SECONDS
        came(lines, 0)
    (line,) = logs.of("reading")
    assert (line["per_second"], line["remaining_seconds"]) == (0.0, None)


def test_the_rate_is_that_of_the_last_minute(seconds: Seconds, logs: Logs) -> None:
    """Once the source answers slower, the rate and the remaining time say so within a minute."""
    lines = Lines(seconds)
    with lines.reading("acme", "near"):
        came(lines, 500)
        for rows in range(501, 800):
            seconds.now += 1
            came(lines, rows)
    assert RATE_SECONDS == LINE_SECONDS
    last = logs.of("reading")[-1]
    assert (last["per_second"], last["remaining_seconds"]) == (1.0, 1000 - last["rows"])


def test_a_list_that_is_read_again(seconds: Seconds, logs: Logs) -> None:
    """A part that slipped and begins anew makes no rate below zero."""
    lines = Lines(seconds)
    with lines.reading("acme", "near"):
        came(lines, 900)
        seconds.now += 50
        came(lines, 100)
        seconds.now += 10
        came(lines, 150)
    (line,) = logs.of("reading")
    assert (line["rows"], line["per_second"]) == (150, 5.0)


def test_more_than_expected(seconds: Seconds, logs: Logs, terminal: Terminal) -> None:
    """A list that grew while it was read has nothing left, and its bar is full."""
    lines, bars = Lines(seconds), Bars(terminal, seconds)
    with lines.reading("acme", "near"), bars, bars.reading("acme", "near"):
        seconds.now += 60
        for watcher in (lines, bars):
            came(watcher, 1100)
    assert logs.of("reading")[0]["remaining_seconds"] == 0
    assert "100 % |██████████| 1100 of 1100, 18/s, 0 s left" in terminal.getvalue()


def test_a_bar_for_a_reading_that_lasts(seconds: Seconds, terminal: Terminal) -> None:
    """A reading gets its bar after a moment; it moves now and then, and is gone when the reading ends."""
    bars = Bars(terminal, seconds)
    with bars, bars.reading("acme", "near"):
        came(bars, 100)
        seconds.now += PATIENCE_SECONDS - 0.1
        came(bars, 200)
        assert terminal.taken() == ""
        seconds.now += 2.1
        came(bars, 400)
        assert "acme/near  40 % |████      | 400 of 1000, 100/s, 6 s left" in terminal.taken()
        came(bars, 410)
        assert terminal.taken() == ""
        seconds.now += 1
        came(bars, 500)
        assert "acme/near  50 % |█████     | 500 of 1000, 100/s, 5 s left" in terminal.taken()
    assert terminal.taken().strip() == ""


def test_no_bar_before_the_first_page(seconds: Seconds, terminal: Terminal) -> None:
    """A reading that still waits for its turn has nothing to show, however long it waits."""
    bars = Bars(terminal, seconds)
    with bars, bars.reading("acme", "far"), bars.reading("acme", "near"):
        seconds.now += 10
        came(bars, 100)
    assert "acme/far" not in terminal.taken()


def test_several_bars(seconds: Seconds, terminal: Terminal) -> None:
    """Readings at once have a line each, one below the other; when the first ends the second moves up."""
    bars = Bars(terminal, seconds)
    with bars, bars.reading("acme", "far"):
        with bars.reading("acme", "near"):
            seconds.now += 4
            came(bars, 100)
            seconds.now += 1
            came(bars, 300, 600, "far")
            shown = terminal.taken()
            assert "acme/far   50 % " in shown
            assert "\nacme/near  10 % " in shown.replace("\r", "")
        assert "\racme/far  50 % " in terminal.taken()


def test_log_lines_go_between_the_bars(seconds: Seconds, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log line and what is printed take the place of the bars, which are drawn anew below."""
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    root = logging.getLogger()
    before = list(root.handlers)
    handler = logging.StreamHandler(terminal)
    root.addHandler(handler)
    other = logging.getLogger("other")
    other.setLevel(logging.WARNING)  # whatever the root logger was told to leave out
    try:
        bars = Bars(terminal, seconds)
        with bars, bars.reading("acme", "near"):
            seconds.now += 4
            came(bars, 100)
            terminal.taken()
            other.warning("request_failed")
            cleared, told, drawn = terminal.taken().partition("request_failed\n")
            assert (cleared.strip(), told) == ("", "request_failed\n")
            assert "acme/near  10 % " in drawn
            sys.stdout.write("┌ Cancelled\n└\n")  # As the channel `console` does.
            cleared, told, drawn = terminal.taken().partition("┌ Cancelled\n└\n")
            assert (cleared.strip(), told) == ("", "┌ Cancelled\n└\n")
            assert "acme/near  10 % " in drawn
        assert sys.stdout is terminal
        assert root.handlers == [*before, handler]
    finally:
        root.removeHandler(handler)


def test_a_reading_that_can_not_be_ended(seconds: Seconds, terminal: Terminal, logs: Logs) -> None:
    """What still tells of itself after all bars were taken away is not drawn any more, nor what nobody began."""
    bars = Bars(terminal, seconds)
    with bars:
        reading = bars.reading("acme", "near")
        reading.__enter__()
        seconds.now += 10
        came(bars, 100)
        came(bars, 100, sweep="nobody's")
    assert "nobody's" not in terminal.taken()
    seconds.now += 10
    came(bars, 200)
    reading.__exit__(None, None, None)
    assert terminal.taken() == ""
    assert logs.of("reading") == []


def test_a_reading_that_fails(seconds: Seconds, terminal: Terminal) -> None:
    """A reading that ends with an error takes its bar along, and the error goes on."""
    bars = Bars(terminal, seconds)

    def fail() -> None:
        with bars.reading("acme", "near"):
            seconds.now += 10
            came(bars, 100)
            assert "acme/near  10 % " in terminal.taken()
            raise ZeroDivisionError

    with bars:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert terminal.taken().strip() == ""


def test_where_there_is_a_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars are for terminals that can move their cursor; files and pipes get lines."""
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_watcher(terminal), Bars)
    assert isinstance(open_watcher(io.StringIO()), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_watcher(terminal), Lines)
