"""The run's own webhook: answers the platform's check, takes pushes, and counts them.

It is no part of what is tested, so it is strict: a push that is malformed or wrongly signed is answered with
HTTP 400, and the platform's delivery log shows it. Source: onenet-protocol, section 7.
"""

import secrets
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import msgspec
from aiohttp import web

from platform_stub.protocol.webhook import PASSED, Push, signature_of

FAILED: Final = "FAILED"
BODY_MAX_BYTES: Final = 64 * 2**20


class Receiver:
    """A webhook on a free loopback port. The first `failing` pushes are answered with HTTP 503."""

    def __init__(self, uid: int, *, passes: bool, failing: int) -> None:
        self.token = secrets.token_hex(8)
        self.pushes = 0
        self.url = ""
        self._signature = signature_of(self.token, uid)
        self._passes = passes
        self._failing = failing
        self._runner: web.ServerRunner

    async def __aenter__(self) -> Self:
        """Listen."""
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/push"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            is_ours = self._passes and request.query.get("signature") == self._signature
            return web.Response(text=PASSED if is_ours else FAILED)
        self.pushes += 1
        if self.pushes <= self._failing:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return self._take(await request.read())

    def _take(self, body: bytes) -> web.Response:
        try:
            push = msgspec.json.decode(body, type=Push)
        except msgspec.DecodeError as exc:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(exc))
        if push.signature != self._signature:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text="wrong signature")
        return web.Response(text="ok")
