"""What a fault makes of a reply: one in the API's stead, or the API's own, broken."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

from notifier.engage.simulated.broken_rows import broken_rows
from notifier.engage.simulated.chance import chance
from notifier.engage.simulated.exchange import Reply, SeenRequest, refuse
from notifier.engage.simulated.faults import ROW_FAULTS, FaultKind, Faults
from notifier.engage.simulated.grants import READ

ELSEWHERE: Final = "/elsewhere"  # put before the path of a redirect

_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}
_NO_GZIP: Final = b"\x1f\x8b\x08\x00" + b"this is no gzip " * 4


def made_up(kind: FaultKind, request: SeenRequest, faults: Faults) -> Reply | None:
    """The reply that a fault gives in the API's stead; None for one that needs the API's own."""
    make = _MADE_UP.get(kind)
    return None if make is None else make(request, faults)


def broken(kind: FaultKind, reply: Reply, faults: Faults, number: int) -> Reply | None:
    """The API's own reply as a fault leaves it; None where it finds nothing to break."""
    if kind in ROW_FAULTS:
        body = (
            broken_rows(kind, reply.body, chance(faults.seed, number, kind)) if reply.status == HTTPStatus.OK else None
        )
        return None if body is None else replace(reply, body=body)
    break_it = _BREAKS.get(kind)
    return None if break_it is None else break_it(reply, faults)


def _page(status: HTTPStatus, title: str) -> Reply:
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n"
    return Reply(status, body.encode(), _HTML)


def _gateway_page(status: HTTPStatus) -> Reply:
    return _page(status, f"{status:d} {status.phrase}")


def _busy(headers: Mapping[str, str]) -> Reply:
    return refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", "RATE_LIMIT_EXCEEDED", headers)


def _busy_until(request: SeenRequest, faults: Faults) -> Reply:
    until = (request.at + faults.retry_after).astimezone(UTC)
    return _busy({"Retry-After": format_datetime(until, usegmt=True)})


def _elsewhere(request: SeenRequest, _: Faults) -> Reply:
    query = f"?{request.query}" if request.query else ""
    return Reply(HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": f"{ELSEWHERE}{request.path}{query}"})


_MADE_UP: Final[Mapping[FaultKind, Callable[[SeenRequest, Faults], Reply]]] = {
    FaultKind.TIME_OUT: lambda _, faults: Reply(sent="nothing", hold=faults.hold),
    FaultKind.HTML: lambda *_: _page(HTTPStatus.OK, "Please log in"),
    FaultKind.SERVER_ERROR: lambda *_: _gateway_page(HTTPStatus.INTERNAL_SERVER_ERROR),
    FaultKind.BAD_GATEWAY: lambda *_: _gateway_page(HTTPStatus.BAD_GATEWAY),
    FaultKind.UNAVAILABLE: lambda *_: _gateway_page(HTTPStatus.SERVICE_UNAVAILABLE),
    FaultKind.GATEWAY_TIMEOUT: lambda *_: _gateway_page(HTTPStatus.GATEWAY_TIMEOUT),
    FaultKind.BUSY: lambda *_: _busy({}),
    FaultKind.BUSY_SECONDS: lambda _, faults: _busy({"Retry-After": f"{faults.retry_after.total_seconds():.0f}"}),
    FaultKind.BUSY_DATE: _busy_until,
    FaultKind.UNAUTHORIZED: lambda *_: refuse(
        HTTPStatus.UNAUTHORIZED, "the bearer token is not accepted now", headers={"WWW-Authenticate": "Bearer"}
    ),
    FaultKind.TOKEN_DOWN: lambda *_: _gateway_page(HTTPStatus.SERVICE_UNAVAILABLE),
    FaultKind.FORBIDDEN: lambda *_: refuse(
        HTTPStatus.FORBIDDEN, f"the token lacks the scope {READ}", "INSUFFICIENT_SCOPE"
    ),
    FaultKind.REDIRECT: _elsewhere,
}

_BREAKS: Final[Mapping[FaultKind, Callable[[Reply, Faults], Reply]]] = {
    FaultKind.RESET: lambda reply, _: replace(reply, sent="reset"),
    FaultKind.CUT_JSON: lambda reply, _: replace(reply, body=reply.body[: len(reply.body) * 2 // 3]),
    FaultKind.BROKEN_GZIP: lambda reply, _: replace(
        reply, body=_NO_GZIP, headers={**reply.headers, "Content-Encoding": "gzip"}
    ),
    FaultKind.HUGE: lambda reply, faults: replace(reply, padding=faults.huge),
}
