"""What `explain` prints: why somebody was told, or nobody was, as one story."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from notifier.core.delivery import State
from notifier.core.headline import headline
from notifier.inquiry import MOST_EVENTS, Inquiry, Sighting, Story
from notifier.views import SHORT_ID, say_time_of, say_why, show_story, wrap


def show_inquiry(inquiry: Inquiry, zone: ZoneInfo) -> str:
    """Returns the answer: what is known, what happened, and what became of each event."""
    if inquiry.appointment is None:
        return _show_rule(inquiry, zone)
    parts = ["\n".join([f"Appointment {inquiry.appointment}", *_sightings(inquiry, zone)])]
    parts.append(wrap(_say_found(inquiry, zone)))
    parts += [show_story(story, zone) for story in inquiry.stories]
    return "\n\n".join(parts)


def _sightings(inquiry: Inquiry, zone: ZoneInfo) -> Iterator[str]:
    known = [one for one in inquiry.sightings if one.known] or inquiry.sightings
    for sighting in known:
        for line in _sighting(sighting, zone):
            yield wrap(f"  {line}", "    ")


def _sighting(sighting: Sighting, zone: ZoneInfo) -> Iterator[str]:
    """Yields what a source has shown of it, and what may have kept us from seeing more."""
    source, known = sighting.source, sighting.known
    if known is None:
        yield f"{source} has not shown it, or only so long ago that it was let go"
        yield _say_look(sighting, zone, f"{source} was last read as a whole")
    else:
        state = f"{known.appointment.status}, as changed {say_time_of(known.appointment.updated_at, zone)}"
        if known.vanished_at:
            yield f"{source} has not shown it any more since {say_time_of(known.vanished_at, zone)}; it was {state}"
        else:
            yield f"{source} shows it as {state}"
        if not known.revision:
            yield (
                f"it was stored in silence {say_time_of(known.observed_at, zone)}: at its first sight it had been "
                "there all along, and nothing that is watched has changed since"
            )
        yield _say_look(sighting, zone, "it was last looked at")
    for name, since in sighting.failing:
        yield f"the sweep {source}/{name} has failed since {say_time_of(since, zone)}: what changed since may be unseen"
    for name, since in sighting.doubted:
        yield (
            f"the brake doubts the sweep {source}/{name} since {say_time_of(since, zone)}: what it found is held, and "
            "what it misses is not believed to have vanished"
        )


def _say_look(sighting: Sighting, zone: ZoneInfo, what: str) -> str:
    if sighting.looked_at is None:
        return f"no sweep of {sighting.source} has covered it yet" if sighting.known else f"{what}: never"
    return f"{what} {say_time_of(sighting.looked_at, zone)}"


def _say_found(inquiry: Inquiry, zone: ZoneInfo) -> str:
    since = say_time_of(inquiry.since, zone)
    if inquiry.stories:
        number = len(inquiry.stories)
        most = f" (the newest {MOST_EVENTS})" if number == MOST_EVENTS else ""
        return f"{number} event{'' if number == 1 else 's'} since {since}{most}; {_say_told(inquiry)}."
    if inquiry.former is None:
        return f"No event since {since}, nor before: no change of it was seen, so that no rule was asked."
    former = inquiry.former.event
    return (
        f"No event since {since}: nothing that is watched changed, so that no rule was asked. The last one before is "
        f"{former.id[:SHORT_ID]}, {say_time_of(former.detected_at, zone)}: {headline(former)}."
    )


def _say_told(inquiry: Inquiry) -> str:
    records = [record for story in inquiry.stories for record, _ in story.deliveries]
    if not records:
        by = f" by {inquiry.rule}" if inquiry.rule else ""
        return f"nobody was told{by}"
    delivered = sum(record.state is State.DELIVERED for record in records)
    number = "1 delivery" if len(records) == 1 else f"{len(records)} deliveries"
    return f"{number}, {delivered} delivered"


def _show_rule(inquiry: Inquiry, zone: ZoneInfo) -> str:
    """Returns what one rule said to every event."""
    since = say_time_of(inquiry.since, zone)
    if not inquiry.stories:
        return f"No event since {since}, so that no rule was asked."
    judged = [story for story in inquiry.stories if story.record.verdicts]
    if not judged:
        return wrap(f"{inquiry.rule} was asked about no event since {since}; it may be new, or have another name.")
    matched = sum(story.record.verdicts[0].matched for story in judged)
    asked = "1 event" if len(judged) == 1 else f"{len(judged)} events"
    head = f"{inquiry.rule} was asked about {asked} since {since}, and matched {matched}."
    return "\n\n".join([wrap(head), *("\n".join(_judged(story, zone)) for story in judged)])


def _judged(story: Story, zone: ZoneInfo) -> Iterator[str]:
    event = story.record.event
    seen = say_time_of(event.detected_at, zone)
    yield wrap(f"{seen} {event.id[:SHORT_ID]} appointment {event.after.id}: {headline(event)}", "  ")
    yield from (wrap(f"  {say_why(verdict)}", "    ") for verdict in story.record.verdicts)
    for record, _ in story.deliveries:
        yield wrap(f"  {record.delivery.channel}: {record.state.value}", "    ")
