"""`group`, `digest` and `throttle` of a rule: the tables, and what they become."""

from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from notifier.config.calendar_section import Clock, Days, read_zone
from notifier.config.table import Duration, Table, among, as_tuple, no_twins, wrong
from notifier.core.bundle import FIELDS, LARGEST, USUAL_MOST, Digest, Group, Throttle
from notifier.core.hours import EVERY_DAY


def _times(values: tuple[time, ...]) -> tuple[time, ...]:
    no_twins(tuple(f"{value:%H:%M}" for value in values))
    return tuple(sorted(values))


By = Annotated[
    tuple[Annotated[str, among("thing to gather by", FIELDS)], ...],
    BeforeValidator(as_tuple),
    AfterValidator(no_twins),
]
Times = Annotated[tuple[Clock, ...], BeforeValidator(as_tuple), Field(min_length=1), AfterValidator(_times)]
Zone = Annotated[ZoneInfo, BeforeValidator(read_zone)]


class GroupTable(Table):
    """`group`: one message for what comes within a while."""

    by: By = ()
    wait: Duration
    most: int = Field(default=USUAL_MOST, ge=2, le=LARGEST)


class DigestTable(Table):
    """`digest`: one message at a local time."""

    by: By = ()
    at: Times
    days: Days = EVERY_DAY
    zone: Zone | None = None


class ThrottleTable(Table):
    """`throttle`: at most so many messages in so long."""

    by: By = ()
    most: int = Field(ge=1, le=LARGEST)
    per: Duration


def _one_way_to_gather(digest: DigestTable | None, info: ValidationInfo) -> DigestTable | None:
    if digest is not None and info.data.get("group") is not None:
        raise wrong("can't stand beside `group`: what is told at its times need not be gathered before")
    return digest


def _one_way_to_count(throttle: ThrottleTable | None, info: ValidationInfo) -> ThrottleTable | None:
    group = info.data.get("group")
    if throttle is not None and info.data.get("digest") is not None:
        raise wrong("can't stand beside `digest`, whose times say how often there is a message")
    if throttle is not None and group is not None and set(throttle.by) != set(group.by):
        raise wrong("must have the same `by` as `group`, whose messages it counts")
    return throttle


DigestKey = Annotated[DigestTable | None, AfterValidator(_one_way_to_gather)]
ThrottleKey = Annotated[ThrottleTable | None, AfterValidator(_one_way_to_count)]


def group_of(table: GroupTable | None) -> Group | None:
    """Returns what a table says; None for none."""
    return None if table is None else Group(wait=table.wait, by=table.by, most=table.most)


def digest_of(table: DigestTable | None, zone: ZoneInfo) -> Digest | None:
    """Returns what a table says; `zone` is that of the configuration."""
    return None if table is None else Digest(at=table.at, zone=table.zone or zone, by=table.by, days=table.days)


def throttle_of(table: ThrottleTable | None) -> Throttle | None:
    """Returns what a table says; None for none."""
    return None if table is None else Throttle(most=table.most, per=table.per, by=table.by)
