"""The end of a process that serves whoever started it: told by a signal, or by its standard input's end."""

import asyncio
import os
import signal


def told_to_end() -> asyncio.Event:
    """Give an event that is set by SIGINT, SIGTERM, or when standard input ends; for a running loop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def hear() -> None:
        if not os.read(0, 4_096):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, hear)
    return stop
