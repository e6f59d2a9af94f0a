"""The demo: a made-up enterprise in the terminal, told of as people would read it."""

import re
import signal
from pathlib import Path

from tests.acceptance.command import PATIENCE, Running


def test_a_seed_is_a_life(tmp_path: Path) -> None:
    """A demo ends by itself with success, tells of a cancellation and a no-show, and repeats itself for a seed."""
    arguments = ("demo", "--seconds", "8", "--seed", "3")
    with Running(tmp_path, *arguments, environ={}) as first, Running(tmp_path, *arguments, environ={}) as second:
        one, other = first.end(PATIENCE), second.end(PATIENCE)
    for told in (one, other):
        assert (told.code, told.err) == (0, "")
        assert re.search(r"^┌ Late cancellation: \w{3} \d+ \w{3} \d{4}, \d\d:\d\d", told.out, re.MULTILINE)
        assert re.search(r"^┌ No-show: ", told.out, re.MULTILINE)
        assert re.search(r"^│ Status: confirmed → cancelled$", told.out, re.MULTILINE)
        assert re.search(r"^│ Who: (?!employee)\w+ \w+ with customer \d+$", told.out, re.MULTILINE)
        assert re.search(r"^\d+ happenings, \d+ messages, 0 failures\.$", told.out, re.MULTILINE)
    lives = [told.out.partition(" happenings, ")[0].splitlines()[:-1] for told in (one, other)]
    shorter = min(len(life) for life in lives)
    assert lives[0][:shorter] == lives[1][:shorter]
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_the_demo(tmp_path: Path) -> None:
    """Ctrl-C ends a demo without a time, at any moment, with success and its figures."""
    with Running(tmp_path, "demo", environ={}) as demo:
        demo.wait_for_text("● ")
        told = demo.stop(signal.SIGINT)
    assert (told.code, told.err) == (0, "")
    assert re.search(r"^\d+ happenings, \d+ messages, 0 failures\.$", told.out, re.MULTILINE)


def test_a_demo_with_faults_loses_nothing(tmp_path: Path) -> None:
    """While the source misbehaves messages still arrive; in the end the demo says what struck and what it cost."""
    with Running(tmp_path, "demo", "--faults", "--seconds", "6", "--seed", "2", environ={}) as demo:
        told = demo.end(PATIENCE)
    assert (told.code, told.err) == (0, "")
    assert re.search(r"^The source misbehaves: ", told.out, re.MULTILINE)
    assert re.search(r"^┌ Late cancellation: ", told.out, re.MULTILINE)
    assert re.search(r"^What struck: .*\w", told.out, re.MULTILINE)
    assert re.search(r"^Nothing was lost and nothing invented:$", told.out, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
