"""One call of the operator API: its path, query and body read and checked, its answer sent.

A body that can't be read is answered with the path in it that is wrong; nothing reaches a use case unchecked.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from platform_stub.protocol.operator import ErrorBody, ErrorCode
from platform_stub.protocol.wording import word_mistake
from platform_stub.service.answers import Rejection, malformed
from platform_stub.service.idempotency import Done, RequestKey
from platform_stub.service.platform import Platform

S = TypeVar("S", bound=msgspec.Struct)

PAGE_DEFAULT: Final = 1_000
PAGE_MAX: Final = 10_000
KEY_MAX_CHARS: Final = 128

_STATUS: Final = MappingProxyType(
    {
        ErrorCode.MALFORMED: 400,
        ErrorCode.FORBIDDEN: 403,
        ErrorCode.NOT_FOUND: 404,
        ErrorCode.UNAVAILABLE: 503,
        ErrorCode.INTERNAL: 500,
    }
)
_CONFLICT: Final = 409
_JSON: Final = "application/json"


class Rejected(Exception):
    """The request can't be read, or is not for this machine; carries the answer."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as the operations see it."""

    platform: Platform
    path: Mapping[str, str]
    query: Mapping[str, str]
    content_type: str
    accept: str
    body: bytes
    key: RequestKey | None

    def id(self, name: str) -> int:
        """Read a number from the path."""
        text = self.path[name]
        if not (text.isascii() and text.isdecimal()) or len(text) > 18 or text != str(int(text)):  # noqa: PLR2004 - fits 64 bits
            raise Rejected(Rejection(code=ErrorCode.NOT_FOUND, message=f"there is no {name} {text[:40]!r}"))
        return int(text)

    def number(self, name: str, default: int, most: int) -> int:
        """Read a number from the query."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal()) or len(text) > 18 or int(text) > most:  # noqa: PLR2004
            raise Rejected(malformed(f"query {name}: a number from 0 to {most} is wanted, not {text[:40]!r}"))
        return int(text)

    def limit(self) -> int:
        """Read how many entries a page may have."""
        return max(1, self.number("limit", PAGE_DEFAULT, PAGE_MAX))

    def read(self, kind: type[S]) -> S:
        """Read the body; an empty one stands for `{}`."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            said = word_mistake(exc, kind) if isinstance(exc, msgspec.DecodeError) else str(exc)
            raise Rejected(malformed(f"body: {said}")) from exc


async def take(request: web.Request, platform: Platform) -> Call:
    """Read a request whole."""
    try:
        body = await request.read()
    except (ConnectionResetError, web.RequestPayloadError, ContentEncodingError) as exc:
        raise Rejected(malformed(f"body: it ended early or can't be decoded ({exc})")) from exc
    return Call(
        platform=platform,
        path=request.match_info,
        query=request.query,
        content_type=request.content_type,
        accept=request.headers.get("Accept", ""),
        body=body,
        key=_request_key(request, body),
    )


def _request_key(request: web.Request, body: bytes) -> RequestKey | None:
    text = request.headers.get("Idempotency-Key")
    if text is None or request.method != "POST":
        return None
    if not 0 < len(text) <= KEY_MAX_CHARS or not text.isprintable():
        raise Rejected(malformed(f"Idempotency-Key: 1 to {KEY_MAX_CHARS} printable characters are wanted"))
    account = request.match_info.get("account", "0")
    digest = hashlib.sha256(request.query_string.encode() + b"\n" + body).hexdigest()
    return RequestKey(
        account_id=int(account) if account.isascii() and account.isdecimal() and len(account) <= 18 else 0,  # noqa: PLR2004
        call=f"{request.method} {request.path}"[:64],
        key=text,
        body_digest=digest,
    )


def answer(
    outcome: msgspec.Struct | Rejection | Done | web.StreamResponse, status: int
) -> web.StreamResponse:
    """Send what an operation came to."""
    match outcome:
        case web.StreamResponse():
            return outcome
        case Rejection(code=code, message=message, details=details):
            body = ErrorBody(code=code.value, message=message, details=dict(details))
            return web.Response(
                status=_STATUS.get(code, _CONFLICT), body=msgspec.json.encode(body), content_type=_JSON
            )
        case Done(status=done_status, body=done_body, repeated=repeated):
            headers = {"Idempotent-Replayed": "true"} if repeated else None
            return web.Response(status=done_status, body=done_body, content_type=_JSON, headers=headers)
        case _:
            return web.Response(status=status, body=msgspec.json.encode(outcome), content_type=_JSON)
