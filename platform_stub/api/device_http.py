"""The devices' side of HTTP: a request's generation and call found, its caller let in, its answer made.

No sockets here: a request comes in as values and a reply goes out as one. A device's refusals are HTTP 200 in its
generation's envelope; what is no call at all is 404 or 405 in that envelope. Injected faults strike here, once the
caller is known: `status` and `code` are answered instead of the call; the others go wrong with the answer of a call
that has been carried out. Source: onenet-protocol, sections 1, 2 and 4.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

from platform_stub.api import fuse, south, studio
from platform_stub.api.device_request import DEVICE_NAME, PRODUCT_ID, DeviceRequest, Unfit
from platform_stub.api.dialect import Dialect
from platform_stub.api.reply import Reply, json_reply, unreadable
from platform_stub.api.route import Route, RouteTable
from platform_stub.api.target import Target
from platform_stub.protocol.calls import DOWNLOAD_BODY, CallRefusal, Generation
from platform_stub.protocol.codes import OtaErrno
from platform_stub.protocol.operator import InjectFault
from platform_stub.service.device_calls import Caller, Refused
from platform_stub.service.injection import Strike
from platform_stub.service.platform import Platform
from platform_stub.store.errors import StoreUnavailable
from platform_stub.store.owners import account_of_device, account_of_product

_log = logging.getLogger(__name__)

_TABLES: Final[Mapping[Generation, tuple[Dialect, RouteTable]]] = MappingProxyType(
    {
        Generation.SOUTH: (south.DIALECT, south.ROUTES),
        Generation.STUDIO: (studio.DIALECT, studio.ROUTES),
        Generation.FUSE: (fuse.DIALECT, fuse.ROUTES),
    }
)
_NO_CALLS: Final[Mapping[str, Route]] = MappingProxyType({})


class Found(NamedTuple):
    """A call, and how its generation speaks."""

    dialect: Dialect
    route: Route


class DeviceHttp:
    """Answers devices on a platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._calls = platform.device_calls
        self._injection = platform.injection
        self.log = platform.log

    def real_ms(self) -> int:
        """Read the real clock: the `Date` of replies to whom no account is known."""
        return self._platform.real_ms()

    def find(self, target: Target, method: str) -> Found | Reply:
        """Find the call that a target names."""
        generation = target.generation
        assert generation is not None, "the operator's targets are not for devices"
        dialect, table = _TABLES[generation]
        methods = table.find(target.segments) or _NO_CALLS
        route = methods.get(method)
        if route is not None:
            return Found(dialect, route)
        if methods:
            allow = f"Allow: {', '.join(sorted(methods))}\r\n".encode()
            return unreadable(generation, HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed", allow)
        code, text = dialect.table[CallRefusal.NOT_FOUND]
        return json_reply(dialect.envelope(code, text, None), status=HTTPStatus.NOT_FOUND)

    async def answer(self, found: Found, request: DeviceRequest) -> Reply:
        """Answer a call."""
        dialect, route = found
        try:
            return await self._answer(dialect, route, request)
        except (Unfit, StoreUnavailable) as fault:
            return self._refuse(dialect, route, request, _refused(fault))
        except Exception:  # noqa: BLE001 - logged with its traceback; the device gets its generation's internal error
            _log.exception("%s %s", request.method, request.tail)
            refuse = dialect.refuse_download if route.is_download else dialect.refuse
            reply = refuse(Refused(CallRefusal.UNAVAILABLE), None)
            reply.status = HTTPStatus.INTERNAL_SERVER_ERROR
            return reply

    async def _answer(self, dialect: Dialect, route: Route, request: DeviceRequest) -> Reply:
        if route.enter is None:
            return await route.run(self._calls, dialect, request)
        caller = route.enter(self._calls, dialect, request)
        if isinstance(caller, Refused):
            return self._refuse(dialect, route, request, caller)
        request.caller = caller
        if not self._injection.is_empty:
            strike = self._injection.pick(
                route.call, dialect.generation.value, caller.device_id, caller.product_id
            )
            if strike is not None:
                return await self._go_wrong(strike, dialect, route, request)
        return await route.run(self._calls, dialect, request)

    async def _go_wrong(
        self, strike: Strike, dialect: Dialect, route: Route, request: DeviceRequest
    ) -> Reply:
        fault = strike.rule
        is_answered = fault.status is not None or fault.code is not None
        if is_answered:
            reply = _wrong_answer(fault, dialect, route, request.caller)
        else:
            request.spoils_md5 = fault.wrong_md5
            try:
                reply = await route.run(self._calls, dialect, request)
            except (Unfit, StoreUnavailable) as exc:
                reply = self._refuse(dialect, route, request, _refused(exc))
        is_spoilt = fault.wrong_md5 and not is_answered and not request.spoils_md5
        if fault.cut_at_bytes is not None and fault.cut_at_bytes < len(reply.payload(is_http_1_0=False)):
            reply.cut_at_bytes = fault.cut_at_bytes
        reply.is_silent = fault.silent
        is_cut = reply.cut_at_bytes is not None
        if is_answered or is_spoilt or is_cut or fault.silent or fault.delay_ms:
            reply.note = f"injected fault {strike.fault.fault_id}" + (f"; {reply.note}" if reply.note else "")
        else:
            strike.miss()
        reply.delay_s = fault.delay_ms / 1000
        return reply

    def _refuse(self, dialect: Dialect, route: Route, request: DeviceRequest, refused: Refused) -> Reply:
        now_ms = self._clock_of(dialect, request)
        return (dialect.refuse_download if route.is_download else dialect.refuse)(refused, now_ms)

    def _clock_of(self, dialect: Dialect, request: DeviceRequest) -> int | None:
        """Read the clock of the account behind what was asked for: a device whose token has expired sets its by it."""
        caller: Caller | None = getattr(request, "caller", None)
        if caller is not None:
            return caller.now_ms
        try:
            account_id = self._account_of(dialect, request)
            return None if account_id is None else self._platform.account_now(account_id)
        except StoreUnavailable:
            return None

    def _account_of(self, dialect: Dialect, request: DeviceRequest) -> int | None:
        with self._platform.store.glance() as conn:
            if dialect.generation is not Generation.SOUTH:
                product_id, name = request.tail[:2]
                is_name = PRODUCT_ID.fullmatch(product_id) and DEVICE_NAME.fullmatch(name)
                return account_of_product(conn, product_id) if is_name else None
            try:
                return account_of_device(conn, request.device_id())
            except Unfit:
                return None


def _refused(fault: Unfit | StoreUnavailable) -> Refused:
    return fault.refused if isinstance(fault, Unfit) else Refused(CallRefusal.UNAVAILABLE)


def _wrong_answer(fault: InjectFault, dialect: Dialect, route: Route, caller: Caller) -> Reply:
    """Spell the status and code that someone asked for."""
    status = fault.status or HTTPStatus.OK
    if route.is_download:
        errno, body = int(OtaErrno.STORAGE), DOWNLOAD_BODY[CallRefusal.UNAVAILABLE]
        if fault.code is not None:
            errno, body = fault.code, str(fault.code)[:1].encode()
        return dialect.fail_download(errno, body, status, caller.now_ms)
    text = None if fault.code is None else dialect.text_of(fault.code, caller.now_ms)
    code = dialect.table[CallRefusal.UNAVAILABLE].code if fault.code is None else fault.code
    return json_reply(
        dialect.envelope(code, text or "injected fault", None), status=status, now_ms=caller.now_ms
    )
