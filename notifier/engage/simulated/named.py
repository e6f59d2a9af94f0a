"""What has a name in an enterprise: offices, subjects and employees, each kind with a list and a scope of its own."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from notifier.engage.simulated.exchange import Reply, answer, refuse
from notifier.engage.simulated.population import EMPLOYEES, OFFICES, SUBJECTS
from notifier.engage.simulated.query import DEFAULT_LIMIT

SCOPES: Final = {kind: (f"engage:{kind}:readOnly",) for kind in ("offices", "subjects", "employees")}
"""What a token needs for each list, one of them."""

_TOWNS: Final = ("Antwerp", "Brussels", "Ghent", "Liège")
_MATTERS: Final = ("Mortgage", "Pension", "Car insurance", "Home insurance", "Investments")
_FIRST_NAMES: Final = ("Ana", "Bram", "Chloé", "Dries", "Els", "Farid", "Gaëlle", "Hugo", "Ines", "Jan", "Kaat", "Lou")
_LAST_NAMES: Final = ("Peeters", "Janssens", "Maes", "Jacobs")


def office(name: str | None, zone: str = "Europe/Brussels") -> dict[str, Any]:
    """An office of the documented shape; its name is what the documentation leaves open."""
    text = None if name is None else {"language": "en", "value": name}
    return {"name": text, "active": True, "timeZone": zone, "email": None, "virtual": False}


def subject(name: str | None) -> dict[str, Any]:
    """A subject; its name is null in a language that it has none in."""
    return {"name": None if name is None else {"language": "en", "value": name}, "description": None}


def employee(first: str, last: str) -> dict[str, Any]:
    """An employee, who always has a name."""
    return {"firstName": first, "lastName": last, "timeZone": "Europe/Brussels", "status": "ACTIVE", "language": "en"}


class Named:
    """The lists of one simulator; what is in them may be changed at any time, also a list be taken away."""

    def __init__(self) -> None:
        people = enumerate(EMPLOYEES)
        self.lists: dict[str, dict[str, Mapping[str, Any]]] = {
            "offices": {id_: office(town) for id_, town in zip(OFFICES, _TOWNS, strict=True)},
            "subjects": {id_: subject(matter) for id_, matter in zip(SUBJECTS, _MATTERS, strict=True)},
            "employees": {id_: employee(_FIRST_NAMES[at % 12], _LAST_NAMES[at % 4]) for at, id_ in people},
        }

    def answer(self, kind: str, query: str) -> Reply:
        """What a list answers to a query: all of it, or those with the ids, as far as they exist."""
        if kind not in self.lists:
            return refuse(HTTPStatus.NOT_FOUND, "no such path", "PATH_UNKNOWN")
        pairs = parse_qsl(query, keep_blank_values=True)
        if unknown := {name for name, _ in pairs} - {"id[]", "offset", "limit"}:
            return refuse(HTTPStatus.BAD_REQUEST, f"unknown parameter {unknown.pop()}", "QUERY_PARAMETER_UNKNOWN")
        wanted = [value for name, value in pairs if name == "id[]"]
        limit = int(dict(pairs).get("limit", DEFAULT_LIMIT))
        known = self.lists[kind]
        found = [{"id": id_, **known[id_]} for id_ in (wanted or known) if id_ in known]
        meta = {"offset": 0, "limit": limit, "totalCount": len(found)}
        return answer({"data": found[:limit], "meta": meta})
