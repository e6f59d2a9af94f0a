"""A notice: what the operator is told of a trouble of the notifier itself, in words for people and for programs.

It says what is wrong since when, what it looks like, what it means for those who wait for messages, and what to do.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.core.duration import say_duration
from notifier.core.escape import Target, as_html, defuse, plain
from notifier.core.language import ENGLISH
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT, Message
from notifier.core.trouble import Edge, OpenTrouble, TroubleKind

TYPE_PREFIX = "notifier.trouble."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message that is owed to the operator by one channel."""

    #: The same on every try, and for the same trouble told again after a crash.
    id: str
    channel: str
    #: What it is about, as `source acme`.
    trouble: str
    kind: TroubleKind
    edge: Edge
    title: str
    body: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _Words:
    #: What is wrong; the name goes in front.
    wrong: str
    #: What is said when it is over.
    over: str
    #: What it means for those who wait for messages.
    meaning: str
    remedy: str


_LOOK = "Look: notifier status"
_LATER = "Until it is over, its changes are noticed late or not at all. Nothing is lost: they are found afterwards."
_FASTER = f"Raise its `every`, or narrow its span. {_LOOK}"
_SWEEP_BACK = "is read again"
_LANE_OPEN = "is open again"
_MEND = (
    "Look: notifier channels. Correct the channel and try it: notifier test-send {name}. Then, so that nothing waits "
    "any longer: notifier resume {name}"
)

_WORDS: Mapping[tuple[str, TroubleKind], _Words] = {
    ("source", TroubleKind.UNAVAILABLE): _Words(
        "does not answer",
        "answers again",
        "No change is noticed, so nobody is told of one. Nothing is lost: it is found afterwards.",
        f"Nothing, if it is soon over. Else see to network, proxy and Pexip. {_LOOK}",
    ),
    ("source", TroubleKind.REFUSED): _Words(
        "refuses access",
        "answers again",
        "No change is noticed, so nobody is told of one. Nothing is lost: it is found afterwards.",
        f"Correct token, scope or enterprise, which is taken up by itself; else it asks again in 15 minutes. {_LOOK}",
    ),
    ("sweep", TroubleKind.UNAVAILABLE): _Words(
        "gets no answer, though others of its source do",
        _SWEEP_BACK,
        _LATER,
        f"Nothing, if it is soon over. Else make its span smaller. {_LOOK}",
    ),
    ("sweep", TroubleKind.REFUSED): _Words(
        "is refused, though others of its source are not",
        _SWEEP_BACK,
        _LATER,
        f"Correct its filters in config.toml; that is taken up by itself. {_LOOK}",
    ),
    ("sweep", TroubleKind.INCOMPLETE): _Words(
        "can't be read completely",
        _SWEEP_BACK,
        "Changes that are seen are told. Some may be noticed late, and nothing counts as vanished.",
        f"Nothing, if it is soon over. Else make its span smaller. {_LOOK}",
    ),
    ("sweep", TroubleKind.CRASHED): _Words(
        "fails by a mistake of notifier",
        _SWEEP_BACK,
        _LATER,
        "Report it with the log line poll_crashed. It is tried again at every beat.",
    ),
    ("sweep", TroubleKind.DOUBTFUL): _Words(
        "is doubted",
        "is trusted again",
        "What it found may be held, and nothing of it counts as vanished, until somebody decides. Other sweeps go on.",
        f"Find out whether it is right, then release or discard it, with the command above. {_LOOK}",
    ),
    ("beat", TroubleKind.SLOW): _Words(
        "is too slow", "keeps its beat again", "Changes are noticed later than its beat promises.", _FASTER
    ),
    ("budget", TroubleKind.SLOW): _Words(
        "is overspent", "is kept again", "The sweeps with the longest beats are read late.", f"As it says. {_LOOK}"
    ),
    ("channel", TroubleKind.DEAD_LETTERS): _Words(
        "does not get all its messages",
        "has no new dead letters",
        "These messages do not arrive. They are kept; later ones are tried as usual, and not told here one by one.",
        "Look: notifier deliveries --dead, then notifier explain EVENT. Try it: notifier test-send {name}. Send them "
        "again: notifier retry --channel {name}. Leave them unsent: notifier drop --channel {name}",
    ),
    ("lane", TroubleKind.PAUSED): _Words(
        "is paused: its channel fails",
        _LANE_OPEN,
        "Messages to this channel wait; now and then one of them finds out whether it works again. Nothing is lost, "
        "but they come late. Other channels go on.",
        f"Nothing, if it is soon over. {_MEND}",
    ),
    ("lane", TroubleKind.CLOSING): _Words(
        "will be switched off within a day: its channel fails",
        _LANE_OPEN,
        "Then nothing is tried there any more until a person acts. The messages stay, and can be sent later.",
        _MEND,
    ),
    ("lane", TroubleKind.OFF): _Words(
        "is switched off: its channel fails",
        _LANE_OPEN,
        "Nothing is tried there any more, not by itself. The messages stay, and go out when it is switched on.",
        _MEND,
    ),
    ("rule", TroubleKind.TEMPLATE): _Words(
        "has a template that fails",
        "has no new failures",
        "The messages that it makes of these events do not arrive. They are kept.",
        "Correct its title or body, which is taken up by itself. Look: notifier check. Send them again: notifier retry "
        "--rule {name}. Leave them unsent: notifier drop --rule {name}",
    ),
    ("silence", TroubleKind.ENDING): _Words(
        "ends within an hour",
        "is over",
        "From then on, what it is about is told again. What it has swallowed stays unsent.",
        "Nothing, if that is right. Else make another one: notifier silence add. Look: notifier silence list",
    ),
    ("disk", TroubleKind.DISK): _Words(
        "is nearly full",
        "has room again",
        "When it is full, nothing can be put on record: nothing is read and nothing is sent, this neither. Nothing is "
        "lost: it goes on by itself when there is room.",
        "Make room on it, or move the store to a larger one. Look: df -h {name}",
    ),
    ("channel", TroubleKind.MISSING): _Words(
        "is not configured any more, and messages wait for it",
        "has no messages that wait in vain",
        "These messages do not go out. They are kept. All the rest goes on.",
        "Put the channel back into config.toml, and they go out. Or leave them unsent: notifier drop --waiting "
        "--channel {name}",
    ),
    ("configuration", TroubleKind.CONFIGURATION): _Words(
        "was changed and can't be used",
        "can be used again",
        "The rules and channels that were read before hold on. Nothing is lost.",
        "Correct it; it is taken up by itself. Look: notifier check",
    ),
    ("clock", TroubleKind.CLOCK): _Words(
        "is not steady",
        "is steady again",
        "What goes by the time may be told too early or too late: lead times, and when a message falls due or is tried "
        "again. Nothing is lost: an appointment is compared with what was last known of it, whatever the time.",
        "Nothing, if it is right now. Else see to the time service of this machine. Look: timedatectl",
    ),
    ("heartbeat", TroubleKind.UNAVAILABLE): _Words(
        "does not reach its monitor",
        "reaches its monitor again",
        "The monitor will say that notifier is silent. All the rest goes on.",
        f"Nothing, if it is soon over. Else see to `heartbeat_url`, network and proxy. {_LOOK}",
    ),
    ("operator", TroubleKind.UNAVAILABLE): _Words(
        "is not reached",
        "is reached again",
        "Messages like this one do not arrive there. They are tried again; those to users go on.",
        "Correct the channel, then try it: notifier test-send {name}",
    ),
}


def notice_of(trouble: OpenTrouble, edge: Edge, channel: str, zone: ZoneInfo, now: datetime) -> Notice:
    """Returns what one channel is owed when a trouble begins, gets worse or ends."""
    words = _words_of(trouble)
    title, body = _ended(trouble, words, zone, now) if edge is Edge.ENDED else _began(trouble, words, zone, now)
    key = f"{trouble.name}\0{trouble.kind}\0{edge}\0{trouble.began_at.isoformat()}\0{channel}"
    return Notice(
        id=hashlib.blake2b(key.encode(), digest_size=10).hexdigest(),
        channel=channel,
        trouble=trouble.name,
        kind=trouble.kind,
        edge=edge,
        title=title,
        body=body,
        made_at=now,
    )


def message_of(notice: Notice, target: Target) -> Message:
    """Returns the notice as the target shows it; what it quotes is made harmless."""
    clean = defuse if target is Target.CHAT else plain
    title = _cut(clean(notice.title), TITLE_LIMIT)
    body = _cut("\n".join(map(clean, notice.body.splitlines())), BODY_LIMIT)
    return Message(title, as_html(body) if target is Target.HTML else body, target)


def document_of(notice: Notice) -> Mapping[str, object]:
    """Returns the CloudEvents document of a notice, for webhooks. It only ever grows."""
    return {
        "specversion": "1.0",
        "id": notice.id,
        "source": "/notifier",
        "subject": notice.trouble,
        "time": notice.made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "type": TYPE_PREFIX + notice.edge,
        "datacontenttype": "application/json",
        "data": {"trouble": notice.trouble, "kind": notice.kind.value, "title": notice.title, "body": notice.body},
    }


def headline(trouble: OpenTrouble) -> str:
    """Returns in a few words what is wrong, as `source acme does not answer`."""
    return f"{trouble.name} {_words_of(trouble).wrong}"


def _words_of(trouble: OpenTrouble) -> _Words:
    sort = trouble.name.partition(" ")[0]
    unnamed = _Words(f"is in trouble: {trouble.kind}", "is well again", "Messages may not be sent.", _LOOK)
    return _WORDS.get((sort, trouble.kind), unnamed)


def _began(trouble: OpenTrouble, words: _Words, zone: ZoneInfo, now: datetime) -> tuple[str, str]:
    lasted = say_duration(now - trouble.began_at)
    lines = (
        f"Since {_moment(trouble.began_at, zone)} ({lasted}).",
        f"It looks like this: {trouble.text}",
        f"What it means: {words.meaning}",
        f"What to do: {words.remedy.format(name=trouble.name.partition(' ')[2])}",
    )
    since = ENGLISH.say_moment(trouble.began_at, zone)
    return f"notifier: {trouble.name} {words.wrong}, since {since}", "\n".join(lines)


def _ended(trouble: OpenTrouble, words: _Words, zone: ZoneInfo, now: datetime) -> tuple[str, str]:
    until = trouble.well_since or now
    lasted = say_duration(until - trouble.began_at)
    lines = (
        f"From {_moment(trouble.began_at, zone)} until {_moment(until, zone)} ({lasted}).",
        f"It was: {trouble.text}",
        "There is nothing to do.",
    )
    return f"notifier: {trouble.name} {words.over}, since {ENGLISH.say_moment(until, zone)}", "\n".join(lines)


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{ENGLISH.say_moment(moment, zone)} {zone.key}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
