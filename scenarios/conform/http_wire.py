"""HTTP/1.1 as bytes, for the relay: a request read whole, an answer read whole, and answers put together anew.

It reads leniently, as the stub does, and changes nothing of what it passes on. Sizes are bytes.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
BODY_OF_GET_S: Final = 0.25
"""How long a GET's announced body is waited for: some devices announce one and send none."""

_END: Final = b"\r\n\r\n"


class NoHttp(Exception):
    """What came is no HTTP message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request. `raw` is all of it as it came; `headers` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes
    ends: bool  # no other request can follow on this connection

    def asking_for(self, range_header: str | None) -> Self:
        """Ask for other bytes, or for all of them."""
        line, _, rest = self.raw.partition(b"\r\n")
        fields, _, body = rest.partition(_END)
        kept = [field for field in fields.split(b"\r\n") if not field.lower().startswith(b"range:")]
        if range_header is not None:
            kept.append(f"Range: {range_header}".encode())
        return replace(self, raw=b"\r\n".join([line, *kept]) + _END + body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer. `lines` are its header lines as they are sent; `is_whole` when all that was announced has come."""

    status_line: bytes
    lines: tuple[bytes, ...]
    body: bytes
    is_whole: bool = True

    @property
    def status(self) -> int:
        """HTTP's status; 0 when there is none to read."""
        parts = self.status_line.split(maxsplit=2)
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    @property
    def is_chunked(self) -> bool:
        """Whether `body` is in chunks."""
        return "chunked" in self.header("Transfer-Encoding")

    def header(self, name: str) -> str:
        """Give a header's value; empty where there is none."""
        wanted = name.lower().encode() + b":"
        for line in self.lines:
            if line.lower().startswith(wanted):
                return line[len(wanted) :].strip().decode("latin-1")
        return ""

    def with_header(self, name: str, value: str | None) -> Self:
        """Set a header, or take it away."""
        lead = name.lower().encode() + b":"
        kept = [line for line in self.lines if not line.lower().startswith(lead)]
        if value is not None:
            kept.append(f"{name}: {value}".encode())
        return replace(self, lines=tuple(kept))

    def with_body(self, body: bytes) -> Self:
        """Set the body, and announce its length."""
        return replace(self.with_header("Content-Length", str(len(body))), body=body)

    def head(self) -> bytes:
        """Give all that comes before the body."""
        return b"\r\n".join([self.status_line, *self.lines]) + _END

    def raw(self) -> bytes:
        """Give all of it."""
        return self.head() + self.body


def made(status: int, reason: str, body: bytes, media: str = "application/json") -> Answer:
    """Make an answer of one's own."""
    lines = (f"Content-Type: {media}".encode(), f"Content-Length: {len(body)}".encode(), b"Connection: close")
    return Answer(status_line=f"HTTP/1.1 {status} {reason}".encode(), lines=lines, body=body)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read a request; None when the device has closed the connection. NoHttp for anything else."""
    head = await _head(reader)
    if head is None:
        return None
    line, *fields = head[: -len(_END)].split(b"\r\n")
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):  # noqa: PLR2004 - method, target, version
        raise NoHttp(f"a request that begins with {line[:60]!r}")
    headers = _headers(fields)
    body, ends = await _request_body(reader, parts[0], headers)
    wish = headers.get("connection", "").lower()
    ends = ends or wish == "close" or (parts[2] == "HTTP/1.0" and wish != "keep-alive")
    return Request(method=parts[0], target=parts[1], headers=headers, body=body, raw=head + body, ends=ends)


async def read_answer(reader: asyncio.StreamReader) -> Answer | None:
    """Read an answer to its end, as far as it comes; None when nothing does."""
    try:
        head = await _head(reader)
    except NoHttp:
        return None
    if head is None:
        return None
    status_line, *lines = head[: -len(_END)].split(b"\r\n")
    answer = Answer(status_line=status_line, lines=tuple(lines), body=b"")
    if answer.is_chunked:
        body, is_whole = await _chunks(reader)
    elif answer.header("Content-Length").isdigit():
        body, is_whole = await _exactly(reader, int(answer.header("Content-Length")))
    else:
        body, is_whole = await reader.read(BODY_BYTES_MAX), True
    return replace(answer, body=body, is_whole=is_whole)


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(_END)
    except asyncio.IncompleteReadError as exc:
        if exc.partial.strip():
            raise NoHttp(f"half a message: {exc.partial[:60]!r}") from exc
        return None
    except asyncio.LimitOverrunError as exc:
        raise NoHttp(f"a head of more than {HEAD_BYTES_MAX} bytes") from exc


def _headers(fields: list[bytes]) -> dict[str, str]:
    headers = {}
    for field in fields:
        name, _, value = field.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


async def _request_body(
    reader: asyncio.StreamReader, method: str, headers: Mapping[str, str]
) -> tuple[bytes, bool]:
    """Read a request's body; the second value says that no request can follow."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        chunks, is_whole = await _chunks(reader)
        return chunks, not is_whole
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > BODY_BYTES_MAX:
        raise NoHttp(f"Content-Length: {announced[:40]}")
    if method != "GET" or announced == "0":
        body, is_whole = await _exactly(reader, int(announced))
        return body, not is_whole
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_OF_GET_S):
            return (await _exactly(reader, int(announced)))[0], False
    return b"", True


async def _exactly(reader: asyncio.StreamReader, count: int) -> tuple[bytes, bool]:
    try:
        return await reader.readexactly(count), True
    except asyncio.IncompleteReadError as exc:
        return exc.partial, False


async def _chunks(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Read chunks, and give them as they came."""
    raw = b""
    while True:
        line = await reader.readline()
        raw += line
        size = line.partition(b";")[0].strip()
        try:
            count = int(size, 16)
        except ValueError:
            return raw, False
        piece, is_whole = await _exactly(reader, count + 2)
        raw += piece
        if not is_whole or not count:
            return raw, is_whole
