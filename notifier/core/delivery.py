"""A delivery: one message owed to one channel, and what becomes of it after each attempt."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands."""

    #: Waits for the end of the sweep that made it, or for a person's decision where that sweep changed too much.
    HELD = "held"
    #: Waits for its time, or for an earlier one of the same appointment.
    PENDING = "pending"
    #: Claimed by the send line; after a crash it becomes pending again.
    SENDING = "sending"
    DELIVERED = "delivered"
    #: It went out and no answer came; it may have arrived, and is not sent again.
    UNCERTAIN = "uncertain"
    #: Given up, with a reason; kept until a person decides.
    DEAD = "dead"
    #: Not sent: a later one tells of it too, or what it would have told is not so any more.
    SUPERSEDED = "superseded"
    #: Was dead, and a person decided that nobody is to hear of it.
    DROPPED = "dropped"
    #: Was held, and a person decided that nobody is to hear of it.
    DISCARDED = "discarded"
    #: A silence swallowed it, or it fell outside hours that say so.
    SILENCED = "silenced"


class Result(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    #: May succeed later.
    RETRY = "retry"
    #: It went out and no answer came.
    UNCERTAIN = "uncertain"
    #: Will not succeed however often it is tried.
    DEAD = "dead"


class Reason(StrEnum):
    """Why an attempt ended as it did, or why there was none; a closed list, so that it can be counted."""

    OK = "ok"
    #: The other side could not be reached at all.
    UNREACHABLE = "unreachable"
    #: No answer came in time, and the message had not gone out.
    TIMEOUT = "timeout"
    #: The message went out and no answer came: it may have arrived.
    UNCERTAIN = "uncertain"
    RATE_LIMITED = "rate_limited"
    #: The other side failed (5xx, SMTP 4xx) or did not say why.
    UNAVAILABLE = "unavailable"
    #: The other side does not want this message (400 and kin, SMTP 5xx).
    REJECTED = "rejected"
    #: The credentials were not accepted (401, 403).
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    GONE = "gone"
    TOO_LARGE = "too_large"
    #: A redirect, which is not followed: a POST would arrive as something else.
    REDIRECTED = "redirected"
    #: The rule's template failed on this event.
    TEMPLATE = "template"
    #: Nothing recorded an end: the process died during the attempt.
    INTERRUPTED = "interrupted"
    #: Every try of the schedule was used.
    EXHAUSTED = "exhausted"
    #: A later message tells of it too.
    COLLAPSED = "collapsed"
    #: While it waited, what it would have told was undone.
    UNDONE = "undone"
    #: While it waited, the appointment went on to a state that its rule does not ask for.
    OUTDATED = "outdated"
    #: A person decided that what was given up stays unsent.
    DROPPED = "dropped"
    #: A person decided that what was given up is sent again.
    RETRIED = "retried"
    #: Its sweep changed suspiciously much; a person has to decide.
    BRAKE = "brake"
    #: A person decided that nobody is to hear of what the brake held.
    DISCARDED = "discarded"
    #: A person's silence is about it.
    SILENCE = "silence"
    #: It fell outside the hours of its rule, which says that nobody is told then.
    HOURS = "hours"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to."""

    result: Result
    reason: Reason
    #: The HTTP or SMTP status, where one was recovered.
    status: int | None = None
    #: How long the other side asked to be left alone.
    retry_after: timedelta | None = None
    #: For the operator: no secrets, no text of the message.
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message owed to one channel; unique for event, rule and channel."""

    id: str
    event_id: str
    rule: str
    channel: str
    order_key: str
    due_at: datetime
    #: When the time begins for which it waits; None for one that may go out as soon as it is made.
    not_before: datetime | None = None
    #: With which others it may become one message, as `core.bundle` writes it; None for one that goes by itself.
    bundle: str | None = None
    #: Why nobody is told; None for one that is owed.
    silenced: Reason | None = None
    #: The number of the silence that swallowed it.
    silence: int | None = None
    #: What was decided about it, and why: pairs of a step and what it came to.
    story: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt means for its delivery."""

    state: State
    reason: Reason
    #: When it is tried again; only for a pending one.
    due_at: datetime | None = None


def delivery_id(event: str, rule: str, channel: str) -> str:
    """Returns the delivery's id, 20 hex digits; the same on every try, and what a receiver can dedupe by."""
    return hashlib.blake2b(f"{event}\0{rule}\0{channel}".encode(), digest_size=10).hexdigest()
