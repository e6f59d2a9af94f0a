"""Faults, and which request meets which: drawn by share from a seed and the request's number.

Only the choice is made here. What a fault makes of a reply is in `broken_reply`, and of its rows in `broken_rows`.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from threading import Lock
from typing import Final, Self

from notifier.engage.simulated.chance import chance


class FaultKind(StrEnum):
    """What can go wrong with one request."""

    TIME_OUT = "time-out"
    """No answer: the request is held until the client gives up, or for `Faults.hold`, and the connection ends."""
    RESET = "reset"
    """The connection is reset in the middle of the body."""
    CUT_JSON = "cut-json"
    """The JSON text ends too early, with a Content-Length that fits."""
    HTML = "html"
    """A login page in HTML, with status 200."""
    SERVER_ERROR = "500"
    """Status 500 with a page in HTML."""
    BAD_GATEWAY = "502"
    """Status 502 with a page in HTML."""
    UNAVAILABLE = "503"
    """Status 503 with a page in HTML."""
    GATEWAY_TIMEOUT = "504"
    """Status 504 with a page in HTML."""
    BUSY = "429"
    """Status 429 with no Retry-After."""
    BUSY_SECONDS = "429-seconds"
    """Status 429 with a Retry-After in seconds."""
    BUSY_DATE = "429-date"
    """Status 429 with a Retry-After as a date."""
    UNAUTHORIZED = "401"
    """Status 401 for one request, whose token stays good."""
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - a name
    """The granted token of the request ends before its time, and is refused from this request on."""
    TOKEN_DOWN = "token-down"  # noqa: S105 - a name
    """The address that grants tokens answers 503; no other kind strikes there."""
    FORBIDDEN = "403"
    """The scope is taken away for one request."""
    BROKEN_GZIP = "broken-gzip"
    """A body that calls itself gzip and is none."""
    HUGE = "huge"
    """The right answer with `Faults.huge` bytes of spaces after it, streamed with no length told."""
    REDIRECT = "redirect"
    """Status 307 to another path of the same server."""
    NOT_OBJECTS = "not-objects"
    """Some rows are null, text, numbers or lists."""
    NULLS = "nulls"
    """Some rows have null in a field that should not be null."""
    DUPLICATES = "duplicates"
    """Some rows come twice on the page, which is no longer for it: the last ones do not come."""
    NUMBERS_AS_TEXT = "numbers-as-text"
    """Some rows have all their numbers as text."""
    TEXT_AS_NUMBERS = "text-as-numbers"
    """Some rows have a number for every text of digits, ids too."""
    NEW_WORDS = "new-words"
    """Some rows have a value that nobody has heard of where the documentation lists all."""
    NEW_IDS = "new-ids"
    """All ids have a new prefix."""


#: Changes to rows, made in a copy; they strike lists and single appointments, but not refusals.
ROW_FAULTS: Final = frozenset(
    {
        FaultKind.NOT_OBJECTS,
        FaultKind.NULLS,
        FaultKind.DUPLICATES,
        FaultKind.NUMBERS_AS_TEXT,
        FaultKind.TEXT_AS_NUMBERS,
        FaultKind.NEW_WORDS,
        FaultKind.NEW_IDS,
    }
)
#: Faults that make rows look changed though nobody changed them.
LIES: Final = ROW_FAULTS - {FaultKind.NOT_OBJECTS, FaultKind.DUPLICATES}
#: Faults after which a client may ask its operator for help instead of trying again.
FINAL: Final = frozenset({FaultKind.FORBIDDEN, FaultKind.REDIRECT, FaultKind.NEW_IDS})
MIXED: Final = frozenset(FaultKind) - FINAL

_REFUSED_TOKENS: Final = frozenset({FaultKind.UNAUTHORIZED, FaultKind.EXPIRED_TOKEN})
_ON_TOKEN_ADDRESS: Final = frozenset({FaultKind.TOKEN_DOWN})

# A client that is refused again with the token that it just renewed takes that for final. So many requests are more
# than all that may pass while one is repeated, at four at once.
APART: Final = 32


@dataclass(frozen=True, slots=True)
class Faults:
    """How many requests meet a fault, and which; the same ones for the same seed and order of requests."""

    share: float = 0.0  # of the requests that some of the kinds can strike, from 0 (off) to 1
    seed: int = 1
    kinds: Collection[FaultKind] = tuple(FaultKind)
    hold: timedelta = timedelta(seconds=30)  # the longest time-out
    retry_after: timedelta = timedelta(seconds=1)  # whole seconds
    huge: int = 32 * 1024 * 1024  # bytes
    survivable: bool = False  # tokens are refused only where another can be had, and not twice in a row

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError("the share of faults must lie between 0 and 1")
        # A set has another order in each process.
        object.__setattr__(self, "kinds", tuple(kind for kind in FaultKind if kind in self.kinds))

    @classmethod
    def mixed(cls, share: float, seed: int, *, lies: bool = True) -> Self:
        """All that a client must get over by itself; without lies, a client sees no change that nobody made."""
        return cls(share, seed, MIXED if lies else MIXED - LIES, survivable=True)

    def draw(self, number: int, possible: Collection[FaultKind]) -> FaultKind | None:
        """The fault that a request of this number meets, if it meets one."""
        kinds = [kind for kind in self.kinds if kind in possible]
        draws = chance(self.seed, number)
        return draws.choice(kinds) if draws.random() < self.share and kinds else None


OFF: Final = Faults()


class Strikes:
    """The faults of one simulator so far; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[FaultKind] = Counter()
        self._refused_token = -APART  # number of the latest request whose token was refused

    def draw(self, faults: Faults, number: int, *, asks_token: bool, renewable: bool) -> FaultKind | None:
        """The fault that a request meets, if any; `renewable` says whether its token was granted."""
        with self._lock:
            apart = number - self._refused_token >= APART
            possible = _possible(faults, asks_token=asks_token, renewable=renewable, apart=apart)
            return faults.draw(number, possible)

    def note_refused_token(self, number: int) -> None:
        """A request was answered 401, by a fault or because its token was no longer good."""
        with self._lock:
            self._refused_token = number

    def count(self, kind: FaultKind) -> None:
        """A fault has struck."""
        with self._lock:
            self._counts[kind] += 1

    @property
    def counts(self) -> Counter[FaultKind]:
        """How often each kind struck."""
        with self._lock:
            return self._counts.copy()


def _possible(faults: Faults, *, asks_token: bool, renewable: bool, apart: bool) -> Collection[FaultKind]:
    if asks_token:
        return _ON_TOKEN_ADDRESS
    possible = frozenset(FaultKind) - _ON_TOKEN_ADDRESS
    if faults.survivable and not (renewable and apart):
        return possible - _REFUSED_TOKENS
    return possible if renewable else possible - {FaultKind.EXPIRED_TOKEN}
