"""Bundles: deliveries of one rule to one channel that become one message.

A group gathers what comes together, a digest what comes until a local time, and a throttle what is more than people
want to hear one by one. Which bundle a delivery is for is decided when it is made and kept with it, so that a rule that
changes does not tear apart what waits; the bundle is closed when the first of it is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import json

from notifier.core.duration import write_duration
from notifier.core.event import Event
from notifier.core.hours import EVERY_DAY, next_time

FIELDS: Final = (
    "source",
    "kind",
    "status",
    "office",
    "subject",
    "employee",
    "customer",
    "listing",
    "lead_segment",
    "callback_request",
    "meeting_type",
)
"""What `by` may name: the source, the first kind of the event, and fields of the appointment after the change."""

USUAL_MOST = 50
"""How many changes one message of a group tells, unless its rule says otherwise."""

LARGEST = 500
"""How many changes any message tells at most; what is more is for the next one."""


class BundleKind(StrEnum):
    """Why deliveries become one message."""

    GROUP = "group"
    DIGEST = "digest"
    #: It goes out by itself, unless too many do.
    THROTTLE = "throttle"
    #: Too many did.
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Group:
    """One message for what comes within a while."""

    wait: timedelta
    by: tuple[str, ...] = ()
    most: int = USUAL_MOST


@dataclass(frozen=True, slots=True)
class Digest:
    """One message for what came until a local time."""

    at: tuple[time, ...]
    zone: ZoneInfo
    by: tuple[str, ...] = ()
    #: Days of the week; Monday is 0.
    days: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most so many messages in so long; what is over becomes one."""

    most: int
    per: timedelta
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """Which deliveries belong together; also their channel has to be the same."""

    kind: BundleKind
    rule: str
    #: What they have in common: names out of FIELDS with their values, None where there is none.
    by: tuple[tuple[str, str | None], ...] = ()

    @property
    def of_over(self) -> "Bundle":
        """The same, once too many went out by themselves."""
        return replace(self, kind=BundleKind.OVER) if self.kind is BundleKind.THROTTLE else self

    @property
    def joined(self) -> tuple["Bundle", ...]:
        """The bundles whose deliveries go out with those of this one."""
        return (self, replace(self, kind=BundleKind.THROTTLE)) if self.kind is BundleKind.OVER else (self,)

    @property
    def counted(self) -> tuple["Bundle", ...]:
        """The bundles whose messages a throttle counts with those of this one."""
        if self.kind in {BundleKind.THROTTLE, BundleKind.OVER}:
            return tuple(replace(self, kind=kind) for kind in (BundleKind.THROTTLE, BundleKind.OVER))
        return (self,)


def bundle_of(
    rule: str, event: Event, group: Group | None, digest: Digest | None, throttle: Throttle | None
) -> Bundle | None:
    """Returns the bundle that an event is for by these keys of a rule; None for none."""
    for kind, key in (
        (BundleKind.GROUP, group),
        (BundleKind.DIGEST, digest),
        (BundleKind.THROTTLE, throttle),
    ):
        if key is not None:
            return Bundle(kind, rule, tuple((name, _value(name, event)) for name in key.by))
    return None


def begins_at(group: Group | None, digest: Digest | None, now: datetime) -> datetime | None:
    """Returns when the message goes out that an event of now is told in; None for at once."""
    if group is not None:
        return now + group.wait
    return None if digest is None else next_time(digest.days, digest.at, digest.zone, now)


def say_wait(
    bundle: Bundle, group: Group | None, digest: Digest | None, begins: datetime | None
) -> tuple[tuple[str, str], ...]:
    """Returns for the story of a delivery what it waits for."""
    about = say_by(bundle.by)
    others = f"others of {about}" if about else "others"
    if group is not None:
        return ((bundle.kind.value, f"waits {write_duration(group.wait)} for {others}"),)
    if digest is None or begins is None:
        return ()
    told = f"told at {begins.astimezone(digest.zone):%Y-%m-%d %H:%M} {digest.zone.key}, with {others}"
    return ((bundle.kind.value, told),)


def say_over(throttle: Throttle) -> tuple[str, str]:
    """Returns for the story of a delivery that too many went out before it."""
    count = "1 message" if throttle.most == 1 else f"{throttle.most} messages"
    return (
        "throttle",
        f"{count} went out within {write_duration(throttle.per)}; it waits, to be told with what else does",
    )


def say_by(by: Sequence[tuple[str, str | None]]) -> str:
    """Returns what changes have in common, as in `office 12, subject 51`; empty for nothing."""
    return ", ".join(f"no {_word(name)}" if value is None else f"{_word(name)} {value}" for name, value in by)


def free_at(throttle: Throttle, begun: Sequence[datetime], now: datetime) -> datetime | None:
    """Returns when the next message may go out; None for at once.

    Args:
        throttle: how many may.
        begun: when the last messages went out, the newest first; as many as may, or fewer.
        now: what counts is what went out within the time before.
    """
    if len(begun) < throttle.most:
        return None
    # The clock may have been set back.
    free = min(begun[throttle.most - 1], now) + throttle.per
    return None if free <= now else free


def most_of(bundle: Bundle, group: Group | None) -> int:
    """Returns how many changes one message of the bundle tells; the rule may have changed since it began."""
    if bundle.kind is not BundleKind.GROUP:
        return LARGEST
    return USUAL_MOST if group is None else group.most


def gathers(bundle: Bundle) -> bool:
    """Whether what waits for the same goes out with it: not what a throttle has let through by itself."""
    return bundle.kind is not BundleKind.THROTTLE


def takes_early(bundle: Bundle) -> bool:
    """Whether its message takes along what is not due yet; a digest leaves that to the next one."""
    return bundle.kind is not BundleKind.DIGEST


def write_bundle(bundle: Bundle) -> str:
    """Returns the bundle as a text, by which it is found."""
    return json.encode((bundle.kind, bundle.rule, bundle.by)).decode()


def read_bundle(text: str) -> Bundle:
    """Returns the bundle that `write_bundle` wrote."""
    kind, rule, by = json.decode(text, type=tuple[BundleKind, str, tuple[tuple[str, str | None], ...]])
    return Bundle(kind, rule, by)


def _value(name: str, event: Event) -> str | None:
    match name:
        case "source":
            return event.source
        case "kind":
            return event.kinds[0].value
    value: str | None = getattr(event.after, name)
    return value


def _word(name: str) -> str:
    return name.replace("_", " ")
