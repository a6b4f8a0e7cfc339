"""Whole runs: one durable stub and two fleet processes, from 1,000 to 19,000 devices, each updated once, none missing.

A job is what it is in `stub`: an inform, five reports, 16 KiB in two ranges. The number of processes is the same for every size, so
that only the size differs. Small fleets are run several times a round: they are done in a fraction of a second.
"""

import asyncio
import time
from dataclasses import replace

from bench.apart import Unmeasured, apart
from bench.carrier import cpu_s_of
from bench.figures import Goal, Spread
from bench.memory import rss_bytes
from bench.rounds import Side, paired
from bench.stub import PROFILE, Peer
from device_sim.shards.limits import read_limits
from device_sim.shards.plan import plan
from device_sim.shards.sharded import ShardedFleet
from platform_stub.server import raise_descriptor_limit

SIZES = (1_000, 5_000, 10_000, 19_000)
RUNS = {1_000: 4, 5_000: 2}
PROCESSES = 2
READY_LIMIT_S, JOBS_LIMIT_S, LIMIT_S, POLL_S = 120, 180, 420, 0.05
DESCRIPTORS_SPARE = 300
CPU_GOAL, KB_GOAL = 1.2, 4.0


async def whole_run(peer, count):
    """Connect the fleet, update every device; answers the figures of both ends."""
    before = await peer.ask("figures")
    where = plan(count, read_limits(), processes=PROCESSES, stub_here=True)
    began = time.monotonic()
    async with ShardedFleet(peer.endpoint, peer.identities, plan=where, seed=1, profile=PROFILE) as fleet:
        await fleet.ready(READY_LIMIT_S)
        connect_s = time.monotonic() - began
        fresh = [(await shard.ready()).memory_bytes for shard in fleet._shards]
        idle, grown = await peer.ask("figures"), sum(map(rss_bytes, fleet.pids)) - sum(fresh)
        spent = sum(map(cpu_s_of, fleet.pids))
        began = time.monotonic()
        told_s = (await peer.ask("go"))["told_s"]
        await updated(fleet, count)
        took_s = time.monotonic() - began
        spent = sum(map(cpu_s_of, fleet.pids)) - spent
        after = await peer.ask("figures")
    stub_us, fleet_us = (after["cpu_s"] - idle["cpu_s"]) / count * 1e6, spent / count * 1e6
    return {
        "connect_s": connect_s,
        "jobs_s": count / took_s,
        "told_ms": told_s * 1_000,
        "stub_us": stub_us,
        "fleet_us": fleet_us,
        "both_us": stub_us + fleet_us,
        "stub_kb": (idle["rss"] - before["rss"]) / count / 1024,
        "fleet_kb": grown / count / 1024,
    }


async def updated(fleet, count):
    """Wait until each device has done its job; none may fail or be missing."""
    end_s = time.monotonic() + JOBS_LIMIT_S
    while (seen := fleet.snapshot()).jobs_succeeded < count:
        if seen.jobs_failed:
            raise Unmeasured(f"{seen.jobs_failed:,} of {count:,} devices failed")
        if time.monotonic() > end_s:
            missing = count - seen.jobs_succeeded
            raise Unmeasured(f"{missing:,} of {count:,} devices not updated within {JOBS_LIMIT_S} s")
        await asyncio.sleep(POLL_S)


def measure(count):
    """Do one whole run, in this process and those that it starts."""
    raise_descriptor_limit()
    peer = Peer("stub", count)
    try:
        return asyncio.run(whole_run(peer, count))
    finally:
        peer.close()


def several(count, runs):
    """Run it several times, and put these together by their means."""
    taken = [apart("bench.fleets:measure", count, limit_s=LIMIT_S) for _ in range(runs)]
    return {name: sum(each[name] for each in taken) / runs for name in taken[0]}


def run(*, quick, scale=1.0):
    descriptors = raise_descriptor_limit()
    counts = {size: max(20, int(size * scale)) for size in SIZES}

    def side(size):
        count = counts[size]
        needs = count + DESCRIPTORS_SPARE
        return Side(
            name=f"ours-{size}", who=f"ours, {count:,} devices",
            missing=f"only {descriptors:,} file descriptors here (ulimit -Hn), {needs:,} are needed" if descriptors < needs else "",
            measure=lambda: several(count, RUNS.get(size, 1)),
        )  # fmt: skip

    rounds = paired("whole run", [side(size) for size in SIZES], 2 if quick else 7)
    lines = rounds.lines("jobs_s", "connect_s", "told_ms", "stub_us", "fleet_us", "stub_kb", "fleet_kb")
    for size, line in zip(SIZES, lines, strict=True):
        count = counts[size]
        yield replace(line, what=f"{count:,} devices, one job each", side="ours", who="ours", at=count)
    small, large = f"ours-{SIZES[0]}", f"ours-{SIZES[-1]}"
    name = f"{counts[SIZES[-1]]:,}"
    seen = rounds.ratio("both_us", large, small)
    if seen is not None:
        yield Goal(
            what=f"CPU a device, both ends, {name} devices / {counts[SIZES[0]]:,}", seen=seen, bound=CPU_GOAL
        )
        for end, metric in (("stub", "stub_kb"), ("fleet", "fleet_kb")):
            kb = Spread(tuple(each[metric] for each in rounds.taken[large]))
            yield Goal(
                what=f"memory a device at the {end}, {name} devices connected and idle",
                seen=kb,
                bound=KB_GOAL,
                unit="KB",
                digits=1,
            )
