"""Scripted receivers on a fast clock: what must arrive, in which window, and nothing else.

The steps of a sender are those of a lane, the clock jumps from one to the next, and the receivers are real servers.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from notifier.core.delivery import Reason, State
from notifier.core.policy import RETRY_DELAYS
from notifier.core.standing import LONGEST_PAUSE, OFF_AFTER, PAUSE_AFTER, SHORTEST_PAUSE
from notifier.store import lanes
from tests.builders import DAY, HOUR, MINUTE, SECOND
from tests.captured_logs import captured_logs
from tests.fake_mailbox import ABORT, mail_url, mailbox
from tests.fake_receiver import CRAWL, DRIP, HANG, RESET, Reply, Request
from tests.simulated import NOW
from tests.timeline import Desk, Hook, Timeline, after, at, between, hook, timeline, told_by

NONE = timedelta(0)
BRIEF = timedelta(seconds=1)
"""How long a send may take, in real time, where the other side hangs."""

ONCE_MORE = RETRY_DELAYS[:1]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Timeline]:
    with timeline(tmp_path) as made:
        yield made


def reasons(line: Timeline, channel: str = "crm") -> list[Reason | None]:
    return [tried.reason for tried in line.tries(channel)]


# ---- what comes through


def test_all_is_well(line: Timeline) -> None:
    """What is owed arrives at once, once, and then nothing comes for days."""
    with hook() as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.change(MINUTE, "b")
        line.change(HOUR, "a", "ACCEPTED")
        line.run(3 * DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), at(MINUTE, "b CANCELLED"), at(HOUR, "a ACCEPTED"))


def test_flaky(line: Timeline) -> None:
    """What fails now and then gets everything, some of it a few seconds late, and nothing again that it took."""
    with hook(Reply(503), Reply(), Reply(500), Reply(), Reply(408), Reply(425), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        for hours, id_ in enumerate("abcd"):
            line.change(hours * HOUR, id_)
        line.run(3 * DAY)
    line.expect(
        "crm",
        after(ONCE_MORE, "a CANCELLED"),
        after(ONCE_MORE, "b CANCELLED", HOUR),
        after(RETRY_DELAYS[:2], "c CANCELLED", 2 * HOUR),
        at(3 * HOUR, "d CANCELLED"),
    )
    assert set(line.states("crm").values()) == {State.DELIVERED}


def test_nothing_overtakes(line: Timeline) -> None:
    """While a message is tried again, the later ones of its appointment wait behind it, and others pass."""
    with hook(Reply(503), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.change(SECOND, "a", "ACCEPTED")
        line.change(2 * SECOND, "b")
        line.run(DAY)
        told = [arrival.told for arrival in line.arrivals("crm")]
    line.expect(
        "crm",
        after(ONCE_MORE, "a CANCELLED"),
        between(4 * SECOND, 6 * SECOND, "a ACCEPTED"),
        at(2 * SECOND, "b CANCELLED"),
    )
    assert told == ["a CANCELLED", "b CANCELLED", "a CANCELLED", "a ACCEPTED"]


def only_a_fails(request: Request) -> Reply:
    return Reply(500 if told_by(request).startswith("a ") else 200)


def test_a_message_that_always_fails(line: Timeline) -> None:
    """It is tried eight times by the schedule and given up; the others pass it by."""
    with hook(answer=only_a_fails) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        for hour in range(40):
            line.change(hour * HOUR, f"b{hour}")
        line.run(5 * DAY)
    others = [want for hour in range(40) for want in at(hour * HOUR, f"b{hour} CANCELLED")]
    line.expect("crm", after(RETRY_DELAYS, "a CANCELLED"), others)
    states = line.states("crm")
    assert states.pop("a CANCELLED") is State.DEAD
    assert set(states.values()) == {State.DELIVERED}


def test_a_schedule_of_its_own(line: Timeline) -> None:
    """A channel's own waits are kept, and what grows too old for it is given up before they are used up."""
    waits = (10 * SECOND, 10 * MINUTE, 10 * HOUR)
    with hook(answer=only_a_fails) as crm, hook(answer=only_a_fails) as hasty:
        line.channel("crm", crm, crm.url, delays=waits)
        line.channel("hasty", hasty, hasty.url, delays=waits, give_up_after=HOUR)
        line.change(NONE, "a")
        line.run(3 * DAY)
    line.expect("crm", after(waits, "a CANCELLED"))
    line.expect("hasty", after(waits[:2], "a CANCELLED"))
    assert line.states("crm") == line.states("hasty") == {"a CANCELLED": State.DEAD}


# ---- what is refused


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_refused(line: Timeline, status: int) -> None:
    """What is refused for good comes once; unless the channel wants it tried again."""
    with hook(Reply(status), Reply()) as crm, hook(Reply(status), Reply()) as stubborn:
        line.channel("crm", crm, crm.url)
        line.channel("stubborn", stubborn, stubborn.url, retry_on=frozenset({status}))
        line.change(NONE, "a")
        line.change(HOUR, "b")
        line.run(3 * DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), at(HOUR, "b CANCELLED"))
    line.expect("stubborn", after(ONCE_MORE, "a CANCELLED"), at(HOUR, "b CANCELLED"))
    assert line.states("crm") == {"a CANCELLED": State.DEAD, "b CANCELLED": State.DELIVERED}
    assert set(line.states("stubborn").values()) == {State.DELIVERED}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirecting(line: Timeline, status: int) -> None:
    """A redirect is a failure, and where it leads to nothing comes, neither from a webhook nor from Apprise."""
    with hook() as elsewhere, hook(Reply(status, {"Location": elsewhere.url})) as crm:
        line.channel("crm", crm, crm.url)
        line.channel("chat", crm, crm.url.replace("http", "json"))
        line.change(NONE, "a")
        line.run(3 * DAY)
    assert (len(crm.requests), elsewhere.requests) == (2, [])
    assert line.states("crm") == line.states("chat") == {"a CANCELLED": State.DEAD}
    assert reasons(line) == reasons(line, "chat") == [Reason.REDIRECTED]


def test_gone(line: Timeline) -> None:
    """After a 410 nothing comes any more, however long it is, until a person wants it; then everything does."""
    with hook(Reply(410), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.change(HOUR, "b")
        line.at(10 * DAY, lambda: resume(line, "crm"))
        line.run(10 * DAY - SECOND)
        line.expect("crm", at(NONE, "a CANCELLED"))
        assert set(line.states("crm").values()) == {State.PENDING}
        line.run(DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), at(10 * DAY, "a CANCELLED", "b CANCELLED"))


def resume(line: Timeline, channel: str) -> None:
    with line.store.writing() as tx:
        lanes.resume(tx, channel)


# ---- who wants to be left alone


def in_seconds(wait: timedelta) -> str:
    return str(int(wait.total_seconds()))


def as_a_date(wait: timedelta) -> str:
    return format_datetime(NOW + wait, usegmt=True)


@pytest.mark.parametrize("written", [in_seconds, as_a_date])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(line: Timeline, status: int, written: Callable[[timedelta], str]) -> None:
    """A message that is put off comes when that time is over, not before, however it is written."""
    with hook(Reply(status, {"Retry-After": written(20 * MINUTE)}), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.run(3 * DAY)
    line.expect("crm", at(NONE, "a CANCELLED"), at(20 * MINUTE, "a CANCELLED"))


def test_too_many(line: Timeline) -> None:
    """Who says 429 gets nothing at all until the time is over that it asked for."""
    with hook(Reply(429, {"Retry-After": "1200"}), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.change(MINUTE, "b")
        line.change(HOUR, "c")
        line.run(3 * DAY)
    line.expect(
        "crm",
        at(NONE, "a CANCELLED"),
        at(20 * MINUTE, "a CANCELLED", "b CANCELLED"),
        at(HOUR, "c CANCELLED"),
    )


def test_a_short_retry_after(line: Timeline) -> None:
    """A wait that is shorter than that of the schedule shortens nothing."""
    with hook(Reply(503, {"Retry-After": "1"}), Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.run(3 * DAY)
    line.expect("crm", after(ONCE_MORE, "a CANCELLED"))


# ---- who does not answer


@pytest.mark.parametrize("schema", ["http", "json"])
@pytest.mark.parametrize("silence", [HANG, CRAWL, RESET])
def test_no_answer(line: Timeline, silence: str, schema: str) -> None:
    """What came and was not answered comes again under the same id, or it is left: as the channel says."""
    with hook(silence, Reply()) as again, hook(silence, Reply()) as once:
        line.channel("again", again, again.url.replace("http", schema), timeout=BRIEF, resend=True)
        line.channel("once", once, once.url.replace("http", schema), timeout=BRIEF, resend=False)
        line.change(NONE, "a")
        line.change(HOUR, "b")
        line.run(3 * DAY)
    line.expect("again", after(ONCE_MORE, "a CANCELLED"), at(HOUR, "b CANCELLED"))
    line.expect("once", at(NONE, "a CANCELLED"), at(HOUR, "b CANCELLED"))
    assert set(line.states("again").values()) == {State.DELIVERED}
    assert line.states("once") == {"a CANCELLED": State.UNCERTAIN, "b CANCELLED": State.DELIVERED}
    assert reasons(line, "again") == [Reason.UNCERTAIN, Reason.OK, Reason.OK]


def test_what_is_left_is_told(line: Timeline) -> None:
    """What may have arrived and is not sent again is a warning in the log, and no dead letter."""
    with hook(RESET) as crm, captured_logs() as logs:
        line.channel("crm", crm, crm.url, resend=False)
        line.change(NONE, "a")
        line.run(MINUTE)
        (told,) = logs.of("delivery_uncertain")
        assert (told["level"], told["channel"], told["reason"]) == ("warning", "crm", "uncertain")
        assert (logs.of("delivery_dead"), logs.of("delivery_retried")) == ([], [])


def test_what_is_usual(line: Timeline) -> None:
    """Unless told otherwise, what was not answered comes again to a webhook, which has an id, and to nobody else."""
    with hook(RESET, Reply()) as crm, hook(RESET, Reply()) as chat:
        line.channel("crm", crm, crm.url)
        line.channel("chat", chat, chat.url.replace("http", "json"))
        line.change(NONE, "a")
        line.run(3 * DAY)
    line.expect("crm", after(ONCE_MORE, "a CANCELLED"))
    line.expect("chat", at(NONE, "a CANCELLED"))
    assert line.states("chat") == {"a CANCELLED": State.UNCERTAIN}


@pytest.mark.parametrize("schema", ["http", "json"])
def test_an_answer_that_drips(line: Timeline, schema: str) -> None:
    """Once the status came it counts, however long the rest takes: a refusal is one."""
    with hook(DRIP, Reply()) as crm:
        line.channel("crm", crm, crm.url.replace("http", schema), timeout=BRIEF)
        line.change(NONE, "a")
        line.run(3 * DAY)
    line.expect("crm", at(NONE, "a CANCELLED"))
    assert line.states("crm") == {"a CANCELLED": State.DEAD}
    assert reasons(line) == [Reason.REJECTED]


# ---- mail


def test_mail_that_is_put_off(line: Timeline) -> None:
    """A mail server that says 4xx, to the address or to the mail, gets it again and takes it; it is delivered once."""
    with mailbox(rcpt=("450 4.2.0 greylisted",), data=("451 4.3.0 later",)) as (box, server):
        line.channel("desk", Desk(box), mail_url(server))
        line.change(NONE, "a")
        line.change(HOUR, "b")
        line.run(3 * DAY)
    # At the first try it did not get as far as the mail.
    line.expect("desk", after(RETRY_DELAYS[:2], "a CANCELLED")[1:], at(HOUR, "b CANCELLED"))
    assert [str(mail["Subject"]) for mail in box.mails] == ["a CANCELLED", "b CANCELLED"]
    assert reasons(line, "desk") == [Reason.UNAVAILABLE, Reason.UNAVAILABLE, Reason.OK, Reason.OK]


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_mail_that_is_refused(line: Timeline, stage: str) -> None:
    """A mail server that says 5xx is not asked again about this mail, unless the channel wants it."""
    no = ("550 5.7.1 not here",)
    rcpt, data = (no, ()) if stage == "rcpt" else ((), no)
    with mailbox(rcpt, data) as (box, server), mailbox(rcpt, data) as (stubborn, other):
        line.channel("desk", Desk(box), mail_url(server))
        line.channel("stubborn", Desk(stubborn), mail_url(other), retry_on=frozenset({550}))
        line.change(NONE, "a")
        line.change(HOUR, "b")
        line.run(3 * DAY)
    assert [str(mail["Subject"]) for mail in box.mails] == ["b CANCELLED"]
    assert [str(mail["Subject"]) for mail in stubborn.mails] == ["a CANCELLED", "b CANCELLED"]
    assert line.states("desk") == {"a CANCELLED": State.DEAD, "b CANCELLED": State.DELIVERED}
    assert reasons(line, "desk") == [Reason.REJECTED, Reason.OK]
    assert reasons(line, "stubborn") == [Reason.REJECTED, Reason.OK, Reason.OK]


def test_mail_without_an_answer(line: Timeline) -> None:
    """A mail that went out and was not answered is left, as is usual for mail, or sent again."""
    with mailbox(data=(ABORT,)) as (box, server), mailbox(data=(ABORT,)) as (twice, other):
        line.channel("desk", Desk(box), mail_url(server))
        line.channel("twice", Desk(twice), mail_url(other), resend=True)
        line.change(NONE, "a")
        line.change(HOUR, "b")
        line.run(3 * DAY)
    line.expect("desk", at(NONE, "a CANCELLED"), at(HOUR, "b CANCELLED"))
    line.expect("twice", after(ONCE_MORE, "a CANCELLED"), at(HOUR, "b CANCELLED"))
    assert line.states("desk") == {"a CANCELLED": State.UNCERTAIN, "b CANCELLED": State.DELIVERED}


# ---- who is down for long


def down(line: Timeline, crm: Hook, up: timedelta) -> None:
    """Owes messages before and during an outage that ends at this time."""
    line.channel("crm", crm, crm.url)
    for moment, id_ in ((NONE, "a"), (10 * MINUTE, "b"), (6 * HOUR, "c"), (up - SECOND, "d")):
        line.change(moment, id_)
    line.at(up, crm.listen)


def test_down_for_a_day(line: Timeline) -> None:
    """All that waited comes soon after the end, once; meanwhile one attempt a pause finds out, and costs no try."""
    with hook(listening=False) as crm:
        down(line, crm, DAY)
        line.run(7 * DAY)
    line.expect("crm", between(DAY, DAY + LONGEST_PAUSE, "a CANCELLED", "b CANCELLED", "c CANCELLED", "d CANCELLED"))
    assert len({arrival.at for arrival in line.arrivals("crm")}) == 1
    assert set(line.states("crm").values()) == {State.DELIVERED}
    failed = [tried.at for tried in line.tries("crm") if tried.reason is Reason.UNREACHABLE]
    probes = failed[PAUSE_AFTER:]
    gaps = [later - sooner for sooner, later in zip(failed[PAUSE_AFTER - 1 :], probes, strict=False)]
    assert all(SHORTEST_PAUSE <= gap <= LONGEST_PAUSE for gap in gaps)
    # A pause is a tenth of the outage so far, until it is 15 minutes long: those of the last hours are.
    assert sum(gap == LONGEST_PAUSE for gap in gaps) > 80
    assert failed[-1] < DAY <= failed[-1] + LONGEST_PAUSE


def test_down_for_ever(line: Timeline) -> None:
    """After five days nothing is tried any more and nothing is lost: it comes when a person wants it, at once."""
    with hook(listening=False) as crm:
        down(line, crm, 20 * DAY)
        line.at(20 * DAY, lambda: resume(line, "crm"))
        line.run(20 * DAY - 2 * SECOND)
        failed = line.tries("crm")
        assert OFF_AFTER <= failed[-1].at <= OFF_AFTER + LONGEST_PAUSE
        assert set(line.states("crm").values()) == {State.PENDING}
        line.run(DAY)
    line.expect("crm", at(20 * DAY, "a CANCELLED", "b CANCELLED", "c CANCELLED", "d CANCELLED"))
    assert len(line.tries("crm")) == len(failed) + 4


def test_what_came_and_went(line: Timeline) -> None:
    """After a day nobody hears of what was undone meanwhile, and once of what went on, as it is now."""
    with hook(listening=False) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "undone")
        line.change(HOUR, "went-on")
        line.change(HOUR, "stayed")
        line.change(2 * HOUR, "undone", "ACCEPTED")
        line.change(3 * HOUR, "went-on", "NO_SHOW")
        line.at(DAY, crm.listen)
        line.run(3 * DAY)
    line.expect("crm", between(DAY, DAY + LONGEST_PAUSE, "went-on NO_SHOW", "stayed CANCELLED"))
    assert line.states("crm") == {
        "undone CANCELLED": State.SUPERSEDED,
        "undone ACCEPTED": State.SUPERSEDED,
        "went-on CANCELLED": State.SUPERSEDED,
        "went-on NO_SHOW": State.DELIVERED,
        "stayed CANCELLED": State.DELIVERED,
    }


def test_what_may_have_arrived_and_went(line: Timeline) -> None:
    """Who may have heard of what was undone meanwhile hears what came of it, under another id."""
    with hook(RESET, RESET, Reply()) as crm:
        line.channel("crm", crm, crm.url)
        line.change(NONE, "a")
        line.change(MINUTE, "a", "ACCEPTED")
        line.run(DAY)
    line.expect("crm", after(ONCE_MORE, "a CANCELLED"), after(RETRY_DELAYS[:2], "a ACCEPTED")[-1:])
    assert line.states("crm") == {"a CANCELLED": State.SUPERSEDED, "a ACCEPTED": State.DELIVERED}
