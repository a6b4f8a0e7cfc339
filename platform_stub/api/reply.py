"""A reply to a device, down to its bytes: header lines as parsers on devices compare them, and the envelopes.

Names are in their usual spelling, JSON is compact, `Date` is the account's, and no reply is chunked but the failed
download of A and B. Connections, and what a reply says, are not here. Sizes are bytes, times unix milliseconds.
Source: onenet-protocol, sections 1, 4 and 6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from random import Random
from types import MappingProxyType
from typing import Final

import msgspec

from platform_stub.protocol.calls import Generation
from platform_stub.protocol.operator import ErrorBody, ErrorCode
from platform_stub.service.contents import Content

JSON_LINE: Final = b"Content-Type: application/json\r\n"
BINARY_LINE: Final = b"Content-Type: application/octet-stream;charset=UTF-8\r\n"
CLOSE_LINE: Final = b"Connection: close\r\n"
KEEP_LINE: Final = b"Connection: keep-alive\r\n"
CHUNKED_LINE: Final = b"Transfer-Encoding: chunked\r\n"
SUCCESS: Final = "succ"

_DATE_S_MAX: Final = 253_402_300_799  # the last second of the year 9999: no HTTP date is later
_STATUS_LINES: Final[Mapping[int, bytes]] = MappingProxyType(
    {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
)

_request_ids = Random()  # they tell requests apart and guard nothing; the kernel's are twice as dear

Body = bytes | Content
Envelope = Callable[[int, str, bytes | None], bytes]


@dataclass(slots=True, kw_only=True)
class Reply:
    """What is sent. `lines` are the header lines besides `Date` and `Connection`; `now_ms` gives the `Date`.

    `chunk` is sent as one chunk instead of `body`. `delay_s`, `cut_at_bytes` and `is_silent` are faults that someone
    asked for: it is sent later, the connection ends after so many bytes of the body, or nothing is sent at all.
    `note` is for people, and goes nowhere.
    """

    status: int = 200
    lines: bytes
    body: Body = b""
    now_ms: int | None = None
    chunk: bytes = b""
    delay_s: float = 0.0
    cut_at_bytes: int | None = None
    is_silent: bool = False
    note: str | None = None

    def head(self, real_ms: int, *, closes: bool, is_http_1_0: bool) -> bytes:
        """Spell everything before the body."""
        lines = self.lines
        if (
            self.chunk and not is_http_1_0
        ):  # HTTP/1.0 knows no chunks: there the body ends with the connection
            lines += CHUNKED_LINE
        if closes:
            lines += CLOSE_LINE
        elif is_http_1_0:
            lines += KEEP_LINE
        date = http_date(real_ms if self.now_ms is None else self.now_ms)
        return b"%b%b%b\r\n" % (status_line(self.status), date, lines)

    def payload(self, *, is_http_1_0: bool) -> Body:
        """Spell the body."""
        if not self.chunk:
            return self.body
        return self.chunk if is_http_1_0 else b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.chunk), self.chunk)


def status_line(status: int) -> bytes:
    """Spell a status line; there is a space after the code even where no phrase follows."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def http_date(now_ms: int) -> bytes:
    """Spell the `Date` line."""
    return _date_line(now_ms // 1000)


@lru_cache(maxsize=1_024)
def _date_line(now_s: int) -> bytes:
    return f"Date: {formatdate(min(max(now_s, 0), _DATE_S_MAX), usegmt=True)}\r\n".encode()


def json_reply(body: bytes, *, status: int = 200, now_ms: int | None = None, lines: bytes = b"") -> Reply:
    """Make a reply of a JSON body."""
    lines = b"%bContent-Length: %d\r\n%b" % (JSON_LINE, len(body), lines)
    return Reply(status=status, lines=lines, body=body, now_ms=now_ms)


def errno_envelope(code: int, text: str, data: bytes | None = None) -> bytes:
    """Spell the envelope of A and B."""
    if data is None:
        return b'{"errno":%d,"error":%b}' % (code, msgspec.json.encode(text))
    return b'{"errno":%d,"error":%b,"data":%b}' % (code, msgspec.json.encode(text), data)


def code_envelope(code: int, text: str, data: bytes | None = None) -> bytes:
    """Spell the envelope of C; `request_id` is 32 lower-case hex digits."""
    request_id = _request_ids.getrandbits(128)
    if data is None:
        return b'{"code":%d,"msg":%b,"request_id":"%032x"}' % (code, msgspec.json.encode(text), request_id)
    return b'{"code":%d,"msg":%b,"data":%b,"request_id":"%032x"}' % (
        code,
        msgspec.json.encode(text),
        data,
        request_id,
    )


_UNREADABLE: Final[Mapping[Generation, tuple[Envelope, int]]] = MappingProxyType(
    {
        Generation.SOUTH: (errno_envelope, 2),
        Generation.STUDIO: (errno_envelope, 2),
        Generation.FUSE: (code_envelope, 10001),
    }
)
"""What a request that HTTP itself finds wrong is answered with: "parameter" in A and B, "bad parameter" in C."""


def unreadable(generation: Generation | None, status: int, text: str, lines: bytes = b"") -> Reply:
    """Refuse a request that can't be read as one of this generation's calls; None is the operator's side."""
    if generation is None:
        body = msgspec.json.encode(ErrorBody(code=ErrorCode.MALFORMED.value, message=text, details={}))
    else:
        envelope, code = _UNREADABLE[generation]
        body = envelope(code, text, None)
    return json_reply(body, status=status, lines=lines)
