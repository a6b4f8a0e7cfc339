"""The connections that a fleet downloads and calls over: kept open, at most so many, shared by all its devices.

Requests beyond the pool's size wait their turn. Not here: the connection itself (`http_connection`), what an answer
means (`core.download`, `core.dialect`), and repeating a request.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from device_sim.transport.alarm import Alarm
from device_sim.transport.dialler import Address, Dialler
from device_sim.transport.http_connection import HttpConnection, Reader, Request

REQUESTS_MAX: Final = 1_000
"""Generation A takes no more of them on one connection."""


class HttpPool:
    """At most `size` connections to one server, shared by all readers. One request a reader at a time.

    `name` is what the server is called where that is not its address: a server of many names looks at it.
    `crashed` is told of what must not happen: an exception out of a reader.
    """

    def __init__(
        self,
        address: Address,
        size: int,
        *,
        name: str | None = None,
        alarm: Alarm,
        timeout_ms: int,
        crashed: Callable[[BaseException], None],
    ) -> None:
        host, port = name or address[0], address[1]
        self.alarm = alarm
        self.crashed = crashed
        self.timeout_ms = timeout_ms
        self.host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.requests_max = REQUESTS_MAX
        self.answers = 0
        self.body_bytes = 0
        self._size = size
        self._dialler = Dialler(address, size)
        self._waiting: OrderedDict[Reader, Request] = OrderedDict()  # a dict's first is not found at once
        self._active: dict[Reader, HttpConnection] = {}
        self._idle: list[HttpConnection] = []
        self._open: set[HttpConnection] = set()

    def fetch(self, reader: Reader, request: Request) -> None:
        """Ask when it is the reader's turn."""
        assert reader not in self._active, "a reader has one request at a time"
        self._waiting[reader] = request
        self.pump()

    def cancel(self, reader: Reader) -> None:
        """Forget a request, or the rest of its answer."""
        self._waiting.pop(reader, None)
        connection = self._active.pop(reader, None)
        if connection is not None:
            connection.detach()

    def stop(self) -> None:
        """Close everything; nobody is told."""
        self._waiting.clear()
        self._active.clear()
        self._dialler.stop()
        for connection in list(self._open):
            connection.detach()
            connection.close()

    def dial(self, connection: HttpConnection) -> None:
        """Open a connection's socket."""
        self._dialler.request(connection)

    def dialled(self, connection: HttpConnection) -> None:
        """Its socket is open."""
        self._dialler.release(connection)

    def finished(self, connection: HttpConnection, reader: Reader | None) -> None:
        """The connection is free again; its reader was answered."""
        if reader is not None:
            self._active.pop(reader, None)
        self._idle.append(connection)

    def closed(self, connection: HttpConnection, reader: Reader | None) -> None:
        """The connection is no more."""
        if reader is not None:
            self._active.pop(reader, None)
        self._open.discard(connection)
        self._dialler.cancel(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def ask_on_new(self, reader: Reader, request: Request) -> None:
        """Ask on a new connection: none is free, or a kept one was closed under the request."""
        connection = HttpConnection(self, request.source)
        self._open.add(connection)
        self._active[reader] = connection
        connection.open(reader, request)

    def pump(self) -> None:
        """Let those who wait have what is free."""
        while self._waiting and (self._idle or len(self._open) < self._size):
            reader, request = self._waiting.popitem(last=False)
            if self._idle and not request.source:
                connection = self._idle.pop()
                self._active[reader] = connection
                connection.ask(reader, request)
                continue
            if len(self._open) >= self._size:
                self._idle.pop().close()  # it makes room for one from another address
            self.ask_on_new(reader, request)
