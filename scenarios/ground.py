"""What a play runs on: the stub in this process, or a platform under test behind its adapter.

async with open_ground(play, options) as ground:
    ground.operator, ground.devices, ground.database
"""

import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import device_sim
from platform_stub.access_log import LineLog
from platform_stub.database_url import DatabaseUrl, schema_name
from platform_stub.protocol.delivery import Delivery
from platform_stub.server import Stub
from scenarios.adapters.entry import filled, find_factory
from scenarios.adapters.guard import Guarded, one_line, raised
from scenarios.adapters.host import Host, Late, Raised
from scenarios.brokers import shown_broker, unmet
from scenarios.capabilities import misfit
from scenarios.operator import HttpOperator, Operator, OperatorFault
from scenarios.play import Play
from scenarios.runner.options import RunOptions
from scenarios.target import NOWHERE, Address, Target

CLOSE_S: Final = 5.0
LOG_LINES: Final = 20_000
_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A platform for one play. `database` is what the auditor reads, None where it can't.

    `predicts`: whether what the rules say is held against it, beside what the scenario expects. `log` has the last
    lines of what it says of devices, where they are kept. `delivery` counts what went through a broker that is not
    ours.
    """

    operator: Operator
    devices: device_sim.Target
    database: Path | DatabaseUrl | None
    predicts: bool
    log: Iterable[str] = ()
    delivery: Callable[[], Delivery | None] = lambda: None

    @property
    def http(self) -> Address:
        """Where devices download and call."""
        return self.devices.http_address

    @property
    def mqtt(self) -> Address | None:
        """Where devices log in; None without MQTT."""
        address = self.devices.mqtt_address
        return None if address == NOWHERE else address


def lacking(play: Play, options: RunOptions) -> str:
    """Say why a play can't be played there; empty when it can."""
    if options.target is not None:
        return misfit(play, options.target)
    lacks = unmet(options.broker, play.needs)
    return f"the {shown_broker(options.broker)} broker can't give {', '.join(lacks)}" if lacks else ""


@contextlib.asynccontextmanager
async def open_ground(play: Play, options: RunOptions) -> AsyncIterator[Ground]:
    """Make the platform ready, and leave it afterwards. OtaSimError says what stands in the way."""
    if options.target is not None:
        async with open_adapter(options.target) as operator:
            devices = device_sim.Endpoint(
                http_address=options.target.http, mqtt_address=options.target.mqtt or NOWHERE
            )
            yield Ground(operator=operator, devices=devices, database=None, predicts=options.target.predicts)
        return
    log = _Log() if options.evidence is not None else None
    stub = Stub(
        data=_folder(play, options),
        database=_database(play, options),
        drops_schema=options.database is not None and not is_kept(options.database),
        broker=options.broker,
        strict=play.strict,
        log=log,
    )
    async with stub, HttpOperator(stub.http_url) as operator:
        yield Ground(
            operator=operator,
            devices=stub,
            database=stub.database,
            predicts=True,
            log=log or (),
            delivery=lambda: stub.delivery,
        )


class _Log:
    """The last lines that the stub says of devices, kept as they come and spelled when they are read."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, str, str, str]] = deque(maxlen=LOG_LINES)

    def write(self, interface: str, who: str, what: str) -> None:
        self._kept.append((time.time_ns(), interface, who, what))

    def __iter__(self) -> Iterator[str]:
        for at_ns, *words in self._kept:
            lines = _Lines()
            LineLog(lines, partial(int, at_ns // 1_000_000)).write(*words)
            yield lines.text


class _Lines:
    """Takes one line."""

    text = ""

    def write(self, text: str) -> object:
        self.text = text
        return None

    def flush(self) -> object:
        return None


def _folder(play: Play, options: RunOptions) -> Path | None:
    return None if options.data is None else Path(options.data) / play.name.replace(" ", "-")


def is_kept(database: str) -> bool:
    """Whether what runs leave in a database stays: where its URL names a schema, theirs are named after it."""
    return DatabaseUrl.parse(database).schema is not None


def _database(play: Play, options: RunOptions) -> DatabaseUrl | None:
    """Give each run a schema of its own: the URL's with the play's name, or one that nobody else has."""
    if options.database is None:
        return None
    url = DatabaseUrl.parse(options.database)
    prefix = url.schema or f"ota_sim_run_{secrets.token_hex(6)}"
    return url.in_schema(schema_name(prefix, play.name))


@contextlib.asynccontextmanager
async def open_adapter(target: Target) -> AsyncIterator[Operator]:
    """Make a target's adapter and guard it; OperatorFault says what its making did wrong."""
    options, secrets = filled(target.options)
    host = Host(target.adapter)
    host.start()
    try:
        adapter = await _made(host, target, options, secrets)
        try:
            guarded = Guarded(
                host,
                adapter,
                target.adapter,
                call_s=target.call_ms / 1_000,
                cleanse=lambda text: _cleansed(text, secrets),
            )
            yield cast("Operator", guarded)
        finally:
            # what it does wrong now changes no verdict any more
            await host.call("__aexit__", lambda: _left(adapter), CLOSE_S)
    finally:
        host.stop()


async def _made(host: Host, target: Target, options: dict[str, Any], secrets: list[str]) -> Any:
    """Call the factory, and enter what it gives if that is to be entered."""

    async def make() -> Any:
        adapter = find_factory(target.adapter, Path(target.folder))(**options)
        adapter = await adapter if hasattr(adapter, "__await__") else adapter
        enter: Callable[[], Any] | None = getattr(adapter, "__aenter__", None)
        return adapter if enter is None else await enter()

    made = await host.call(target.adapter, make, target.call_ms / 1_000)
    match made:
        case Late(limit_s):
            raise OperatorFault(f"adapter {target.adapter}: it was not made in {limit_s:g} s")
        case Raised(OperatorFault() as exc):
            text = one_line(exc)
            raise OperatorFault(
                _cleansed(f"adapter {target.adapter}: it can't be made: {text}", secrets)
            ) from exc
        case Raised(exc):
            text = _cleansed(f"adapter {target.adapter}: its making raised {raised(exc)}", secrets)
            raise OperatorFault(text) from exc
        case None:
            raise OperatorFault(
                f"adapter {target.adapter}: it gave None, and no object with the operator's calls"
            )
    return made


async def _left(adapter: Any) -> None:
    leave = getattr(adapter, "__aexit__", None)
    if leave is not None:
        await leave(None, None, None)


def _cleansed(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text
