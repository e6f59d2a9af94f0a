"""Reading a sweep: slice by slice, what differs from the snapshot is handed on, what is missing is kept for later.

The source's list has no order that we know of and slips while it is paged. A slice that fits on one page can't slip.
One of several pages is whole if each page begins with the record that the page before ended with, and as many
distinct ids came as the first and the last page say that there are. Else it is cut until its parts fit on a page.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from notifier.core.absence import batches
from notifier.core.appointment import Appointment
from notifier.core.course import Course, Part
from notifier.core.plan import Observation
from notifier.core.slices import Slice, cut, plan_slices
from notifier.core.sweep import Progress, Span, Sweep, Window, passes
from notifier.engage.answer import Record
from notifier.engage.client import EngageClient, PageLook
from notifier.engage.payload import RecordRejected, digest_of, read_appointment
from notifier.engage.remembered import Listed, Recollection
from notifier.store import snapshot
from notifier.store.database import Store

log = structlog.get_logger(__name__)

SLICE_ROWS = 5000
"""How many appointments a slice may hold: what is in memory at once."""

TOLERANCE = 2
"""How many times as many may come all the same, where a slice grew since it was cut."""

PASSES = 3
"""How often a slice is read that slips and can't be cut further."""

SPAN_MARGIN = timedelta(hours=12)
"""Asked for beyond both ends of a span: the API does not say whether its dates mean starts, ends or overlaps."""

SEAM_MARGIN = timedelta(seconds=1)
"""Asked for beyond the ends of a slice inside a span: the API does not say whether its dates are included.

Where it gives only what lies within them as a whole, what begins in a slice and ends in the next would be in neither:
there `SPAN_MARGIN` is asked for beyond the end of every slice.
"""

PROBE_MARGIN = timedelta(minutes=1)
"""How much of an appointment lies outside the dates by which it is asked for, to see what the dates mean."""

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


@dataclass
class _Pass:
    """One pass over the list of a slice."""

    #: What the list said to hold, in its first and in its last answer.
    first_total: int | None = None
    total: int = 0
    ids: set[str] = field(default_factory=set)
    #: Records without an id; they count towards the total all the same.
    nameless: int = 0
    rejected: int = 0
    pages: int = 0
    #: Whether each page began with the record that the page before ended with.
    seamless: bool = True
    #: Whether it was broken off, since the slice is to be cut first.
    broken_off: bool = False
    #: The pages that were read without an oddity.
    clean: list[tuple[bytes, Listed]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing can have been missed."""
        counted = not self.broken_off and len(self.ids) + self.nameless >= self.total
        return counted and (self.pages == 1 or (self.seamless and self.total == self.first_total))

    def add(self, look: PageLook) -> None:
        """Takes in what a page listed."""
        if self.first_total is None:
            self.first_total = look.listed.total
        self.total = look.listed.total
        self.pages += 1
        self.seamless = self.seamless and look.seamless
        self.ids.update(filter(None, look.listed.ids))
        self.nameless += sum(one is None for one in look.listed.ids)


@dataclass
class _Passes:
    """All passes over the list of one slice."""

    count: int = 0
    ids: set[str] = field(default_factory=set)
    totals: set[int | None] = field(default_factory=set)
    whole: bool = False

    def add(self, seen: _Pass) -> None:
        """Takes in a pass that came to its end."""
        self.count += 1
        self.ids |= seen.ids
        self.totals |= {seen.first_total, seen.total}
        # What slipped from one pass may have come in another, as long as the list is as long as it was.
        together = self.count > 1 and len(self.totals) == 1 and len(self.ids) + seen.nameless >= seen.total
        self.whole = seen.whole or together


class Reader:
    """Reads the sweeps of one source; several at once, each in a thread of its own."""

    def __init__(self, source: str, client: EngageClient, store: Store, watch: Watch) -> None:
        self._source = source
        self._client = client
        self._store = store
        self._watch = watch
        #: Whether the source lists only what lies within the dates asked for as a whole; None while that is unknown.
        self.contained: bool | None = None
        self._key = store.fingerprint_key()
        self._log = log.bind(source=source)
        self._told: set[str] = set()

    def read(self, reading: Reading) -> Iterator[list[Observation]]:
        """Yields what differs from the snapshot, slice by slice; each is to be committed before the next is taken.

        Raises:
            SourceError: a page did not come.
        """
        learnt = reading.learnt if reading.whole else ()
        reading.course = Course(plan_slices(reading.span, learnt, SLICE_ROWS, reading.started_at))
        while piece := reading.course.take():
            yield from self._slice(piece, reading)

    def enquire(self, absent: Collection[str], reading: Reading) -> Iterator[tuple[list[Observation], set[str]]]:
        """Asks for ids by themselves; yields what is found and differs, and which ids the source does not show."""
        for batch in batches(absent):
            seen = _Pass()
            held: dict[str, Observation] = {}
            for look in self._client.pages(ANYWHERE, {"id": batch}, reading.urgency):
                reading.pages += 1
                seen.add(look)
                for one in self._differing(look, {}, seen):
                    _hold(held, one)
                if seen.total > len(batch):
                    break
            yield list(held.values()), _not_shown(batch, seen)

    def _slice(self, piece: Slice, reading: Reading) -> Iterator[list[Observation]]:
        """Reads one slice; puts its parts before the others where it holds too much, or slips."""
        known, reading.agreed, after = self._known_in(piece.span, reading), True, reading.writes()
        passes = _Passes()
        while passes.count < PASSES and not passes.whole:
            seen = _Pass()
            yield from self._pass(piece, reading, known, seen)
            passes.add(seen)
            parts = self._parts(piece, seen, reading.started_at)
            if len(parts) > 1:
                reading.course.cut(replace(piece, rows=seen.total), parts)
                return
        expected = self._miss(reading, known, passes.ids) if passes.whole else 0
        read = replace(piece, rows=seen.total)
        reading.course.read(Part(read, len(passes.ids), expected, seen.rejected, slipped=not passes.whole))
        if seen.whole and passes.count == 1 and reading.agreed:
            reading.keep(seen.clean, after)

    def _parts(self, piece: Slice, seen: _Pass, now: datetime) -> tuple[Slice, ...]:
        """Returns into what a slice is cut before it is read again; nothing where its pass was whole."""
        if seen.whole or piece.fixed:
            return ()
        limit = piece.limit if seen.broken_off else min(piece.limit, self._client.page_rows)
        return cut(replace(piece, rows=seen.total, limit=limit), now)

    def _pass(
        self, piece: Slice, reading: Reading, known: Mapping[str, bytes], seen: _Pass
    ) -> Iterator[list[Observation]]:
        """Reads the list of a slice once; breaks off after the first page where the slice is too large."""
        held: dict[str, Observation] = {}
        now = reading.started_at
        since = None if reading.whole else reading.window.start
        asked, parted = self._asked(piece.span, reading.span), piece.span != reading.span
        for look in self._client.pages(
            asked, reading.sweep.filters, reading.urgency, since=since, recall=reading.recall
        ):
            reading.pages += 1
            reading.served_at = reading.served_at or look.served_at or look.asked_at
            seen.add(look)
            if seen.pages == 1 and self._is_too_large(piece, seen.total, now):
                seen.broken_off = True
                return
            for one in self._differing(look, known, seen):
                if parted:
                    self._probe(one.appointment, reading)
                reading.agreed &= _hold(held, one)
            if reading.absent:
                reading.absent.difference_update(filter(None, look.listed.ids))
            self._watch(reading.progress(self._source, len(seen.ids), seen.total))
            if len(held) >= SLICE_ROWS:
                yield list(held.values())
                held = {}
        if held:
            yield list(held.values())

    def _is_too_large(self, piece: Slice, total: int, now: datetime) -> bool:
        """Whether it is worth a request to cut a slice first; one that grew a little is cut for the next run."""
        return not piece.fixed and len(cut(replace(piece, rows=total, limit=piece.limit * TOLERANCE), now)) > 1

    def _asked(self, piece: Span, whole: Span) -> Span:
        """Returns what is asked for to get a slice: a little more, and much more at the ends of the whole."""
        begin = SPAN_MARGIN if piece.start == whole.start else SEAM_MARGIN
        end = SEAM_MARGIN if self.contained is False and piece.end != whole.end else SPAN_MARGIN
        return Span(piece.start and piece.start - begin, piece.end and piece.end + end)

    def _probe(self, appointment: Appointment, reading: Reading) -> None:
        """Finds out, by one appointment, whether the source lists what begins, or ends, outside the dates asked for."""
        start, end = appointment.start, appointment.end
        if self.contained is not None or start is None or end is None or end - start < 2 * PROBE_MARGIN:
            return
        halves = (Span(start + PROBE_MARGIN, end + PROBE_MARGIN), Span(start - PROBE_MARGIN, end - PROBE_MARGIN))
        for half in halves:
            for look in self._client.pages(half, {"id": (appointment.id,)}, reading.urgency):
                reading.pages += 1
                if appointment.id in look.listed.ids:
                    self.contained = False
                    return
        self.contained = True

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

    def _differing(self, look: PageLook, known: Mapping[str, bytes], seen: _Pass) -> Iterator[Observation]:
        """Yields the page's records that are not byte for byte what the snapshot holds."""
        if look.records is None:
            return
        strangers = [one for one in look.listed.ids if one is not None and one not in known]
        with self._store.reading() as tx:
            others = snapshot.digests(tx, self._source, strangers) if strangers else {}
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

    def _observe(self, record: Record, digest: bytes, asked_at: datetime) -> Observation | None:
        try:
            read = read_appointment(record.content, self._key)
        except RecordRejected as error:
            # By digest: the same bad record comes with every poll, and is told once.
            self._tell_once(f"record {digest.hex()}", "record_rejected", id=record.id, why=str(error))
            return None
        for unfamiliar in read.unfamiliar:
            self._tell_once(unfamiliar, "unfamiliar_value", value=unfamiliar)
        return Observation(read.appointment, digest, asked_at, read.holes)

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


def _not_shown(batch: Collection[str], seen: _Pass) -> set[str]:
    """Returns which of the ids the source does not show; none where the answer is not to what was asked."""
    understood = seen.whole and not seen.nameless and seen.ids <= set(batch)
    return set(batch) - seen.ids if understood else set()
