"""The ledger of the kill harness finds each way in which a message can go wrong, and nothing where none did."""

from collections.abc import Sequence

import pytest

from tests.ledger import Law, Owed, Told, breaches, repeats

A1, A2, B1 = (
    Owed("key-a1", "a1", "everything", "a", 1),
    Owed("key-a2", "a2", "everything", "a", 2),
    Owed("key-b1", "b1", "everything", "b", 3),
)


def came(owed: Owed, life: int = 1, key: str = "") -> Told:
    """Returns the message as it came in a life, under its own id unless another is given."""
    return Told(life, key or owed.key, owed.event, owed.rule, owed.appointment)


def among(owed: Owed, life: int = 1, message: str = "key-a1") -> Told:
    """Returns what came in a message that tells others as well."""
    return Told(life, owed.key, owed.event, owed.rule, owed.appointment, among=message)


def broken(told: Sequence[Told], *owed: Owed) -> list[Law]:
    """Returns the laws that are broken."""
    return [breach.law for breach in breaches("crm", told, owed)]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([came(A1), came(A2), came(B1)], id="each once"),
        pytest.param([came(B1), came(A1), came(A2)], id="of different appointments in any order"),
        pytest.param([came(A1), came(A1, 2), came(A2, 2), came(B1, 2)], id="one again after a kill"),
        pytest.param([came(A1), came(A1, 2), came(A1, 3), came(A2, 3), came(B1, 3)], id="again after each of two"),
        pytest.param([among(A1), among(A2), came(B1)], id="two in one message"),
        pytest.param([among(A1), among(A2), among(A1, 2), among(A2, 2), came(B1, 2)], id="both of them again"),
    ],
)
def test_what_may_happen_breaks_no_law(told: Sequence[Told]) -> None:
    """A repetition after a kill, and any order among appointments, are within what is promised."""
    assert broken(told, A1, A2, B1) == []


@pytest.mark.parametrize(
    ("told", "law"),
    [
        ([came(A1), came(B1)], Law.LOST),
        ([came(A1), came(A2), came(B1), came(Owed("key-c1", "c1", "everything", "c", 4))], Law.STRANGE),
        ([came(A1), came(A1, 2, key="another"), came(A2, 2), came(B1, 2)], Law.ID_CHANGED),
        ([came(A1), came(A1), came(A2), came(B1)], Law.REPEATED_UNKILLED),
        ([came(A1), came(B1), came(A1, 2), came(B1, 2), came(A2, 2)], Law.REPEATED_TWICE),
        ([came(A2), came(A1), came(B1)], Law.OVERTAKEN),
        ([came(A1), came(A2), came(A1, 2), came(B1, 2)], Law.OVERTAKEN),
        ([among(A2), among(A1), came(B1)], Law.OVERTAKEN),
        ([among(A1), among(A2), among(A1, 2), came(B1, 2)], Law.REGROUPED),
        ([among(A1), came(A2), among(A1, 2), among(B1, 2, "key-b1")], Law.OVERTAKEN),
        ([among(A1), among(A2), among(B1), among(B1, 2, "key-b1")], Law.ELSEWHERE),
    ],
)
def test_what_must_not_happen_is_found(told: Sequence[Told], law: Law) -> None:
    """Each law has a history that breaks it and no other."""
    assert set(broken(told, A1, A2, B1)) == {law}


STATES = (
    Owed("key-a1", "a1", "everything", "a", 1, before="free", after="taken", excused=True),
    Owed("key-a2", "a2", "everything", "a", 2, before="taken", after="free", excused=True),
)


def test_who_is_told_nothing_of_what_was_undone_knows_the_truth() -> None:
    """What need not come is no loss, as long as what was believed before is so again."""
    assert broken([], *STATES) == []


def test_who_is_told_half_of_it_does_not() -> None:
    """The last that was told has to be so in the end."""
    assert broken([Told(1, "key-a1", "a1", "everything", "a", "taken")], *STATES) == [Law.OUTDATED]


def test_a_repetition_is_put_down_to_the_kill_before_it() -> None:
    """What came in the first life and again in the third was not on record when the first was ended."""
    assert repeats([came(A1), came(B1, 2), came(A1, 3), came(B1, 3)]) == {1: 1, 2: 1}
