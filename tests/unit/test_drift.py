"""What `verify` says of plans: each appointment that differs, once, with what a poll would see."""

from notifier.core.plan import make_plan
from notifier.drift import find_drift
from tests.builders import NOW, appointment, known, look, observation, snapshot


def test_agreement_is_no_drift() -> None:
    """Where nothing would be stored, nothing differs."""
    state = appointment()
    plan = make_plan("acme", "near", snapshot(known(state)), [observation(state)], [look()], (), NOW)
    assert find_drift([plan]) == ()


def test_every_kind_of_difference_is_named_once() -> None:
    """Changed, unknown, gone, or differing in nothing watched; what two sweeps see counts once."""
    old, other, gone = appointment(id="1"), appointment(id="2"), appointment(id="3")
    held = snapshot(known(old), known(other), known(gone))
    seen = [
        observation(appointment(id="1", status="CANCELLED")),
        observation(appointment(id="2", updated_by="somebody else")),
        observation(appointment(id="4")),
    ]
    plans = [make_plan("acme", name, held, seen, [], (), NOW, {"3"}) for name in ("near", "far")]
    assert {one.appointment: one.what for one in find_drift(plans)} == {
        "1": "status_changed: status",
        "2": "differs in nothing that is watched",
        "3": "vanished",
        "4": "not in the snapshot",
    }
