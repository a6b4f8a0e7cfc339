"""One play in a process of its own: an order comes in on stdin, events go out on stdout.

Stdin is a lifeline too: when it closes, whoever ordered the play is gone, and the play stops.
"""

import asyncio
import os
import signal
import sys
from typing import BinaryIO

from scenarios.frames import LENGTH_BYTES, Order, length_of, order_of, pack
from scenarios.runner.events import Event


def main() -> None:
    """Play what is ordered."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not get between the frames
    head = sys.stdin.buffer.read(LENGTH_BYTES)
    order = order_of(sys.stdin.buffer.read(length_of(head)))
    asyncio.run(_run(order, out))
    os._exit(0)  # the result is out, and nothing is left to clean up


async def _run(order: Order, out: BinaryIO) -> None:
    from platform_stub.server import relax_collector  # noqa: PLC0415 - after the order is in
    from scenarios.runner.run import run_play  # noqa: PLC0415

    relax_collector()
    loop = asyncio.get_running_loop()
    play = asyncio.current_task()
    assert play is not None
    loop.add_signal_handler(signal.SIGTERM, play.cancel)
    loop.add_signal_handler(signal.SIGINT, play.cancel)

    def lifeline() -> None:
        if not os.read(0, 4_096):
            loop.remove_reader(0)
            play.cancel()

    loop.add_reader(0, lifeline)

    def send(event: Event) -> None:
        try:
            out.write(pack(event))
        except BrokenPipeError:
            play.cancel()

    await run_play(order.play, order.options, send)
