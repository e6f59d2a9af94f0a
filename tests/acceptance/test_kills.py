"""The daemon is killed at every labelled step and at random moments while life goes on: the long run, in short."""

import os

import pytest

from benchmarks.kills import run, show
from tests.fault_points import LABELS

pytestmark = pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs processes that can be forked and waited for")

AT_RANDOM = 20


def test_kills_lose_nothing_and_repeat_at_most_one() -> None:
    """Nothing is lost, nothing overtakes, and a kill repeats at most one message for each channel, under its id."""
    report = run(AT_RANDOM, 1, seed=1, worlds=2)
    assert report.clean, show(report)
    assert report.kills.total() == AT_RANDOM + len(LABELS)
    assert sum(account.repeated for account in report.accounts.values()), "no kill ever hit a message on its way"
