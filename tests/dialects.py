"""Chat services as they are met from outside: each takes what the real one takes, and shows it as the real one does.

What a service shows is read strictly: whatever any of its clients might make a mention, a link or formatting of counts
as one.
"""

import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from typing import Any

from tests.fake_receiver import Receiver, Reply, Request


@dataclass(frozen=True)
class Shown:
    """What a person sees of a message."""

    text: str
    #: What is more than text: who is pinged, what is a link, what is formatted.
    marks: tuple[str, ...] = ()
    #: The small print below it.
    footer: str = ""


class Refused(Exception):  # noqa: N818 - it says what happened
    """The service does not take this message."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body.decode())
        self.reply = reply


@dataclass(frozen=True, eq=False)
class Dialect:
    """One service."""

    host: str
    #: What it shows of a request, or a refusal.
    read: Callable[[Request], Shown]
    accepts: Reply


class Service(Receiver):
    """A service behind TLS that answers each request by what is in it."""

    def __init__(self, dialect: Dialect, context: ssl.SSLContext) -> None:
        super().__init__([])
        self.shown: list[Shown] = []
        self._dialect = dialect
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def take(self, request: Request) -> Reply | str:
        super().take(request)
        try:
            self.shown.append(self._dialect.read(request))
        except Refused as refused:
            return refused.reply
        return self._dialect.accepts


@contextmanager
def serving(dialect: Dialect, context: ssl.SSLContext) -> Iterator[Service]:
    """Runs a service for the length of the block."""
    service = Service(dialect, context)
    service.listen()
    try:
        yield service
    finally:
        service.close()


# ---- marks

_LINK = r"https?://[^\s\u200b]+|\bwww\.\w+|\b[\w-]+\.(?:com|org|net|example|evil)\b"


def _marks(text: str, kinds: Mapping[str, str]) -> tuple[str, ...]:
    found = ((name, match.group()) for name, kind in kinds.items() for match in re.finditer(kind, text, re.MULTILINE))
    return tuple(f"{name}: {what}" for name, what in found)


def _wrapped(mark: str) -> str:
    """Returns the pattern of what stands between two of these marks on one line."""
    sign = re.escape(mark)
    return rf"(?<![\w{sign[-1]}]){sign}(?=\S)[^\n]*?\S{sign}(?!\w)"


def _document(request: Request, wrong: Callable[[str], Refused]) -> Any:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise wrong("content type")
    try:
        document = json.loads(request.body)
    except ValueError:
        raise wrong("no JSON") from None
    if not isinstance(document, dict):
        raise wrong("no object")
    return document


# ---- Slack

SLACK_PATH = r"/services/T\w+/B?\w+/\w+"
SLACK_TEXT, SLACK_SECTION, SLACK_HEADER, SLACK_BLOCKS, SLACK_ATTACHMENTS = 40_000, 3_000, 150, 50, 100

_SLACK_MARKS = {
    "control": r"<[^>\s][^>]*>",
    "link": _LINK,
    "bold": _wrapped("*"),
    "italic": _wrapped("_"),
    "strike": _wrapped("~"),
    "code": "`[^`\n]+`",
    "quote": r"^(?:&gt;|>)",
    "list": r"^(?:[-*•]|\d+\.) ",
}


def _slack_wrong(word: str) -> Refused:
    return Refused(Reply(400, {"Content-Type": "text/html"}, word.encode()))


def read_slack(request: Request) -> Shown:
    """Shows the attachments of an incoming webhook: texts in which three characters are escaped."""
    if not re.fullmatch(SLACK_PATH, request.path):
        raise Refused(Reply(404, body=b"no_service"))
    document = _document(request, lambda _: _slack_wrong("invalid_payload"))
    attachments = document.get("attachments", [])
    if len(attachments) > SLACK_ATTACHMENTS:
        raise _slack_wrong("too_many_attachments")
    texts = [text for one in attachments for text in _slack_texts(one)]
    texts = [text for text in (document.get("text"), *texts) if text]
    if not texts:
        raise _slack_wrong("no_text")
    raw = "\n".join(texts)
    if len(raw) > SLACK_TEXT:
        raise _slack_wrong("msg_too_long")
    footer = " ".join(one.get("footer", "") for one in attachments)
    return Shown(_unescape(raw), _marks(raw, _SLACK_MARKS), footer)


def _slack_texts(attachment: Any) -> Iterator[str]:
    if not isinstance(attachment, dict):
        raise _slack_wrong("invalid_attachments")
    for name in ("pretext", "title", "text"):
        if attachment.get(name):
            yield str(attachment[name])
    blocks = attachment.get("blocks", [])
    if len(blocks) > SLACK_BLOCKS:
        raise _slack_wrong("invalid_blocks")
    for block in blocks:
        text = block.get("text", {}).get("text", "")
        if len(text) > (SLACK_HEADER if block["type"] == "header" else SLACK_SECTION):
            raise _slack_wrong("invalid_blocks")
        yield text


def _unescape(text: str) -> str:
    for escaped, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escaped, character)
    return text


SLACK = Dialect("hooks.slack.com", read_slack, Reply(200, {"Content-Type": "text/html"}, b"ok"))


# ---- Discord

DISCORD_CONTENT, DISCORD_EMBED, DISCORD_TITLE = 2_000, 4_096, 256

_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

_MARKDOWN = {
    "link": _LINK,
    "masked link": r"\[[^\]\n]*\]\([^)\n]*\)",
    "bold or italic": r"\*+(?=\S)[^\n]*?\S\*+",
    "underline or italic": r"(?<![\w_])_+(?=\S)[^\n]*?\S_+(?!\w)",
    "code": "`[^`\n]+`",
    "quote": r"^\s*>",
    "heading": r"^\s*#{1,6}\s",
    "list": r"^\s*(?:[-*+]|\d+[.)])\s",
    "tag": r"<[/!a-zA-Z][^>\n]*>",
}

_DISCORD_MARKS = _MARKDOWN | {
    "ping": r"@everyone|@here|<@[!&]?\w+>|<[#@]\S+>",
    "spoiler": r"\|\|[^\n]+?\|\|",
    "strike": "~~[^\n]+?~~",
}


def _discord_wrong(word: str) -> Refused:
    body = json.dumps({"code": 50035, "message": "Invalid Form Body", "errors": {"content": word}}).encode()
    return Refused(Reply(400, {"Content-Type": "application/json"}, body))


def read_discord(request: Request) -> Shown:
    """Shows the content of a webhook's message and of what is embedded, all of it Markdown."""
    if not re.fullmatch(r"/api/webhooks/\d+/[\w-]+", request.path.partition("?")[0]):
        raise Refused(Reply(404, body=b'{"message": "Unknown Webhook", "code": 10015}'))
    document = _document(request, _discord_wrong)
    content = str(document.get("content", ""))
    texts = [content]
    for embed in document.get("embeds", []):
        texts += [embed.get("title", ""), embed.get("description", "")]
        if len(texts[-2]) > DISCORD_TITLE or len(texts[-1]) > DISCORD_EMBED:
            raise _discord_wrong("BASE_TYPE_MAX_LENGTH")
    raw = "\n".join(text for text in texts if text)
    if not raw.strip():
        raise _discord_wrong("Cannot send an empty message")
    if len(content) > DISCORD_CONTENT:
        raise _discord_wrong("BASE_TYPE_MAX_LENGTH")
    return Shown(*_markdown(raw.replace("\r\n", "\n"), _DISCORD_MARKS))


def _markdown(raw: str, kinds: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Returns the text without backslashes that escape, and what is formatted by marks that are not escaped."""
    return _ESCAPE.sub(r"\1", raw), _marks(_ESCAPE.sub("x", raw), kinds)


DISCORD = Dialect("discord.com", read_discord, Reply(204))


# ---- Teams

TEAMS_BYTES = 28 * 1024

_TEAMS_MARKS = _MARKDOWN | {"mention": "<at>[^<]*</at>"}


def _teams_wrong(status: int, word: str) -> Refused:
    return Refused(Reply(status, {"Content-Type": "application/json"}, json.dumps({"error": {"code": word}}).encode()))


def read_teams(request: Request) -> Shown:
    """Shows the card that a workflow posts; in its Markdown only an empty line begins a new one."""
    path, _, query = request.path.partition("?")
    if not re.fullmatch(r"/workflows/\w+/triggers/manual/paths/invoke", path) or "sig=" not in query:
        raise _teams_wrong(401, "DirectApiAuthorizationRequired")
    if len(request.body) > TEAMS_BYTES:
        raise _teams_wrong(413, "RequestEntityTooLarge")
    document = _document(request, partial(_teams_wrong, 400))
    (attachment,) = document["attachments"]
    card = attachment["content"]
    if attachment["contentType"] != "application/vnd.microsoft.card.adaptive" or card["type"] != "AdaptiveCard":
        raise _teams_wrong(400, "InvalidCard")
    if any(block["type"] != "TextBlock" for block in card["body"]):
        raise _teams_wrong(400, "UnexpectedBlock")
    texts = [re.sub(r"(?<!\n)\n(?!\n)", " ", block["text"]) for block in card["body"]]
    text, marks = _markdown("\n".join(re.sub(r"\n\n+", "\n", text) for text in texts), _TEAMS_MARKS)
    return Shown(text, marks + tuple(f"mention: {one}" for one in card["msteams"].get("entities", ())))


TEAMS = Dialect("prod-1.westeurope.logic.azure.com", read_teams, Reply(202))


# ---- a program that takes JSON


def read_json(request: Request) -> Shown:
    """Shows title and message, which nobody interprets."""
    document = _document(request, lambda word: Refused(Reply(400, body=word.encode())))
    return Shown("\n".join((document["title"], document["message"])))


JSON = Dialect("json.example.com", read_json, Reply(200))


# ---- mail


def read_html(source: str) -> Shown:
    """Shows the HTML part of a mail: every tag but a line break and the frame is a mark."""
    reader = _Page()
    reader.feed(source)
    reader.close()
    lines = "".join(reader.parts).split("\n")
    return Shown("\n".join(line.strip() for line in lines).strip(), tuple(reader.marks))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.marks: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "br":
            self.parts.append("\n")
        elif tag not in {"html", "head", "body"} or attrs:
            self.marks.append(f"tag: {tag}")

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"[ \t\r\n]+", " ", data))

    def handle_comment(self, data: str) -> None:
        self.marks.append(f"comment: {data}")

    def handle_decl(self, decl: str) -> None:
        self.marks.append(f"declaration: {decl}")
