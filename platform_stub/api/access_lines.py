"""What a device's HTTP call looks like in the access log: who, what was asked, what was answered, and why.

Source of the shape: the common log format, less what a stub has no use for; bodies are cut short, secrets left out.
"""

import msgspec
from aiohttp.http import RawRequestMessage

from platform_stub.api.device_request import DeviceRequest
from platform_stub.api.reply import Reply
from platform_stub.api.target import Target, split_target
from platform_stub.api.unread import Unread
from platform_stub.protocol.calls import Generation
from platform_stub.protocol.shown import shown, shown_name
from platform_stub.service.device_calls import Caller
from platform_stub.service.ports import AccessLog

_ANYBODY = "http"
_NAME_PARTS = 2  # product and device, where a path begins with them


def write_call(
    log: AccessLog,
    message: RawRequestMessage,
    target: Target,
    reply: Reply,
    *,
    request: DeviceRequest | None,
    peer: str,
) -> None:
    """Write down a call that was answered."""
    generation = target.generation
    assert generation is not None, "the operator's calls are not a device's"
    asked = f"{message.method} {_place(target, message.path)}"
    if request is not None and request.range:
        asked += f" {shown(request.range, 64)}"
    if request is not None and request.body:
        asked += f" {shown(request.body)}"
    log.write(generation.value, _who(target, request, peer), f"{asked} -> {_said(reply)}")


def write_unread(log: AccessLog, unread: Unread, peer: str) -> None:
    """Write down a request that could not be read."""
    generation = unread.generation
    opening = shown(unread.opening, 80)
    what = f"{opening} -> {unread.status} {unread.text}" if opening else f"-> {unread.status} {unread.text}"
    log.write(_ANYBODY if generation is None else generation.value, peer, what)


def write_end(log: AccessLog, peer: str, why: str) -> None:
    """Write down why a connection was ended."""
    log.write(_ANYBODY, peer, f"connection ended: {why}")


def _is_named(target: Target) -> bool:
    return target.generation is not Generation.SOUTH and len(target.segments) > _NAME_PARTS


def _who(target: Target, request: DeviceRequest | None, peer: str) -> str:
    caller: Caller | None = getattr(request, "caller", None)
    if caller is not None:
        return f"{caller.product_id}/{caller.name}"
    if _is_named(target):
        return "/".join(map(shown_name, target.segments[:_NAME_PARTS]))
    return peer


def _place(target: Target, path: str) -> str:
    """Show what follows the device's name in a path; all of it where no name leads."""
    if not _is_named(target):
        return shown(path)
    rest = "/" + "/".join(target.segments[_NAME_PARTS:])
    query = split_target(path)[1]
    return shown(f"{rest}?{query}" if query else rest)


def _said(reply: Reply) -> str:
    """Say what was answered, in a few words."""
    why = f" ({reply.note})" if reply.note else ""
    if reply.delay_s:
        why = f", {reply.delay_s:g} s later{why}"
    if reply.is_silent:
        return f"no answer{why}"
    body = reply.payload(is_http_1_0=True)
    size = len(body) if reply.cut_at_bytes is None else reply.cut_at_bytes
    cut = "" if reply.cut_at_bytes is None else f" of {len(body)}, then cut"
    envelope = _envelope(body) if isinstance(body, bytes) else None
    if envelope is None:
        return f"{reply.status}, {size} bytes{cut}{why}"
    status = "" if reply.status == 200 else f"{reply.status}, "  # noqa: PLR2004 - nothing to mention
    return f"{status}{envelope}{why}"


def _envelope(body: bytes) -> str | None:
    """Read a reply's number and text back, and show its data; None for what is no envelope."""
    try:
        fields = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    code, text = fields.get("code", fields.get("errno")), fields.get("msg", fields.get("error"))
    data = f" {shown(msgspec.json.encode(fields['data']))}" if "data" in fields else ""
    return f"{code} {shown(str(text))}{data}"
