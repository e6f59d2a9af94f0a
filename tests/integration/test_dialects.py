"""What a person reads in Slack, Teams, Discord, mail and a program: through Apprise's real plugins, over real TLS."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifier.channels.channel import Parcel, open_channel
from notifier.core.bundle import Bundle, BundleKind
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.digest import digest, gathered
from notifier.core.escape import Target
from notifier.core.grant import USUAL
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT, Message, Renderer
from notifier.core.readers import Readers
from tests import dialects
from tests.builders import NOW, appointment, event, rule, seen
from tests.certificates import Certified, certify
from tests.dialects import Dialect, Service, Shown, read_html, serving
from tests.fake_mailbox import Mailbox, mailbox
from tests.fake_receiver import Request

BRUSSELS = ZoneInfo("Europe/Brussels")
MAIL_HOST = "mail.example.com"

URLS = {
    dialects.SLACK: "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    dialects.DISCORD: "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz_ABCDEF-abcdefghijklmnopqrstuvwxyz1234567",
    dialects.TEAMS: f"workflows://{dialects.TEAMS.host}:443/643e69f83c8944438d68119179a10a64/abcdefghijk-abc/",
    dialects.JSON: f"jsons://{dialects.JSON.host}/take",
}

MAILS = {"starttls": "", "ssl": "&mode=ssl"}

TARGETS = {dialects.JSON: Target.TEXT}

DIALECTS = pytest.mark.parametrize("dialect", list(URLS), ids=lambda dialect: dialect.host)
SECURED = pytest.mark.parametrize("secured", list(MAILS))

TYPED = (
    "<!channel> <!here|here> <@U123> <#C1|general> @everyone @here <@!1> <@&2> <at>bob</at>",
    "*bold* **b** _it_ __u__ ~s~ ~~s~~ `code` ```code``` ||spoiler|| a_b snake_case_id",
    "[l](http://e.example) <http://e.example|l> <http://e.example> http://e.example www.e.example e.example",
    "</p><script>alert(1)</script> <!-- c --> <b>b</b> &amp; &lt;b&gt; & < > \" '",
    r"\*x\* \\ \n \@everyone C:\temp",
    "# heading",
    "> quote",
    "- item",
    "1. item",
    "&gt; quote",
    ". dot",
    ".",
)
"""What somebody may have typed into a field of an appointment: in every dialect's own marks, and at begins of lines."""

CONTROLS = "first\r\nSubject: second\r\n.\r\n\u202ethird\u200f\u2028fourth\x00\x1b[1mfifth"
"""Line breaks that could fake lines, headers and ends, and marks that could turn the text around."""

ON_A_LINE = "first Subject: second . third fourth [1mfifth"

SEEN = f"Cancelled: {ON_A_LINE}\nId: {ON_A_LINE}\nExternal: {ON_A_LINE}\nThe end"
"""What is seen of an appointment with these."""

MAIL_LINE = 998
"""Bytes of the longest line that RFC 5322 allows."""

LONG = 5_000


TRUSTED = pytest.mark.usefixtures("trusted")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    hosts = [*(dialect.host for dialect in URLS), MAIL_HOST]
    return certify(tmp_path_factory.mktemp("authority"), hosts)


@pytest.fixture
def trusted(certified: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets requests and smtplib trust the authority of the test, and nobody else."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(certified.authority))


@contextmanager
def leading(host: str, port: int) -> Iterator[None]:
    """Lets one host's name lead to this port of this machine, and every other one nowhere."""

    def look_up(name: str, *_: object, **__: object) -> list[object]:
        if name not in {host, "127.0.0.1"}:
            raise socket.gaierror(socket.EAI_NONAME, f"a test asked for {name}")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@contextmanager
def in_place_of(dialect: Dialect, certified: Certified) -> Iterator[Service]:
    with serving(dialect, certified.context) as service, leading(dialect.host, service.port):
        yield service


@contextmanager
def in_place_of_mail(secured: str, certified: Certified) -> Iterator[Mailbox]:
    """Runs a mail server that takes nothing in the clear: TLS at once, or before anything is said."""
    options: dict[str, Any] = {"ssl_context": certified.context}
    if secured == "starttls":
        options = {"tls_context": certified.context, "require_starttls": True}
    with mailbox(**options) as (box, server), leading(MAIL_HOST, int(server.rpartition(":")[2])):
        yield box


def send(url: str, message: Message) -> Outcome:
    channel = open_channel("team", url)
    try:
        assert channel.target is message.target
        return channel.send(Parcel("delivery-1", message, {}, NOW))
    finally:
        channel.close()


def mail_url(secured: str) -> str:
    return f"mailtos://{MAIL_HOST}/?from=notifier@example.com&to=desk@example.com{MAILS[secured]}"


def told(dialect: Dialect, certified: Certified, message: Message) -> Shown:
    """Returns what a person sees of the one message that was sent to a service."""
    with in_place_of(dialect, certified) as service:
        assert send(URLS[dialect], message).result is Result.DELIVERED
        (shown,) = service.shown
    return shown


def mailed(secured: str, certified: Certified, message: Message) -> tuple[EmailMessage, Shown, Shown]:
    """Returns the one mail that was sent, and what a person sees of its two parts."""
    with in_place_of_mail(secured, certified) as box:
        assert send(mail_url(secured), message) == Outcome(Result.DELIVERED, Reason.OK, 250)
        (mail,) = box.mails
    plain, html = (str(part.get_content()).replace("\r\n", "\n") for part in mail.iter_parts())
    return mail, Shown(plain.rstrip("\n")), read_html(html)


def rendered(
    target: Target, value: str, body: str = "Id: {{ appointment.id }}\nExternal: {{ appointment.external_id }}"
) -> Message:
    """Returns the message about an appointment that has this value wherever text can stand."""
    about = event(appointment(id=value, external_id=value), status="CANCELLED")
    said = rule(title="{{ event.headline }}: {{ appointment.external_id }}", body=f"{body}\nThe end")
    return Renderer(Readers(BRUSSELS), target).render(seen(about, "id", "status", "external_id"), said, NOW)


def usual(target: Target) -> Message:
    """Returns the message that a rule without a template makes of a cancellation."""
    return Renderer(Readers(BRUSSELS), target).render(seen(event()), rule(), NOW)


LOOK_ALIKES = str.maketrans("\u2217\u02cb\u223c\u2223\u27e6\u27e7\u02cd", "*`~|[]_", "\u200b")


def as_seen(text: str) -> str:
    """Returns what an eye makes of a text: it does not tell marks from what looks like them."""
    return text.translate(LOOK_ALIKES)


def intended(value: str) -> str:
    message = rendered(Target.TEXT, value)
    return f"{message.title}\n{message.body}"


def assert_harmless(shown: Shown, value: str) -> None:
    """Asserts that an eye sees what was meant, to the last letter, and nothing but text."""
    assert shown.marks == ()
    assert as_seen(shown.text) == intended(value)


# ---- what is told together


def together(target: Target, value: str = "1701") -> Message:
    """Returns the message that tells two changes, of one of which this value is the id and the office."""
    events = (event(appointment(id=value, office=value)), event(appointment(id="1702"), status="NO_SHOW"))
    bundle = Bundle(BundleKind.DIGEST, "all", (("office", value),))
    return digest(gathered(bundle, [seen(one) for one in events], USUAL), Readers(BRUSSELS), target)


@TRUSTED
@DIALECTS
def test_a_table_that_is_too_long_says_so(dialect: Dialect, certified: Certified) -> None:
    """Where the service has no room for all lines, the last one that it shows says how many more there are."""
    channel = open_channel("team", URLS[dialect])
    events = [event(appointment(id=str(1000 + number))) for number in range(300)]
    about = gathered(Bundle(BundleKind.DIGEST, "all", ()), [seen(one) for one in events], USUAL)
    message = digest(about, Readers(BRUSSELS), TARGETS.get(dialect, Target.CHAT), room=channel.room)
    channel.close()
    last = told(dialect, certified, message).text.rstrip().splitlines()[-1]
    assert re.search(r"and [0-9]+ more", last)


TOGETHER = """\
2 changes, office 1701: 1 cancelled, 1 no-show
When              Appointment  What       Status
Tue 24 Nov 10:00  1701         Cancelled  cancelled
Tue 24 Nov 10:00  1702         No-show    no-show"""


@TRUSTED
@DIALECTS
def test_changes_that_are_told_together(dialect: Dialect, certified: Certified) -> None:
    """The table is read line by line, with the same words in the same places."""
    shown = told(dialect, certified, together(TARGETS.get(dialect, Target.CHAT)))
    assert shown == Shown(TOGETHER, footer="notifier" if dialect is dialects.SLACK else "")


@TRUSTED
@DIALECTS
def test_a_table_is_harmless(dialect: Dialect, certified: Certified) -> None:
    """Whatever somebody typed into a cell, it is text there, on its line."""
    for value in TYPED:
        shown = told(dialect, certified, together(TARGETS.get(dialect, Target.CHAT), value))
        assert shown.marks == ()
        assert len(shown.text.splitlines()) == len(TOGETHER.splitlines())


@TRUSTED
def test_a_mail_with_a_table(certified: Certified) -> None:
    """Its HTML is a table, of whose cells each is text; as plain text, each cell has a line."""
    mail, plain, html = mailed("ssl", certified, together(Target.HTML, "<b>x</b> &amp; 12"))
    assert mail["Subject"] == "2 changes, office <b>x</b> &amp; 12: 1 cancelled, 1 no-show"
    assert "When\nAppointment\nWhat\nStatus\n\nTue 24 Nov 10:00\n<b>x</b> &amp; 12\nCancelled" in plain.text
    assert set(html.marks) == {"tag: table", "tag: tr", "tag: th", "tag: td"}
    assert "<b>x</b> &amp; 12" in html.text


# ---- one plain message each, word for word

CANCELLED = """\
Cancelled: Tue 24 Nov 2026, 10:00–11:00, office 12
Status: confirmed → cancelled
When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)
Where: office 12
Who: employee 301 with customer 201
Subject: 51
Changed: Tue 24 Nov 2026, 07:59 by employee 301
Appointment: 1701"""


@TRUSTED
@DIALECTS
def test_a_plain_message(dialect: Dialect, certified: Certified) -> None:
    """A cancellation is read word for word, and there is nothing else beside it."""
    shown = told(dialect, certified, usual(TARGETS.get(dialect, Target.CHAT)))
    assert shown == Shown(CANCELLED, footer="notifier" if dialect is dialects.SLACK else "")


@TRUSTED
@SECURED
def test_a_plain_mail(secured: str, certified: Certified) -> None:
    """A cancellation is read word for word in both parts of a mail, and its subject is the first line."""
    mail, plain, html = mailed(secured, certified, usual(Target.HTML))
    subject, _, body = CANCELLED.partition("\n")
    assert (mail["Subject"], mail["From"], mail["To"]) == (subject, "notifier@example.com", "desk@example.com")
    assert plain == html == Shown(body)


# ---- what somebody may have typed


@TRUSTED
@DIALECTS
@pytest.mark.parametrize("value", TYPED)
def test_marks_are_text(dialect: Dialect, value: str, certified: Certified) -> None:
    """Nothing pings, nothing is a link, nothing is formatted, and not a letter is lost."""
    assert_harmless(told(dialect, certified, rendered(TARGETS.get(dialect, Target.CHAT), value)), value)


@TRUSTED
@SECURED
@pytest.mark.parametrize("value", TYPED)
def test_marks_are_text_in_mail(secured: str, value: str, certified: Certified) -> None:
    """In both parts and in the subject a value is text."""
    mail, *parts = mailed(secured, certified, rendered(Target.HTML, value))
    for shown in parts:
        assert_harmless(Shown(f"{mail['Subject']}\n{shown.text}", shown.marks), value)


@TRUSTED
@DIALECTS
def test_lines_and_directions(dialect: Dialect, certified: Certified) -> None:
    """Line breaks in a value make no line of a message, and nothing in it turns the text around or hides any."""
    shown = told(dialect, certified, rendered(TARGETS.get(dialect, Target.CHAT), CONTROLS))
    assert (as_seen(shown.text), shown.marks) == (SEEN, ())


@TRUSTED
@SECURED
def test_lines_and_directions_in_mail(secured: str, certified: Certified) -> None:
    """A value makes no header, no end of the mail, and no line of its own."""
    mail, *parts = mailed(secured, certified, rendered(Target.HTML, CONTROLS))
    subject, _, body = SEEN.partition("\n")
    assert mail.get_all("Subject") == [subject]
    assert [(shown.text, shown.marks) for shown in parts] == [(body, ())] * 2


# ---- limits


CROWDS = {"letters": "x", "words": "word ", "marks": "*<@&", "escapes": "&", "wide": "\u9577", "faces": "\U0001f600"}
"""What a value may consist of; each is of another length in the bytes of another service."""


def crowd(name: str) -> str:
    return (CROWDS[name] * LONG)[:LONG]


@TRUSTED
@DIALECTS
@pytest.mark.parametrize("name", CROWDS)
def test_long_values(dialect: Dialect, name: str, certified: Certified) -> None:
    """However long a value is, and of whatever, the message is taken, and what is read is how the value begins."""
    target = TARGETS.get(dialect, Target.CHAT)
    shown = told(dialect, certified, rendered(target, crowd(name)))
    assert shown.marks == ()
    title, _, body = shown.text.partition("\n")
    meant = f"Id: {crowd(name)}"
    assert title.endswith("…")
    assert len(title) <= TITLE_LIMIT
    assert "".join(meant.split()).startswith("".join(as_seen(body).removesuffix("…").split()))
    assert len(body) > 1_700


@TRUSTED
@SECURED
@pytest.mark.parametrize("name", CROWDS)
def test_long_values_in_mail(secured: str, name: str, certified: Certified) -> None:
    """A mail is read up to the limit of a message, and no line of it is longer than mail servers take."""
    mail, *parts = mailed(secured, certified, rendered(Target.HTML, crowd(name)))
    assert max(len(line) for line in mail.as_bytes().splitlines()) <= MAIL_LINE
    for shown in parts:
        assert shown.text.endswith("…")
        assert f"Id: {crowd(name)}".startswith(shown.text.removesuffix("…"))
        assert len(shown.text) > BODY_LIMIT - 5
        assert shown.marks == ()


# ---- that the services are strict


def test_a_stranger_is_not_trusted(certified: Certified) -> None:
    """Without the test's authority nothing goes out: the certificates are looked at."""
    for dialect, url in URLS.items():
        with in_place_of(dialect, certified) as service:
            outcome = send(url, usual(TARGETS.get(dialect, Target.CHAT)))
            assert service.requests == []
        assert (outcome.result, outcome.reason) == (Result.RETRY, Reason.UNREACHABLE)
        assert outcome.detail.startswith("certificate not accepted: ")
    for secured in MAILS:
        with in_place_of_mail(secured, certified) as box:
            assert send(mail_url(secured), usual(Target.HTML)).result is Result.RETRY
            assert box.bodies == []


HOSTILE = "<!channel> @everyone <at>bob</at> **bold** [l](http://e.com)\n# heading"


@TRUSTED
@pytest.mark.parametrize(
    ("dialect", "found"),
    [
        (dialects.SLACK, {"link"}),
        (dialects.DISCORD, {"ping", "bold or italic", "masked link", "heading", "link", "tag"}),
        (dialects.TEAMS, {"mention", "bold or italic", "masked link", "heading", "link", "tag"}),
    ],
    ids=lambda given: given.host if isinstance(given, Dialect) else "",
)
def test_marks_would_be_found(dialect: Dialect, found: set[str], certified: Certified) -> None:
    """Text that was not made harmless pings and is formatted: the services would tell."""
    shown = told(dialect, certified, Message("Title", HOSTILE, Target.CHAT))
    assert {mark.partition(":")[0] for mark in shown.marks} >= found


@TRUSTED
@pytest.mark.parametrize(
    ("dialect", "options"),
    [(dialects.DISCORD, "?overflow=upstream"), (dialects.SLACK, "?blocks=yes")],
    ids=lambda given: given.host if isinstance(given, Dialect) else "",
)
def test_a_message_that_is_too_long_is_refused(dialect: Dialect, options: str, certified: Certified) -> None:
    """A service takes no more than the real one does, and says so with the status that the real one has for it."""
    with in_place_of(dialect, certified):
        outcome = send(URLS[dialect] + options, Message("Title", "word " * 1_000, Target.CHAT))
    assert (outcome.result, outcome.reason, outcome.status) == (Result.DEAD, Reason.REJECTED, 400)


def test_a_card_that_is_too_large_is_refused() -> None:
    """Teams takes cards of up to 28 kB."""
    body = b" " * (dialects.TEAMS_BYTES + 1)
    with pytest.raises(dialects.Refused, match="RequestEntityTooLarge"):
        dialects.TEAMS.read(Request("/workflows/a/triggers/manual/paths/invoke?sig=s", {}, body, 0))
