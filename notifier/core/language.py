"""A language of messages: its words, and how it writes times and durations; English is the one that is built in.

What happened, and what a field is called, are written as in the middle of a sentence: only a language knows which of
its words begin with a capital there, and any word can be given one at the front.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo


# Compared and shown by what it is, not by its hundred phrases: there is one of each.
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Language:
    """What a message needs to be written in a language."""

    #: As in `de`.
    code: str
    #: Plain words for the values of statuses, meeting types and roles.
    words: Mapping[str, str]
    #: Texts by what they are for; what is in braces is put in.
    phrases: Mapping[str, str]
    #: From Monday on, as they stand in a date.
    days: tuple[str, ...]
    #: From January on, as they stand in a date.
    months: tuple[str, ...]
    #: With `weekday`, `day`, `month` and `year` in braces.
    date_pattern: str
    #: The same without the year.
    brief_date_pattern: str
    #: With `date` and `time` in braces.
    moment_pattern: str
    #: What fields are called; one that is not among them goes by its name.
    fields: Mapping[str, str] = field(default_factory=dict)
    #: What the columns of a table are called.
    headers: Mapping[str, str] = field(init=False)
    #: The same as it stands before the values of a message, at the front of a line.
    labels: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Gathers the headers, and makes labels of them."""
        named = {key.removeprefix("label."): text for key, text in self.phrases.items() if key.startswith("label.")}
        headers = named | {name: self.label(name) for name in ("status", "subject", "office")}
        labels = {name: self.say("phrase.label", label=text) for name, text in headers.items()}
        object.__setattr__(self, "headers", headers)
        object.__setattr__(self, "labels", labels)

    def __repr__(self) -> str:
        return f"Language({self.code!r})"

    def say(self, key: str, **values: object) -> str:
        """Returns the phrase with the values put in."""
        return self.phrases[key].format_map(values)

    def word(self, value: str) -> str:
        """Returns a status, meeting type or role in plain words; one that is not known stays as it is."""
        return self.words.get(value, value)

    def field(self, name: str) -> str:
        """Returns what a field is called, as in `other employees`."""
        return self.fields.get(name) or name.replace("_", " ")

    def label(self, name: str) -> str:
        """Returns what a field is called at the front of a line, as in `Other employees`."""
        return capitalised(self.field(name))

    def say_date(self, moment: datetime, zone: ZoneInfo) -> str:
        """Returns the local day, as in `Tue 24 Nov 2026`."""
        return self._date(moment.astimezone(zone), self.date_pattern)

    def say_time(self, moment: datetime, zone: ZoneInfo) -> str:
        """Returns the local time of day, as in `09:30`."""
        return f"{moment.astimezone(zone):%H:%M}"

    def say_moment(self, moment: datetime, zone: ZoneInfo) -> str:
        """Returns local day and time, as in `Tue 24 Nov 2026, 09:30`."""
        local = moment.astimezone(zone)
        return self.moment_pattern.format(date=self._date(local, self.date_pattern), time=f"{local:%H:%M}")

    def say_brief_moment(self, moment: datetime, zone: ZoneInfo) -> str:
        """Returns local day and time as short as a table wants it, as in `Tue 24 Nov 09:30`."""
        local = moment.astimezone(zone)
        return f"{self._date(local, self.brief_date_pattern)} {local:%H:%M}"

    def say_times(self, start: datetime | None, end: datetime | None, zone: ZoneInfo) -> str:
        """Returns from when to when, as in `Tue 24 Nov 2026, 10:00–11:00`; the end's day only if it is another."""
        if start is None:
            return self.phrases["phrase.no_time"]
        text = self.say_moment(start, zone)
        if end is None:
            return text
        same_day = start.astimezone(zone).date() == end.astimezone(zone).date()
        return f"{text}–{self.say_time(end, zone)}" if same_day else f"{text} – {self.say_moment(end, zone)}"

    def say_span(self, start: datetime | None, end: datetime | None, zone: ZoneInfo) -> str:
        """Returns from when to when, with the zone."""
        text = self.say_times(start, end, zone)
        return text if start is None else f"{text} {zone.key}"

    def say_duration(self, duration: timedelta, *, declined: bool = False) -> str:
        """Returns the size of a duration in its two largest units, as in `2 days 4 h` or `35 min`; no sign.

        Declined as it stands after `in`, `for` or `ago`.
        """
        seconds = abs(int(duration.total_seconds()))
        days, rest = divmod(seconds, 86_400)
        hours, rest = divmod(rest, 3600)
        case = "_declined" if declined else ""
        sizes = ((days, f"day{case}" if days == 1 else f"days{case}"), (hours, "hours"), (rest // 60, "minutes"))
        parts = [self.say(f"duration.{unit}", number=number) for number, unit in sizes if number]
        if not parts:
            return self.phrases[f"duration.least{case}"]
        # Minutes say nothing beside days.
        return " ".join(parts[:2] if not days or hours else parts[:1])

    def say_lead(self, lead: timedelta) -> str:
        """Returns a lead time as in `35 min before the start`; a negative one is after it."""
        key = "phrase.lead_after" if lead < timedelta(0) else "phrase.lead_before"
        return self.say(key, duration=self.say_duration(lead))

    def say_until(self, start: datetime | None, now: datetime) -> str:
        """Returns how far away the start is, as in `in 2 h 5 min`, `35 min ago` or `now`; empty without a start."""
        if start is None:
            return ""
        # Messages go out seconds after the poll; to say "1 h 59 min" for these would look odd.
        minutes = round((start - now) / timedelta(minutes=1))
        if minutes == 0:
            return self.phrases["phrase.now"]
        said = self.say_duration(timedelta(minutes=minutes), declined=True)
        return self.say("phrase.in" if minutes > 0 else "phrase.ago", duration=said)

    def _date(self, local: datetime, pattern: str) -> str:
        return pattern.format(
            weekday=self.days[local.weekday()], day=local.day, month=self.months[local.month - 1], year=local.year
        )


def capitalised(text: str) -> str:
    """Returns the text as it stands at the front."""
    return text[:1].upper() + text[1:]


ENGLISH: Final = Language(
    code="en",
    # Own tables, as strftime writes names in the language of the machine.
    days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    date_pattern="{weekday} {day} {month} {year}",
    brief_date_pattern="{weekday} {day} {month}",
    moment_pattern="{date}, {time}",
    words={
        "ACCEPTED": "confirmed",
        "ALTERNATIVE_DATE_REQUESTED": "other date requested",
        "CANCELLED": "cancelled",
        "COMPLETED": "completed",
        "INCOMING_REQUEST": "waiting for confirmation",
        "NO_SHOW": "no-show",
        "OUTGOING_INVITE": "invitation sent",
        "OFFICE": "at the office",
        "ON_LOCATION": "at the customer's",
        "PHONE": "by phone",
        "VIDEO": "by video",
        "EMPLOYEE": "employee",
        "CUSTOMER": "customer",
    },
    phrases={
        "headline.ACCEPTED": "confirmed",
        "headline.ALTERNATIVE_DATE_REQUESTED": "other date requested",
        "headline.CANCELLED": "cancelled",
        "headline.COMPLETED": "completed",
        "headline.INCOMING_REQUEST": "request",
        "headline.NO_SHOW": "no-show",
        "headline.OUTGOING_INVITE": "invitation",
        "headline.status": "status {status}",
        "headline.new.ACCEPTED": "new appointment",
        "headline.new.INCOMING_REQUEST": "new request",
        "headline.new.OUTGOING_INVITE": "new invitation",
        "headline.new.other": "new appointment, {status}",
        "headline.and": "{first} and {second}",
        "headline.reassigned": "reassigned",
        "headline.vanished": "no longer listed",
        "headline.listed_again": "listed again",
        "headline.updated": "updated",
        "headline.changed": "{label} changed",
        "headline.rescheduled": "rescheduled",
        "headline.duration_changed": "duration changed",
        "headline.time_set": "time set",
        "headline.moved": "moved",
        "headline.time_withdrawn": "time withdrawn",
        "headline.now": "now {meeting}",
        "headline.relocated": "relocated",
        "stay.ALTERNATIVE_DATE_REQUESTED": "other date requested, unanswered for {duration}",
        "stay.INCOMING_REQUEST": "request unanswered for {duration}",
        "stay.OUTGOING_INVITE": "invitation unanswered for {duration}",
        "stay.other": "{status} for {duration}",
        "stay.overdue_by": "overdue by {duration}",
        "stay.overdue": "overdue",
        "stay.before_start": "still not confirmed",
        "stay.escalated": " (escalated)",
        "stay.reminder": " (reminder {number})",
        "label.when": "When",
        "label.where": "Where",
        "label.who": "Who",
        "label.what": "What",
        "label.since": "Since",
        "label.created": "Created",
        "label.changed": "Changed",
        "phrase.by": "by {author}",
        "label.appointment": "Appointment",
        "phrase.user": "user",
        "phrase.now": "now",
        "phrase.in": "in {duration}",
        "phrase.ago": "{duration} ago",
        "phrase.lead_before": "{duration} before the start",
        "phrase.lead_after": "{duration} after the start",
        "phrase.office": "office {id}",
        "phrase.room": "room {id}",
        "phrase.no_place": "no place set",
        "phrase.with": "{staff} with {guests}",
        "phrase.no_employee": "no employee yet",
        "phrase.no_customer": "no customer",
        "phrase.employee": "employee {ids}",
        "phrase.employees": "employees {ids}",
        "phrase.customer": "customer {ids}",
        "phrase.customers": "customers {ids}",
        "phrase.first_seen": "{status} (seen for the first time)",
        "phrase.bare": "changed",
        "phrase.yes": "yes",
        "phrase.no": "no",
        "phrase.unknown": "unknown",
        "phrase.no_value": "none",
        "phrase.no_time": "no time set",
        "phrase.labelled": "{label}: {text}",
        "phrase.lacking": "no {field}",
        "phrase.label": "{label}:",
        "answer.answer": "answer",
        "answer.none": "no answer",
        "answer.question": "question {ids}",
        "answer.option": "option {ids}",
        "answer.options": "options {ids}",
        "answer.file": "file {ids}",
        "answer.files": "files {ids}",
        "digest.change": "1 change",
        "digest.changes": "{number} changes",
        "digest.title": "{total}: {counts}",
        "digest.title_about": "{total}, {about}: {counts}",
        "digest.was": "{what}, was {moment}",
        "digest.more": "and {number} more",
        "duration.day": "{number} day",
        "duration.days": "{number} days",
        "duration.day_declined": "{number} day",
        "duration.days_declined": "{number} days",
        "duration.hours": "{number} h",
        "duration.minutes": "{number} min",
        "duration.least": "less than a minute",
        "duration.least_declined": "less than a minute",
    },
)
"""What notifier itself speaks, and messages where nothing else is asked for."""
