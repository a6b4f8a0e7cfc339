"""Devices over HTTP: our lean client against aiohttp's under the same flow, and a fleet that mixes all four flows.

The flow is generation C's: version, check, 64 KiB in four ranges, and the steps that a device of ours reports on its
way (a per cent after the first range, 101, 201), then the new version. The far end is the whole stub, a process of its own.
"""

import asyncio
import hashlib
import os
import time
from dataclasses import replace

import aiohttp
import msgspec

from bench.apart import apart
from bench.figures import Goal
from bench.memory import rss_bytes
from bench.rounds import Side, paired
from bench.stub import Peer
from device_sim import Fleet, Profile
from platform_stub.protocol.token import device_resource, make_token

GOAL = 2.0
COUNT, MIXED = 1_900, 9_000
PACKAGE_BYTES, RANGES = 64 * 1024, 4
RANGE_BYTES = PACKAGE_BYTES // RANGES
IN_FLIGHT = 64
LIMIT_S, SIDE_LIMIT_S = 60, 120
FLOWS = ("mqtt", "fuse", "studio", "south")


async def lean(peer):
    """Let a fleet of ours do it."""
    profile = Profile(flow="fuse", chunk_bytes=RANGE_BYTES, start_jitter_ms=0)
    fleet = Fleet(peer.endpoint, peer.identities, seed=1, profile=profile, downloads_in_flight=IN_FLIGHT)
    async with fleet:
        await until(lambda: fleet.snapshot().jobs_succeeded >= len(peer.identities))


async def until(is_done):
    async with asyncio.timeout(LIMIT_S):
        while not is_done():
            await asyncio.sleep(0.02)


async def with_aiohttp(peer):
    """Let aiohttp's client do the same, with as many devices at a time as it has connections."""
    host, port = peer.endpoint.http_address
    gate = asyncio.Semaphore(IN_FLIGHT)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(f"http://{host}:{port}", connector=connector) as session:

        async def one(device):
            async with gate:
                await update(session, device)

        await asyncio.gather(*(one(device) for device in peer.identities))


async def update(session, device):
    """Update one device."""
    base = f"/fuse-ota/{device.product_id}/{device.name}"
    token = make_token(device.key, device_resource(device.product_id, device.name), int(time.time()) + 3600)
    headers = {"Authorization": token}

    async def call(method, path, body=None):
        data = None if body is None else msgspec.json.encode(body)
        async with session.request(method, base + path, data=data, headers=headers) as response:
            answer = msgspec.json.decode(await response.read())
            assert answer["code"] == 0, answer
            return answer.get("data")

    await call("POST", "/version", {"f_version": "1.0", "s_version": "1.0"})
    job = await call("GET", "/check?type=1&version=1.0")
    status = f"/{job['tid']}/status"
    digest = hashlib.md5(usedforsecurity=False)
    for at in range(RANGES):
        asked = headers | {"Range": f"bytes={at * RANGE_BYTES}-{(at + 1) * RANGE_BYTES - 1}"}
        async with session.get(f"{base}/{job['tid']}/download", headers=asked) as response:
            assert response.headers["Ota-Errno"] == "0"
            part = await response.read()
            assert len(part) == RANGE_BYTES
            digest.update(part)
        if at == 0:
            await call("POST", status, {"step": 25})
    assert digest.hexdigest() == job["md5"]
    await call("POST", status, {"step": 101})
    await call("POST", status, {"step": 201})
    await call("POST", "/version", {"f_version": job["target"], "s_version": "1.0"})


def compare(far_end, client, count):
    """Update all devices once with a client, which has this process to itself; answers figures."""
    peer = Peer(far_end, count, PACKAGE_BYTES)
    try:
        return asyncio.run(_timed(peer, {"lean": lean, "aiohttp": with_aiohttp}[client], count))
    finally:
        peer.close()


async def _timed(peer, client, count):
    await peer.ask("go")
    before, spent, started = await peer.ask("figures"), os.times(), time.perf_counter()
    await client(peer)
    took_s, now, after = time.perf_counter() - started, os.times(), await peer.ask("figures")
    return {
        "devices_s": count / took_s,
        "client_us": (now.user + now.system - spent.user - spent.system) / count * 1e6,
        "server_us": (after["cpu_s"] - before["cpu_s"]) / count * 1e6,
    }


def mix(count):
    """Update a fleet of all four flows once; answers seconds and the memory a device at both ends."""
    peer = Peer("stub", count)
    try:
        return asyncio.run(_mixed(peer, count))
    finally:
        peer.close()


async def _mixed(peer, count):
    identities = [
        msgspec.structs.replace(device, flow=FLOWS[at % len(FLOWS)])
        for at, device in enumerate(peer.identities)
    ]
    before, ours_before = await peer.ask("figures"), rss_bytes()
    fleet = Fleet(
        peer.endpoint, identities, seed=1, profile=replace(Profile(chunk_bytes=8192), poll_ms=2_000)
    )
    async with fleet:
        await fleet.ready(LIMIT_S)
        idle, ours_idle = await peer.ask("figures"), rss_bytes()
        started = time.perf_counter()
        await peer.ask("go")
        await until(lambda: fleet.snapshot().jobs_succeeded == count)
        took_s = time.perf_counter() - started
        assert fleet.snapshot().jobs_failed == 0
    return {
        "s": took_s,
        "stub_kb": (idle["rss"] - before["rss"]) / count / 1024,
        "fleet_kb": (ours_idle - ours_before) / count / 1024,
    }


def compared(far_end, behind, rounds, count):
    """Give the lines of both clients against a far end, and the goals."""
    sides = [
        Side(
            name=name,
            who=who,
            measure=lambda client=client: apart(
                "bench.flows:compare", far_end, client, count, limit_s=SIDE_LIMIT_S
            ),
        )
        for name, who, client in (("ours", "ours", "lean"), ("aiohttp", "aiohttp's client", "aiohttp"))
    ]
    found = paired(f"{count:,} devices through the fuse flow, {behind}", sides, rounds)
    yield from found.lines("devices_s", "client_us", "server_us")
    for what, seen, more in (
        ("devices/s, ours / aiohttp's client", found.ratio("devices_s", "ours", "aiohttp"), True),
        ("client's CPU, aiohttp's client / ours", found.ratio("client_us", "aiohttp", "ours"), True),
    ):
        if seen is not None:
            yield Goal(what=f"{what}, {behind}", seen=seen, bound=GOAL, more_is_better=more)


def run(*, quick, scale=1.0):
    count, mixed = max(20, int(COUNT * scale)), max(40, int(MIXED * scale))
    for far_end, behind in (("bare", "handlers that do nothing"), ("stub", "the whole stub")):
        yield from compared(far_end, behind, 3 if quick else 7, count)
    side = Side(
        name="ours", who="ours", measure=lambda: apart("bench.flows:mix", mixed, limit_s=SIDE_LIMIT_S)
    )
    what = f"{mixed:,} devices, a quarter each mqtt, fuse, studio, south: one job each, none missing"
    yield from paired(what, [side], 1 if quick else 3).lines("s", "stub_kb", "fleet_kb")
