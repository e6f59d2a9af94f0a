"""How `notifier` is set up in a world in which it is killed: short beats, small pages, channels of every kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from notifier.core.appointment import APPOINTMENT_FIELDS

CHAT: Final = "chat"
"""The channel that is told in words."""

FLAKY: Final = "crm"
"""The channel that refuses some of what it is told for the time being."""

PRIVILEGED: Final = "ledger"
"""The channel that may see a personal text."""

BRIEF: Final = "brief"
"""The channel that is not told what is not so any more; it refuses some as well."""

GATHERED: Final = "desk"
"""The channel that is told of several changes at once."""

THROTTLED: Final = "lobby"
"""The channel that is told at once of what is too much, and not of what is not so any more; it refuses some."""

OPERATOR: Final = "ops"
ROUTES: Final[Mapping[str, Sequence[str]]] = {
    "everything": (FLAKY, PRIVILEGED, CHAT),
    "cancelled": (FLAKY,),
    "newest": (BRIEF,),
    "gathered": (GATHERED,),
    "throttled": (THROTTLED,),
    "lasting": (BRIEF,),
}
"""The rules, and whom they tell."""

LASTING: Final = "lasting"
"""The rule that asks the clock, and is the only one that hears of that."""

EXCUSED: Final = frozenset({BRIEF, THROTTLED})
"""Channels that need not be told what was overtaken."""

SHAKY: Final = "shaky"
"""The source that refuses us by turns, so that there is something to tell the operator."""

SWEEPS: Final = 3

_CONFIG: Final = """\
timezone = "Europe/Brussels"
rules = ["rules.toml"]

[operator]
channels = ["ops"]
after = "1s"
heartbeat_url = "{heartbeat_url}"

[sources.acme]
base_url = "{base_url}"
enterprise = "acme"
token = "{token}"
page_size = 50

[[sources.acme.sweeps]]
name = "dated"
from = "-14d"
to = "90d"
every = "1s"

[[sources.acme.sweeps]]
name = "undated"
status = ["OUTGOING_INVITE", "ALTERNATIVE_DATE_REQUESTED"]
every = "1s"

# So much happens between two looks that it would rightly be doubted.
[sources.acme.brake]
share = 1.0
count = 1_000_000

[sources.shaky]
base_url = "{base_url}"
enterprise = "shaky"
token = "{token}"

[[sources.shaky.sweeps]]
name = "all"
every = "1s"
"""

_CHANNEL: Final = """
[channels.{name}]
url = "{url}"
retry = {waits}
recheck_after = "1s"
"""

_RULES: Final = """\
[[rule]]
name = "everything"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated", "vanished"]
channels = {everything}
always = true
title = "News"
body = "{{{{ event.id }}}} {{{{ appointment.id }}}} {{{{ rule.name }}}}"

[[rule]]
name = "cancelled"
on = "status_changed"
to = "CANCELLED"
channels = {cancelled}
always = true

[[rule]]
name = "newest"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated", "vanished"]
channels = {newest}

[[rule]]
name = "gathered"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated", "vanished"]
channels = {gathered}
always = true
group = {{ wait = "1s", most = 20 }}

[[rule]]
name = "throttled"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated", "vanished"]
channels = {throttled}
throttle = {{ most = 2, per = "2s" }}

[[rule]]
name = "lasting"
stays = {{ status = "CANCELLED", for = "1s" }}
channels = {lasting}
"""

_WAITS: Final = ["1s"] * 12


def configure(file: Path, base_url: str, token: str, heartbeat_url: str, receivers: Mapping[str, str]) -> None:
    """Writes a configuration, and its rules beside it; the receivers are given by channel, with their addresses."""
    parts = [_CONFIG.format(base_url=base_url, token=token, heartbeat_url=heartbeat_url)]
    for name, url in receivers.items():
        address = url.replace("http://", "json://") if name == CHAT else url
        parts.append(_CHANNEL.format(name=name, url=address, waits=_WAITS))
        if name == PRIVILEGED:
            parts.append(f"fields = {[*APPOINTMENT_FIELDS, 'internal_notes']}\n")
    file.write_text("".join(parts), encoding="utf-8")
    routes = {rule: str(list(channels)) for rule, channels in ROUTES.items()}
    file.with_name("rules.toml").write_text(_RULES.format(**routes), encoding="utf-8")
