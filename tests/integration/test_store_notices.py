"""Troubles and notices in a store on disk: what is owed goes out in order, once, and survives a dead process."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from notifier.core.checkup import BadTemplate, DeadLetters, NoticeCount
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.notice import Notice, notice_of
from notifier.core.trouble import Edge, OpenTrouble, TroubleKind
from notifier.errors import StoreError
from notifier.store import notices, outbox, snapshot
from notifier.store.database import Store, Transaction
from notifier.store.driver import driver
from notifier.store.notices import TRIES, ClaimedNotice
from tests.store_values import MINUTE, NOW, cancelled, owed, plan

DOWN = OpenTrouble(name="source acme", kind=TroubleKind.UNAVAILABLE, text="HTTP 503", began_at=NOW)
DELIVERED = Settlement(State.DELIVERED, Reason.OK)
DEAD = Settlement(State.DEAD, Reason.GONE)


def owe(store: Store, edge: Edge = Edge.BEGAN, channel: str = "ops", name: str = "source acme") -> Notice:
    """Owes the notice of an edge."""
    notice = notice_of(replace(DOWN, name=name), edge, channel, ZoneInfo("UTC"), NOW)
    with store.writing() as tx:
        notices.owe(tx, [notice])
    return notice


def claim(store: Store, now: datetime = NOW, channel: str = "ops") -> ClaimedNotice | None:
    with store.writing() as tx:
        return notices.claim(tx, channel, now)


def end(store: Store, claimed: ClaimedNotice | None, settlement: Settlement, now: datetime = NOW) -> None:
    """Records how an attempt ended."""
    assert claimed is not None
    with store.writing() as tx:
        notices.record(tx, claimed, Outcome(Result.RETRY, settlement.reason), settlement, now)


def due(store: Store, channel: str = "ops") -> datetime | None:
    with store.reading() as tx:
        return notices.next_due(tx, channel)


def counted(store: Store, now: datetime = NOW) -> dict[str, NoticeCount]:
    with store.reading() as tx:
        return notices.counts(tx, now)


def test_a_trouble_is_kept_changed_and_forgotten(store: Store) -> None:
    """There is one trouble under a name, as it was kept last; to forget one that is not there does nothing."""
    later = replace(DOWN, name="channel crm", began_at=NOW + MINUTE, told_at=NOW + MINUTE)
    told = replace(DOWN, told_at=NOW, well_since=NOW + MINUTE)
    with store.writing() as tx:
        for trouble in (later, DOWN, told):
            notices.keep(tx, trouble)
        assert list(notices.troubles(tx).values()) == [told, later]
        for _ in range(2):
            notices.forget(tx, "source acme")
        assert notices.troubles(tx) == {"channel crm": later}


def test_a_notice_is_claimed_once(store: Store) -> None:
    """What is being sent is not handed out again, and what was sent is settled."""
    notice = owe(store)
    assert due(store) == NOW
    claimed = claim(store)
    assert claimed is not None
    assert (claimed.notice, claimed.attempt) == (notice, 1)
    assert (claim(store), due(store)) == (None, None)
    assert counted(store) == {"ops": NoticeCount(1, waiting_since=NOW)}
    end(store, claimed, DELIVERED)
    assert (claim(store), counted(store)) == (None, {"ops": NoticeCount()})


def test_what_was_owed_before_is_not_owed_again(store: Store) -> None:
    """The same edge of the same trouble is one notice, also after it was sent."""
    for _ in range(2):
        owe(store)
    end(store, claim(store), DELIVERED)
    owe(store)
    assert claim(store) is None


def test_of_one_trouble_the_earlier_notice_goes_first(store: Store) -> None:
    """The end of a trouble waits while its begin is being retried; another trouble does not, nor another channel."""
    began = owe(store)
    end(store, claim(store), Settlement(State.PENDING, Reason.UNAVAILABLE, NOW + 5 * MINUTE))
    ended, elsewhere = owe(store, Edge.ENDED), owe(store, Edge.ENDED, channel="desk")
    other = owe(store, name="channel crm")
    claims = [claim(store), claim(store), claim(store, channel="desk")]
    assert [one.notice if one else None for one in claims] == [other, None, elsewhere]
    assert due(store) == NOW + 5 * MINUTE
    again = claim(store, NOW + 5 * MINUTE)
    assert again is not None
    assert (again.notice, again.attempt) == (began, 2)
    end(store, again, DEAD, NOW + 5 * MINUTE)
    last = claim(store, NOW + 5 * MINUTE)
    assert last is not None
    assert last.notice == ended


def test_an_attempt_that_is_not_the_last_one_is_not_recorded(store: Store) -> None:
    """Who comes too late with an outcome is told, and changes nothing."""
    owe(store)
    claimed = claim(store)
    end(store, claimed, DELIVERED)
    with pytest.raises(StoreError, match="not in attempt 1 any more"):
        end(store, claimed, DEAD)


def test_what_a_dead_process_was_sending_is_due_again(store: Store) -> None:
    """It keeps its id, and is given up when it has killed the process at every try."""
    notice = owe(store)
    for attempt in range(1, TRIES + 1):
        claimed = claim(store)
        assert claimed is not None
        assert (claimed.notice, claimed.attempt) == (notice, attempt)
        with store.writing() as tx:
            assert notices.recover(tx, ["ops"], NOW) == 1
    assert (claim(store), counted(store)) == (None, {"ops": NoticeCount(broken=True, error="exhausted")})


def test_what_is_owed_to_a_former_channel_is_discarded(store: Store) -> None:
    """A channel that is not the operator's any more gets nothing late, and does not count as broken."""
    owe(store)
    owe(store, channel="desk")
    with store.writing() as tx:
        assert notices.recover(tx, ["desk"], NOW) == 0
    assert (claim(store), due(store, "desk")) == (None, NOW)
    assert counted(store) == {"ops": NoticeCount(), "desk": NoticeCount(1, waiting_since=NOW)}


def test_a_channel_is_broken_until_it_takes_a_notice(store: Store) -> None:
    """What counts is the last notice that was settled, for a day."""
    owe(store)
    end(store, claim(store), DEAD)
    assert counted(store)["ops"].broken
    assert not counted(store, NOW + 1440 * MINUTE)["ops"].broken
    owe(store, Edge.ENDED)
    end(store, claim(store), DELIVERED, NOW + MINUTE)
    assert not counted(store)["ops"].broken


def test_a_notice_that_is_tried_in_vain_tells_since_when(store: Store) -> None:
    """It counts from when the oldest of them was made; one whose process died was not tried in vain."""
    owe(store)
    again = Settlement(State.PENDING, Reason.UNAVAILABLE, NOW + MINUTE)
    end(store, claim(store), again)
    assert counted(store) == {"ops": NoticeCount(1, failing_since=NOW, waiting_since=NOW, error="unavailable")}
    assert claim(store, NOW + MINUTE) is not None
    with store.writing() as tx:
        notices.recover(tx, ["ops"], NOW)
    assert counted(store) == {"ops": NoticeCount(1, waiting_since=NOW)}


def die(tx: Transaction, channel: str, reasons: Sequence[Reason]) -> None:
    """Lets the deliveries to a channel be given up for these reasons, a minute apart."""
    for minutes, reason in enumerate(reasons):
        now = NOW + minutes * MINUTE
        (claimed,) = outbox.claim(tx, channel, now, limit=1)
        outcome = Outcome(Result.DEAD, reason, detail=f"{reason} {minutes}")
        outbox.record(driver(tx), claimed, outcome, Settlement(State.DEAD, reason), now)


def test_dead_letters_of_late(store: Store) -> None:
    """Of each channel, those that were given up since then are counted, with the reason of the newest."""
    events = [cancelled(revision=number) for number in (1, 2, 3)]
    deliveries = [owed(one, channel) for one in events for channel in ("crm", "chat")]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, deliveries), NOW)
        die(tx, "crm", (Reason.NOT_FOUND, Reason.GONE, Reason.REFUSED))
        assert notices.dead_letters(tx, "crm", NOW + MINUTE) == DeadLetters("crm", 2, NOW + 2 * MINUTE, "refused")
        assert notices.dead_letters(tx, "crm", NOW + 3 * MINUTE) is None
        assert notices.dead_letters(tx, "chat", NOW) is None
        assert (notices.owed(tx, "crm"), notices.owed(tx, "chat")) == (0, 3)


def test_templates_that_failed_of_late(store: Store) -> None:
    """They are counted for each rule, with what the newest said, and tell nothing of their channel."""
    events = [cancelled(revision=number) for number in (1, 2, 3)]
    deliveries = [owed(one, "crm", rule) for one, rule in zip(events, ("bad", "worse", "bad"), strict=True)]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, deliveries), NOW)
        die(tx, "crm", [Reason.TEMPLATE] * 3)
        assert notices.bad_templates(tx, ["crm", "chat"], NOW) == [
            BadTemplate("bad", 2, NOW + 2 * MINUTE, "template 2"),
            BadTemplate("worse", 1, NOW + MINUTE, "template 1"),
        ]
        assert [one.rule for one in notices.bad_templates(tx, ["crm"], NOW + 2 * MINUTE)] == ["bad"]
        assert notices.bad_templates(tx, ["chat"], NOW) == []
        assert notices.dead_letters(tx, "crm", NOW) is None
