"""The foresight: what a poll of every sweep would commit now, and what is due by the clock, with nothing committed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from notifier.clock import utc_now
from notifier.config.settings import Settings
from notifier.core.plan import Plan
from notifier.core.rule import Rule
from notifier.engage.budget import LAST
from notifier.poller import Poller
from notifier.progress import Watcher
from notifier.store.database import Store
from notifier.wiring import manner_of, open_clients, open_timekeeper, recipients_of


def foresee(
    settings: Settings,
    rules: Sequence[Rule],
    store: Store,
    watcher: Watcher,
    unread: Callable[[str], None],
    urgency: float | None = None,
) -> Iterator[Plan]:
    """Yields what a poll of every sweep would commit now; `unread` is told what could not be read as a whole."""
    stopping = threading.Event()
    with ExitStack() as stack:
        for name, client in open_clients(settings, utc_now, stopping, gently=urgency == LAST).items():
            stack.enter_context(client)
            source = settings.sources[name]
            recipients = recipients_of(settings)
            poller = Poller(name, client, store, rules, utc_now, manner_of(source), watcher, recipients=recipients)
            for sweep in source.sweeps:
                with watcher.reading(name, sweep.name):
                    # A check tells all that is missing; a poll would doubt it where it is much.
                    yield from poller.preview(sweep, unread, urgency, doubting=urgency != LAST)


def foresee_due(settings: Settings, rules: Sequence[Rule], store: Store, plans: Sequence[Plan]) -> Iterator[Plan]:
    """Yields what is due by the clock now, of what no poll changes first."""
    changed = {(plan.source, row.appointment.id) for plan in plans for row in plan.rows}
    swept = {name: source.sweeps for name, source in settings.sources.items()}
    for plan in open_timekeeper(settings, rules, swept, store, utc_now).foresee():
        left = (one for one in plan.recorded if (plan.source, one.event.after.id) not in changed)
        yield replace(plan, recorded=tuple(left))
