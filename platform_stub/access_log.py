"""The access log as lines of text: one for each call of a device and each event on its MQTT connection.

What is worth a line, and its words, are the service's, the API's and the broker's (`service.ports.AccessLog`). Here
a line gets its time, which is this machine's, whatever the accounts' clocks say, and goes out at once.
"""

import logging
import time
from collections.abc import Callable
from typing import Final, TextIO

_INTERFACE_WIDTH: Final = 6  # of "studio", the longest

_log = logging.getLogger(__name__)


def _real_ms() -> int:
    return time.time_ns() // 1_000_000


class LineLog:
    """Writes to an open text file. When that takes no more, the log ends; devices go on."""

    def __init__(self, out: TextIO, real_ms: Callable[[], int] = _real_ms) -> None:
        self._out: TextIO | None = out
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
