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
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench.memory import rss_bytes
from bench.table import Row, median
from device_sim import Endpoint, Fleet, Identity, Profile

GOAL, GOAL_KB, TOLD_GOAL_MS = 0.8, 4.0, 500
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


def in_a_process(work, *args):
    """Do it in a process of its own: what an earlier round left in this one would hide the memory of the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def apart(kind, count):
    return in_a_process(once, kind, count)


def once(kind, count):
    return asyncio.run(measure(kind, count))


def run(*, quick):
    count, rounds = 9_000, 2 if quick else 5
    pairs = []
    for _ in range(rounds):
        pairs.append((apart("stub", count), apart("nothing", count)))

    def middle(side, what):
        return median([pair[side][what] for pair in pairs])

    ratio = median([stub["jobs_s"] / nothing["jobs_s"] for stub, nothing in pairs])
    yield Row(
        what=f"whole stub, {count:,} devices, one job each",
        ours=f"{middle(0, 'jobs_s'):,.0f} jobs/s, {middle(0, 'peer_us'):.0f} + {middle(0, 'fleet_us'):.0f} µs CPU a job",
        peer=f"{middle(1, 'jobs_s'):,.0f} jobs/s, {middle(1, 'peer_us'):.0f} + {middle(1, 'fleet_us'):.0f} µs (nothing behind the broker)",
        ratio=ratio,
        goal=f"at least {GOAL:g}",
        held=ratio >= GOAL,
    )
    yield Row(
        what=f"connect {count:,} devices",
        ours=f"{middle(0, 'connect_s'):.2f} s",
        peer=f"{middle(1, 'connect_s'):.2f} s",
    )
    for side, name in (("peer_kb", "the stub"), ("fleet_kb", "the fleet")):
        yield Row(
            what=f"memory a device, connected and idle, at {name}",
            ours=f"{middle(0, side):.1f} KB",
            goal=f"at most {GOAL_KB:g} KB",
            held=middle(0, side) <= GOAL_KB,
        )
