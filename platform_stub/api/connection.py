"""One HTTP connection: aiohttp's parser and operator handlers, with the devices' calls answered past its router.

What is added to aiohttp's RequestHandler, and why: a device's reply is written as bytes of our own (spelling, no
`Server`, a failed download in one chunk); requests that can't be parsed are answered in their generation's envelope;
a GET that announces a body and sends none is answered at once, then the connection ends; heads, bodies and idleness
have limits, judged by one sweep of all connections (`HttpServer`) instead of a timer each.
It overrides parts of RequestHandler that aiohttp does not document: pinned to the minor version, and
tests/platform_stub/api/test_raw_requests.py holds each of them. Times are the loop's, in seconds.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11, RawRequestMessage, StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from platform_stub.api.access_lines import write_call, write_end, write_unread
from platform_stub.api.begun import Begun
from platform_stub.api.body import Slow, read_body
from platform_stub.api.device_http import Found
from platform_stub.api.device_request import DeviceRequest
from platform_stub.api.reply import Body, Reply, unreadable
from platform_stub.api.south import REQUESTS_MAX
from platform_stub.api.target import Target, read_target
from platform_stub.api.unread import Unread, has_bare_lf
from platform_stub.protocol.calls import Generation
from platform_stub.service.contents import SLICE_MAX_BYTES
from platform_stub.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from platform_stub.api.http_server import HttpServer

_JOINED_MAX_BYTES: Final = 64 * 1024  # up to here a copy costs less than a second write
_OPENING_BYTES: Final = 1_024
_TEXT_MAX: Final = 100


class Connection(web.RequestHandler):
    """A connection of a device, or of an operator, or of both in turn."""

    __slots__ = (
        "_answer_left",
        "_answered",
        "_body",
        "_gone",
        "_head_bytes",
        "_head_since_s",
        "_http",
        "_incoming",
        "_is_deaf",
        "_is_half_closed",
        "_is_lingering",
        "_is_serving",
        "_moved_s",
        "_opening",
        "_served",
        "_since_s",
        "_underway",
        "local",
    )

    def __init__(self, http: "HttpServer", **options: Any) -> None:
        super().__init__(http, keepalive_timeout=0, **options)
        self._http = http
        self._body: StreamReader = EMPTY_PAYLOAD  # of the request that is being served
        self._incoming: StreamReader = EMPTY_PAYLOAD  # of the request that was parsed last
        self._gone: asyncio.Future[None] | None = None
        self._head_since_s: float | None = None
        self._head_bytes = 0
        self._opening = b""
        self.local = ""  # HOST:PORT that the peer reached the stub by
        self._is_deaf = self._is_half_closed = self._is_lingering = self._is_serving = False
        self._answered = self._served = 0
        self._since_s = self._moved_s = self._loop.time()
        self._answer_left = 0
        self._underway: Begun[bool] | None = None  # a call that was begun outside the connection's task

    # What the transport says.

    def data_received(self, data: bytes) -> None:
        """Parse; what is no request is queued as such, and nothing is parsed after it."""
        if self._is_deaf:
            return
        now_s = self._moved_s = self._loop.time()
        is_head = bool(data) and self._incoming.is_eof()
        if is_head and self._head_since_s is None:
            self._head_since_s, self._head_bytes, self._opening = now_s, 0, data[:_OPENING_BYTES]
        before = len(self._messages)
        waiter, self._waiter = self._waiter, None  # who is woken is ours to say
        super().data_received(data)
        self._waiter = waiter
        if len(self._messages) > before:
            self._take_stock()
            if waiter is None or waiter.done() or self._is_serving:
                return
            if not self._is_answered_now():
                waiter.set_result(None)
        elif is_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._http.limits.head_max_bytes:
                self._give_up(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")

    def _take_stock(self) -> None:
        """Look at what was parsed last."""
        self._head_since_s = None
        message, payload = self._messages[-1]
        if isinstance(message, RawRequestMessage):
            self._incoming = payload
            return
        self._messages.pop()
        if not self._incoming.is_eof():  # the error is inside a body, whose reader would wait for ever
            self._incoming.set_exception(web.RequestPayloadError(message.message))
        line = message.message.partition("\n")[0].strip(" :")
        why = "lines end in CRLF" if has_bare_lf(self._opening) else line
        self._give_up(message.status, f"not an HTTP request: {why}"[:_TEXT_MAX])

    def _is_answered_now(self) -> bool:
        """Answer a lone GET of a device at once, without a turn of the connection's task.

        A call that has to wait is left to the task where it stands, and one that is the last as well.
        """
        message, payload = self._messages[0]
        if len(self._messages) > 1 or not isinstance(message, RawRequestMessage) or message.method != "GET":
            return False
        target = read_target(message.path)
        if target.generation is None or not payload.is_eof():
            return False
        self._messages.popleft()
        self._is_serving, self._body = True, payload
        self._free_slot()
        begun = Begun(self._serve_device(message, payload, target, target.generation))
        if not begun.has_given(False):
            self._underway = begun
            return False
        self._is_serving, self._since_s = False, self._loop.time()
        return not self._messages

    def _give_up(self, status: int, text: str) -> None:
        """Queue a request that will not be read any further."""
        self._is_deaf = True
        self._head_since_s = None
        self._messages.append((Unread(status, text, self._opening), EMPTY_PAYLOAD))  # type: ignore[arg-type]
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes either
        """Let a peer that has only stopped sending have its answer."""
        self._leave()
        if not self._incoming.is_eof():
            self._incoming.set_exception(web.RequestPayloadError("the body ended early"))
        if self._messages or self._is_serving:
            self._is_half_closed = True
            return not self._is_lingering
        return False

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Go on after a pause; aiohttp also says so after each read, and parses nothing at some cost."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what waits for the peer."""
        self._leave()
        if not self._incoming.is_eof():
            self._incoming.set_exception(web.RequestPayloadError("the connection was lost"))
        super().connection_lost(exc)

    def close(self) -> None:
        """Finish what is being served, no more."""
        super().close()
        self._leave()

    def force_close(self) -> None:
        """End now."""
        super().force_close()
        self._leave()

    def _leave(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    # What the sweep says.

    def sweep(self, now_s: float) -> None:
        """End what has kept the stub waiting for too long."""
        limits = self._http.limits
        if self._is_lingering:
            if now_s - self._since_s >= limits.linger_s:
                self._drop()  # it was told why, and does not leave
        elif self._is_serving:
            self._sweep_exchange(now_s)
        elif self._head_since_s is not None:
            if now_s - self._head_since_s >= limits.head_s:
                self._give_up(HTTPStatus.REQUEST_TIMEOUT, "the head took too long")
        elif now_s - self._since_s >= (limits.keepalive_s if self._served else limits.idle_s):
            self._drop(f"idle for {now_s - self._since_s:.0f} s")

    def _drop(self, why: str = "") -> None:
        """End now, whether or not the peer takes what is still in the buffer."""
        if why and self._http.devices.log is not None:
            write_end(self._http.devices.log, self._peer(), why)
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def _sweep_exchange(self, now_s: float) -> None:
        if not self._body.is_eof():
            if now_s - self._moved_s >= self._http.limits.body_s and self._body.exception() is None:
                self._body.set_exception(Slow("the body took too long"))
        elif self._paused and self.transport is not None:
            left = self.transport.get_write_buffer_size()
            if left != self._answer_left:
                self._answer_left, self._moved_s = left, now_s
            elif now_s - self._moved_s >= self._http.limits.answer_s:
                self._drop(f"its answer was not taken for {now_s - self._moved_s:.0f} s")

    # Request by request.

    async def start(self) -> None:
        """Serve requests in their order until one is the last."""
        try:
            while not (self._force_close or self._close):
                if self._messages:
                    await asyncio.sleep(0)  # who sends many requests at once takes turns with everybody else
                elif not await self._next():
                    break
                if self._underway is not None:
                    begun, self._underway = self._underway, None
                    is_last = await begun
                elif self.transport is None or self.transport.is_closing():
                    break
                else:
                    message, payload = self._messages.popleft()
                    self._free_slot()
                    self._is_serving, self._body = True, payload
                    is_last = await self._serve(message, payload)
                self._is_serving, self._since_s = False, self._loop.time()
                if is_last:
                    break
            await self._end()
        except (ConnectionError, StoreUnavailable):  # the latter in the middle of a download
            self.force_close()
        except Exception:
            self.force_close()
            self.logger.exception("an error inside the stub while serving a connection")

    async def _next(self) -> bool:
        """Wait for a request; False when none will come."""
        if self._is_half_closed:
            return False
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        return True

    def _free_slot(self) -> None:
        """Let the parser go on behind a queue that was full."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _serve(self, message: Any, payload: StreamReader) -> bool:
        """Answer one request; True when it is the connection's last."""
        if not isinstance(message, RawRequestMessage):
            assert isinstance(message, Unread)
            if self._http.devices.log is not None:
                write_unread(self._http.devices.log, message, self._peer())
            await self._send(unreadable(message.generation, message.status, message.text), closes=True)
            return True
        target = read_target(message.path)
        if target.generation is None:
            return await self._serve_operator(message, payload)
        return await self._serve_device(message, payload, target, target.generation)

    async def _end(self) -> None:
        """Close behind the last answer; what the peer still sends is thrown away until it has read that."""
        transport = self.transport
        if transport is None or self._force_close:
            return
        is_heard = self._incoming.is_eof() and not self._is_deaf
        if is_heard or self._is_half_closed or not transport.can_write_eof():
            self._task_handler = None
            transport.close()
            return
        self._is_deaf = self._is_lingering = True
        self._since_s = self._loop.time()
        transport.write_eof()
        self._resume_transport_reading()
        await self._wait_until_gone()
        self.force_close()

    async def _wait_until_gone(self, limit_s: float | None = None) -> None:
        """Wait until the peer leaves or says no more, or the time is over."""
        if self.transport is None or self._is_half_closed or self._close:
            return
        self._gone = self._loop.create_future()
        await asyncio.wait([self._gone], timeout=limit_s)

    # The operator's side, as aiohttp does it.

    async def _serve_operator(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        assert self._request_factory is not None
        assert self._request_handler is not None
        writer: AbstractStreamWriter = StreamWriter(self, self._loop)
        task = asyncio.current_task()
        assert task is not None
        self._http.requests_count += 1
        request = self._request_factory(message, payload, self, writer, task)
        try:
            response, is_cut_off = await self._handle_request(request, None, self._request_handler)
        finally:
            request._task = None  # type: ignore[assignment]  # noqa: SLF001 - as aiohttp does: it breaks a cycle
        if is_cut_off or not payload.is_eof():
            return True
        self._served += 1
        return not response.keep_alive

    # The devices' side.

    async def _serve_device(
        self, message: RawRequestMessage, payload: StreamReader, target: Target, generation: Generation
    ) -> bool:
        self._http.requests_count += 1
        found = self._http.devices.find(target, message.method)
        if isinstance(found, Reply):
            reply = found
            self._write_down(message, target, reply)
        else:
            reply = await self._call(found, message, payload, target)
            self._served += reply.status < HTTPStatus.BAD_REQUEST
        self._answered += 1
        is_last = generation is Generation.SOUTH and self._answered >= REQUESTS_MAX
        closes = is_last or message.should_close or message.upgrade or not payload.is_eof()
        return await self._send(reply, message, closes=closes)

    async def _call(
        self, found: Found, message: RawRequestMessage, payload: StreamReader, target: Target
    ) -> Reply:
        headers, body = message.headers, b""
        if found.route.wants_body:
            most = self._http.limits.body_max_bytes
            read = await read_body(message, payload, found.dialect.generation, most, self.transport)
            if isinstance(read, Reply):
                self._write_down(message, target, read)
                return read
            body = read
        request = DeviceRequest(
            message.method,
            target.segments,
            target.query,
            authorization=headers.get("Authorization", ""),
            range=headers.get("Range"),
            body=body,
            local=self.local,
        )
        reply = await self._http.devices.answer(found, request)
        if self._http.devices.log is not None:
            self._write_down(message, target, reply, request)
        return reply

    def _write_down(
        self, message: RawRequestMessage, target: Target, reply: Reply, request: DeviceRequest | None = None
    ) -> None:
        log = self._http.devices.log
        if log is not None:
            write_call(log, message, target, reply, request=request, peer=self._peer())

    def _peer(self) -> str:
        """Give the peer's address; "-" when it is gone."""
        address = None if self.transport is None else self.transport.get_extra_info("peername")
        return "-" if address is None else f"{address[0]}:{address[1]}"

    async def _send(self, reply: Reply, message: RawRequestMessage | None = None, *, closes: bool) -> bool:
        """Send a reply; True when it is the connection's last."""
        if reply.is_silent:
            await self._wait_until_gone()
            return True
        if reply.delay_s:
            await self._wait_until_gone(reply.delay_s)
        is_old = message is not None and message.version < HttpVersion11
        closes = closes or (is_old and bool(reply.chunk))
        head = reply.head(self._http.devices.real_ms(), closes=closes, is_http_1_0=is_old)
        body = reply.payload(is_http_1_0=is_old)
        if message is not None and message.method == "HEAD":
            body = b""
        if reply.cut_at_bytes is not None and not reply.cut_at_bytes >= len(body):
            body, closes = body[: reply.cut_at_bytes], True
        await self._write(head, body)
        return closes

    async def _write(self, head: bytes, body: Body) -> None:
        """Hand a reply to the socket; of a download at most one slice waits in memory."""
        transport = self.transport
        if transport is None:
            raise ConnectionResetError
        if isinstance(body, bytes):
            transport.write(head + body if body else head)
        elif len(body) <= _JOINED_MAX_BYTES:
            transport.write(b"".join((head, body[: len(body)])))
        else:
            transport.write(head)
            for at in range(0, len(body), SLICE_MAX_BYTES):
                if self._paused:
                    await self._drain_helper()
                transport.write(body[at : at + SLICE_MAX_BYTES])
        if self._paused:
            self._moved_s = self._loop.time()
            await self._drain_helper()
