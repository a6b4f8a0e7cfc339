"""A webhook's receiver for tests: a real aiohttp server on a free port that keeps what it is sent."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

WAIT_S = 60


@dataclass
class Heard:
    """A request as it came."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """Answers the check with `passed`, and pushes with the statuses of `answers` in turn, then with 200."""

    passed: web.Response | str = "PASSED"
    answers: list[int] = field(default_factory=list)
    hang: asyncio.Event | None = None  # pushes are answered once it is set
    heard: list[Heard] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None
    url: str = ""

    async def __aenter__(self):
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc):
        await self._runner.cleanup()

    @property
    def pushes(self) -> list[Heard]:
        return [heard for heard in self.heard if heard.method == "POST"]

    async def until(self, count: int) -> list[Heard]:
        """Wait until so many pushes have come."""
        async with asyncio.timeout(WAIT_S):
            while len(self.pushes) < count:
                self._came.clear()
                await self._came.wait()
        return self.pushes

    async def _handle(self, request):
        body = await request.read()
        self.heard.append(Heard(request.method, request.raw_path, body, dict(request.headers)))
        self._came.set()
        if request.method == "GET":
            return web.Response(text=self.passed) if isinstance(self.passed, str) else self.passed
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.hang is not None:
                await self.hang.wait()
        finally:
            self._at_once -= 1
        return web.Response(status=self.answers.pop(0) if self.answers else 200, text="noted")
