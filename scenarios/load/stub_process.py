"""The platform stub as a process of its own, which serves until its standard input ends.

    echo '{"data": "/tmp/folder"}' | python -m scenarios.load.stub_process

How it is to run is the first line of its standard input, where no one else can read a database's password. Once both
ends answer it says where, as one JSON line; when it can't start, why.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from platform_stub.protocol.errors import OtaSimError
from platform_stub.server import Stub, relax_collector
from scenarios.load.lifeline import told_to_end


class StubOrder(Struct, frozen=True, kw_only=True):
    """How the stub is to run: its folder or its PostgreSQL database, and more of `Stub`'s own settings."""

    data: str | None = None
    database: str | None = None
    settings: dict[str, Any] = {}


class StubUp(Struct, frozen=True, kw_only=True, tag="up"):
    """Both ends answer."""

    http: tuple[str, int]
    mqtt: tuple[str, int]
    http_url: str
    database: str


class StubDown(Struct, frozen=True, kw_only=True, tag="down"):
    """It can't start."""

    why: str
    exit_code: int


StubSaid = StubUp | StubDown


def main() -> None:
    """Serve until standard input ends, or SIGTERM."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    if not line:
        return  # whoever started it is gone already
    order = msgspec.json.decode(line, type=StubOrder)
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not get between the lines
    relax_collector()
    sys.exit(asyncio.run(_serve(order, out.write)))


async def _serve(order: StubOrder, say: Any) -> int:
    stop = told_to_end()
    data = None if order.data is None else Path(order.data)
    try:
        async with Stub(data=data, database=order.database, **order.settings) as stub:
            up = StubUp(
                http=stub.http_address,
                mqtt=stub.mqtt_address,
                http_url=stub.http_url,
                database=str(stub.database),
            )
            say(msgspec.json.encode(up) + b"\n")
            await stop.wait()
    except OtaSimError as exc:
        say(msgspec.json.encode(StubDown(why=str(exc), exit_code=exc.exit_code)) + b"\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    main()
