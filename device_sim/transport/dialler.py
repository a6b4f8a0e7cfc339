"""Opening TCP connections: a bounded number at once, from as many source addresses as they need.

An accept queue is short (100 at many servers) and a SYN that finds it full costs a second; a source address has some
28,000 local ports.
"""

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections import deque
from typing import Final, Protocol

from device_sim.transport.stream import Stream
from platform_stub.protocol.errors import EnvironmentFault

Address = tuple[str, int]

_BIND_ADDRESS_NO_PORT: Final = 24
"""Linux: connect chooses the port, which need be free only to this peer; among many that is found sooner."""
_OUT_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})


class Caller(Protocol):
    """Who asked for a connection. `source` is the local address it wants; empty: whichever there is."""

    source: str

    def make_stream(self) -> Stream:
        """Make the protocol of the connection; its turn has come, and the caller's limit for it begins."""

    def dial_failed(self, reason: str) -> None:
        """There is no connection; not called after `cancel`."""

    def crashed(self, error: BaseException) -> None:
        """Something happened that must not happen."""


class Dialler:
    """Opens connections to one address. A caller holds its slot from the dial to `release`.

    `sources` are the local addresses to use in turn; none leaves the choice to the system.
    """

    def __init__(self, address: Address, in_flight_max: int, sources: tuple[str, ...] = ()) -> None:
        self._address = address
        self._in_flight_max = in_flight_max
        self.sources = sources
        self._dialled = 0
        self._stopped = False
        self._waiting: deque[Caller] = deque()
        self._in_flight: dict[Caller, asyncio.Task[None] | None] = {}

    def request(self, caller: Caller) -> None:
        """Open a connection when it is the caller's turn."""
        if not self._stopped:
            self._waiting.append(caller)
            self._pump()

    def release(self, caller: Caller) -> None:
        """Let the next one have the slot: the connection is good, or has ended."""
        if caller in self._in_flight:
            del self._in_flight[caller]
            self._pump()

    def cancel(self, caller: Caller) -> None:
        """Give up, whether dialling or waiting; the same as `release` once the connection is open."""
        if caller not in self._in_flight:
            if caller in self._waiting:
                self._waiting.remove(caller)
            return
        task = self._in_flight[caller]
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        self.release(caller)

    def stop(self) -> None:
        """Give all up, and take no more."""
        self._stopped = True
        self._waiting.clear()
        tasks, self._in_flight = list(self._in_flight.values()), {}
        for task in tasks:
            if task is not None:
                task.cancel()

    def _pump(self) -> None:
        while self._waiting and len(self._in_flight) < self._in_flight_max:
            caller = self._waiting.popleft()
            self._in_flight[caller] = asyncio.create_task(self._dial(caller), name="dial")

    async def _dial(self, caller: Caller) -> None:
        self._dialled += 1
        source = caller.source or (self.sources[self._dialled % len(self.sources)] if self.sources else "")
        host, port = self._address
        try:
            await self._open(caller.make_stream(), source)
        except OSError as exc:
            if exc.errno in _OUT_OF_DESCRIPTORS:
                caller.crashed(EnvironmentFault(f"no descriptor left for a connection to {host}:{port}"))
            else:
                reason = (
                    os.strerror(exc.errno) if exc.errno else str(exc)
                )  # asyncio puts the address in its place
                caller.dial_failed(f"{host}:{port}: {reason}")
        except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
            caller.crashed(exc)
        finally:
            if self._in_flight.get(caller) is asyncio.current_task():  # not a later dial of the same caller
                self._in_flight[caller] = None

    async def _open(self, stream: Stream, source: str) -> None:
        """Make the connection."""
        loop, (host, port) = asyncio.get_running_loop(), self._address
        if not source:
            await loop.create_connection(lambda: stream, host, port)
            return
        sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        try:
            sock.setblocking(False)
            if sys.platform == "linux":
                with contextlib.suppress(OSError):  # before Linux 4.2: bind chooses
                    sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
            await loop.sock_connect(sock, self._address)
            await loop.create_connection(lambda: stream, sock=sock)
        except BaseException:
            sock.close()
            raise
