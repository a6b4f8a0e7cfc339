"""The platform that a load goes to: the stub in a process of its own, one elsewhere, or any through its adapter.

async with own_stub(data) as far_end:      # or at_url(url, database), or behind_adapter(file)
    far_end.http_url, far_end.mqtt, far_end.database

It answers before anything else starts. What dies in the middle is told by `gone()`.
"""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios.load.child import Child, LoadFault, python
from scenarios.load.stub_process import StubOrder, StubSaid, StubUp
from scenarios.operator import HttpOperator, OperatorFault

START_S: Final = 30.0
STOP_S: Final = 20.0
ANSWER_S: Final = 10.0
HTTP_PORT: Final = 80


@dataclass(slots=True, kw_only=True)
class FarEnd:
    """A platform that answers. `name` is what reports call it.

    `database` is what is audited, None where there is none to look into. `process` is what we started for
    it; `is_gateway`: through an adapter, for which many calls at once may be too much.
    """

    name: str
    http_url: str
    http: tuple[str, int]
    mqtt: tuple[str, int] | None
    database: Path | DatabaseUrl | None = None
    process: Child | None = None
    is_gateway: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int | None:
        """The process's number, of one that we started."""
        return None if self.process is None else self.process.pid

    async def gone(self) -> str:
        """Wait until what we started has died, and say how; never comes back for a platform elsewhere."""
        if self.process is None:
            await asyncio.Event().wait()
        assert self.process is not None
        return self.process.epitaph(await self.process.ended())


@contextlib.asynccontextmanager
async def own_stub(
    data: Path | None = None, database: DatabaseUrl | None = None, **settings: Any
) -> AsyncIterator[FarEnd]:
    """Start the stub in a process of its own; `settings` are more of `Stub`'s. LoadFault: it does not start.

    Without `data` and `database` its folder is a temporary one, which is there until this ends.
    """
    with contextlib.ExitStack() as stack:
        folder = data
        if data is None and database is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ota-sim-load-")))
        order = StubOrder(
            data=None if folder is None else str(folder),
            database=None if database is None else database.secret,
            settings=settings,
        )
        on = "" if database is None else f", on {database}"
        command = python("scenarios.load.stub_process")
        async with _serving("the stub", command, msgspec.json.encode(order) + b"\n") as (child, up):
            yield FarEnd(
                name=f"the stub, in a process of its own{on}",
                http_url=up.http_url,
                http=up.http,
                mqtt=up.mqtt,
                database=folder or database,
                process=child,
            )


@contextlib.asynccontextmanager
async def at_url(
    url: str, *, mqtt: tuple[str, int] | None = None, database: Path | DatabaseUrl | None = None
) -> AsyncIterator[FarEnd]:
    """Take a platform with our operator API at `url`. UsageFault: it is no URL; LoadFault: nobody answers as it should.

    `database` is its data folder or its database, where that can be read from here.
    """
    http = address_of(url)
    await check_answers(url)
    yield FarEnd(name=url, http_url=url.rstrip("/"), http=http, mqtt=mqtt, database=database)


@contextlib.asynccontextmanager
async def behind_adapter(file: Path) -> AsyncIterator[FarEnd]:
    """Take the platform that a target file describes, through a process that speaks our operator API for its adapter.

    ScenarioFault: the file has mistakes; LoadFault: the adapter can't be made.
    """
    from scenarios.target_file import load_target  # noqa: PLC0415 - it imports what speaks to platforms

    target = load_target(file)
    command = python("scenarios.load.gateway", str(file))
    async with _serving(f"the adapter of {file}", command) as (child, up):
        yield FarEnd(
            name=target.name,
            http_url=up.http_url,
            http=target.http,
            mqtt=target.mqtt,
            process=child,
            is_gateway=True,
        )


@contextlib.asynccontextmanager
async def _serving(name: str, command: list[str], order: bytes = b"") -> AsyncIterator[tuple[Child, StubUp]]:
    """Start a process that serves, and give where it does; stop it afterwards."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[bytes] = loop.create_future()

    def hear(line: bytes) -> None:
        if not first.done():
            first.set_result(line)

    child = Child(name, command, hear)
    await child.start()
    child.tell(order)
    try:
        yield child, await _up(child, first)
    finally:
        await asyncio.shield(child.stop(STOP_S))


async def _up(child: Child, first: "asyncio.Future[bytes]") -> StubUp:
    ended = asyncio.create_task(child.ended(), name=f"end of {child.name}")
    try:
        waited: set[asyncio.Future[Any]] = {first, ended}
        await asyncio.wait(waited, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        if not first.done() and ended.done():
            raise LoadFault(child.epitaph(ended.result()))
        if not first.done():
            raise LoadFault(f"{child.name} did not start in {START_S:g} s")
    finally:
        ended.cancel()
    said: StubSaid = msgspec.json.decode(first.result(), type=StubSaid)
    if isinstance(said, StubUp):
        return said
    raise (UsageFault if said.exit_code == UsageFault.exit_code else LoadFault)(said.why)


def address_of(url: str) -> tuple[str, int]:
    """Give host and port of a URL; UsageFault: it is none that can be called."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if "@" in url:
        raise UsageFault("--url: the operator API knows no logins; leave USER:PASSWORD@ out")
    if parts.scheme != "http" or not host or parts.query or parts.fragment or parts.path.strip("/"):
        raise UsageFault(f"--url {url}: http://HOST:PORT is wanted, such as http://127.0.0.1:8080")
    return host, port or HTTP_PORT


async def check_answers(url: str) -> None:
    """Call the operator API once. LoadFault: nobody answers, or not as a platform with our API does."""
    try:
        async with asyncio.timeout(ANSWER_S), HttpOperator(url, ANSWER_S) as operator:
            await operator.injected()
    except (OperatorFault, TimeoutError) as exc:
        raise LoadFault(f"--url {url}: {_why(exc)}. Is `ota-sim serve` running there?") from exc
    except EnvironmentFault as exc:
        raise LoadFault(f"--url {url}: {exc}") from exc


def _why(exc: BaseException) -> str:
    refused = getattr(exc.__cause__, "os_error", None)
    if isinstance(refused, OSError) and refused.strerror:
        is_named = isinstance(refused, socket.gaierror) or not refused.errno
        return f"nobody answers there ({refused.strerror if is_named else os.strerror(refused.errno or 0)})"
    return str(exc) or f"no answer in {ANSWER_S:g} s"
