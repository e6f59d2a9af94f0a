"""What a poll decides: rows, events, verdicts and deliveries."""

from datetime import datetime
from typing import Any

import pytest
from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.delivery import delivery_id
from notifier.core.event import event_id
from notifier.core.grant import USUAL, grant_of
from notifier.core.plan import Known, Observation, Plan, make_plan
from notifier.core.rule import from_status, to_status
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    appointment,
    digest,
    known,
    look,
    observation,
    rule,
    snapshot,
)

CANCELLED = appointment(status="CANCELLED")
FRESH = appointment(created_at=NOW - MINUTE)


def planned(*observed: Observation, held: tuple[Known, ...] = (), **changes: Any) -> Plan:
    """Returns the plan for what was seen, with one look and one rule unless told otherwise."""
    usual: dict[str, Any] = {"looks": [look()], "rules": [rule()], "now": NOW}
    return make_plan("acme", "near", snapshot(*held), observed, **usual | changes)


def test_an_empty_poll_decides_nothing() -> None:
    """Neither what is known nor what could be told matters then."""
    assert planned(held=(known(appointment()),)) == Plan("acme", "near", (), (), (), ())


def test_what_is_as_we_know_it_is_left_alone() -> None:
    """A record with the same digest is no row, no event and no delivery."""
    assert planned(observation(appointment()), held=(known(appointment()),)) == planned()


def test_a_change_becomes_row_event_and_delivery() -> None:
    """The row holds the new state and the next revision; the event tells the step; its rule's channel is owed it."""
    plan = planned(observation(CANCELLED), held=(known(appointment(), revision=3),))
    (entry,), (delivery,) = plan.recorded, plan.deliveries
    assert plan.rows == (Known(CANCELLED, digest(CANCELLED), 4, NOW, since=NOW),)
    assert plan.baseline == ()
    assert entry.event.id == event_id("acme", "1701", 4, digest(CANCELLED))
    assert (entry.event.source, entry.event.sweep, entry.event.detected_at) == ("acme", "near", NOW)
    assert (entry.event.before, entry.event.after) == (appointment(), CANCELLED)
    assert entry.event.kinds == (Kind.STATUS_CHANGED,)
    assert entry.event.changes == (FieldChange("status", "ACCEPTED", "CANCELLED"),)
    assert [(verdict.rule, verdict.matched) for verdict in entry.verdicts] == [("any", True)]
    assert (delivery.id, delivery.event_id) == (delivery_id(entry.event.id, "any", "desk"), entry.event.id)
    assert (delivery.rule, delivery.channel, delivery.order_key, delivery.due_at) == ("any", "desk", "acme/1701", NOW)


def test_a_record_that_differs_in_nothing_watched_is_stored_in_silence() -> None:
    """The new digest is kept, so that it is not looked at again; the revision stays."""
    saved_again = appointment(updated_at=NOW, updated_by="9")
    plan = planned(observation(saved_again), held=(known(appointment(), revision=3),))
    assert plan.rows == (Known(saved_again, digest(saved_again), 3, NOW, since=NOW - MINUTE),)
    assert (plan.recorded, plan.deliveries, plan.baseline) == ((), (), ())


def test_a_first_run_is_silent() -> None:
    """Without a look everything is baseline, and is listed as such."""
    plan = planned(observation(FRESH), observation(appointment(id="2")), looks=[])
    assert {row.appointment.id for row in plan.rows} == {*plan.baseline} == {"1701", "2"}
    assert all(row.revision == 0 for row in plan.rows)
    assert (plan.recorded, plan.deliveries) == ((), ())


def test_a_new_appointment_is_created() -> None:
    """It has no before and no changes, and the first revision."""
    plan = planned(observation(FRESH))
    (entry,) = plan.recorded
    assert (entry.event.kinds, entry.event.changes, entry.event.before) == ((Kind.CREATED,), (), None)
    assert plan.rows[0].revision == 1
    assert plan.baseline == ()
    assert len(plan.deliveries) == 1


def test_an_old_appointment_that_turns_up_is_discovered() -> None:
    """It is a change of status too, from an unknown one, so that rules on its status hear of it."""
    plan = planned(observation(CANCELLED), rules=[rule(to_status(["CANCELLED"]))])
    (entry,) = plan.recorded
    assert entry.event.kinds == (Kind.STATUS_CHANGED, Kind.DISCOVERED)
    assert entry.event.changes == (FieldChange("status", None, "CANCELLED"),)
    assert entry.event.before is None
    assert len(plan.deliveries) == 1


def test_a_stale_page_changes_nothing() -> None:
    """What was asked for before the known state was is older than it, and not even stored."""
    held = known(CANCELLED, observed_at=NOW)
    assert planned(observation(appointment(), NOW - SECOND), held=(held,)) == planned()
    assert len(planned(observation(appointment(), NOW), held=(held,)).recorded) == 1


def test_a_state_from_the_future_makes_no_page_stale() -> None:
    """Our clock was set back since it was stored; until then it is a page like any other."""
    held = known(CANCELLED, observed_at=NOW + HOUR)
    assert len(planned(observation(appointment(), NOW), held=(held,)).recorded) == 1
    assert planned(observation(appointment(), NOW), held=(held,), now=NOW + HOUR) == planned()


def test_events_come_in_the_order_in_which_they_happened() -> None:
    """By the source's time and then by id, whatever the order of the pages."""
    times = {"a": NOW - HOUR, "b": NOW - 2 * HOUR, "c": NOW - HOUR}
    held = tuple(known(appointment(id=name)) for name in times)
    seen = [observation(appointment(id=name, status="NO_SHOW", updated_at=at)) for name, at in times.items()]
    plan = planned(*reversed(seen), held=held)
    assert [entry.event.after.id for entry in plan.recorded] == ["b", "a", "c"]
    assert [row.appointment.id for row in plan.rows] == ["b", "a", "c"]
    assert [delivery.order_key for delivery in plan.deliveries] == ["acme/b", "acme/a", "acme/c"]


def test_every_rule_is_on_record_and_every_match_has_its_deliveries() -> None:
    """One delivery for each channel of a rule that matches, none for one that does not."""
    rules = [
        rule(name="both", channels=("desk", "chat")),
        rule(to_status(["NO_SHOW"]), name="none"),
        rule(name="again", channels=("desk",)),
    ]
    plan = planned(observation(CANCELLED), held=(known(appointment()),), rules=rules)
    assert [(verdict.rule, verdict.matched) for verdict in plan.recorded[0].verdicts] == [
        ("both", True),
        ("none", False),
        ("again", True),
    ]
    assert [(one.rule, one.channel) for one in plan.deliveries] == [
        ("both", "desk"),
        ("both", "chat"),
        ("again", "desk"),
    ]
    assert len({one.id for one in plan.deliveries}) == 3


def test_without_rules_events_are_recorded_all_the_same() -> None:
    """What happened can be asked for later, even if nobody was to be told."""
    plan = planned(observation(CANCELLED), held=(known(appointment()),), rules=[])
    assert plan.recorded[0].verdicts == ()
    assert plan.deliveries == ()


def test_back_and_forth_makes_three_events() -> None:
    """A, B, A, B are three steps with three ids, although two of them look the same."""
    held, ids = known(appointment()), []
    for number, state in enumerate((CANCELLED, appointment(), CANCELLED)):
        plan = planned(observation(state, NOW + number * MINUTE), held=(held,))
        ids += [entry.event.id for entry in plan.recorded]
        (held,) = plan.rows
    assert len(set(ids)) == 3
    assert held.revision == 3


def test_a_poll_that_is_repeated_names_the_step_the_same() -> None:
    """What a crash undid, or a preview showed, comes again with the same ids, at whatever time."""
    held = (known(appointment()),)
    first, again = planned(observation(CANCELLED), held=held), planned(observation(CANCELLED), held=held, now=NOW + DAY)
    assert [entry.event.id for entry in first.recorded] == [entry.event.id for entry in again.recorded]
    assert [one.id for one in first.deliveries] == [one.id for one in again.deliveries]


@pytest.mark.parametrize("status", ["ACCEPTED", "CANCELLED"])
@pytest.mark.parametrize("looks", [[], [look()]])
def test_what_is_baseline_is_known_from_then_on(status: str, looks: list[Any]) -> None:
    """An appointment that was stored in silence is compared like any other when it changes."""
    seen: Appointment = appointment(status=status, updated_at=NOW - DAY)
    (row,) = planned(observation(seen), looks=looks).rows
    moved = structs.replace(seen, start=NOW + DAY)
    plan = planned(observation(moved, NOW + MINUTE), held=(row,))
    assert plan.recorded[0].event.kinds == (Kind.RESCHEDULED,)
    assert plan.rows[0].revision == 1


def test_the_time_of_an_observation_is_kept() -> None:
    """It is the page's, not the plan's: it decides which of two sweeps saw the later state."""
    at: datetime = NOW - SECOND
    (row,) = planned(observation(CANCELLED, at), held=(known(appointment()),)).rows
    assert row.observed_at == at


@pytest.mark.parametrize("status", ["CANCELLED", "COMPLETED", "NO_SHOW"])
def test_what_was_booked_and_called_off_between_two_looks_is_both(status: str) -> None:
    """No appointment begins in such a status, so a rule that waits for it hears of it as well."""
    fresh = appointment(status=status, created_at=NOW, updated_at=NOW)
    (entry,) = planned(observation(fresh)).recorded
    assert entry.event.kinds == (Kind.STATUS_CHANGED, Kind.CREATED)
    assert [(one.field, one.before, one.after) for one in entry.event.changes] == [("status", None, status)]


def test_a_hole_is_no_news() -> None:
    """Where a field is null that is always there, we go on with what we know, and see what else changed."""
    before = appointment(office="12", fingerprints=(("answers", "aa"), ("location", "bb")))
    seen = Observation(
        appointment(office=None, fingerprints=(("location", "cc"),)), b"holed", NOW, holes=("office", "answers")
    )
    plan = planned(seen, held=(known(before),))
    (entry,) = plan.recorded
    assert [change.field for change in entry.event.changes] == ["location"]
    (row,) = plan.rows
    assert (row.appointment.office, row.digest) == ("12", b"holed")
    assert row.appointment.fingerprints == (("answers", "aa"), ("location", "cc"))


NOTED = appointment(status="CANCELLED", fingerprints=(("answers", "aa"), ("internal_notes", "bb")))
SEEN = Observation(NOTED, b"noted", NOW, texts=(("answers", ["Blue"]), ("internal_notes", "Call first")))
GRANTS = {"crm": grant_of(["internal_notes", "answers"]), "desk": grant_of(["answers"]), "team": USUAL}


def owed_texts(plan: Plan) -> dict[str, dict[str, object]]:
    """Returns the texts of a plan by the channels of their deliveries."""
    channels = {delivery.id: delivery.channel for delivery in plan.deliveries}
    found: dict[str, dict[str, object]] = {}
    for text in plan.texts:
        found.setdefault(channels[text.delivery_id], {})[text.name] = text.value
    return found


def test_a_text_is_owed_to_channels_that_may_see_it() -> None:
    """Each gets those of its grant, with the fingerprint that they have in the event; no other channel is owed any."""
    plan = planned(SEEN, held=(known(appointment()),), rules=[rule(channels=("crm", "desk", "team"))], grants=GRANTS)
    assert owed_texts(plan) == {
        "crm": {"answers": ["Blue"], "internal_notes": "Call first"},
        "desk": {"answers": ["Blue"]},
    }
    assert {(text.name, text.fingerprint) for text in plan.texts} == {("answers", "aa"), ("internal_notes", "bb")}
    assert "Call first" not in repr(plan)


@pytest.mark.parametrize(
    ("channels", "held"),
    [
        (("team",), (known(appointment()),)),
        (("unknown",), (known(appointment()),)),
        # Nothing happened, or nobody is told.
        (("crm",), (known(NOTED),)),
        (("crm",), (known(appointment(status="NO_SHOW")),)),
    ],
)
def test_no_text_is_owed_to_anybody_else(channels: tuple[str, ...], held: tuple[Known, ...]) -> None:
    """Neither to a channel that may not see it, nor where there is nothing to tell."""
    only = rule(from_status(["ACCEPTED"]), channels=channels)
    assert planned(SEEN, held=held, rules=[only], grants=GRANTS).texts == ()
    assert planned(SEEN, held=held, rules=[only]).texts == ()


def test_a_baseline_keeps_no_text() -> None:
    """What is stored in silence is told to nobody."""
    plan = planned(SEEN, looks=[], grants=GRANTS, rules=[rule(channels=("crm",))])
    assert (len(plan.rows), plan.texts) == (1, ())
