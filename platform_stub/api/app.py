"""The operator's HTTP application: its routes behind a guard. Devices' calls never come here (`device_http`).

Devices may be anywhere; the operator is on this machine. There are no access keys, so the operator's API answers
only connections that come from here and requests that name this machine: a foreign Host or Origin (a page in a
browser, a rebound name) is refused.
"""

import ipaddress
import logging
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from platform_stub.api.call import Call, Rejected, answer, take
from platform_stub.api.openapi import document
from platform_stub.api.operation import Operation
from platform_stub.api.operations import OPERATIONS
from platform_stub.protocol.operator import ErrorCode
from platform_stub.service.answers import Rejection, malformed
from platform_stub.service.idempotency import Done, find
from platform_stub.service.platform import Platform
from platform_stub.store.errors import StoreUnavailable

BODY_MAX_BYTES: Final = 64 * 2**20
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NOWHERE: Final = ("", 0)

_log = logging.getLogger(__name__)


def make_app(platform: Platform) -> web.Application:
    """Make the application on a platform."""
    app = web.Application(client_max_size=BODY_MAX_BYTES)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _handler(platform, operation))
    app.router.add_get("/openapi.json", _openapi)
    app.router.add_route("*", "/{tail:.*}", _unknown)
    return app


def _handler(platform: Platform, operation: Operation) -> "web._Handler":  # type: ignore[name-defined]
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            _guard(request)
            _check_query(request, operation)
            call = await take(request, platform)
            outcome = _answered_before(call) or await operation.run(call)
        except Rejected as rejected:
            return answer(rejected.rejection, 0)
        except web.HTTPRequestEntityTooLarge:
            message = f"the body is larger than {BODY_MAX_BYTES} bytes"
            return answer(Rejection(code=ErrorCode.MALFORMED, message=message), 0)
        except StoreUnavailable as exc:
            return answer(Rejection(code=ErrorCode.UNAVAILABLE, message=str(exc)), 0)
        except Exception:  # noqa: BLE001 - logged with its traceback; the caller gets the one shape of an error
            _log.exception("%s %s", request.method, request.path)
            message = "an error inside the stub; its log says more"
            return answer(Rejection(code=ErrorCode.INTERNAL, message=message), 0)
        return answer(outcome, operation.status)

    return handle


def _check_query(request: web.Request, operation: Operation) -> None:
    """Refuse what would be passed over in silence."""
    known = operation.query
    for name in request.query:
        if name not in known or len(request.query.getall(name)) > 1:
            there = (
                f"there are {', '.join(known)}, each once" if known else "this call takes no query parameters"
            )
            raise Rejected(malformed(f"query {name[:40]!r}: {there}"))


def _answered_before(call: Call) -> Done | Rejection | None:
    """Judge a key that was seen before everything else (P16), a malformed body included."""
    key = call.key
    return None if key is None else call.platform.read(lambda conn: find(conn, key))


def _guard(request: web.Request) -> None:
    """Refuse what does not come from this machine, or was not meant for it."""
    here = _host_of(request, "sockname")
    peer = _host_of(request, "peername")
    if not _is_loopback(peer) and (not peer or peer != here):
        message = f"{peer or 'the peer'} is not this machine; the operator API answers this machine only"
        raise Rejected(Rejection(code=ErrorCode.FORBIDDEN, message=message))
    for header, text in (("Host", "//" + request.host), ("Origin", request.headers.get("Origin", ""))):
        if header == "Origin" and not text:
            continue
        try:
            name = urlsplit(text).hostname
        except ValueError:
            name = None
        if name not in _LOCAL and name != here:
            shown = text.removeprefix("//")[:80]
            message = f"{header} {shown!r} is not this machine; name 127.0.0.1, localhost or the address it listens at"
            raise Rejected(Rejection(code=ErrorCode.FORBIDDEN, message=message))


def _host_of(request: web.Request, end: str) -> str:
    """Give the address of one end of the connection; empty when it is gone."""
    transport = request.transport
    address = None if transport is None else transport.get_extra_info(end)
    return str((address or _NOWHERE)[0]).removeprefix("::ffff:")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _openapi(request: web.Request) -> web.Response:
    try:
        _guard(request)
    except Rejected as rejected:
        return answer(rejected.rejection, 0)  # type: ignore[return-value]
    return web.Response(body=document(), content_type="application/json")


async def _unknown(request: web.Request) -> web.StreamResponse:
    message = f"there is no {request.method} {request.path}; /openapi.json lists what there is"
    return answer(Rejection(code=ErrorCode.NOT_FOUND, message=message), 0)
