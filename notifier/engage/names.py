"""What the API says of offices, subjects and employees: where it is asked, and what the answer means.

Little of it is documented. So nothing is expected of an answer, and what can't be read is as if it were not there.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from notifier.core.called import Called, zone_called
from notifier.errors import SourceUnavailable

RESOURCES: Final = {"office": "offices", "subject": "subjects", "employee": "employees"}
"""The last part of the address of each list, by what it has."""

LONGEST_NAME: Final = 80
"""Characters of a name; no message has room for more."""


CAUSES: Final[Mapping[str, Mapping[int, str]]] = {
    kind: {
        401: "the token is wrong, expired or for another enterprise",
        403: f"the token is valid but needs the scope engage:{name}:readOnly, or the organisation's settings forbid it",
        404: "there is no such list at this address",
    }
    for kind, name in RESOURCES.items()
}
"""What is likely behind an answer that is no list, by the kind that was asked for and the status."""


def with_any(languages: str) -> str:
    """Returns the languages with any other one last: in one that a name lacks, a list says that there is none."""
    # The API's own example has a space where the standard wants a comma.
    wanted = {one.partition(";")[0] for one in languages.replace(",", " ").split()}
    return languages if "*" in wanted else f"{languages}, *;q=0.1"


def names_in(kind: str, body: bytes) -> dict[str, Called]:
    """Returns what an answer says, by id; whoever is left out has no name.

    Raises:
        SourceUnavailable: it is no list; a gateway's error page with status 200 is none.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SourceUnavailable("the answer is no JSON") from None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise SourceUnavailable(f"the answer is no list of {RESOURCES[kind]}")
    return dict(_read(kind, data))


def _read(kind: str, data: Iterable[object]) -> Iterable[tuple[str, Called]]:
    for record in data:
        if isinstance(record, dict) and isinstance(id_ := record.get("id"), str | int):
            yield str(id_), Called(_name(kind, record), _zone(record) if kind == "office" else "")


def _name(kind: str, record: Mapping[str, Any]) -> str:
    parts = ("firstName", "lastName") if kind == "employee" else ("name",)
    said = [_text(record.get(part)) or _translation(record, part) for part in parts]
    return " ".join(" ".join(said).split())[:LONGEST_NAME].strip()


def _text(value: object) -> str:
    """Returns a text that comes as it is, or with its language."""
    inner = value.get("value") if isinstance(value, dict) else value
    return inner if isinstance(inner, str) else ""


def _translation(record: Mapping[str, Any], part: str) -> str:
    """Returns the first of the translations into other languages, for what has none in the language asked for."""
    translations = record.get("translations")
    each = translations.get(part) if isinstance(translations, dict) else None
    return next(filter(None, map(_text, each)), "") if isinstance(each, list) else _text(each)


def _zone(record: Mapping[str, Any]) -> str:
    name = record.get("timeZone")
    zone = zone_called(name) if isinstance(name, str) else None
    return zone.key if zone else ""
