"""The channels of a rule: by name, or filled in from the event and the directory."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from notifier.config.spelling import choices
from notifier.config.table import as_tuple, known_name, no_twins, wrong
from notifier.core.recipients import DIRECTORY, LOOKUPS, PLACEHOLDERS, is_from_data, placeholders_of

VALUES_LIMIT = 1_000
"""The most values in one list of a rule."""


def _channel(value: str, info: ValidationInfo) -> str:
    """Takes the name of a channel, or what is to be filled in from the event."""
    if not is_from_data(value):
        return known_name(value, "channel", info.context["channels"] if info.context else ())
    if value.startswith(DIRECTORY):
        kind = value.removeprefix(DIRECTORY)
        if kind not in LOOKUPS:
            raise wrong(f"has `{value}`, and a directory has no channels of `{kind}`{choices(kind, LOOKUPS)}")
        return value
    named = placeholders_of(value)
    if named is None:
        raise wrong(f"has `{value}`, whose brackets do not come in pairs")
    for name in named:
        if name not in PLACEHOLDERS:
            raise wrong(f"has `{value}`, and there is no field `{name}` to fill in{choices(name, PLACEHOLDERS)}")
    return value


Channels = Annotated[
    tuple[Annotated[str, AfterValidator(_channel)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1, max_length=VALUES_LIMIT),
    AfterValidator(no_twins),
]
