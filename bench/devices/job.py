"""What a device does, whichever client it speaks through, and how a program of devices talks to who started it.

A program is started with `HOST PORT COUNT`. It prints `{"imported": true}` when nothing is connected yet, connects at a line
on its standard input, prints `{"connected": n, "why": ...}` when no more will come, and does jobs until its input ends.
"""

import asyncio
import json
import sys
from dataclasses import dataclass

from bench.load import PRODUCT, STEPS, inform_of, name_of, report_of, topic_of
from platform_stub.protocol import topics

QOS = 1
IN_FLIGHT = 64
PASSWORD = "version=2018-10-31"  # noqa: S105 - nobody checks it here
KEEPALIVE_S = 1800
CONNECT_LIMIT_S = 5


@dataclass(slots=True)
class Job:
    """One device's side: each report after the PUBACK of the one before. Anything odd is answered with silence."""

    number: int
    lap: int = 0
    sent: int = 0

    @property
    def name(self):
        return name_of(self.number)

    @property
    def inform(self):
        """The topic that it is told on."""
        return topic_of(topics.ROOT, self.number, topics.INFORM)

    @property
    def status(self):
        """The topic that it reports on."""
        return topic_of(topics.ROOT, self.number, topics.STATUS)

    def told(self, payload):
        """Take an inform; answers the first report, or None."""
        if self.sent or bytes(payload) != inform_of(self.number, self.lap):
            return None
        return self._next()

    def acknowledged(self):
        """Take a PUBACK; answers the next report, or None after the last."""
        if 0 < self.sent < len(STEPS):
            return self._next()
        if self.sent:
            self.sent, self.lap = 0, self.lap + 1
        return None

    def _next(self):
        self.sent += 1
        return report_of(self.number, self.lap, self.sent - 1)


def arguments():
    """Read host, port and count."""
    return sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def wait_for_start():
    """Say that all is imported, and wait to be told to connect."""
    say(imported=True)
    sys.stdin.readline()


def say(**what):
    print(json.dumps(what), flush=True)


async def run_all(count, connect_one):
    """Connect all, some at a time, say how many are, and stay until the input ends."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    why = []

    async def guarded(number):
        async with gate:
            try:
                return await asyncio.wait_for(connect_one(number), CONNECT_LIMIT_S)
            except Exception as exc:  # noqa: BLE001 - it is said, and the device is not counted
                why.append(f"{type(exc).__name__}: {exc}")
                return None

    kept = await asyncio.gather(*(guarded(number) for number in range(count)))
    say(connected=sum(device is not None for device in kept), why=why[0] if why else "")
    await asyncio.to_thread(sys.stdin.readline)


__all__ = [
    "KEEPALIVE_S",
    "PASSWORD",
    "PRODUCT",
    "QOS",
    "Job",
    "arguments",
    "run_all",
    "say",
    "wait_for_start",
]
