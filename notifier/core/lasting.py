"""How a stay is told of: what lasts, for how long, and for the how manieth time."""

from notifier.core.change import Kind
from notifier.core.duration import say_duration
from notifier.core.event import Event, Firing

_HEADLINES = {
    "ALTERNATIVE_DATE_REQUESTED": "Other date requested, unanswered",
    "INCOMING_REQUEST": "Request unanswered",
    "OUTGOING_INVITE": "Invitation unanswered",
}


def stay_headline(event: Event, firing: Firing, status: str) -> str:
    """Returns what goes on, and for how long, as in `Request unanswered for 6 h (reminder 1)`.

    `status` is the appointment's, in plain words.
    """
    return f"{_lasting(event, status)}{_numbered(firing)}"


def _lasting(event: Event, status: str) -> str:
    lasted = "" if event.lasted is None else say_duration(event.lasted)
    match event.kinds[0]:
        case Kind.OVERDUE:
            return f"Overdue by {lasted}" if lasted else "Overdue"
        case Kind.BEFORE_START:
            return "Still not confirmed"
    text = _HEADLINES.get(event.after.status) or f"{status[0].upper()}{status[1:]}"
    return f"{text} for {lasted}"


def _numbered(firing: Firing) -> str:
    if firing.escalation:
        return " (escalated)"
    return f" (reminder {firing.number})" if firing.number else ""


def stay_facts(event: Event) -> dict[str, object]:
    """Returns what a template may say of a stay; of a change, nothing in the same shape."""
    firing, lasted = event.firing, event.lasted
    return {
        "for": "" if lasted is None else say_duration(lasted),
        "since": None if firing is None or firing.began_at is None else firing.began_at.isoformat(),
        "number": 0 if firing is None else firing.number,
        "escalation": firing is not None and firing.escalation,
    }
