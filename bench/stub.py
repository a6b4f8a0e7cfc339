"""The whole stub with our fleet, against the same fleet on a broker with nothing behind it; memory at both ends.

A job is one QoS 1 inform and five QoS 1 reports (inform reply, progress, 101, 201, version), and a package of 16 KiB
downloaded in two ranges. Two processes: the far end, and the fleet. Counted by what the devices finished.
"""

import asyncio
import json
import os
import subprocess
import sys
import time

from bench.apart import apart
from bench.figures import Goal, Spread
from bench.memory import rss_bytes
from bench.rounds import Side, paired
from device_sim import Endpoint, Fleet, Identity, Profile

GOAL, GOAL_KB, LIMIT_S = 0.8, 4.0, 400
PROFILE = Profile(chunk_bytes=8192)


class Peer:
    """The far end's process."""

    def __init__(self, kind, count, *size_bytes, folder=None):
        command = [sys.executable, "-m", "bench.peer", kind, str(count), *map(str, size_bytes)]
        environment = os.environ if folder is None else os.environ | {"TMPDIR": folder}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        ready = json.loads(self.process.stdout.readline())
        self.endpoint = Endpoint(http_address=tuple(ready["http"]), mqtt_address=tuple(ready["mqtt"]))
        self.identities = [Identity(**device) for device in ready["devices"]]

    async def ask(self, what):
        def talk():
            self.process.stdin.write(what.encode() + b"\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

        return await asyncio.to_thread(talk)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


async def measure(kind, count):
    """Connect a fleet, update each device once; answers the figures of both ends."""
    peer = Peer(kind, count)
    try:
        before = await peer.ask("figures")
        ours_before = rss_bytes()
        fleet = Fleet(peer.endpoint, peer.identities, seed=1, profile=PROFILE)
        async with fleet:
            started = time.perf_counter()
            await fleet.ready(120)
            connect_s = time.perf_counter() - started
            idle = await peer.ask("figures")
            ours_idle = rss_bytes()
            spent = os.times()
            started = time.perf_counter()
            await peer.ask("go")
            while fleet.snapshot().jobs_succeeded < count:
                await asyncio.sleep(0.01)
                assert fleet.snapshot().jobs_failed == 0
                assert time.perf_counter() - started < 300
            took_s = time.perf_counter() - started
            after = await peer.ask("figures")
            now = os.times()
        return {
            "jobs_s": count / took_s,
            "connect_s": connect_s,
            "told_ms": (after["told_s"] or 0) * 1000,
            "peer_us": (after["cpu_s"] - idle["cpu_s"]) / count * 1e6,
            "fleet_us": (now.user + now.system - spent.user - spent.system) / count * 1e6,
            "peer_kb": (idle["rss"] - before["rss"]) / count / 1024,
            "fleet_kb": (ours_idle - ours_before) / count / 1024,
        }
    finally:
        peer.close()


def once(kind, count):
    """Measure in this process, which should have done nothing before: what is left behind would hide memory."""
    return asyncio.run(measure(kind, count))


def run(*, quick, scale=1.0):
    count = max(20, int(9_000 * scale))
    sides = [
        Side(
            name=name,
            who=who,
            measure=lambda kind=kind: apart("bench.stub:once", kind, count, limit_s=LIMIT_S),
        )
        for name, who, kind in (
            ("ours", "ours, the whole durable stub", "stub"),
            ("nothing", "the same fleet on our broker with nothing behind it", "nothing"),
        )
    ]
    rounds = paired(f"{count:,} devices, one job each", sides, 3 if quick else 7, at=count)
    yield from rounds.lines("jobs_s", "peer_us", "fleet_us", "connect_s", "peer_kb", "fleet_kb")
    seen = rounds.ratio("jobs_s", "ours", "nothing")
    if seen is None:
        return
    yield Goal(
        what="jobs/s, whole stub / nothing behind the broker", seen=seen, bound=GOAL, more_is_better=True
    )
    for metric, name in (("peer_kb", "the stub"), ("fleet_kb", "the fleet")):
        kb = Spread(tuple(taken[metric] for taken in rounds.taken["ours"]))
        yield Goal(
            what=f"memory a device, connected and idle, at {name}",
            seen=kb,
            bound=GOAL_KB,
            unit="KB",
            digits=1,
        )
