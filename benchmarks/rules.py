"""How many events a second go through rules, and how long the worst template and the worst condition take.

Rules and events are made in memory, and all runs on one core. Each line stands beside what the same takes bare:
comparisons and texts written out by hand, without verdicts and without templates.

    python -m benchmarks.rules --seconds 3
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from benchmarks.measure import machine
from notifier.config.condition import Condition, ConditionError, compile_condition
from notifier.core import sample_facts
from notifier.core.change import Kind
from notifier.core.escape import Target, defuse
from notifier.core.event import Event
from notifier.core.message import Renderer
from notifier.core.readers import Readers
from notifier.core.rule import Rule, field_among, lead_time, on_kinds, shared, to_status
from notifier.core.template import TemplateFailed, Templates
from notifier.core.walk import Rules, walk
from tests.builders import NOW, appointment, event, seen
from tests.hostile import COSTLY_CONDITIONS, LABORIOUS, crowded

ZONE = ZoneInfo("Europe/Brussels")
OFFICES = 100
LEAST_RUNS = 3

Step = Callable[[Event], object]


def made_rules(count: int) -> Rules:
    """Returns rules that each ask for a kind, a status, two offices and a lead time, as the rulebook makes them."""
    return Rules(
        Rule(
            name=f"rule {number}",
            description="",
            requirements=(
                shared(on_kinds, (Kind.STATUS_CHANGED,)),
                shared(to_status, ("CANCELLED",)),
                field_among("office", [str(number), str(number + count)]),
                shared(lead_time, "<24h"),
            ),
            channels=("team",),
        )
        for number in range(count)
    )


def made_events(rules: int) -> list[Event]:
    """Returns cancellations, each at another office, of which each is one rule's."""
    return [event(appointment(office=str(number * rules // OFFICES)), status="CANCELLED") for number in range(OFFICES)]


def matching(rules: Sequence[Rule]) -> Step:
    """Returns what finds the verdicts of all rules."""
    return lambda about: walk(rules, about)


def rendering(rules: Sequence[Rule]) -> Step:
    """Returns what finds the verdicts of all rules, and renders a message for each that matches."""
    renderer = Renderer(Readers(ZONE), Target.CHAT)

    def step(about: Event) -> object:
        matched = [rule for rule, verdict in zip(rules, walk(rules, about), strict=True) if verdict.matched]
        return [renderer.render(seen(about), rule, NOW) for rule in matched]

    return step


def bare(count: int, *, with_text: bool) -> Step:
    """Returns the comparisons of the same rules as somebody would write them out, and a text by a format."""
    offices = [frozenset({str(number), str(number + count)}) for number in range(count)]
    day = timedelta(hours=24)

    def step(about: Event) -> object:
        after = about.after
        matched = [
            number
            for number, wanted in enumerate(offices)
            if Kind.STATUS_CHANGED in about.kinds
            and after.status == "CANCELLED"
            and after.office in wanted
            and after.start is not None
            and after.start - after.updated_at < day
        ]
        return [f"{after.status}: {after.start:%d %b %Y, %H:%M}, {after.office}" for _ in matched if with_text]

    return step


def a_second(step: Step, events: Sequence[Event], seconds: float) -> float:
    """Returns how many events go through in a second of processor time."""
    done, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for about in events:
            step(about)
        done += len(events)
    return done / spent


def milliseconds(work: Callable[[], object]) -> float:
    """Returns how much processor time it takes, the median of some runs."""
    runs = []
    for _ in range(LEAST_RUNS):
        began = time.process_time()
        work()
        runs.append(time.process_time() - began)
    return statistics.median(runs) * 1000


def worst_template() -> tuple[float, str]:
    """Returns how long the longest of the hostile templates takes until it fails, and which that is."""

    def render(template: str) -> None:
        templates = Templates(ZONE, defuse)
        templates.begin(sample_facts.sample_facts()[0][1])
        try:
            templates.render(template)
        except TemplateFailed:
            return
        raise AssertionError("a hostile template was rendered")

    return max((milliseconds(lambda template=template: render(template)), template) for template in LABORIOUS)


def worst_condition() -> tuple[float, str]:
    """Returns how long the longest of the costly conditions takes, and which that is."""
    about = crowded()

    def compiled(text: str) -> Condition:
        condition = compile_condition(text)
        # The first event has the condition made ready for what it lacks.
        condition(about)
        return condition

    try:
        conditions = [(compiled(text), text) for text in COSTLY_CONDITIONS]
    except ConditionError as error:
        return 0.0, str(error)
    return max((milliseconds(lambda condition=condition: condition(about)), text) for condition, text in conditions)


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each line is measured")
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    print(f"{'':40}{'events/s':>10}{'bare/s':>10}{'x bare':>8}")
    for count in (100, 1000):
        rules, events = made_rules(count), made_events(count)
        for what, step, plain in (
            ("matching", matching(rules), bare(count, with_text=False)),
            ("matching and rendering", rendering(rules), bare(count, with_text=True)),
        ):
            ours, theirs = (a_second(one, events, arguments.seconds) for one in (step, plain))
            print(f"{f'{count} rules, {what}':40}{ours:10,.0f}{theirs:10,.0f}{theirs / ours:8.1f}", flush=True)
    for what, (took, which) in (("hostile template", worst_template()), ("hostile condition", worst_condition())):
        print(f"{f'worst {what}':40}{took:10.1f} ms  {which[:60]}")


if __name__ == "__main__":
    main()
