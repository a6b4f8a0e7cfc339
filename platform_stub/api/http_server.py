"""The HTTP server: aiohttp's, with our connections, and one sweep a second over all of them for their limits.

A sweep costs some 0.1 microseconds a connection; a timer or a task for each would cost more and hold memory.
"""

import asyncio
from typing import Any, Final, cast

from aiohttp import web

from platform_stub.api.connection import Connection
from platform_stub.api.device_http import DeviceHttp
from platform_stub.api.http_limits import LIMITS, HttpLimits

SWEEP_S: Final = 1.0


class HttpServer(web.Server):
    """Makes connections and holds them to their limits."""

    def __init__(self, made: web.Server, devices: DeviceHttp, limits: HttpLimits, **options: Any) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory)
        self.devices = devices
        self.limits = limits
        self._options = options
        self._sweeper: asyncio.TimerHandle | None = None

    def __call__(self) -> Connection:
        """Make a connection."""
        return Connection(
            self, loop=self._loop, access_log=None, max_headers=self.limits.headers_max, **self._options
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Keep a connection; the first one starts the sweep."""
        super().connection_made(handler, transport)
        cast("Connection", handler).local = _spell(transport.get_extra_info("sockname"))
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep_on)

    def _sweep_on(self) -> None:
        self.sweep(self._loop.time())
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep_on) if self._connections else None

    def sweep(self, now_s: float) -> None:
        """Judge every connection; `now_s` is the loop's time."""
        for connection in self.connections:
            cast("Connection", connection).sweep(now_s)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """End all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await super().shutdown(timeout)


def _spell(address: tuple[Any, ...]) -> str:
    """Spell a socket's address as HOST:PORT."""
    host, port = str(address[0]).removeprefix("::ffff:"), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HttpRunner(web.AppRunner):
    """Runs the operator's application and the devices' calls on one server."""

    def __init__(
        self, app: web.Application, devices: DeviceHttp, limits: HttpLimits = LIMITS, **options: Any
    ) -> None:
        super().__init__(app, access_log=None, handle_signals=False, **options)
        self._devices = devices
        self._limits = limits

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return HttpServer(made, self._devices, self._limits)
