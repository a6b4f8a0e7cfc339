"""The Locust process of a fleet as the command sees it: told what the shards are to do, heard, and ended in time.

Its shards are its children; when it is gone, their pipes end and they leave by themselves.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from device_sim.shards.messages import Order
from platform_stub.protocol.errors import UsageFault
from scenarios.load.child import ROOT
from scenarios.load.fleet.options import FleetOptions
from scenarios.load.fleet.wire import FLEET_FILE, FLEET_PIPE, Leave, Tell, Up, line_of, up_of
from scenarios.load.locust_process import check_words, locust

LOCUSTFILE: Final = ROOT / "scenarios" / "load" / "locustfile_fleet.py"
LEAVE_S: Final = 20.0
_ELSEWHERE: Final = ("--master", "--worker", "--processes", "-t", "--run-time", "--expect-workers")


class LocustLink:
    """One Locust process with a user for each shard."""

    def __init__(
        self,
        order_file: Path,
        shards: int,
        host: str,
        options: FleetOptions,
        heard: Callable[[Up], None],
    ) -> None:
        self._heard = heard
        self._child = locust(
            LOCUSTFILE,
            _arguments(shards, host, options.words, options.web),
            self._hear,
            environment={FLEET_FILE: str(order_file)},
            pipe_variable=FLEET_PIPE,
        )
        self._fault = ""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    async def __aenter__(self) -> Self:
        """Start it. LoadFault: it can't be."""
        await self._child.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, with what force it takes."""
        await self.leave()

    def tell(self, order: Order, shard: int | None = None) -> None:
        """Give an order to a shard; None: to each of them."""
        self._child.tell(line_of(Tell(shard=shard, order=order)))

    async def gone(self) -> str:
        """Wait until it has died, and say how."""
        code = await self._child.ended()
        return self._fault or self._child.epitaph(code)

    async def leave(self, limit_s: float = LEAVE_S) -> None:
        """Let the shards leave and end it; it is killed when that takes longer."""
        self._child.tell(line_of(Leave()))
        await asyncio.shield(self._child.stop(limit_s))

    def _hear(self, line: bytes) -> None:
        try:
            said = up_of(line)
        except msgspec.MsgspecError as exc:
            self._fault = f"the Locust process said what is no line of ours: {exc}"
            self._child.kill_group()
            return
        self._heard(said)


def check_fleet_words(words: Sequence[str]) -> None:
    """Refuse words for Locust that would spread or end a fleet behind the command's back. UsageFault."""
    check_words(words)
    for word in words:
        name = word.partition("=")[0]
        if name in _ELSEWHERE:
            raise UsageFault(
                f"{name} behind -- : a fleet's users are in one Locust process, which ends when the fleet has; "
                f"for {name} run locust -f $(ota-sim load locustfile fleet)"
            )


def _arguments(shards: int, host: str, words: Sequence[str], web: int | None) -> list[str]:
    shown = ["--headless"]
    if web is not None:
        shown = ["--autostart", "--autoquit", "0", "--web-host", "127.0.0.1", "--web-port", str(web)]
    return [
        *("-H", host, "-u", str(shards), "-r", str(shards), "--only-summary", "--loglevel", "WARNING"),
        *("--exit-code-on-error", "0", "--stop-timeout", "20"),
        *shown,
        *words,
    ]
