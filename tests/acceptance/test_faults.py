"""A source in trouble, over sockets: the daemon polls it for a while, and loses and invents nothing."""

from benchmarks.faults import ORDERS, run, show

ROWS = 1500
PAGE = 150
SECONDS = 20.0


def test_nothing_is_lost_and_nothing_invented() -> None:
    """With all faults mixed, slips, and each order of the list, all that happened is told once, and nothing else."""
    report = run(ROWS, SECONDS, 3, PAGE)
    assert report.clean, show(report)
    assert report.audit.events > len(ORDERS)
    assert len(report.faults) > 2, show(report)
