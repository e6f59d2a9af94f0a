"""The watch over the store speaks at the edges, whoever notices."""

from notifier.errors import StoreError
from notifier.store_watch import StoreWatch
from tests.captured_logs import captured_logs

FULL = StoreError("there is no space left on its disk")


def test_many_who_fail_are_told_once() -> None:
    """The first failure is told with who noticed it; the others, and its repetition, are not."""
    watch = StoreWatch()
    with captured_logs() as logs:
        for who in ("lane", "sweep", "lane"):
            watch.failed(who, FULL, channel=who)
        (told,) = logs.of("store_failed")
    assert (told["level"], told["channel"], told["error"]) == ("error", "lane", str(FULL))
    assert watch.failing


def test_it_is_over_when_all_work_again() -> None:
    """One that works while another still fails is no recovery; the last one is, and is told once."""
    watch = StoreWatch()
    with captured_logs() as logs:
        for who in ("lane", "sweep"):
            watch.failed(who, FULL)
        watch.worked("lane")
        assert watch.failing
        assert not logs.of("store_recovered")
        watch.worked("sweep")
        watch.worked("sweep")
        assert len(logs.of("store_recovered")) == 1
    assert not watch.failing


def test_work_that_never_failed_is_not_worth_a_word() -> None:
    """Nothing is told while all goes well."""
    watch = StoreWatch()
    with captured_logs() as logs:
        watch.worked("lane")
        assert not logs.of("store_recovered")


def test_a_second_failure_is_told_again() -> None:
    """After a recovery the next failure begins anew."""
    watch = StoreWatch()
    with captured_logs() as logs:
        for _ in range(2):
            watch.failed("lane", FULL)
            watch.worked("lane")
        assert len(logs.of("store_failed")) == len(logs.of("store_recovered")) == 2
