"""`[[rule]]`: the keys of a rule and what each of them may say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from notifier.config.bundle_section import DigestKey, GroupTable, ThrottleKey
from notifier.config.calendar_section import AnyHours
from notifier.config.channel_names import VALUES_LIMIT, Channels
from notifier.config.condition import ConditionError, compile_condition
from notifier.config.condition_cost import CONDITION_LIMIT
from notifier.config.table import (
    Duration,
    Table,
    Text,
    among,
    among_context,
    as_text,
    as_tuple,
    wrong,
    wrong_lines,
    wrong_value,
)
from notifier.config.timed import NO_CHANGE, NO_WALK, TIMED_KEYS, Escalate, Remind, Stays, Timed, on_or_timed
from notifier.core import rule as requirement
from notifier.core.appointment import MEETING_TYPES, STATUSES, WATCHED_FIELDS
from notifier.core.change import TIMED, Kind
from notifier.core.facts import MADE_OF
from notifier.core.grant import ALL, Grant
from notifier.core.recipients import (
    is_from_data,
    reachable,
)
from notifier.core.template_check import TEMPLATE_LIMIT, hidden_uses, template_problems

_LONGEST_NAME = 100


def _name(value: str) -> str:
    if value != value.strip() or not all(letter.isalnum() or letter in "-_. " for letter in value):
        raise wrong_value("must consist of letters, digits, -, _, . and spaces between them")
    if len(value) > _LONGEST_NAME:
        raise wrong(f"must have at most {_LONGEST_NAME} characters")
    return value


def _no_status(value: str) -> str:
    status = value.upper()
    if value in TIMED_KEYS:
        raise wrong(f"must say what changed; `{value}` is a key of its own, in place of `on`")
    if status in STATUSES:
        raise wrong(f'must say what happened; for a status write on = "status_changed" and to = "{status}"')
    return value


def _template(value: str, info: ValidationInfo) -> str:
    problems = [(line, text.removeprefix("template: ")) for line, text in template_problems(value)]
    # The channels come before the templates in the table; those that are wrong have a complaint of their own.
    problems = problems or list(_hidden(value, _reachable(info), info.context))
    if problems:
        raise wrong_lines(problems)
    return value


def _reachable(info: ValidationInfo) -> list[str]:
    """Returns the channels that the rule may tell."""
    otherwise = info.data.get("otherwise")
    escalate = info.data.get("escalate")
    others = (*([otherwise] if otherwise else ()), *(escalate.channels if escalate else ()))
    names = dict.fromkeys([*info.data.get("channels", ()), *others])
    return reachable(names, info.context["recipients"]) if info.context else []


def _hidden(template: str, channels: Iterable[str], context: Mapping[str, Any] | None) -> Iterator[tuple[int, str]]:
    """Yields what the template would say that a channel may not see; a `where` or an `if` tells nobody anything."""
    grants: Mapping[str, Grant] = context["grants"] if context else {}
    for channel in channels:
        if channel in grants:
            for line, name in hidden_uses(template, grants[channel]):
                yield line, _may_not_see(channel, name)


def _may_not_see(channel: str, variable: str) -> str:
    field = variable.partition(".")[2].partition(".")[0]
    needed = [field] if field in ALL.fields else list(MADE_OF.get(variable, ()))
    grant = f"add `{needed[0]}`" if len(needed) == 1 else f"add one of {', '.join(f'`{one}`' for one in needed)}"
    return (
        f"the channel `{channel}` may not see `{variable}`: {grant} to `fields` of [channels.{channel}], "
        "take it out of the template, or give this channel a rule of its own"
    )


def _condition(value: str) -> str:
    try:
        compile_condition(value)
    except ConditionError as error:
        raise wrong_lines(error.problems) from error
    return value


_LEAD_TIME = r"(\s*(<=|>=|<|>)\s*[+-]?[0-9]+[smhdw])+\s*"


def _lead_time(value: str) -> str:
    try:
        requirement.lead_time(value)
    except (ValueError, OverflowError) as error:
        raise wrong_value("must compare the time left with durations, like <24h, >2d or >0s <24h") from error
    return value


CHANGES = tuple(kind for kind in Kind if kind not in TIMED)
_AsTuple = BeforeValidator(as_tuple)
_NotEmpty = Field(min_length=1, max_length=VALUES_LIMIT)
Texts = Annotated[tuple[Text, ...], _AsTuple, _NotEmpty]
Kinds = Annotated[
    tuple[Annotated[str, AfterValidator(_no_status), among("kind of event", CHANGES)], ...], _AsTuple, _NotEmpty
]
Statuses = Annotated[tuple[Annotated[str, among("status", STATUSES)], ...], _AsTuple, _NotEmpty]
MeetingTypes = Annotated[tuple[Annotated[str, among("meeting type", MEETING_TYPES)], ...], _AsTuple, _NotEmpty]
Fields = Annotated[tuple[Annotated[str, among("field", WATCHED_FIELDS)], ...], _AsTuple, _NotEmpty]
Sources = Annotated[tuple[Annotated[str, among_context("source", "sources")], ...], _AsTuple, _NotEmpty]
Condition = Annotated[str, AfterValidator(_condition), as_text(maxLength=CONDITION_LIMIT)]
Template = Annotated[Text, AfterValidator(_template), as_text(minLength=1, maxLength=TEMPLATE_LIMIT)]


class WhereTable(Table):
    """`where`: what the appointment must be like."""

    #: Names of sources.
    source: Sources | None = None
    #: Ids of offices, after the change.
    office: Texts | None = None
    #: Ids of subjects.
    subject: Texts | None = None
    #: Ids of employees, in whatever role they take part.
    employee: Texts | None = None
    #: Ids of customers, in whatever role they take part.
    customer: Texts | None = None
    #: Ids of listings.
    listing: Texts | None = None
    #: Ids of lead segments.
    lead_segment: Texts | None = None
    #: Ids of callback requests.
    callback_request: Texts | None = None
    #: How people meet.
    meeting_type: MeetingTypes | None = None
    #: The vendor's words for it are not all known, so any is taken.
    updated_by_type: Texts | None = None
    #: Fields of which at least one differs.
    changed: Fields | None = None
    #: The time from the change to the start, compared: <24h, >2d, or both as in >0s <24h.
    lead_time: Annotated[str, AfterValidator(_lead_time), as_text(pattern=f"^{_LEAD_TIME}$")] | None = None


def _where(value: WhereTable, info: ValidationInfo) -> WhereTable:
    if value.changed and any(info.data.get(key) is not None for key in TIMED_KEYS):
        raise wrong("can't ask for `changed` here, which goes with `on` only: nothing has changed")
    return value


class RuleTable(Table):
    """`[[rule]]`."""

    #: Unique in all files.
    name: Annotated[Text, AfterValidator(_name), as_text(minLength=1, maxLength=_LONGEST_NAME)]
    #: For people; templates may show it.
    description: str = ""
    # Before all that has to stand beside them, or must not.
    #: What it must have been in for how long; it takes the place of `on`, as the next two do.
    stays: Stays = None
    #: How long past its end it must be, and still confirmed.
    overdue: Timed = None
    #: How long before its start, and still not confirmed.
    before_start: Timed = None
    #: After how long it is told again, until it is over.
    remind: Remind = None
    #: Who else hears of it after some time.
    escalate: Escalate = None
    #: The kinds of event; a list means any of them.
    on: Annotated[Kinds | None, AfterValidator(on_or_timed)] = Field(default=None, validate_default=True)
    #: The status before; left out, any.
    status_before: Annotated[Statuses | None, NO_CHANGE] = Field(default=None, alias="from")
    #: The status after; left out, any.
    status_after: Annotated[Statuses | None, NO_CHANGE] = Field(default=None, alias="to")
    #: What the appointment must be like.
    where: Annotated[WhereTable, AfterValidator(_where)] = WhereTable()
    #: A condition in CEL, for what the other keys can't say.
    condition: Condition | None = Field(default=None, alias="if")
    #: How old a change may be when it is noticed.
    max_age: Duration | None = None
    #: Who hears of it: the names of channels in config.toml.
    channels: Channels
    #: Who hears of what the channels from data lead nowhere.
    otherwise: Annotated[str, among_context("channel", "channels")] | None = Field(default=None, validate_default=True)
    #: When it tells.
    hours: AnyHours | None = None
    #: Whether it tells outside its hours all the same.
    urgent: bool = False
    #: What is told together: what comes within a while.
    group: GroupTable | None = None
    #: What is told together: what comes until a time of day.
    digest: DigestKey = None
    #: How many messages there are at most in how long; what is over is told together.
    throttle: ThrottleKey = None
    #: A template; left out, a good title.
    title: Template | None = None
    #: A template; left out, a good text.
    body: Template | None = None
    #: Whether the rules after this one are spared what it matches.
    stop: Annotated[bool, NO_WALK] = False
    #: Whether it sees only what no other rule took.
    fallback: Annotated[bool, NO_WALK] = False
    #: Whether each change is told as it was, also when it had to wait.
    always: bool = False

    @field_validator("otherwise")
    @classmethod
    def _somebody(cls, otherwise: str | None, info: ValidationInfo) -> str | None:
        if "channels" not in info.data:
            # They have their own complaint.
            return otherwise
        escalate = info.data.get("escalate")
        named = (*info.data["channels"], *(escalate.channels if escalate else ()))
        filled = [name for name in named if is_from_data(name)]
        if filled and otherwise is None:
            raise wrong(f"is missing: who hears of it where `{filled[0]}` leads to no channel?")
        if otherwise is not None and not filled:
            raise wrong("is for rules that take channels from data; all channels of this one are named")
        return otherwise

    @field_validator("urgent")
    @classmethod
    def _outside_of_what(cls, urgent: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - a validator
        if urgent and info.data.get("hours", "has its own complaint") is None:
            raise wrong("passes the hours of a rule, and this one has none; leave it out, or add `hours`")
        return urgent


class RuleFileTable(Table):
    """The whole of a file with rules."""

    #: Who hears of what; every rule looks at every event.
    rule: Annotated[tuple[RuleTable, ...], _AsTuple] = ()
