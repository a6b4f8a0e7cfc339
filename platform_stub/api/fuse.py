"""Generation C's download: `/fuse-ota/{product id}/{device name}/{tid}/download`.

Source: onenet-protocol, sections 4 (range and download) and 6 (header spelling).
"""

from typing import Final

from aiohttp import web

from platform_stub.protocol.codes import OtaErrno
from platform_stub.protocol.ranges import content_range, parse_range
from platform_stub.service.downloads import Downloads, Granted
from platform_stub.store.errors import StoreUnavailable

PREFIX: Final = "/fuse-ota/"
_BINARY: Final = "application/octet-stream;charset=UTF-8"
_TID_MAX_CHARS: Final = 18


def make_handler(downloads: Downloads) -> "web._Handler":  # type: ignore[name-defined]
    """Make the handler behind the catch-all route below `/fuse-ota/`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            return web.Response(status=405, headers={"Allow": "GET"})
        parts = [part for part in request.path.removeprefix(PREFIX).split("/") if part]
        match parts:
            case [product_id, name, tid, "download"] if _is_tid(tid):
                return await _download(downloads, request, product_id, name, int(tid))
            case _:
                return web.Response(
                    status=404, body=b'{"code":12002,"msg":"not found"}', content_type="application/json"
                )

    return handle


def _is_tid(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _TID_MAX_CHARS


async def _download(
    downloads: Downloads, request: web.Request, product_id: str, name: str, tid: int
) -> web.StreamResponse:
    try:
        outcome = await downloads.open(product_id, name, tid, request.headers.get("Authorization", ""))
    except StoreUnavailable:
        return web.Response(status=503, headers={"Ota-Errno": str(int(OtaErrno.STORAGE))})
    if not isinstance(outcome, Granted):
        return web.Response(status=200, headers={"Ota-Errno": str(int(outcome))})
    size = len(outcome.content)
    part = parse_range(request.headers.get("Range"), size)
    headers = {
        "Content-Type": _BINARY,
        "Content-Disposition": f'attachment; filename="{outcome.file_name}"',
        "Ota-Errno": "0",
    }
    if part.is_whole:
        return web.Response(status=200, body=outcome.content, headers=headers)
    headers["Content-Range"] = content_range(part.start, part.stop, size)
    body = memoryview(outcome.content)[part.start : part.stop]
    return web.Response(status=206, body=body, headers=headers)
