"""Pages that need not be read again: kept only while the snapshot is as they say."""

from notifier.engage.remembered import Listed, PageMemory, nothing

HASH = b"hash"
PAGE = Listed(("1", "2"), 2, 100)


def kept(memory: PageMemory, name: str = "near") -> None:
    """Reads one page of a list to its end and keeps it."""
    reading = memory.begin(name)
    reading.keep([(HASH, PAGE)], memory.writes(), {})
    reading.end()


def test_a_page_is_recalled_by_the_next_reading() -> None:
    """What came byte for byte before is known by its hash, in the next reading of the same list only."""
    memory = PageMemory()
    assert memory.begin("near").recall(HASH) is None
    kept(memory)
    assert memory.begin("near").recall(HASH) == PAGE
    assert memory.begin("far").recall(HASH) is None
    assert memory.begin("near").recall(b"other") is None


def test_what_is_recalled_is_kept_on() -> None:
    """A page that comes again and again is read once; one that did not come is forgotten."""
    memory = PageMemory()
    kept(memory)
    for _ in range(3):
        reading = memory.begin("near")
        assert reading.recall(HASH) == PAGE
        reading.end()
    memory.begin("near").end()
    assert memory.begin("near").recall(HASH) is None


def test_a_reading_that_breaks_off_forgets_nothing() -> None:
    """Only a reading that came to its end says what the list has."""
    memory = PageMemory()
    kept(memory)
    memory.begin("near")
    assert memory.begin("near").recall(HASH) == PAGE


def test_a_write_of_anything_on_it_ends_a_page() -> None:
    """If another sweep stored something else meanwhile, the same bytes are a change."""
    memory = PageMemory()
    kept(memory)
    memory.wrote(["7"])
    assert memory.begin("near").recall(HASH) == PAGE
    memory.wrote(["2"])
    assert memory.begin("near").recall(HASH) is None


def test_a_write_while_it_was_read_keeps_a_page_out() -> None:
    """Between the look at the snapshot and the end of the slice another sweep may have written."""
    memory = PageMemory()
    reading, after = memory.begin("near"), memory.writes()
    memory.wrote(["1"])
    reading.keep([(HASH, PAGE)], after, {})
    reading.end()
    assert memory.begin("near").recall(HASH) is None


def test_the_writes_of_the_reading_itself_do_not() -> None:
    """What the page itself brought is what the snapshot now holds, unless somebody wrote after it."""
    memory = PageMemory()
    reading, after = memory.begin("near"), memory.writes()
    number = memory.wrote(["1"])
    reading.keep([(HASH, PAGE)], after, {"1": number})
    reading.end()
    assert memory.begin("near").recall(HASH) == PAGE

    reading, after = memory.begin("far"), memory.writes()
    number = memory.wrote(["1"])
    memory.wrote(["1"])
    reading.keep([(HASH, PAGE)], after, {"1": number})
    reading.end()
    assert memory.begin("far").recall(HASH) is None


def test_a_page_with_a_record_that_has_no_id_is_read_each_time() -> None:
    """Such a record can't be told from another, and an empty page costs nothing."""
    memory = PageMemory()
    for listed in (Listed(("1", None), 2, 100), Listed((), 0, 100), Listed(("a\0b",), 1, 100)):
        reading = memory.begin("near")
        reading.keep([(HASH, listed)], 0, {})
        reading.end()
        assert memory.begin("near").recall(HASH) is None


def test_whoever_recalls_nothing_reads_all() -> None:
    """A preview and a check compare every record."""
    assert nothing(HASH) is None
