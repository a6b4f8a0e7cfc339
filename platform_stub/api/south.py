"""Generation A: `/ota/south/…`, the device by `dev_id`, its job by a token. Most calls exist without `south` as well.

Source: onenet-protocol, section 4, "Generation A".
"""

from typing import Final

import msgspec

from platform_stub.api.device_request import DEVICE_NAME, PRODUCT_ID, DeviceRequest, Unfit
from platform_stub.api.dialect import Dialect
from platform_stub.api.named import (
    close_call,
    close_download,
    md5_of,
    report_versions,
    show_versions,
    type_of,
)
from platform_stub.api.reply import Reply, errno_envelope
from platform_stub.api.route import Route, RouteTable
from platform_stub.protocol.calls import SOUTH, CallRefusal, Generation
from platform_stub.service.device_calls import Caller, DeviceCalls, Offer, Refused

REQUESTS_MAX: Final = 1_000
"""At most so many requests a connection (section 4)."""

DIALECT: Final = Dialect(
    generation=Generation.SOUTH, table=SOUTH, envelope=errno_envelope, fails_in_one_byte=True
)


class SouthTask(msgspec.Struct, omit_defaults=True, gc=False):
    """What a check shows, in the wire's order; `type` is 1 for a full package, 2 for a differential one."""

    target: str
    token: str
    size: int
    md5: str
    signal: int
    power: int
    retry: int
    interval: int
    type: int
    ipPort: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 - the wire's spelling


class DeviceNumber(msgspec.Struct, gc=False):
    """A device's ID, as text."""

    dev_id: str


def enter(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Caller | Refused:
    """Let the device of `dev_id` in."""
    return calls.authenticate(dialect.generation, request.authorization, device_id=request.device_id())


def enter_by_token(calls: DeviceCalls, _: Dialect, request: DeviceRequest) -> Caller | Refused:
    """Let in whoever names a job's token: a download needs no authorization."""
    entered = calls.enter_by_token(request.tail[-1], request.authorization)
    if isinstance(entered, Refused):
        return entered
    caller, request.tid = entered
    return caller


async def check(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Say which job there is, and with which token."""
    kind, version = request.kind(), request.version()
    manufacturer, model = request.given("manuf"), request.given("model")
    offer = await calls.check(request.caller, kind, version, manufacturer, model)
    return _offer(dialect, request, offer)


async def tasking(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Say which job is under way."""
    return _offer(dialect, request, await calls.tasking(request.caller, request.kind()))


def _offer(dialect: Dialect, request: DeviceRequest, offer: Offer | Refused) -> Reply:
    if isinstance(offer, Refused):
        return dialect.refuse(offer, request.caller.now_ms)
    task = SouthTask(
        target=offer.target,
        token=offer.token,
        size=offer.size_bytes,
        md5=md5_of(offer, request),
        signal=offer.signal,
        power=offer.battery,
        retry=offer.retry_count,
        interval=offer.retry_interval_s,
        type=type_of(offer),
        ipPort=request.local if request.query.get("cdn") == "true" else msgspec.UNSET,
    )
    return dialect.accept(request.caller.now_ms, task)


async def check_token(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Judge a token before its download."""
    return close_call(dialect, request, await calls.check_token(request.caller, request.tail[1]))


async def download(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Give out the package."""
    return close_download(dialect, request, await calls.open_download(request.caller, request.tid))


async def progress(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Take a step of the job that the path's token names."""
    return await _take_step(calls, dialect, request, request.tail[2], request.step())


async def report(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Take a result, which is numbered as a step is."""
    return await _take_step(calls, dialect, request, request.wanted("token"), request.result())


async def _take_step(
    calls: DeviceCalls, dialect: Dialect, request: DeviceRequest, token: str, step: int
) -> Reply:
    tid = calls.resolve_token(request.caller, token)
    refused = tid if isinstance(tid, Refused) else await calls.report_step(request.caller, tid, step)
    return close_call(dialect, request, refused)


async def find_device(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Say which ID a device has that is named by what it authenticates with: its name, or its IMEI as one."""
    fields = request.fields()
    for name, value in (("pid", fields.pid), ("authInfo", fields.authInfo)):
        if value is msgspec.UNSET:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, f"parameter required: {name}")
    product_id, name = str(fields.pid), str(fields.authInfo)
    if not PRODUCT_ID.fullmatch(product_id) or not DEVICE_NAME.fullmatch(name):
        return dialect.refuse(Refused(CallRefusal.NO_SUCH_DEVICE), None)
    found = calls.authenticate(dialect.generation, request.authorization, product_id=product_id, name=name)
    if isinstance(found, Refused):
        return dialect.refuse(found, None)
    return dialect.accept(found.now_ms, DeviceNumber(str(found.device_id)))


ROUTES: Final = RouteTable(
    (
        Route(method="POST", pattern=("device", "version"), run=report_versions, enter=enter, call="version",
            wants_body=True),
        Route(method="GET", pattern=("device", "version"), run=show_versions, enter=enter, call="version"),
        Route(method="GET", pattern=("check",), run=check, enter=enter, call="check"),
        Route(method="GET", pattern=("tasking",), run=tasking, enter=enter, call="check"),
        Route(method="GET", pattern=("download", None, "check"), run=check_token, enter=enter, call="state"),
        Route(method="GET", pattern=("download", None), run=download, enter=enter_by_token, call="download"),
        Route(method="POST", pattern=("device", "download", None, "progress"), run=progress, enter=enter,
            call="status", wants_body=True),
        Route(method="POST", pattern=("report",), run=report, enter=enter, call="status", wants_body=True),
        Route(method="GET", pattern=("devInfo",), run=find_device, enter=None, wants_body=True),
        Route(method="POST", pattern=("devInfo",), run=find_device, enter=None, wants_body=True),
    )
)  # fmt: skip
"""The calls below `/ota/south`, and below `/ota`."""
