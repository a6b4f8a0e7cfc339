"""A shard's process inside Locust: started, told, listened to and ended, without blocking the other users.

Runs under gevent alone: only the locustfile imports it. The process is asyncio's own, as asyncio under gevent's patches
is slower; what it says is `device_sim.shards.messages`.
"""

# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gevent
from gevent import subprocess

from device_sim.shards.messages import Event, Order, event_of, line_of

LEAVE_S: Final = 10.0
FROZEN_S: Final = 15.0
"""From when it was let go until it is taken for frozen; less than the command gives this process."""
WORDS_BYTES: Final = 4_096
_ROOT: Final = str(Path(__file__).resolve().parents[4])
_BOOT: Final = "import sys; sys.path.insert(0, sys.argv[1]); from device_sim.shards.shard import main; main()"


class ShardProcess:
    """One process of devices. When its standard input ends, it leaves; so it never outlives its owner."""

    def __init__(self) -> None:
        self._process: Any = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, _ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to its owner alone, who stops it
        )
        self._words = b""
        self._listener = gevent.spawn(self._listen)

    @property
    def pid(self) -> int:
        """The process's number."""
        return int(self._process.pid)

    def tell(self, order: Order) -> None:
        """Give it an order; one that has ended does not mind."""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line_of(order))
            self._process.stdin.flush()

    def events(self) -> Iterator[Event]:
        """Give what it says until it ends."""
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                yield event_of(line)

    def leave(self) -> None:
        """Let it end by itself; one that does nothing any more is killed, or it would outlive us."""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
        gevent.spawn_later(FROZEN_S, self._kill)

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()

    def end(self) -> tuple[int, str]:
        """Wait for its end, and make one if there is none; answers the exit code and its last words."""
        self.leave()
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(LEAVE_S)
        words = self._words.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return int(self._process.returncode), words

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := self._process.stderr.read1(WORDS_BYTES):
                self._words = (self._words + data)[-WORDS_BYTES:]
