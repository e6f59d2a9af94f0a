"""What is printed fits a terminal and says everything; the same as JSON is one document."""

import json
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from notifier import views
from notifier.core.change import FieldChange, Kind
from notifier.core.delivery import Reason, Result, State
from notifier.core.escape import Target
from notifier.core.event import Event
from notifier.core.grant import USUAL, Grant, grant_of
from notifier.core.message import Renderer
from notifier.core.plan import Plan, Recorded
from notifier.core.readers import Readers
from notifier.core.rule import Verdict
from notifier.inquiry import Story
from notifier.preview import Preview, make_preview
from notifier.store.history import AttemptRecord, DeliveryRecord, EventRecord
from notifier.views import table
from tests.builders import HOUR, NOW, appointment, discovered, event, rule
from tests.store_values import owed

ZONE = ZoneInfo("Europe/Brussels")
LONG = "a-rule-with-quite-a-long-name-that-somebody-thought-was-a-good-idea"


def fits(text: str) -> bool:
    return all(len(line) <= views.WIDTH for line in text.splitlines())


def recorded(seen: Event, *verdicts: Verdict) -> EventRecord:
    return EventRecord(1, seen, verdicts or (Verdict("late", matched=True),))


def delivery(
    seen: Event, state: State = State.PENDING, rule_name: str = "late", *, in_doubt: bool = False
) -> DeliveryRecord:
    settled = None if state in {State.HELD, State.PENDING, State.SENDING} else NOW
    return DeliveryRecord(
        seq=1,
        delivery=owed(seen, "desk", rule_name, due_at=NOW + HOUR),
        state=state,
        reason=None,
        created_at=NOW,
        settled_at=settled,
        attempts=0,
        tries=0,
        in_doubt=in_doubt,
    )


def attempt(result: Result | None = None, reason: Reason | None = None, detail: str = "") -> AttemptRecord:
    return AttemptRecord(
        number=1,
        started_at=NOW,
        finished_at=NOW if result else None,
        result=result,
        reason=reason,
        status=None,
        detail=detail,
    )


def test_a_table_is_as_wide_as_its_cells() -> None:
    """Columns are as wide as their widest cell, and no line ends with spaces."""
    assert table(("A", "LONGER"), [("first", "x"), ("2", "")]) == "A      LONGER\nfirst  x\n2"


def test_a_table_that_is_too_wide_is_cut() -> None:
    """Only the columns that may be cut are, the widest first, and a cut cell shows it."""
    text = table(("ID", "WHAT", "WHY"), [("0123456789", "w" * 50, "y" * 50)], cut=("WHAT", "WHY"), width=40)
    line = text.splitlines()[1]
    assert len(line) == 40
    assert line == f"0123456789  {'w' * 12}…  {'y' * 12}…"


def test_events_are_rows() -> None:
    """An event's row has the local time, an id that `explain` takes, what happened, and the rules that matched."""
    seen = event(status="CANCELLED")
    head, row = views.show_events([recorded(seen, Verdict("late", True), Verdict("no", False))], ZONE).splitlines()
    assert head.split() == ["SEEN", "EVENT", "APPOINTMENT", "WHAT", "RULES"]
    assert row.split() == ["11-24", "08:00", seen.id[:10], "1701", "Cancelled", "late"]
    assert views.show_events([recorded(seen, Verdict("no", False))], ZONE).endswith(" -")
    late = Verdict("late", matched=False, key="max_age", wanted="2h", saw="3 h")
    assert views.show_events([recorded(seen, late)], ZONE).endswith(" late (too late)")


@pytest.mark.parametrize(
    ("state", "at"), [(State.PENDING, "11-24 09:00"), (State.DELIVERED, "11-24 08:00"), (State.DEAD, "11-24 08:00")]
)
def test_deliveries_are_rows(state: State, at: str) -> None:
    """A delivery's row has its state and when it was settled, or when it is due."""
    one = delivery(event(), state)
    row = views.show_deliveries([one], ZONE).splitlines()[1]
    ids = [one.delivery.id[:10], one.delivery.event_id[:10]]
    assert row.split() == [*ids, "desk", "late", state.value, "-", *at.split()]


def test_a_story_says_why() -> None:
    """A story has what happened, every rule's verdict with what it saw, every delivery and every attempt."""
    seen = event(status="CANCELLED", office="13")
    verdicts = (
        Verdict("late", matched=True),
        Verdict("no-show", matched=False, key="to", wanted="NO_SHOW", saw="CANCELLED"),
        Verdict("rest", matched=False, key="stop", saw="late"),
    )
    attempts = (attempt(Result.RETRY, Reason.TIMEOUT, "timed out"), replace(attempt(), number=2))
    text = views.show_story(Story(recorded(seen, *verdicts), ((delivery(seen), attempts),)), ZONE)
    assert text == (
        f"Event {seen.id}\n"
        "  Cancelled and relocated: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels\n"
        "  appointment 1701 of acme, found by the sweep near\n"
        "  changed 2026-11-24 07:59:00, noticed 60 s later\n"
        "  kinds: status_changed, relocated\n"
        "  status: ACCEPTED -> CANCELLED\n"
        "  office: 12 -> 13\n"
        "\n"
        "Rules\n"
        "  late     matched\n"
        "  no-show  no: to wants NO_SHOW, saw CANCELLED\n"
        "  rest     not asked: late matched and says stop\n"
        "\n"
        "Deliveries\n"
        "  desk, by late: pending, due 2026-11-24 09:00:00\n"
        "    1. 2026-11-24 08:00:00 retry, timeout: timed out\n"
        "    2. 2026-11-24 08:00:00 under way"
    )


@pytest.mark.parametrize(
    ("state", "in_doubt", "said"),
    [
        (State.DEAD, False, "dead; to send it again: notifier retry {id}"),
        (State.DEAD, True, "dead, though it may have arrived; to send it again: notifier retry {id}"),
        (State.UNCERTAIN, True, "uncertain, it went out and no answer came; to send it again: notifier retry {id}"),
        (State.DROPPED, False, "dropped 2026-11-24 08:00:00, after it had been given up"),
        (State.DELIVERED, True, "delivered"),
    ],
)
def test_a_story_says_what_became_of_it(state: State, in_doubt: bool, said: str) -> None:
    """What waits for a decision is shown as what it is, with the command that sends it again."""
    seen = event()
    one = delivery(seen, state, in_doubt=in_doubt)
    text = views.show_story(Story(recorded(seen), ((one, ()),)), ZONE)
    shown = " ".join(text.rpartition("desk, by late: ")[2].split())
    assert shown == said.format(id=one.delivery.id[: views.SHORT_ID])


def test_a_story_of_nobody() -> None:
    """An event that was told to nobody says so, and an unknown state before is not the same as none."""
    seen = discovered(appointment(status="NO_SHOW"))
    text = views.show_story(Story(EventRecord(1, seen, ()), ()), ZONE)
    assert "  status: unknown -> NO_SHOW\n" in text
    assert text.endswith("Rules\n  there were none\n\nDeliveries\n  none: no rule matched")


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (FieldChange("start", NOW, NOW + HOUR), "start: 2026-11-24 08:00:00 -> 2026-11-24 09:00:00"),
        (FieldChange("other_employees", (), ("302", "303")), "other_employees: none -> 302, 303"),
        (FieldChange("external_id", "CRM-1", None), "external_id: CRM-1 -> none"),
        (FieldChange("answers", None, None), "answers: changed"),
    ],
)
def test_changes_are_shown(change: FieldChange, shown: str) -> None:
    """Times are local, lists are written out, nothing is none, and of a personal text only the change is known."""
    seen = replace(event(), changes=(change,), kinds=(Kind.UPDATED,))
    assert views.show_event(seen, ZONE).endswith(f"\n  {shown}")


def hostile_story() -> Story:
    """Returns a story in which everything is as long as it may be."""
    people = tuple(str(number) for number in range(10_000_000, 10_000_020))
    seen = replace(event(other_customers=people), sweep="s" * 40)
    wanted = "created or discovered or status_changed or rescheduled or reassigned or relocated"
    verdicts = (
        Verdict(LONG, matched=False, key="on", wanted=wanted, saw="updated"),
        Verdict("x", matched=False, key="where.office", wanted=" or ".join(people), saw=", ".join(people)),
    )
    words = attempt(Result.DEAD, Reason.REJECTED, "HTTP 400 Bad Request: " + "no such thing " * 12)
    return Story(recorded(seen, *verdicts), ((delivery(seen, rule_name=LONG), (words,)),))


def test_long_lines_are_wrapped() -> None:
    """However long names, lists and answers are, a story and a table fit and nothing of a story is left out."""
    story = hostile_story()
    text = views.show_story(story, ZONE)
    assert fits(text)
    everything = " ".join(text.split())
    assert "HTTP 400 Bad Request: no such thing no such thing" in everything
    assert everything.count("10000019") == 3
    assert fits(views.show_events([story.record] * 2, ZONE))
    assert fits(views.show_deliveries([story.deliveries[0][0]], ZONE))


def preview_of(*titles: str, grant: Grant = USUAL) -> Preview:
    """Returns the preview of one event that rules with these titles tell of, and one in silence."""
    seen = event()
    rules = [rule(name=f"rule-{number}", title=title) for number, title in enumerate(titles)]
    plan = Plan(
        source="acme",
        sweep="near",
        rows=(),
        recorded=(Recorded(seen, tuple(Verdict(one.name, matched=True) for one in rules)),),
        deliveries=tuple(owed(seen, "desk", one.name) for one in rules),
        baseline=("9",),
    )
    return make_preview([plan, plan], rules, {"desk": Renderer(Readers(ZONE), Target.TEXT)}, {"desk": grant}, NOW)


def test_a_preview_is_shown() -> None:
    """A preview counts what several sweeps see once, and has each message as it would arrive or why it would not."""
    preview = preview_of("Off: {{ appointment.id }}", "{{ changes[9].field }}")
    text = views.show_preview(preview, ZONE)
    assert fits(text)
    assert " ".join(text.split()).startswith(
        "A poll now would store 1 appointments in silence at first sight, record 1 events and send 2 messages. "
        "Nothing was committed. Event "
    )
    assert "\nTo desk, by rule-0\n  | Off: 1701\n  | Status: confirmed → cancelled\n" in text
    assert "\nTo desk, by rule-1: the template fails: line 1: `changes[9]` is undefined" in text


def test_a_preview_shows_what_the_channel_would_see() -> None:
    """What is hidden from it is not in its messages."""
    preview = preview_of("Off: {{ who }}", grant=grant_of(["customer", "internal_notes"]))
    ((draft,),) = (one.drafts for one in preview.foreseen)
    assert draft.message is not None
    assert draft.message.title == "Off: customer 201"
    assert "When" not in draft.message.body


def test_a_preview_of_long_words_fits() -> None:
    """A long title is shown in several lines of the same message."""
    text = views.show_preview(preview_of("Late cancellation of an appointment " * 4), ZONE)
    assert fits(text)
    assert "\n  | Late cancellation" in text
    assert "\n  |   " in text


def test_json_is_one_document() -> None:
    """Everything that is printed can be had as one JSON document, in which times are ISO 8601."""
    story = hostile_story()
    read = json.loads(views.as_json(story))
    assert datetime.fromisoformat(read["record"]["event"]["detected_at"]) == NOW
    assert read["record"]["event"]["kinds"] == list(story.record.event.kinds)
    assert json.loads(views.as_json(preview_of("x")))["baseline"] == 1
    with pytest.raises(TypeError):
        views.as_json(object())
