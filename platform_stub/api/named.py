"""The six calls of B and C: `/{product id}/{device name}/…`. Their prefix, envelope and numbers differ, no more.

Source: onenet-protocol, section 4, "Generations B and C".
"""

from typing import Final

import msgspec

from platform_stub.api.device_request import DEVICE_NAME, PRODUCT_ID, DeviceRequest, read_tid
from platform_stub.api.dialect import Dialect
from platform_stub.api.reply import Reply
from platform_stub.api.route import Route, RouteTable
from platform_stub.protocol.calls import CallRefusal
from platform_stub.service.device_calls import Caller, DeviceCalls, Offer, PackageFile, Refused
from platform_stub.service.injection import spoil_md5

_TID_AT: Final = 2
_NOT_FOUND: Final = Refused(CallRefusal.NOT_FOUND)


class Versions(msgspec.Struct, omit_defaults=True, gc=False):
    """What was reported last; a version that never was is left out."""

    f_version: str | msgspec.UnsetType = msgspec.UNSET
    s_version: str | msgspec.UnsetType = msgspec.UNSET


class NamedTask(msgspec.Struct, gc=False):
    """What a check shows, in the wire's order. `type` is 1 for a full package, 2 for a differential one."""

    target: str
    tid: int
    size: int
    md5: str
    status: int
    type: int


class Status(msgspec.Struct, gc=False):
    """Where a job stands."""

    status: int


def enter(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Caller | Refused:
    """Let the device of the path in. A name that no device can have reaches neither store nor topics."""
    product_id, name = request.tail[:2]
    if not PRODUCT_ID.fullmatch(product_id) or not DEVICE_NAME.fullmatch(name):
        return Refused(CallRefusal.NO_SUCH_DEVICE)
    return calls.authenticate(dialect.generation, request.authorization, product_id=product_id, name=name)


async def report_versions(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Take the versions that the device runs."""
    f_version, s_version = request.reported_versions(both=dialect.wants_both_versions)
    refused = await calls.report_versions(request.caller, f_version, s_version)
    return close_call(dialect, request, refused)


async def show_versions(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Show the versions that were reported last."""
    found = calls.show_versions(request.caller)
    if isinstance(found, Refused):
        return dialect.refuse(found, request.caller.now_ms)
    f_version, s_version = (msgspec.UNSET if version is None else version for version in found)
    return dialect.accept(request.caller.now_ms, Versions(f_version, s_version))


async def check(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Say which job there is."""
    kind, version = request.kind(), request.version()
    offer = await calls.check(request.caller, kind, version)
    if isinstance(offer, Refused):
        return dialect.refuse(offer, request.caller.now_ms)
    return dialect.accept(
        request.caller.now_ms,
        NamedTask(
            offer.target,
            offer.tid,
            offer.size_bytes,
            md5_of(offer, request),
            int(offer.state),
            type_of(offer),
        ),
    )


async def job_state(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Say where a job stands."""
    tid = read_tid(request.tail[_TID_AT])
    state = _NOT_FOUND if tid is None else await calls.job_state(request.caller, tid)
    if isinstance(state, Refused):
        return dialect.refuse(state, request.caller.now_ms)
    return dialect.accept(request.caller.now_ms, Status(int(state)))


async def download(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Give out the package."""
    tid = read_tid(request.tail[_TID_AT])
    found = _NOT_FOUND if tid is None else await calls.open_download(request.caller, tid)
    return close_download(dialect, request, found)


async def report_step(calls: DeviceCalls, dialect: Dialect, request: DeviceRequest) -> Reply:
    """Take a step."""
    step, tid = request.step(), read_tid(request.tail[_TID_AT])
    refused = _NOT_FOUND if tid is None else await calls.report_step(request.caller, tid, step)
    return close_call(dialect, request, refused)


def close_call(dialect: Dialect, request: DeviceRequest, refused: Refused | None) -> Reply:
    """Answer a call that has no data."""
    now_ms = request.caller.now_ms
    return dialect.accept(now_ms) if refused is None else dialect.refuse(refused, now_ms)


def close_download(dialect: Dialect, request: DeviceRequest, found: PackageFile | Refused) -> Reply:
    """Answer a download."""
    now_ms = request.caller.now_ms
    if isinstance(found, Refused):
        return dialect.refuse_download(found, now_ms)
    return dialect.give(found, request.range, now_ms)


def md5_of(offer: Offer, request: DeviceRequest) -> str:
    """Give the package's digest, or a wrong one where someone asked for that: then it is spoilt, once."""
    if not request.spoils_md5:
        return offer.md5
    request.spoils_md5 = False
    return spoil_md5(offer.md5)


def type_of(offer: Offer) -> int:
    """Spell the kind of package: 1 full, 2 differential."""
    return 2 if offer.is_differential else 1


ROUTES: Final = RouteTable(
    (
        Route(method="POST", pattern=(None, None, "version"), run=report_versions, enter=enter, call="version",
            wants_body=True),
        Route(method="GET", pattern=(None, None, "version"), run=show_versions, enter=enter, call="version"),
        Route(method="GET", pattern=(None, None, "check"), run=check, enter=enter, call="check"),
        Route(method="GET", pattern=(None, None, None, "check"), run=job_state, enter=enter, call="state"),
        Route(method="GET", pattern=(None, None, None, "download"), run=download, enter=enter, call="download"),
        Route(method="POST", pattern=(None, None, None, "status"), run=report_step, enter=enter, call="status",
            wants_body=True),
    )
)  # fmt: skip
"""The six calls below the base path."""
