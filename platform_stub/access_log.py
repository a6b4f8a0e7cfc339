"""The access log as lines of text: one for each call of a device and each event on its MQTT connection.

What is worth a line, and its words, are the service's, the API's and the broker's (`service.ports.AccessLog`). Here
a line gets its time, which is this machine's, whatever the accounts' clocks say. `AsideFile` writes in a thread of its
own: a reader that stands still must not stop the stub.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

_INTERFACE_WIDTH: Final = 6  # of "studio", the longest
LINES_WAITING_MAX: Final = 10_000
CLOSE_S: Final = 1.0

_log = logging.getLogger(__name__)


def _real_ms() -> int:
    return time.time_ns() // 1_000_000


class Lines(Protocol):
    """What takes lines: an open text file, or an `AsideFile`."""

    def write(self, text: str, /) -> object:
        """Take a line."""

    def flush(self) -> object:
        """Let it go out."""


class AsideFile:
    """Writes to a descriptor in a thread. Lines for which a slow reader leaves no room are counted, and said later."""

    def __init__(self, descriptor: int, lines_max: int = LINES_WAITING_MAX) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[str | None] = queue.Queue(lines_max)
        self._dropped = 0
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._write_on, name="access log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Queue a line. OSError: an earlier one could not be written."""
        if self._failure is not None:
            raise self._failure
        try:
            if self._dropped:
                self._waiting.put_nowait(f"{self._dropped} lines are left out: they were not read in time\n")
                self._dropped = 0
            self._waiting.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Nothing: each line goes out as soon as it can."""

    def close(self) -> bool:
        """Write what waits, for a second at most; False when a reader stands still."""
        try:
            self._waiting.put(None, timeout=CLOSE_S)
        except queue.Full:
            return False
        self._thread.join(CLOSE_S)
        return not self._thread.is_alive()

    def _write_on(self) -> None:
        while (text := self._waiting.get()) is not None:
            data = memoryview(text.encode("utf-8", "backslashreplace"))
            try:
                while data and self._failure is None:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as exc:
                self._failure = exc


class LineLog:
    """Writes lines. When nobody takes them any more, the log ends; devices go on."""

    def __init__(self, out: Lines, real_ms: Callable[[], int] = _real_ms) -> None:
        self._out: Lines | None = out
        self._real_ms = real_ms

    def write(self, interface: str, who: str, what: str) -> None:
        """Write a line."""
        if self._out is None:
            return
        seconds, ms = divmod(self._real_ms(), 1_000)
        clock = time.strftime("%H:%M:%S", time.localtime(seconds))
        try:
            self._out.write(f"{clock}.{ms:03d} {interface:<{_INTERFACE_WIDTH}} {who}  {what}\n")
            self._out.flush()
        except (OSError, ValueError) as exc:  # the disk is full, or somebody closed it
            self._out = None
            _log.warning("the access log ends here: %s", exc)
