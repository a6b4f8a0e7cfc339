"""One HTTP/1.1 connection: a request at a time, its answer parsed by httptools, every wait limited.

Bodies are handed on in pieces and never kept. A kept connection that turns out closed before anything of an answer
came is replaced without a word. Times are monotonic milliseconds. Not here: whose turn it is (`http`), and what an
answer means (`core.download`).
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import httptools

from device_sim.core.wheel import NEVER
from device_sim.transport.alarm import Alarm
from device_sim.transport.stream import BUFFER, Stream

DRAIN_BYTES_MAX: Final = 64 * 1024
"""The rest of an unwanted answer is read up to here, to keep the connection; beyond it costs more than a new one."""

HEAD_BYTES_MAX: Final = 16 * 1024

_KEPT: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"ota-errno": "ota_errno",
        b"content-range": "content_range",
        b"content-length": "content_length",
    }
)


class Head(NamedTuple):
    """The status and the headers that a device needs; None for one that is missing."""

    status: int
    ota_errno: str | None
    content_range: str | None
    content_length: str | None
    date: bytes = b""  # as it came: hardly anyone reads it


class Request(NamedTuple):
    """Of the bytes [start:stop], where that is no empty range; with a JSON body, where there is one."""

    path: str
    start: int
    stop: int
    authorization: str
    method: str = "GET"
    body: bytes = b""
    source: str = ""  # the local address to ask from, on a connection of its own; empty: any


class Reader(Protocol):
    """Who asked. After `HttpPool.cancel` none of these is called any more."""

    def answer_began(self, head: Head) -> None:
        """The head of the answer came."""

    def answer_went_on(self, data: bytes) -> None:
        """The next bytes of the body came."""

    def answer_ended(self) -> None:
        """The answer is complete; nothing follows."""

    def answer_failed(self, reason: str, *, timed_out: bool) -> None:
        """There is no answer, or not all of it; nothing follows."""


class Pool(Protocol):
    """What a connection needs of the pool it belongs to."""

    alarm: Alarm
    crashed: Callable[[BaseException], None]
    timeout_ms: int
    host: str
    requests_max: int
    answers: int
    body_bytes: int

    def dial(self, connection: "HttpConnection") -> None:
        """Open the connection's socket."""

    def dialled(self, connection: "HttpConnection") -> None:
        """Its socket is open."""

    def finished(self, connection: "HttpConnection", reader: Reader | None) -> None:
        """The connection is free again; its reader was answered."""

    def closed(self, connection: "HttpConnection", reader: Reader | None) -> None:
        """The connection is no more."""

    def ask_on_new(self, reader: Reader, request: Request) -> None:
        """Ask on a new connection: none is free, or a kept one was closed under the request."""

    def pump(self) -> None:
        """Let those who wait have what is free."""


class Phase(IntEnum):
    """Where a connection stands."""

    CONNECTING = 0
    IDLE = 1
    AWAITING_HEAD = 2
    IN_BODY = 3
    CLOSED = 4


class HttpConnection(Stream):
    """One connection of the pool. Parser callbacks only gather; the reader is called after each read."""

    __slots__ = (
        "_began_now",
        "_complete_now",
        "_date",
        "_deadline_ms",
        "_drained",
        "_head",
        "_head_bytes",
        "_keeps",
        "_parser",
        "_parts",
        "_phase",
        "_pool",
        "_reader",
        "_request",
        "_served",
        "_violation",
        "source",
        "tick",
    )

    def __init__(self, pool: Pool, source: str = "") -> None:
        super().__init__()
        self.tick = 0
        self.source = source
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._phase = Phase.CONNECTING
        self._deadline_ms = NEVER
        self._reader: Reader | None = None
        self._request: Request | None = None
        self._served = 0
        self._head: dict[str, str] = {}
        self._date = b""
        self._parts: list[bytes] = []
        self._began_now = self._complete_now = False
        self._violation = ""
        self._keeps = False
        self._drained = 0
        self._head_bytes = 0

    # the wheel

    @property
    def due_ms(self) -> int:
        """When the present wait has lasted too long."""
        return self._deadline_ms

    def woken(self, _: int) -> None:
        """Give up: the wait has its limit."""
        what = {Phase.CONNECTING: "no connection", Phase.AWAITING_HEAD: "no answer"}.get(
            self._phase, "no more bytes"
        )
        self._fail(f"{what} within {self._pool.timeout_ms} ms", timed_out=True)

    # the pool

    def open(self, reader: Reader, request: Request) -> None:
        """Connect, and ask."""
        self._reader, self._request = reader, request
        self._wait()
        self._pool.dial(self)

    def ask(self, reader: Reader | None, request: Request) -> None:
        """Send a request."""
        assert self.transport is not None, "an idle connection is open"
        self._reader, self._request = reader, request
        self._phase = Phase.AWAITING_HEAD
        self._drained = self._head_bytes = 0
        self._wait()
        self.transport.write(_spell(request, self._pool.host))

    def detach(self) -> None:
        """Read the answer for nobody."""
        self._reader = None

    def close(self) -> None:
        """Close, telling nobody."""
        self._leave()

    # the dialler

    def make_stream(self) -> Stream:
        """It is a stream itself."""
        return self

    def dial_failed(self, reason: str) -> None:
        """Tell the reader."""
        self._fail(reason)

    def crashed(self, error: BaseException) -> None:
        """Pass it on."""
        self._pool.crashed(error)

    # the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request that the connection was opened for."""
        super().connection_made(transport)
        self._pool.dialled(self)
        if self._phase is Phase.CLOSED:
            transport.close()
        elif self._request is not None:
            self.ask(self._reader, self._request)

    def buffer_updated(self, nbytes: int) -> None:
        """Take apart what was read, then tell the reader."""
        if self._phase is Phase.CLOSED:
            return
        try:
            self._parse(nbytes)
        except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
            self._pool.crashed(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader; what was asked on a kept connection and met with nothing is asked again."""
        self.transport = None
        if self._phase is Phase.CLOSED:
            return
        reader, request = self._reader, self._request
        if self._phase is Phase.AWAITING_HEAD and self._served and not self._head_bytes:
            self._reader = None
            self._leave()
            if reader is not None and request is not None:
                self._pool.ask_on_new(reader, request)
            self._pool.pump()
            return
        self._fail(f"the connection was closed{f' ({exc})' if exc else ''}")

    # the parser

    def on_message_begin(self) -> None:
        """Note bytes that follow a whole answer."""
        if self._complete_now or self._phase is not Phase.AWAITING_HEAD:
            self._violation = "bytes that nobody asked for"

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what a device needs."""
        name = name.lower()
        field = _KEPT.get(name)
        if field is not None:
            self._head[field] = value.decode("latin-1").strip()
        elif name == b"date":
            self._date = value

    def on_headers_complete(self) -> None:
        """Note that the answer began."""
        self._began_now = True

    def on_body(self, body: bytes) -> None:
        """Gather."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Note that the answer ended."""
        self._complete_now = True
        self._keeps = self._parser.should_keep_alive()  # llhttp tells only here

    def _parse(self, nbytes: int) -> None:
        self._deadline_ms = self._pool.alarm.now_ms() + self._pool.timeout_ms
        self._head_bytes += nbytes
        try:
            self._parser.feed_data(BUFFER[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._violation = f"what came is no HTTP answer: {exc}"
        if self._phase is Phase.IDLE and not self._violation:
            self._violation = "bytes that nobody asked for"
        if self._began_now and not self._violation:
            self._deliver_head()
        elif self._phase is Phase.AWAITING_HEAD and self._head_bytes > HEAD_BYTES_MAX:
            self._violation = f"a head of more than {HEAD_BYTES_MAX} bytes"
        if self._parts and self._phase is Phase.IN_BODY:
            self._deliver_body()
        if self._violation:
            self._fail(self._violation)
        elif self._complete_now:
            self._complete()
        elif self._reader is None and self._drained > DRAIN_BYTES_MAX:
            self._fail("")

    def _deliver_head(self) -> None:
        self._began_now = False
        self._phase = Phase.IN_BODY
        head, self._head = self._head, {}
        if self._reader is not None:
            self._reader.answer_began(
                Head(
                    self._parser.get_status_code(),
                    head.get("ota_errno"),
                    head.get("content_range"),
                    head.get("content_length"),
                    self._date,
                )
            )

    def _deliver_body(self) -> None:
        parts, self._parts = self._parts, []
        for part in parts:
            if self._reader is None:
                self._drained += len(part)
            else:
                self._pool.body_bytes += len(part)
                self._reader.answer_went_on(part)

    def _complete(self) -> None:
        reader = self._reader
        self._complete_now = False
        self._reader = self._request = None
        self._served += 1
        self._pool.answers += 1
        if self._keeps and self._served < self._pool.requests_max and not self.source:
            self._phase = Phase.IDLE
            self._deadline_ms = NEVER
            self._pool.finished(self, reader)
        else:
            self._leave(reader)
        if reader is not None:
            reader.answer_ended()
        self._pool.pump()

    def _wait(self) -> None:
        self._deadline_ms = self._pool.alarm.now_ms() + self._pool.timeout_ms
        self._pool.alarm.place(self)

    def _fail(self, reason: str, *, timed_out: bool = False) -> None:
        reader = self._reader
        self._reader = None
        self._leave(reader)
        if reader is not None:
            reader.answer_failed(reason, timed_out=timed_out)
        self._pool.pump()

    def _leave(self, reader: Reader | None = None) -> None:
        self._phase = Phase.CLOSED
        self._deadline_ms = NEVER
        self._pool.closed(self, reader)
        if self.transport is not None:
            self.transport.abort()


def _spell(request: Request, host: str) -> bytes:
    path, start, stop, authorization, method, body, _ = request
    more = f"Range: bytes={start}-{stop - 1}\r\n" if stop > start else ""
    if body:
        more += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n{more}\r\n"
    return head.encode("ascii") + body
