"""The route: where each event that a rule matched goes, and when.

It is decided here and nowhere else, when an event is recorded and again when one of its deliveries is about to go out
for the first time: which channels hear of it, whether a silence swallows it, and whether it waits for the hours of its
rule or for others that are told with it. Each step leaves a line in the story of its delivery.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.core.bundle import begins_at, bundle_of, say_wait, write_bundle
from notifier.core.delivery import Delivery, Reason, delivery_id
from notifier.core.event import Event
from notifier.core.hours import Calendar, Outside, is_open, next_opening, say_windows
from notifier.core.recipients import NOBODY_ELSE, Recipient, Recipients, Story, recipients_of
from notifier.core.rule import Rule, Verdict
from notifier.core.silence import Silence, say_what, silence_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a route depends on beside the rules and the event."""

    now: datetime
    #: Those that may last.
    silences: tuple[Silence, ...] = ()
    recipients: Recipients = NOBODY_ELSE


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a message may go out now."""

    #: When it may, if that is later; None for now.
    opens_at: datetime | None = None
    #: Why nobody is told; None where somebody is.
    silenced: Reason | None = None
    #: The silence that swallowed it.
    silence: int | None = None
    story: Story = ()


FREE = Admission()


def route(rules: Mapping[str, Rule], event: Event, verdicts: Iterable[Verdict], context: Context) -> Iterator[Delivery]:
    """Yields one delivery for each rule that matched and each channel that it tells, in the order of the rules."""
    for verdict in verdicts:
        if verdict.matched:
            rule = rules[verdict.rule]
            for recipient in recipients_of(rule, event, context.recipients):
                yield _delivery(rule, recipient, event, context)


def admit(rule: Rule, channel: str, event: Event, context: Context) -> Admission:
    """Says whether what a rule tells a channel may go out now: a silence is asked first, then the rule's hours."""
    silenced = hear_silences(rule.name, channel, event, context)
    return silenced if silenced.silenced else keep_hours(rule, event, context)


def hear_silences(rule: str, channel: str, event: Event, context: Context) -> Admission:
    """Says whether a silence swallows what a rule tells a channel."""
    silence = silence_of(context.silences, rule, channel, event, context.now) if context.silences else None
    if silence is None:
        return FREE
    text = f"silence {silence.id} of {silence.author} swallowed it: {say_what(silence)} ({silence.why})"
    return Admission(silenced=Reason.SILENCE, silence=silence.id, story=(("silence", text),))


def keep_hours(rule: Rule, event: Event, context: Context) -> Admission:
    """Says whether what a rule tells waits for its hours."""
    if rule.hours is None:
        return FREE
    calendar = _localized(rule.hours.calendar, event, context.recipients)
    windows, now = say_windows(calendar), context.now
    if is_open(calendar, now):
        return Admission(story=(("hours", f"within {windows}"),))
    if rule.urgent:
        return Admission(story=(("hours", f"outside {windows}, and urgent"),))
    if rule.hours.outside is Outside.SILENCE:
        return Admission(silenced=Reason.HOURS, story=(("hours", f"outside {windows}: nobody is told"),))
    opening = next_opening(calendar, now)
    if opening is None:
        # Refused when it is read; a message that waits for ever would be worse than one at an odd hour.
        return Admission(story=(("hours", f"outside {windows}, which never begins again"),))
    text = f"outside {windows}; waits until {_say_moment(opening, calendar.zone)}"
    return Admission(opens_at=opening, story=(("hours", text),))


def _localized(calendar: Calendar, event: Event, recipients: Recipients) -> Calendar:
    """Returns the calendar in the zone of the appointment's office, where it goes by that and there is one."""
    office = event.after.office
    if not calendar.zone_of_office or office is None:
        return calendar
    zone = recipients.directory.zone_of("office", office)
    return calendar if zone is None else replace(calendar, zone=zone)


def _delivery(rule: Rule, recipient: Recipient, event: Event, context: Context) -> Delivery:
    admission = admit(rule, recipient.channel, event, context)
    bundle, begins, story = (None, None, ()) if admission.silenced else _gather(rule, event, context)
    not_before = max(filter(None, (admission.opens_at, begins)), default=None)
    return Delivery(
        id=delivery_id(event.id, rule.name, recipient.channel),
        event_id=event.id,
        rule=rule.name,
        channel=recipient.channel,
        order_key=event.order_key,
        due_at=not_before or context.now,
        not_before=not_before,
        bundle=bundle,
        silenced=admission.silenced,
        silence=admission.silence,
        story=(*recipient.story, *admission.story, *story),
    )


def _gather(rule: Rule, event: Event, context: Context) -> tuple[str | None, datetime | None, Story]:
    """Returns the bundle that an event is for, and when that goes out; None for one that goes out at once."""
    bundle = bundle_of(rule.name, event, rule.group, rule.digest, rule.throttle)
    if bundle is None:
        return None, None, ()
    begins = begins_at(rule.group, rule.digest, context.now)
    return write_bundle(bundle), begins, say_wait(bundle, rule.group, rule.digest, begins)


def _say_moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
