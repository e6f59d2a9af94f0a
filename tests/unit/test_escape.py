"""How text from the source is made harmless, case by case."""

import pytest

from notifier.core.escape import as_html, defuse, plain

BREAK = "\u200b"


@pytest.mark.parametrize(
    "value", ["1701", "CRM-2026-1", "-5", "--", "a_b_c", "office_12", "3f2c-9ab1", "", "50%", "a.1"]
)
def test_ids_stay_as_they_are(value: str) -> None:
    """Letters, digits, dashes and underscores between them can be copied from a message."""
    assert defuse(value) == value
    assert plain(value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("@here", f"@{BREAK}here"),
        ("mail a@b.example", f"mail a@{BREAK}b.{BREAK}example"),
        ("<@U123>", f"<{BREAK}@{BREAK}U123>"),
        ("<!channel>", f"<{BREAK}!channel>"),
        ("<#C123>", f"<{BREAK}#C123>"),
        ("<:party:1>", f"<{BREAK}:party:1>"),
        ("<b>bold</b>", f"<{BREAK}b>bold<{BREAK}/b>"),
        ("1 < 2", "1 < 2"),
    ],
)
def test_nobody_is_mentioned(value: str, shown: str) -> None:
    """A mention or tag is broken where it begins, and reads the same."""
    assert defuse(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://evil.example/x", f"https:{BREAK}//evil.{BREAK}example/x"),
        ("www.evil.example", f"www.{BREAK}evil.{BREAK}example"),
        ("[here](https://e)", f"⟦here⟧(https:{BREAK}//e)"),
        ("10:00. Then", "10:00. Then"),
        ("www.e.example", f"www.{BREAK}e.{BREAK}example"),
        ("1.5 or 10.11.2026", "1.5 or 10.11.2026"),
    ],
)
def test_nothing_becomes_a_link(value: str, shown: str) -> None:
    """Neither an address nor a bare host name nor a link in Markdown; numbers and sentences stay."""
    assert defuse(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("*bold*", "\u2217bold\u2217"),
        ("`code`", "\u02cbcode\u02cb"),
        ("~gone~", "\u223cgone\u223c"),
        ("||hidden||", "\u2223\u2223hidden\u2223\u2223"),
        ("_slanted_", "ˍslantedˍ"),
        ("__under__", "ˍˍunderˍˍ"),
        ("a__b__c", "aˍˍbˍˍc"),
        ("é_b_é", "éˍbˍé"),
        ("# big", f"{BREAK}# big"),
        ("> said", f"{BREAK}> said"),
        ("  - item", f"{BREAK}- item"),
        ("+ item", f"{BREAK}+ item"),
        ("1. item", f"{BREAK}1. item"),
        ("1) item", f"{BREAK}1) item"),
        (r"\@all", f"\\{BREAK}@{BREAK}all"),
        ("\\\\", f"\\{BREAK}\\{BREAK}"),
        (r"C:\temp", r"C:\temp"),
    ],
)
def test_nothing_is_formatted(value: str, shown: str) -> None:
    """Marks are replaced by characters that look like them."""
    assert defuse(value) == shown


@pytest.mark.parametrize("mark", ["\n", "\r\n", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\u200f"])
def test_a_value_stays_on_its_line(mark: str) -> None:
    """Line breaks, control characters and direction marks become a space, for every target."""
    assert plain(f"a{mark}b") == "a b"
    assert defuse(f"a{mark}b") == "a b"


def test_a_line_break_can_not_fake_a_line() -> None:
    """What follows it stays part of the value."""
    assert defuse("x\n\n# Appointment: 2") == "x # Appointment: 2"


def test_html_looks_the_same() -> None:
    """Signs of the language are written out, lines stay lines."""
    assert as_html('a < b & "c"\nd') == "a &lt; b &amp; &quot;c&quot;<br>\nd"
