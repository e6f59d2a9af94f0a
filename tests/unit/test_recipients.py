"""Who hears of an event, where a rule takes that from the event."""

from collections.abc import Sequence

import pytest

from notifier.core.directory import Directory, Entry
from notifier.core.event import Event
from notifier.core.recipients import (
    Recipients,
    is_from_data,
    placeholders_of,
    possible_channels,
    recipients_of,
)
from tests.builders import appointment, created, event, rule

CHANNELS = frozenset({"desk", "office-12", "office-13", "301", "302", "acme-51"})


BOOK = Directory(
    {
        ("office", "12"): Entry(channels=("office-12", "desk")),
        # That of another configuration.
        ("office", "13"): Entry(channels=("gone",)),
        ("employee", "301"): Entry(channels=("301",)),
    }
)


def told(channels: Sequence[str], about: Event, otherwise: str = "desk") -> dict[str, str]:
    """Returns the channels that a rule tells, each with how it came to that."""
    found = recipients_of(rule(channels=tuple(channels), otherwise=otherwise), about, Recipients(CHANNELS, BOOK))
    return {one.channel: "; ".join(f"{what}: {why}" for what, why in one.story) for one in found}


def test_named_channels_are_told_as_they_are() -> None:
    """There is nothing to say about them."""
    assert told(["301", "desk"], event()) == {"301": "", "desk": ""}


def test_a_name_is_filled_in() -> None:
    """From the appointment after the change, the event's source included; each channel once."""
    assert told(["office-{office}", "{source}-{subject}", "office-12"], event()) == {
        "office-12": "channel: from office-{office}",
        "acme-51": "channel: from {source}-{subject}",
    }


def test_what_leads_to_no_channel_goes_to_otherwise() -> None:
    """It says so."""
    assert told(["office-{office}"], event(office="99")) == {
        "desk": "channel: there is no channel office-99, from office-{office}: goes to desk"
    }


def test_old_and_new_holder_are_told() -> None:
    """What was there before is filled in likewise."""
    both = ["{employee}", "{before.employee}"]
    assert list(told(both, event(employee="302"))) == ["302", "301"]
    assert list(told(both, event(status="CANCELLED"))) == ["301"]


def test_nobody_is_left_out_where_somebody_is_told() -> None:
    """That there was no employee before is no reason to tell others; that there is nobody at all, is one."""
    both = ["{employee}", "{before.employee}"]
    assert list(told(both, event(appointment(employee=None), employee="302"))) == ["302"]
    assert told(both, created(appointment(employee=None))) == {
        "desk": "channel: it has no employee and no employee before: goes to desk"
    }


def test_the_directory_says_who_is_told() -> None:
    """All channels of the entry that there are; without any, it is `otherwise`."""
    assert told(["directory:office"], event(), "302") == {
        "office-12": "channel: that of office 12 in the directory",
        "desk": "channel: that of office 12 in the directory",
    }
    assert told(["directory:office"], event(office="13"), "302") == {
        "302": "channel: the directory has no channel for office 13: goes to 302"
    }
    assert list(told(["directory:before.employee"], event(employee="302"))) == ["301"]


@pytest.mark.parametrize(
    ("channels", "possible"),
    [
        (("desk",), ["desk"]),
        (("office-{office}",), ["office-12", "office-13", "302"]),
        (("{source}-{subject}",), ["acme-51", "office-12", "office-13", "302"]),
        (("directory:before.office",), ["desk", "office-12", "302"]),
    ],
)
def test_all_that_may_be_told(channels: tuple[str, ...], possible: list[str]) -> None:
    """Whoever asks who gets what is told of every channel that the names can come to."""
    otherwise = None if channels == ("desk",) else "302"
    assert possible_channels(rule(channels=channels, otherwise=otherwise), Recipients(CHANNELS, BOOK)) == possible


def test_what_is_from_data() -> None:
    """Brackets or the directory say so; brackets come in pairs."""
    assert [is_from_data(name) for name in ("desk", "{office}", "directory:office", "x}")] == [False, True, True, True]
    assert placeholders_of("a-{office}-{before.subject}") == ["office", "before.subject"]
    assert [placeholders_of(name) for name in ("{office", "office}", "{{office}}")] == [None] * 3
