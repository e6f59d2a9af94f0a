"""Drift: where the snapshot and the source differ. `verify` reads everything again and tells, and changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from notifier.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Difference:
    """One appointment that is not in the source as it is in the snapshot."""

    source: str
    sweep: str
    appointment: str
    #: What a poll would make of it, for people.
    what: str


def find_drift(plans: Iterable[Plan]) -> tuple[Difference, ...]:
    """Returns what polls would store now, each appointment once; nothing where snapshot and source agree."""
    found: dict[tuple[str, str], Difference] = {}
    for plan in plans:
        told = {entry.event.after.id: entry.event for entry in plan.recorded}
        for row in plan.rows:
            name = row.appointment.id
            if name in told:
                fields = [change.field for change in told[name].changes]
                what = ", ".join(told[name].kinds) + (f": {', '.join(fields)}" if fields else "")
            else:
                what = "not in the snapshot" if name in plan.baseline else "differs in nothing that is watched"
            found[plan.source, name] = Difference(plan.source, plan.sweep, name, what)
    return tuple(found.values())
