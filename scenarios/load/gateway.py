"""A platform behind its adapter, as a process that speaks our operator API over HTTP, so that a load can reach it.

    python -m scenarios.load.gateway TARGET_FILE

It has the routes that load tests call, and gives each call to the adapter. An adapter whose methods are not `async`
does one call after the other, so a load through it measures that too. It serves this machine only, until its standard
input ends.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import OtaSimError
from platform_stub.protocol.operator import ErrorCode
from scenarios.ground import open_adapter
from scenarios.load.lifeline import told_to_end
from scenarios.load.stub_process import StubDown, StubUp
from scenarios.operator import Operator, OperatorFault, Refusal
from scenarios.target_file import load_target

BODY_BYTES_MAX: Final = 2**30
BACKLOG: Final = 4_096
_REFUSED: Final = 409
_MALFORMED: Final = 400
_UNAVAILABLE: Final = 503
_NOTHING_INJECTED: Final = api.InjectedFaults(faults=[])

S = TypeVar("S", bound=Struct)
Handler = Callable[[web.Request], Awaitable[Any]]


class Gateway:
    """The routes; each answers a value, a refusal, or raises."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def app(self) -> web.Application:
        """Make the application."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        account, task = "/v1/accounts/{account:\\d+}", "/v1/tasks/{task:\\d+}"
        for method, path, handler in (
            ("POST", "/v1/accounts", self._open),
            ("GET", account, self._account),
            ("POST", f"{account}/subscription", self._subscribe),
            ("POST", f"{account}/top-ups", self._top_up),
            ("POST", f"{account}/licences/purchases", self._buy),
            ("POST", f"{account}/licences/grants", self._grant),
            ("GET", f"{account}/journal", self._journal),
            ("GET", f"{account}/devices", self._devices),
            ("POST", f"{account}/products", self._product),
            ("POST", "/v1/products/{product}/devices", self._register),
            ("POST", "/v1/products/{product}/packages", self._package),
            ("POST", "/v1/packages/{package:\\d+}/verification-skip", self._skip),
            ("POST", f"{account}/tasks", self._create),
            ("GET", task, self._task),
            ("GET", f"{task}/jobs", self._jobs),
            ("POST", f"{task}/cancellation", self._cancel),
            ("GET", "/v1/injected-faults", self._injected),
        ):
            app.router.add_route(method, path, _answering(handler))
        return app

    async def _open(self, request: web.Request) -> Any:
        body = await _body(request, api.OpenAccount)
        return await self._operator.open_account(body.name, body.policy, body.now_ms)

    async def _account(self, request: web.Request) -> Any:
        return await self._operator.account(_number(request, "account"))

    async def _subscribe(self, request: web.Request) -> Any:
        return await self._operator.subscribe(_number(request, "account"))

    async def _top_up(self, request: web.Request) -> Any:
        body = await _body(request, api.TopUp)
        return await self._operator.top_up(_number(request, "account"), body.amount_fen)

    async def _buy(self, request: web.Request) -> Any:
        body = await _body(request, api.BuyLicences)
        return await self._operator.buy(_number(request, "account"), body.count)

    async def _grant(self, request: web.Request) -> Any:
        body = await _body(request, api.GrantLicences)
        return await self._operator.grant(_number(request, "account"), body.count, body.contract)

    async def _journal(self, request: web.Request) -> Any:
        after = int(request.query.get("after", "0"))
        entries = await self._operator.journal(_number(request, "account"), after)
        return api.Journal(entries=entries, next_after=None)

    async def _devices(self, request: web.Request) -> Any:
        after = int(request.query.get("after", "0"))
        devices = await self._operator.devices(_number(request, "account"))
        return api.DevicePage(devices=[each for each in devices if each.device_id > after], next_after=None)

    async def _product(self, request: web.Request) -> Any:
        body = await _body(request, api.CreateProduct)
        account = _number(request, "account")
        return await self._operator.create_product(account, body.name, body.product_id, body.access_key)

    async def _register(self, request: web.Request) -> Any:
        lines = (await request.read()).splitlines()
        devices = [msgspec.json.decode(line, type=api.RegisterDevice) for line in lines]
        answer = await self._operator.register(request.match_info["product"], devices)
        return answer if isinstance(answer, Refusal) else api.Registered(devices=answer)

    async def _package(self, request: web.Request) -> Any:
        query = request.query
        return await self._operator.add_package(
            request.match_info["product"],
            "SOTA" if query.get("kind") == "SOTA" else "FOTA",
            query.get("name", "package"),
            query.get("target", ""),
            await request.read(),
            manufacturer=query.get("manufacturer", ""),
            model=query.get("model", ""),
            start_version=query.get("start_version"),
        )

    async def _skip(self, request: web.Request) -> Any:
        return await self._operator.skip_verification(_number(request, "package"))

    async def _create(self, request: web.Request) -> Any:
        body = await _body(request, api.CreateTask)
        key = request.headers.get("Idempotency-Key")
        return await self._operator.create_task(_number(request, "account"), body, key)

    async def _task(self, request: web.Request) -> Any:
        return await self._operator.task(_number(request, "task"), int(request.query.get("wait_ms", "0")))

    async def _jobs(self, request: web.Request) -> Any:
        return api.Jobs(jobs=await self._operator.jobs(_number(request, "task")), next_after=None)

    async def _cancel(self, request: web.Request) -> Any:
        return await self._operator.cancel_task(_number(request, "task"))

    async def _injected(self, _: web.Request) -> Any:
        return _NOTHING_INJECTED


def _answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make of what a route gives, or raises, an answer of the operator API."""

    async def answer(request: web.Request) -> web.Response:
        try:
            value = await handler(request)
        except (msgspec.MsgspecError, ValueError) as exc:
            return _error(_MALFORMED, ErrorCode.MALFORMED, str(exc), {})
        except OperatorFault as exc:
            return _error(_UNAVAILABLE, ErrorCode.UNAVAILABLE, str(exc), {})
        if isinstance(value, Refusal):
            return _error(_REFUSED, value.code, value.message, value.details)
        return web.Response(body=msgspec.json.encode(value), content_type="application/json")

    return answer


def _error(status: int, code: ErrorCode, message: str, details: dict[str, Any]) -> web.Response:
    body = msgspec.json.encode(api.ErrorBody(code=code.value, message=message, details=details))
    return web.Response(status=status, body=body, content_type="application/json")


async def _body(request: web.Request, kind: type[S]) -> S:
    return msgspec.json.decode(await request.read() or b"{}", type=kind)


def _number(request: web.Request, name: str) -> int:
    return int(request.match_info[name])


def main() -> None:
    """Serve until standard input ends, or SIGTERM."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what an adapter prints must not get between the lines
    sys.exit(asyncio.run(_serve(Path(sys.argv[1]), out.write)))


async def _serve(file: Path, say: Callable[[bytes], object]) -> int:
    stop = told_to_end()
    try:
        target = load_target(file)
        async with open_adapter(target) as operator:
            runner = web.AppRunner(Gateway(operator).app(), access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG).start()
                host, port = runner.addresses[0][:2]
                mqtt = target.mqtt or ("", 0)
                url = f"http://{host}:{port}"
                say(
                    msgspec.json.encode(StubUp(http=target.http, mqtt=mqtt, http_url=url, database=""))
                    + b"\n"
                )
                await stop.wait()
            finally:
                await runner.cleanup()
    except OtaSimError as exc:
        say(msgspec.json.encode(StubDown(why=str(exc), exit_code=exc.exit_code)) + b"\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    main()
