"""Dead letters that a person sends again, on a fast clock: what arrives of them, when, and nothing else."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.core.delivery import Reason, State
from notifier.core.policy import RETRY_DELAYS
from notifier.store import letters
from notifier.store.letters import DECIDABLE, Selection
from tests.builders import DAY, HOUR
from tests.fake_receiver import RESET, Reply
from tests.timeline import Timeline, after, at, hook, timeline

NONE = timedelta(0)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Timeline]:
    with timeline(tmp_path) as made:
        yield made


def send_again(line: Timeline, moment: timedelta) -> None:
    """Lets a person send again at this time what waits for a decision."""

    def act() -> None:
        with line.store.writing() as tx:
            letters.retry(tx, letters.find(tx, Selection(states=DECIDABLE)), line.clock.now)

    line.at(moment, act)


@pytest.mark.parametrize("refusal", [Reply(404), RESET])
def test_what_is_still_so(line: Timeline, refusal: Reply | str) -> None:
    """It arrives at once, days later, under the id that it had."""
    with hook(refusal, Reply()) as crm:
        line.channel("crm", crm, crm.url, resend=False)
        line.change(NONE, "a")
        send_again(line, 9 * DAY)
        line.run(20 * DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), at(9 * DAY, "a CANCELLED"))
    assert line.states("crm") == {"a CANCELLED": State.DELIVERED}


def test_a_whole_schedule(line: Timeline) -> None:
    """It is tried as often as what is new; what may have arrived before is left again where it is not answered."""
    with hook(Reply(404), Reply(503), Reply(503), RESET, Reply()) as crm:
        line.channel("crm", crm, crm.url, resend=False)
        line.change(NONE, "a")
        send_again(line, HOUR)
        line.run(3 * DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), after(RETRY_DELAYS[:2], "a CANCELLED", HOUR))
    assert line.states("crm") == {"a CANCELLED": State.UNCERTAIN}
    assert [tried.reason for tried in line.tries("crm")][-1] is Reason.UNCERTAIN


def test_what_was_undone_since(line: Timeline) -> None:
    """What is not so any more is not sent, and what was told meanwhile is not told again."""
    with hook(Reply(404), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.change(HOUR, "a", "ACCEPTED")
        send_again(line, 2 * HOUR)
        line.run(DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), at(HOUR, "a ACCEPTED"))
    assert line.states("crm") == {"a CANCELLED": State.SUPERSEDED, "a ACCEPTED": State.DELIVERED}
