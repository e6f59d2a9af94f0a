"""Reading a sweep: slice by slice, what differs from the snapshot is handed on, what is missing is kept for later.

The source's list has no order that we know of and slips while it is paged. A slice that fits on one page can't slip.
One of several pages is whole if each page begins with the record that the page before ended with, and as many
distinct ids came as the first and the last page say that there are. Else it is cut into parts that fit on a page
each, or read again where that is not worth it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from notifier.core.absence import batches
from notifier.core.appointment import Appointment
from notifier.core.course import Course, Part
from notifier.core.cuts import NARROWEST, Times, cut
from notifier.core.plan import Observation
from notifier.core.slices import SPAN_MARGIN, Slice, asked_for, plan_slices
from notifier.core.sweep import Filters, Progress, Span, Sweep, Window, passes
from notifier.engage.answer import Record
from notifier.engage.client import EngageClient, PageLook
from notifier.engage.payload import RecordRejected, digest_of, read_appointment
from notifier.engage.remembered import Listed, Recall, Recollection, nothing
from notifier.passes import Pass, Passes
from notifier.store import census, snapshot
from notifier.store.database import Store

log = structlog.get_logger(__name__)

SLICE_ROWS = 8000
"""How many appointments a slice may hold: of so many the ids and digests are in memory at once."""

COMMIT_ROWS = 8000
"""Of how many appointments that differ all else is in memory at once."""

TOLERANCE = 1.5
"""How many times as many a slice may hold all the same, where it grew since it was cut: parts take more requests."""

TIMED = 8
"""How many times as many a slice may hold to be cut by the times of all that is known to lie in it."""

PROBE_MARGIN = timedelta(minutes=1)
"""How much of an appointment lies outside the dates by which it is asked for, to see what the dates mean."""

PROBES = 3
"""How many appointments are asked for to see that; a source that shows none of them so is not understood."""

TOLD_LIMIT = 10_000
"""Oddities remembered as told; beyond it all may be told once more, but memory does not grow for ever."""

ANYWHERE = Span(None, None)

Watch = Callable[[Progress], None]
"""Is told after every page how far a reading has come."""


@dataclass
class Reading:
    """One run of a sweep: what it is to read, and what it has seen so far."""

    sweep: Sweep
    started_at: datetime
    #: The start times that it covers.
    span: Span
    window: Window
    #: Whether everything is asked for, not only what was updated within the window.
    whole: bool
    #: Of its requests: the lower, the sooner their turn.
    urgency: float
    #: Whether its scope was never looked at, so that nearly all that it brings is new.
    first: bool = False
    learnt: Sequence[Slice] = ()
    #: What of the source's pages came before; None to read every page in full.
    memory: Recollection | None = None
    #: What is still to be read, and what was.
    course: Course = field(default_factory=lambda: Course(()))
    pages: int = 0
    #: By the source's clock, where it tells.
    served_at: datetime | None = None
    #: Ids that whole slices should have brought and that no other slice brought so far.
    absent: set[str] = field(default_factory=set)
    #: How many of them are worth keeping; None for all. Of the others only the number is known.
    absent_limit: int | None = None
    unkept: int = 0
    #: What the reading itself wrote, with the numbers of the writes.
    own: dict[str, int] = field(default_factory=dict)
    #: Whether the snapshot holds what the slice in hand brought.
    agreed: bool = True
    #: How many of those that we know lie in the slice in hand, of which something may be committed already.
    in_hand: int = 0

    def recall(self, digest: bytes) -> Listed | None:
        """Returns what a page with this hash listed, if it need not be read again."""
        return self.memory.recall(digest) if self.memory else None

    def writes(self) -> int:
        """Returns how often the snapshot of the source was written so far."""
        return self.memory.writes() if self.memory else 0

    def keep(self, pages: Collection[tuple[bytes, Listed]], after: int) -> None:
        """Remembers the pages of a slice that the snapshot agrees with."""
        if self.memory:
            self.memory.keep(pages, after, self.own)

    def progress(self, source: str, came: int, total: int) -> Progress:
        """Returns how far it has come, with what came of the slice in hand."""
        before = self.course.came
        return Progress(source, self.sweep.name, before + came, before + total + self.course.left)


class Reader:
    """Reads the sweeps of one source; several at once, each in a thread of its own."""

    def __init__(
        self, source: str, client: EngageClient, store: Store, watch: Watch, texts: Collection[str] = ()
    ) -> None:
        self._source = source
        self._client = client
        self._store = store
        self._watch = watch
        #: The personal texts that somebody may see.
        self._texts = texts
        #: Whether the source lists only what lies within the dates asked for as a whole; None while that is unknown.
        self.contained: bool | None = None
        self._probes = 0
        self._key = store.fingerprint_key()
        self._log = log.bind(source=source)
        self._told: set[str] = set()

    def read(self, reading: Reading) -> Iterator[list[Observation]]:
        """Yields what differs from the snapshot, slice by slice; each is to be committed before the next is taken.

        Raises:
            SourceError: a page did not come.
        """
        page_rows = min(self._client.page_rows, self._client.page_size)
        slices = plan_slices(reading.span, self._learnt(reading), SLICE_ROWS, page_rows)
        reading.course = Course(slices, page_rows)
        while piece := reading.course.take():
            yield from self._slice(piece, reading)

    def enquire(self, absent: Collection[str], reading: Reading) -> Iterator[tuple[list[Observation], set[str]]]:
        """Asks for ids by themselves; yields what is found and differs, and which ids the source does not show."""
        for batch in batches(absent):
            seen = Pass()
            held: dict[str, Observation] = {}
            for look in self._client.pages(ANYWHERE, {"id": batch}, reading.urgency):
                reading.pages += 1
                seen.add(look)
                for one in self._differing(look, {}, seen, reading):
                    _hold(held, one)
                if seen.total > len(batch):
                    break
            yield list(held.values()), _not_shown(batch, seen)

    def _learnt(self, reading: Reading) -> Sequence[Slice]:
        """Returns how the sweep was read last; where it never was, one slice with what other sweeps have seen of it."""
        span, filters = reading.span, reading.sweep.filters
        if not reading.whole:
            return ()
        if not reading.first or not span.dated or snapshot.PEOPLE & filters.keys():
            return reading.learnt
        with self._store.reading() as tx:
            return [Slice(span, census.count_within(tx, self._source, span, filters), SLICE_ROWS)]

    def _slice(self, piece: Slice, reading: Reading) -> Iterator[list[Observation]]:
        """Reads one slice; puts its parts before the others where it holds too much, or slips."""
        course, client = reading.course, self._client
        if (self._slips(piece) or self._too_large(piece)) and self._cut(piece, reading):
            return
        known, reading.agreed, after = self._known_in(piece.span, reading), True, reading.writes()
        reading.in_hand = len(known)
        passes, seen = Passes(), Pass()
        while not passes.count or (passes.hopeful and course.affords([piece])):
            seen = Pass()
            yield from self._pass(piece, reading, known, seen)
            passes.add(seen)
            course.page_rows = client.page_rows
            course.spend(seen.pages, seen.total)
            piece = replace(piece, rows=seen.total)
            if seen.parts:
                course.cut(piece, seen.parts)
                return
            self._confirm(piece, passes, reading)
            if passes.whole:
                break
            piece = piece.stirred(client.page_rows)
            if passes.count == 1 and not piece.fixed and self._cut(piece, reading, seen.sample):
                return
        expected = self._miss(reading, known, passes.ids) if passes.whole else len(known)
        calm = seen.whole and passes.count == 1
        read = piece.calmed(SLICE_ROWS) if calm else piece
        slipped = not passes.whole
        course.read(Part(read, len(passes.ids), expected, seen.rejected, slipped, passes.count))
        reading.in_hand = 0
        if calm and reading.agreed:
            reading.keep(seen.clean, after)

    def _confirm(self, piece: Slice, passes: Passes, reading: Reading) -> None:
        """Asks whether what did not come in the last pass is in the list still, where that makes the passes whole."""
        unsure, filters = passes.unsure, reading.sweep.filters
        if not unsure or not reading.course.affords([replace(piece, rows=len(unsure))]):
            return
        for batch in batches(unsure, self._client.page_rows, filters):
            for look in self._list(piece, reading, {**filters, "id": batch}):
                reading.course.spend(1, piece.rows)
                passes.confirm(look.listed.ids)

    def _list(self, piece: Slice, reading: Reading, filters: Filters, recall: Recall = nothing) -> Iterator[PageLook]:
        """Yields the pages of a slice."""
        since = None if reading.whole else reading.window.start
        asked = self._asked(piece.span, reading.span)
        for look in self._client.pages(asked, filters, reading.urgency, since=since, recall=recall):
            reading.pages += 1
            yield look

    def _slips(self, piece: Slice) -> bool:
        """Whether a slice holds more than it may since it slipped."""
        return piece.overfull and not piece.fixed and piece.limit < SLICE_ROWS

    def _too_large(self, piece: Slice) -> bool:
        """Whether a slice holds more than is to be in memory."""
        return not piece.fixed and piece.rows > SLICE_ROWS * TOLERANCE

    def _cut(self, piece: Slice, reading: Reading, sample: Appointment | None = None) -> bool:
        """Puts the parts of a slice in its place, where that is worth it; returns whether it did."""
        if sample is not None and piece.span.dated:
            self._probe(sample, reading)
        parts = self._parts(piece, reading)
        worth = reading.course.worth_cutting(piece, parts) and reading.course.affords(parts)
        if worth:
            reading.course.cut(piece, parts)
        return worth

    def _parts(self, whole: Slice, reading: Reading) -> tuple[Slice, ...]:
        """Returns into what a slice can be cut; nothing where it can't be."""
        if not whole.span.dated:
            return ()
        narrowest = NARROWEST if self.contained is False else SPAN_MARGIN
        asked = partial(self._asked, whole=reading.span)
        return cut(whole, self._times(whole, reading), asked, reading.started_at, narrowest)

    def _times(self, whole: Slice, reading: Reading) -> Times | None:
        """Returns when the appointments are that are known in a slice; None where that may mislead, or be too many."""
        filters = reading.sweep.filters
        if not reading.whole or snapshot.PEOPLE & filters.keys() or whole.rows > TIMED * SLICE_ROWS:
            return None
        start, end = whole.span.start, whole.span.end
        around = Span(start and start - SPAN_MARGIN, end and end + SPAN_MARGIN)
        with self._store.reading() as tx:
            return Times.of(census.times_within(tx, self._source, around, filters))

    def _pass(
        self, piece: Slice, reading: Reading, known: Mapping[str, bytes], seen: Pass
    ) -> Iterator[list[Observation]]:
        """Reads the list of a slice once; breaks off after the first page where the slice is too large."""
        held: dict[str, Observation] = {}
        parted = piece.span != reading.span
        for look in self._list(piece, reading, reading.sweep.filters, reading.recall):
            reading.served_at = reading.served_at or look.served_at or look.asked_at
            seen.add(look)
            large = replace(piece, rows=seen.total, limit=SLICE_ROWS)
            if seen.pages == 1 and self._too_large(large):
                parts = self._parts(large, reading)
                if reading.course.worth_cutting(large, parts):
                    seen.parts = parts
                    return
            for one in self._differing(look, known, seen, reading):
                if parted:
                    self._probe(one.appointment, reading)
                seen.sample = seen.sample or one.appointment
                reading.agreed &= _hold(held, one)
            if reading.absent:
                reading.absent.difference_update(filter(None, look.listed.ids))
            self._watch(reading.progress(self._source, len(seen.ids), seen.total))
            if len(held) >= COMMIT_ROWS:
                yield list(held.values())
                held = {}
        if held:
            yield list(held.values())

    def _asked(self, piece: Span, whole: Span) -> Span:
        """Returns what is asked for to get a slice."""
        return asked_for(piece, whole, contained=self.contained is not False)

    def _probe(self, appointment: Appointment, reading: Reading) -> None:
        """Finds out, by one appointment, whether the source lists what begins, or ends, outside the dates asked for."""
        start, end = appointment.start, appointment.end
        if self.contained is not None or start is None or end is None or end - start < 2 * PROBE_MARGIN:
            return
        if self._probes >= PROBES:
            return
        self._probes += 1
        later, sooner = Span(start + PROBE_MARGIN, end + PROBE_MARGIN), Span(start - PROBE_MARGIN, end - PROBE_MARGIN)
        if self._lists(appointment.id, later, reading) or self._lists(appointment.id, sooner, reading):
            self.contained = False
        elif self._lists(appointment.id, Span(sooner.start, later.end), reading):
            # It is there still, and as it was.
            self.contained = True

    def _lists(self, name: str, span: Span, reading: Reading) -> bool:
        """Whether the source lists an appointment when it is asked for these dates."""
        for look in self._client.pages(span, {"id": (name,)}, reading.urgency):
            reading.pages += 1
            if name in look.listed.ids:
                return True
        return False

    def _known_in(self, span: Span, reading: Reading) -> Mapping[str, bytes]:
        """Returns the digests of what should be listed, going by what we know; nothing where only news is asked for."""
        if not reading.whole:
            return {}
        with self._store.reading() as tx:
            return snapshot.digests_within(tx, self._source, span, reading.sweep.filters)

    def _miss(self, reading: Reading, known: Mapping[str, bytes], ids: AbstractSet[str]) -> int:
        """Notes what a whole slice should have brought and did not; returns how many it should have brought."""
        missing = known.keys() - ids
        others = {name: wanted for name, wanted in reading.sweep.filters.items() if name in snapshot.PEOPLE}
        if others:
            with self._store.reading() as tx:
                states = snapshot.known(tx, self._source, missing)
            missing = {name for name, one in states.items() if passes(one.appointment, others)}
        if reading.absent_limit is None or len(reading.absent) <= reading.absent_limit:
            reading.absent |= missing
        else:
            reading.unkept += len(missing)
        return len(known.keys() & ids) + len(missing)

    def _differing(
        self, look: PageLook, known: Mapping[str, bytes], seen: Pass, reading: Reading
    ) -> Iterator[Observation]:
        """Yields the page's records that are not byte for byte what the snapshot holds."""
        if look.records is None:
            return
        others = self._others_known(look, known, reading)
        rejected = 0
        for record in look.records:
            digest = digest_of(record.content, self._key)
            before = None if record.id is None else known.get(record.id) or others.get(record.id)
            if before == digest:
                continue
            observation = self._observe(record, digest, look.asked_at)
            if observation is None:
                rejected += 1
            else:
                yield observation
        seen.rejected += rejected
        if not rejected:
            seen.clean.append((look.digest, look.listed))

    def _others_known(self, look: PageLook, known: Mapping[str, bytes], reading: Reading) -> Mapping[str, bytes]:
        """Returns the digests of what a page lists beside what it should list; at a first look that is all new."""
        if reading.first:
            return {}
        strangers = [one for one in look.listed.ids if one is not None and one not in known]
        if not strangers:
            return {}
        with self._store.reading() as tx:
            return snapshot.digests(tx, self._source, strangers)

    def _observe(self, record: Record, digest: bytes, asked_at: datetime) -> Observation | None:
        try:
            read = read_appointment(record.content, self._key, self._texts)
        except RecordRejected as error:
            # By digest: the same bad record comes with every poll, and is told once.
            self._tell_once(f"record {digest.hex()}", "record_rejected", id=record.id, why=str(error))
            return None
        for unfamiliar in read.unfamiliar:
            self._tell_once(unfamiliar, "unfamiliar_value", value=unfamiliar)
        return Observation(read.appointment, digest, asked_at, read.holes, read.texts)

    def _tell_once(self, what: str, action: str, **details: object) -> None:
        if what not in self._told:
            if len(self._told) >= TOLD_LIMIT:
                self._told.clear()
            self._told.add(what)
            self._log.warning(action, **details)


def _hold(held: dict[str, Observation], one: Observation) -> bool:
    """Adds what a page tells; of two that tell of the same the later one stays. Returns whether they agree."""
    twin = held.get(one.appointment.id)
    if twin is None or one.appointment.updated_at >= twin.appointment.updated_at:
        held[one.appointment.id] = one
    return twin is None or twin.digest == one.digest


def _not_shown(batch: Collection[str], seen: Pass) -> set[str]:
    """Returns which of the ids the source does not show; none where the answer is not to what was asked."""
    understood = seen.whole and not seen.nameless and seen.ids <= set(batch)
    return set(batch) - seen.ids if understood else set()
