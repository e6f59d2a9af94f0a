"""The re-check: what waited is compared with what is known now, before it goes out.

Several changes of one appointment that wait for one channel because of one rule become one message, from the first
state before to the newest after. What was undone meanwhile, or led to where the rule does not ask for it any more, is
not sent. Nothing is lost by that: the snapshot is what it is compared with, so that whatever comes next is an event.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind, compare, first_difference, kinds_of
from notifier.core.delivery import Reason
from notifier.core.event import Event
from notifier.core.recipients import NOBODY_ELSE, Recipients
from notifier.core.rule import Rule, judge


@dataclass(frozen=True, slots=True)
class Terms:
    """What a channel's deliveries are re-checked by."""

    #: Only what waited longer is.
    after: timedelta
    #: By their names.
    rules: Mapping[str, Rule]
    #: Says in which zone the hours of a rule are.
    recipients: Recipients = NOBODY_ELSE


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of an appointment now."""

    appointment: Appointment
    #: Whether the source still shows it; if not, the state is the last known one.
    listed: bool
    #: When it reached its status; None where that is not known.
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that waits."""

    #: Of its row; they are told in this order.
    seq: int
    #: What its message tells, unless it is decided otherwise.
    event: Event
    #: Whether it may have arrived.
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A delivery that is not sent."""

    seq: int
    reason: Reason
    #: The one that tells of it too; None where nothing is told.
    by: int | None = None


@dataclass(frozen=True, slots=True)
class Recheck:
    """What becomes of those that wait."""

    overtaken: tuple[Overtaken, ...]
    #: The one that is sent, and what it tells; None for none.
    survivor: Waiting | None


def sight_before(event: Event) -> Sight | None:
    """Returns what was known before an event; None where that was nothing."""
    return None if event.before is None else Sight(event.before, _listed_before(event))


def recheck(waiting: Sequence[Waiting], newest: Sight | None, rule: Rule | None, at: datetime | None = None) -> Recheck:
    """Decides what becomes of deliveries that wait for one channel because of one appointment and rule.

    The last of them survives, since nobody has seen its id yet. What may have arrived is told as it was or not at all,
    and counts as told where there is more to tell: whoever heard of it has to hear what came of it.

    Args:
        waiting: in their order; at most the first may have arrived.
        newest: what is known now; None where that can't be relied on.
        rule: None for one that is not configured any more, of which all is told as it is, as with `always`.
        at: when that is; from the start of an appointment on, nobody hears that it comes near.
    """
    first, *later = waiting
    if rule is None or rule.always:
        return Recheck((), first)
    if first.in_doubt and later:
        return _after_doubt(first, recheck(later, newest, rule, at), recheck([first], newest, rule, at))
    told = _told([one.event for one in waiting], newest, rule, at)
    if not isinstance(told, Event):
        return Recheck(tuple(Overtaken(one.seq, told) for one in waiting), None)
    last = waiting[-1]
    overtaken = tuple(Overtaken(one.seq, Reason.COLLAPSED, last.seq) for one in waiting[:-1])
    return Recheck(overtaken, last if last.in_doubt else replace(last, event=told))


def _after_doubt(first: Waiting, later: Recheck, alone: Recheck) -> Recheck:
    if later.survivor:
        collapsed = Overtaken(first.seq, Reason.COLLAPSED, later.survivor.seq)
        return replace(later, overtaken=(collapsed, *later.overtaken))
    return Recheck((*alone.overtaken, *later.overtaken), alone.survivor)


def _told(events: Sequence[Event], newest: Sight | None, rule: Rule, at: datetime | None) -> Event | Reason:
    """Returns what one message tells in place of one for each event, or why there is nothing to tell."""
    last = events[-1]
    now = newest or Sight(last.after, _listed_after(last))
    if last.firing is not None:
        return _told_of_stay(last, now, rule, at)
    since = {change.field for change in compare(last.after, now.appointment)}
    if len(events) == 1 and not since and now.listed is _listed_after(last):
        return last
    fields = {change.field for event in events for change in event.changes}
    if _is_undone(events, fields, now):
        return Reason.UNDONE
    # Who made the change that is told, and when, is not for those to say who changed something else since.
    after = _by(last.after, now.appointment) if since.isdisjoint(fields) else now.appointment
    merged = _merged(events[0], last, replace(now, appointment=after))
    return merged if judge(rule, merged).matched else Reason.OUTDATED


def _told_of_stay(last: Event, now: Sight, rule: Rule, at: datetime | None) -> Event | Reason:
    """Returns what is told of a stay that was due; what ended meanwhile, though another one began, is not."""
    start = now.appointment.start
    has_begun = at is not None and start is not None and start <= at
    if not _goes_on(last, now) or (has_begun and Kind.BEFORE_START in last.kinds):
        return Reason.OUTDATED
    if last.after == now.appointment:
        return last
    told = replace(last, before=now.appointment, after=now.appointment)
    return told if judge(rule, told).matched else Reason.OUTDATED


def _goes_on(event: Event, now: Sight) -> bool:
    then, later = event.after, now.appointment
    same = then.status == later.status and (
        Kind.STAYS in event.kinds or (then.start, then.end) == (later.start, later.end)
    )
    return same and now.listed and (now.since is None or now.since <= event.occurred_at)


def _is_undone(events: Sequence[Event], fields: Collection[str], now: Sight) -> bool:
    """Whether all that the events told is as it was before the first of them."""
    first = events[0]
    if first.before is None:
        # What nobody knew of, and nobody will find.
        return Kind.CREATED in first.kinds and not now.listed
    if any(change.field in fields for change in compare(first.before, now.appointment)):
        return False
    return now.listed is _listed_before(first) or not any(_is_listing_told(event) for event in events)


def _by(author: Appointment, state: Appointment) -> Appointment:
    """Returns a state with the author of another one, and the time at which that was made."""
    return structs.replace(
        state,
        updated_at=author.updated_at,
        updated_by=author.updated_by,
        updated_by_type=author.updated_by_type,
        updated_from=author.updated_from,
    )


def _merged(first: Event, last: Event, now: Sight) -> Event:
    """Returns the event that leads from before the first to what is known now, under the name of the last."""
    kinds, changes = _difference(first, now)
    return replace(last, kinds=kinds, changes=changes, before=first.before, after=now.appointment)


def _difference(first: Event, now: Sight) -> tuple[tuple[Kind, ...], tuple[FieldChange, ...]]:
    before = first.before
    if before is None:
        kinds, changes = first_difference(now.appointment, created=Kind.CREATED in first.kinds)
    else:
        changes = compare(before, now.appointment)
        kinds = kinds_of(changes)
    found = set(kinds)
    if now.listed is not _listed_before(first):
        found.add(Kind.DISCOVERED if now.listed else Kind.VANISHED)
    return tuple(kind for kind in Kind if kind in found), changes


def _listed_before(event: Event) -> bool:
    """Whether the source showed it before; what nobody knew counts as shown, since its kinds say the rest."""
    return event.before is None or Kind.DISCOVERED not in event.kinds


def _listed_after(event: Event) -> bool:
    return Kind.VANISHED not in event.kinds


def _is_listing_told(event: Event) -> bool:
    return not (_listed_before(event) and _listed_after(event))
