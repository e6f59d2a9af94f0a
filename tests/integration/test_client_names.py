"""Names are asked for in any language where the wanted ones have none; what appointments say is not."""

import pytest

from notifier.core.sweep import Span
from notifier.engage.names import with_any
from notifier.engage.simulated.grants import READ
from notifier.engage.simulated.named import SCOPES
from notifier.engage.simulator import Simulator
from tests.polling import client_on
from tests.simulated import LIST, HandClock


@pytest.mark.parametrize(
    ("languages", "asked"),
    [
        ("nl", "nl, *;q=0.1"),
        ("nl, fr;q=0.5", "nl, fr;q=0.5, *;q=0.1"),
        ("en, *;q=0.5", "en, *;q=0.5"),
        ("en *", "en *"),
        ("*", "*"),
    ],
)
def test_any_language_is_better_than_none(languages: str, asked: str) -> None:
    """Whoever asks for any language already is taken at his word."""
    assert with_any(languages) == asked


def test_only_names_come_in_any_language(clock: HandClock) -> None:
    """An appointment in another language than before would look changed."""
    scopes = (READ, *(scope for (scope,) in SCOPES.values()))
    with (
        Simulator(clock=clock, scopes=scopes) as simulator,
        client_on(simulator, clock, accept_language="nl") as client,
    ):
        client.names("office", ["11"])
        list(client.pages(Span(None, None), {}))
        asked = [(one.path, one.accept_language) for one in simulator.requests]
    assert asked == [(LIST.replace("appointments", "offices"), "nl, *;q=0.1"), (LIST, "nl")]
