"""A door: a listener on 127.0.0.1 whose connections are counted, attended one task each, and can be shut out.

What a connection is for is a subclass's. A door that is shut takes connections and closes them at once, as a
platform does that is restarting.
"""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from types import TracebackType
from typing import Self

from platform_stub.protocol.errors import EnvironmentFault


class Door:
    """Listens. `opened` counts connections, `turned_away` those that came while it was shut; `address` is where."""

    def __init__(self, name: str, *, limit_bytes: int) -> None:
        self._name = name
        self._limit_bytes = limit_bytes
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.address: tuple[str, int]
        self.opened = self.turned_away = 0
        self.is_open = True
        self.changed: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        """Listen, on any free port."""
        try:
            self._server = await asyncio.start_server(
                self._connected, "127.0.0.1", 0, limit=self._limit_bytes
            )
        except OSError as exc:
            why = "too few file descriptors (ulimit -n)" if exc.errno == errno.EMFILE else exc.strerror
            raise EnvironmentFault(f"{self._name}: can't listen on 127.0.0.1: {why}") from exc
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = (host, port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all connections, and listen no more."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        """Do what a connection is for; when this returns it is closed."""
        raise NotImplementedError

    def shut(self) -> None:
        """End all connections, and let none in."""
        self.is_open = False
        self.end_all()

    def let_in(self) -> None:
        """Take connections again."""
        self.is_open = True

    def end_all(self) -> None:
        """End all connections at once."""
        for writer in self._writers:
            writer.transport.abort()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        if not self.is_open:
            self.turned_away += 1
            writer.transport.abort()
            self.changed()
            return
        task = asyncio.create_task(
            self._attend(reader, writer, self.opened), name=f"{self._name} {self.opened}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.changed()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):  # the device has gone, as it may
                await self.attend(reader, writer, number)
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Stranger(Door):
    """A door that is not the platform's: it keeps what comes, and answers nothing."""

    def __init__(self) -> None:
        super().__init__("stranger", limit_bytes=2**16)
        self.taken = b""

    async def attend(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
        """Take what comes."""
        while len(self.taken) < 2**20 and (data := await reader.read(4096)):
            self.taken += data
            self.changed()
