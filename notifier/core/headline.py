"""What happened in a word or two, as a person would call it; and what goes on, for how long."""

from collections.abc import Sequence

from notifier.core.appointment import Appointment
from notifier.core.change import Kind, kinds_of
from notifier.core.event import Event, Firing
from notifier.core.language import ENGLISH, Language, capitalised


def headline(event: Event, language: Language = ENGLISH) -> str:
    """Returns what happened, as in `Cancelled`, or what lasts, as in `Request unanswered for 6 h (reminder 1)`."""
    return capitalised(happening(event, language))


def happening(event: Event, language: Language = ENGLISH) -> str:
    """Returns the same as it stands in the middle of a sentence."""
    if event.firing is not None:
        return f"{_lasting(event, language)}{_numbered(event.firing, language)}"
    if Kind.CREATED in event.kinds:
        return _new(event.after, language)
    first, *others = [part for kind in event.kinds if (part := _part(kind, event, language))]
    return language.say("headline.and", first=first, second=others[0]) if others else first


def _new(after: Appointment, language: Language) -> str:
    known = _of_status("headline.new", after.status, language)
    return known or language.say("headline.new.other", status=language.word(after.status))


def _of_status(prefix: str, status: str, language: Language) -> str:
    """Returns the phrase for a status; empty for one that has none, as those that the vendor adds."""
    return language.phrases.get(f"{prefix}.{status}", "") if status in language.words else ""


def _part(kind: Kind, event: Event, language: Language) -> str:
    """Returns what one kind adds; empty for what goes without saying beside the others."""
    names = [change.field for change in event.changes if kind in kinds_of([change])]
    match kind:
        case Kind.STATUS_CHANGED:
            status = event.after.status
            return _of_status("headline", status, language) or language.say("headline.status", status=status)
        case Kind.RESCHEDULED:
            return _time(event, language)
        case Kind.RELOCATED:
            return _place(names, event.after, language)
        case Kind.DISCOVERED:
            return language.phrases["headline.listed_again"] if event.before else ""
        case Kind.UPDATED:
            return _update(names, language) if kind is event.kinds[0] else ""
    return language.phrases[f"headline.{kind.value}"]


def _update(names: Sequence[str], language: Language) -> str:
    return _changed(names[0], language) if len(names) == 1 else language.phrases["headline.updated"]


def _changed(name: str, language: Language) -> str:
    return language.say("headline.changed", label=language.field(name))


def _time(event: Event, language: Language) -> str:
    return language.phrases[f"headline.{key}"] if (key := _time_key(event)) else ""


def _time_key(event: Event) -> str:
    before, after = event.before, event.after
    if any(change.field == "start" and change.is_bare for change in event.changes):
        return "rescheduled"
    if before is None or before.start == after.start:
        return "duration_changed"
    if before.start is None:
        return "time_set" if event.kinds[0] is Kind.RESCHEDULED else ""
    return "moved" if after.start else "time_withdrawn"


def _place(names: Sequence[str], after: Appointment, language: Language) -> str:
    if "office" not in names and "meeting_type" in names and after.meeting_type:
        return language.say("headline.now", meeting=language.word(after.meeting_type))
    one = len(names) == 1 and names != ["office"]
    return _changed(names[0], language) if one else language.phrases["headline.relocated"]


def _lasting(event: Event, language: Language) -> str:
    lasted = "" if event.lasted is None else language.say_duration(event.lasted, declined=True)
    match event.kinds[0]:
        case Kind.OVERDUE:
            return language.say("stay.overdue_by", duration=lasted) if lasted else language.phrases["stay.overdue"]
        case Kind.BEFORE_START:
            return language.phrases["stay.before_start"]
    status = event.after.status
    known = _of_status("stay", status, language) or language.phrases["stay.other"]
    return known.format(status=language.word(status), duration=lasted)


def _numbered(firing: Firing, language: Language) -> str:
    if firing.escalation:
        return language.phrases["stay.escalated"]
    return language.say("stay.reminder", number=firing.number) if firing.number else ""
