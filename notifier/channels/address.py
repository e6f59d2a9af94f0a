"""Addresses of channels (`slack://...`, `mailtos://...`): what Apprise does not say about their schemas, and masks."""

import re

from notifier.core.escape import Target


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAIL = _words(
    "mailto mailtos mailgun sendgrid brevo sendpulse mailersend smtp2go sparkpost postmark resend ses o365 azure"
    " groundmail"
)
"""These show HTML, with a plain part beside it where the service has one."""

PROGRAMS = _words("http https console json jsons xml xmls form forms apprise apprises amqp amqps mqtt mqtts")
"""A terminal, and programs that read the fields of a document: characters are shown as they are."""

PHONES = _words(
    "46elks atalk bulksms bulkvs burstsms clickatell clicksend cm d7sms dapnet eight00com elks exotel freemobile"
    " httpsms infobip kaleyra kavenegar klr kudosity mobilemessage mobilemsg msg91 msgbird nexmo notifyre octopush"
    " plivo ringc serwersms seven sfr sinch smpp smpps smsc smseagle smseagles smsmanager smsmgr smstunnel sns"
    " telesign telnyx twilio voipms vonage"
)
"""Text messages and pagers: no markup, and one character outside of their alphabet doubles the price."""

TEAMS = _words("workflow workflows")
"""In the cards of Teams a single line break counts as a space."""

OWN_MARKDOWN = _words("rocket rockets") | TEAMS
"""Their Markdown knows few backslash escapes, so that those of Apprise for plain text would be seen.

The values in a chat message mean nothing in any Markdown, so the text goes out as it is.
"""

NATIVE = _words("slack discord workflow workflows gchat webex zoom flock ryver")
"""Chat services whose own addresses begin with https; what they take there is a chat message and nothing else."""

DEAF = {
    **dict.fromkeys(
        _words("dbus kde qt gio glib gnome macosx windows syslog blink1"),
        "does not leave the machine that notifier runs on",
    ),
    "rsyslog": "sends datagrams, which nobody confirms",
}
"""Nobody would ever learn whether a message arrived there."""

HOST_IS_A_HOST = PROGRAMS | _words(
    "http https mailto mailtos mmost mmosts rocket rockets gotify gotifys nctalk nctalks"
)
"""In other addresses a token may stand where a host would."""


RENAMED = {"msteams": "workflows", "teams": "workflows"}
"""What people write who remember what a service was called before."""


def target_of(schema: str) -> Target:
    """Returns what shows the messages of a schema; chat unless known better, since it is escaped the most."""
    if schema in MAIL:
        return Target.HTML
    return Target.TEXT if schema in PROGRAMS | PHONES else Target.CHAT


_ADDRESS = re.compile(
    # The schema, the host between user and port, the rest.
    r"([a-z][a-z0-9+.-]{0,20})://(?:(?:[^/?#@\s]*@)?([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d+)?(?=[/?#]|$))?(.*)",
    re.IGNORECASE | re.DOTALL,
)


def schema_of(url: str) -> str | None:
    """Returns the schema of an address; None for what is no address."""
    match = _ADDRESS.fullmatch(url)
    return match.group(1).lower() if match else None


def mask(url: str) -> str:
    """Returns what may be shown of an address: its schema, and its host where nothing else can stand there."""
    match = _ADDRESS.fullmatch(url.strip())
    if match is None:
        return "***"
    schema, host, rest = match.groups()
    # An @ before the first = may end a password with odd characters, and then that was no host.
    if host is None or schema.lower() not in HOST_IS_A_HOST or "@" in rest.partition("=")[0]:
        return f"{schema.lower()}://***"
    return f"{schema.lower()}://{host}/***"
