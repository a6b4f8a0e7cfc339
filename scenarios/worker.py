"""A process that plays what it is ordered, one play after the other: orders come in on stdin, events go out on stdout.

Stdin is a lifeline too: when it closes, whoever gave the orders is done or gone, and the process ends.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import BinaryIO, Final

from scenarios.frames import LENGTH_BYTES, Order, length_of, order_of, pack
from scenarios.runner.events import Event

_READ_BYTES: Final = 2**20


def main() -> None:
    """Play until there are no more orders."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not get between the frames
    asyncio.run(_Worker(out).run())
    os._exit(0)  # all results are out, and nothing is left to clean up


class _Worker:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._orders: asyncio.Queue[Order | None] = asyncio.Queue()
        self._buffer = bytearray()
        self._is_stopped = False

    async def run(self) -> None:
        from platform_stub.server import relax_collector  # noqa: PLC0415 - heavy; the orders come meanwhile
        from scenarios.runner.run import run_play  # noqa: PLC0415

        relax_collector()
        loop = asyncio.get_running_loop()
        playing = asyncio.current_task()
        assert playing is not None

        def stop() -> None:
            self._is_stopped = True
            self._orders.put_nowait(None)
            playing.cancel()

        def receive() -> None:
            data = os.read(0, _READ_BYTES)
            if not data:
                loop.remove_reader(0)
                stop()
            self._buffer += data
            for order in self._complete():
                self._orders.put_nowait(order)

        def send(event: Event) -> None:
            try:
                self._out.write(pack(event))
            except BrokenPipeError:
                stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        loop.add_reader(0, receive)
        while not self._is_stopped:
            try:
                order = await self._orders.get()
            except asyncio.CancelledError:
                return
            if order is not None:
                await run_play(order.play, order.options, send)

    def _complete(self) -> Iterator[Order]:
        """Take the orders that have come in whole."""
        buffer = self._buffer
        while len(buffer) >= LENGTH_BYTES:
            stop = LENGTH_BYTES + length_of(bytes(buffer[:LENGTH_BYTES]))
            if len(buffer) < stop:
                return
            yield order_of(bytes(buffer[LENGTH_BYTES:stop]))
            del buffer[:stop]
