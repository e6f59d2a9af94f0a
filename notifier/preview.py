"""What a poll would do now: the plans of all sweeps as one, with the messages that would go out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from notifier.core.delivery import Delivery, Reason
from notifier.core.grant import Excerpt, Grant, mask
from notifier.core.message import Message, Renderer
from notifier.core.plan import Plan, Recorded
from notifier.core.rule import Rule
from notifier.core.template import TemplateFailed


@dataclass(frozen=True, slots=True)
class Draft:
    """One message that would be sent."""

    channel: str
    rule: str
    #: None where the rule's template fails on this event.
    message: Message | None
    #: Why it fails; empty where it does not.
    failure: str
    #: When the time begins for which it waits; None for one that would go out at once.
    not_before: datetime | None = None
    #: Why nobody would be told; None where somebody is.
    silenced: Reason | None = None
    #: What was decided about it, and why.
    story: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One event that would be recorded, and the messages that would tell of it."""

    recorded: Recorded
    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a poll would do now."""

    #: Appointments that would be stored in silence.
    baseline: int
    foreseen: tuple[Foreseen, ...]


def make_preview(
    plans: Iterable[Plan],
    rules: Sequence[Rule],
    renderers: Mapping[str, Renderer],
    grants: Mapping[str, Grant],
    now: datetime,
) -> Preview:
    """Returns what the plans come to; what several sweeps see counts once. Personal text is left out."""
    by_name = {rule.name: rule for rule in rules}
    silent: set[tuple[str, str]] = set()
    events: dict[str, Foreseen] = {}
    for plan in plans:
        silent |= {(plan.source, name) for name in plan.baseline}
        for entry in plan.recorded:
            owed = [delivery for delivery in plan.deliveries if delivery.event_id == entry.event.id]
            drafts = tuple(
                _draft(
                    delivery,
                    mask(entry.event, grants[delivery.channel]),
                    by_name[delivery.rule],
                    renderers[delivery.channel],
                    now,
                )
                for delivery in owed
            )
            events[entry.event.id] = Foreseen(entry, drafts)
    return Preview(len(silent), tuple(events.values()))


def _draft(delivery: Delivery, excerpt: Excerpt, rule: Rule, renderer: Renderer, now: datetime) -> Draft:
    fate = (delivery.not_before, delivery.silenced, delivery.story)
    try:
        return Draft(delivery.channel, rule.name, renderer.render(excerpt, rule, now), "", *fate)
    except TemplateFailed as failure:
        return Draft(delivery.channel, rule.name, None, str(failure), *fate)
