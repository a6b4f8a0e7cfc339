"""The body of a device's request, read whole and never past what a device may send. Sizes are bytes."""

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from platform_stub.api.reply import Reply, unreadable
from platform_stub.protocol.calls import Generation

_LENGTH_DIGITS_MAX: Final = 18
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Slow(web.RequestPayloadError):
    """The body did not go on."""


async def read_body(
    message: RawRequestMessage,
    payload: StreamReader,
    generation: Generation,
    most: int,
    transport: asyncio.Transport | None,
) -> bytes | Reply:
    """Read a body whole, or say in the generation's envelope why it can't be.

    A peer that asks whether it may send is told so on `transport`. A body that is announced as too large is not
    waited for; one that unfolds (gzip) counts as what it unfolds to.
    """
    length = message.headers.get("Content-Length", "")
    if length.isdecimal() and (len(length) > _LENGTH_DIGITS_MAX or int(length) > most):
        return _too_large(generation, most)
    try:
        if payload.is_eof():
            body = payload.read_nowait()
            return body if len(body) <= most else _too_large(generation, most)
        if "Expect" in message.headers and transport is not None:
            transport.write(_CONTINUE)
        gathered = await _gather(payload, most)
        return _too_large(generation, most) if gathered is None else gathered
    except Slow as exc:
        return unreadable(generation, HTTPStatus.REQUEST_TIMEOUT, str(exc))
    except (web.RequestPayloadError, HttpProcessingError):
        return unreadable(generation, HTTPStatus.BAD_REQUEST, "the body ended early or can't be read")


async def _gather(payload: StreamReader, most: int) -> bytes | None:
    """Read to the end; None when it is further than `most` bytes away."""
    body = b""
    while chunk := await payload.readany():
        body += chunk
        if len(body) > most:
            return None
    return body


def _too_large(generation: Generation, most: int) -> Reply:
    text = f"the body is larger than {most} bytes"
    return unreadable(generation, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
