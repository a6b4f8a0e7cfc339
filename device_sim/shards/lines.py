"""A shard's two ends of its wire: lines in, taken by a thread so that any kind of input will do, and events out.

Nothing here blocks the loop. What the owner does not read is held, and `backlog` says how much.
"""

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 1 << 18
LINE_BYTES_MAX: Final = 1 << 28
"""Of an order: 19,000 devices are some 5 MB."""


def split(buffer: bytearray) -> list[bytes]:
    """Take the complete lines off a buffer; empty ones are none."""
    end = buffer.rfind(b"\n")
    if end < 0:
        return []
    lines = bytes(buffer[:end]).split(b"\n")
    del buffer[: end + 1]
    return [line for line in lines if line.strip()]


def listen(descriptor: int, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
    """Have each line given to `heard` in the loop that runs now, and `ended` called when no more can come."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        buffer = bytearray()
        try:
            while data := os.read(descriptor, _READ_BYTES):
                buffer += data
                if b"\n" in data:
                    for line in split(buffer):
                        loop.call_soon_threadsafe(heard, line)
                elif len(buffer) > LINE_BYTES_MAX:
                    break
            if buffer.strip():
                loop.call_soon_threadsafe(heard, bytes(buffer))
            loop.call_soon_threadsafe(ended)
        except (OSError, RuntimeError):  # the loop is closed: it has ended before its input
            return

    threading.Thread(target=read, name="orders", daemon=True).start()


class LineOut:
    """Writes lines without waiting for whoever reads them. `gone` is called once when nobody does any more."""

    def __init__(self, descriptor: int, gone: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._gone = gone
        self._is_gone = False
        self._held = bytearray()
        kind = os.fstat(descriptor).st_mode
        self._waits = stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)  # others take all at once
        if self._waits:
            os.set_blocking(descriptor, False)
            self._loop = asyncio.get_running_loop()

    @property
    def backlog(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._held)

    def write(self, line: bytes) -> None:
        """Write a line, or hold what is not taken."""
        if self._is_gone:
            return
        if self._held:
            self._held += line
            return
        taken = self._push(line)
        if taken < len(line) and not self._is_gone:
            self._held += line[taken:]
            if self._waits:
                self._loop.add_writer(self._descriptor, self._go_on)
            else:
                self._go_on()

    def flush(self) -> None:
        """Wait until all is taken: these are the last words."""
        if self._waits:
            self._loop.remove_writer(self._descriptor)
            os.set_blocking(self._descriptor, True)
        while self._held and not self._is_gone:
            self._go_on()

    def _go_on(self) -> None:
        del self._held[: self._push(self._held)]
        if not self._held and self._waits:
            self._loop.remove_writer(self._descriptor)

    def _push(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._is_gone = True
            self._held.clear()
            if self._waits:
                self._loop.remove_writer(self._descriptor)
            self._gone()
            return 0
