"""The platform of a run: watched, and restarted in a storm, as after a crash, on the same ports and data folder."""

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from platform_stub.protocol.errors import UsageFault
from scenarios.load.child import LoadFault
from scenarios.load.far_end import FarEnd, own_stub
from scenarios.load.fleet.usage import End

LISTEN_S: Final = 5.0


class Platform:
    """Who is at the far end now. `died` says how, when it has; `end` counts what its processes cost."""

    def __init__(self, far: FarEnd, end: End) -> None:
        self.far = far
        self.end = end
        self.died = ""
        self._stack = contextlib.AsyncExitStack()
        self._watch: asyncio.Task[None]

    @property
    def mqtt(self) -> tuple[str, int]:
        """Where devices log in."""
        assert self.far.mqtt is not None
        return self.far.mqtt

    async def __aenter__(self) -> Self:
        """Watch it from now on. UsageFault: it has no MQTT; LoadFault: nobody listens there."""
        if self.far.mqtt is None:
            raise UsageFault(f"{self.far.name} has no MQTT, and these devices speak it")
        await self._check_listens()
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch it no more, and stop what was started in its place."""
        self._watch.cancel()
        await asyncio.wait([self._watch])
        await self._stack.aclose()

    async def ended(self, limit_s: float) -> None:
        """Wait for its end, for so long at most; `died` says whether it came."""
        await asyncio.wait([self._watch], timeout=limit_s)

    async def restart(self) -> None:
        """Kill the stub's process and start another in its place. LoadFault: it does not start again."""
        before = self.far
        assert before.process is not None
        self._watch.cancel()
        await asyncio.wait([self._watch])
        self.end.look()
        before.process.kill_group()
        await before.process.ended()
        place = before.database
        data, database = (place, None) if isinstance(place, Path) else (None, place)
        self.far = await self._stack.enter_async_context(
            own_stub(data, database, http=before.http, mqtt=self.mqtt)
        )
        self._begin()

    async def _check_listens(self) -> None:
        host, port = self.mqtt
        try:
            async with asyncio.timeout(LISTEN_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as exc:
            why = getattr(exc, "strerror", None) or f"no connection in {LISTEN_S:g} s"
            raise LoadFault(f"MQTT {host}:{port}: {why}; --mqtt or the target file says where it is") from exc
        writer.close()

    def _begin(self) -> None:
        if self.far.pid is not None and not self.far.is_gateway:
            self.end.watch(self.far.pid)
        self._watch = asyncio.create_task(self._wait(), name="fleet: the platform's end")

    async def _wait(self) -> None:
        self.died = await self.far.gone()
