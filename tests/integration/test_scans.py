"""Scans of an enterprise that lives, slips and fails while it is read; benchmarks/scans.py runs thousands of them."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from notifier.core.sweep import SweepOutcome
from tests.scans import scanning


@pytest.fixture(autouse=True)
def _in_silence() -> Iterator[None]:
    """What hundreds of scans log would hide what failed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(("over_sockets", "count"), [(False, 80), (True, 40)])
@pytest.mark.parametrize("seed", [1, 6])
def test_many_scans_tell_the_truth(seed: int, count: int, *, over_sockets: bool) -> None:
    """Whatever slips between pages, no change is lost, none is invented, and nothing vanishes that is there."""
    with scanning(seed, over_sockets=over_sockets, concurrency=1 + over_sockets) as scans:
        for _ in range(count):
            audit = scans.scan()
            assert not audit.breaches, "\n".join(map(str, audit.breaches))
    figures = scans.figures
    assert figures.outcomes[SweepOutcome.OK] > count / 2
    assert figures.vanished > 0
    assert figures.events > count / 2
