"""The stub's HTTP against bare aiohttp handlers that do nothing, under the same load.

Calls of generation C on 64 kept connections, each of a device of its own: a check (the job is looked up), a progress
step (committed before it is answered), and a range of 256 KiB. Two processes: the server, and the load on plain sockets.
"""

import asyncio
import time

import msgspec

from bench.http_load import drive
from bench.stub import Peer
from bench.table import Row, median
from device_sim import Identity
from platform_stub.protocol.token import device_resource, make_token

GOAL = 0.6
CONNECTIONS = 64
PACKAGE_BYTES = 2**20
RANGE_BYTES = 256 * 1024


def head_of(identity):
    """Spell what each request of a device ends with."""
    token = make_token(
        identity.key, device_resource(identity.product_id, identity.name), int(time.time()) + 3600
    )
    return f"Host: 127.0.0.1\r\nAuthorization: {token}\r\n"


def base_of(identity):
    return f"/fuse-ota/{identity.product_id}/{identity.name}"


def check(identity):
    return f"GET {base_of(identity)}/check?type=1&version=1.0 HTTP/1.1\r\n{head_of(identity)}\r\n".encode()


def step(identity, tid, step):
    body = f'{{"step":{step}}}'
    head = f"{head_of(identity)}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST {base_of(identity)}/{tid}/status HTTP/1.1\r\n{head}\r\n{body}".encode()


def part(identity, tid, start):
    head = f"{head_of(identity)}Range: bytes={start}-{start + RANGE_BYTES - 1}\r\n"
    return f"GET {base_of(identity)}/{tid}/download HTTP/1.1\r\n{head}\r\n".encode()


def tids_of(address, identities):
    """Let each device ask for its job, and begin its download."""
    callers, _ = drive(address, [[check(identity)] for identity in identities])
    tids = [msgspec.json.decode(caller.last)["data"]["tid"] for caller in callers]
    drive(address, [[part(device, tid, 0)] for device, tid in zip(identities, tids, strict=True)])
    return tids


def streams(identities, tids, rounds):
    """Give, for each kind of call, what each connection sends."""
    pairs = list(zip(identities, tids, strict=True))
    starts = range(0, PACKAGE_BYTES, RANGE_BYTES)
    return {
        "checks": [[check(device)] * rounds for device, _ in pairs],
        "progress steps": [[step(device, tid, at % 99 + 1) for at in range(rounds)] for device, tid in pairs],
        "ranges of 256 KiB": [
            [part(device, tid, starts[at % len(starts)]) for at in range(rounds // 4)]
            for device, tid in pairs
        ],
    }


async def measure(kind, rounds):
    """Answer requests a second, and the server's CPU in µs a request, for each kind of call."""
    peer = Peer(kind, CONNECTIONS, PACKAGE_BYTES)
    try:
        address = peer.endpoint.http_address
        identities, tids = peer.identities, range(1, CONNECTIONS + 1)
        if kind == "stub":
            await peer.ask("go")
            tids = tids_of(address, identities)
        else:
            key = "c2VjcmV0"
            identities = [Identity(device_id=at, product_id="bench", name=f"d{at}", key=key) for at in tids]
        figures = {}
        for what, requests in streams(identities, tids, rounds).items():
            before = await peer.ask("figures")
            callers, took_s = drive(address, requests)
            after = await peer.ask("figures")
            count = sum(caller.answers for caller in callers)
            assert count == sum(map(len, requests))
            figures[what] = count / took_s, (after["cpu_s"] - before["cpu_s"]) / count * 1e6
        return figures
    finally:
        peer.close()


def run(*, quick):
    rounds = 100 if quick else 400
    pairs = [
        (asyncio.run(measure("stub", rounds)), asyncio.run(measure("bare", rounds)))
        for _ in range(3 if quick else 7)
    ]
    for what in pairs[0][0]:
        ratio = median([stub[what][0] / bare[what][0] for stub, bare in pairs])
        shown = [
            f"{median([pair[side][what][0] for pair in pairs]):,.0f}/s, "
            f"{median([pair[side][what][1] for pair in pairs]):.0f} µs CPU each"
            for side in (0, 1)
        ]
        yield Row(
            what=f"{what}, {CONNECTIONS} connections",
            ours=shown[0],
            peer=f"{shown[1]} (bare aiohttp handlers)",
            ratio=ratio,
            goal=f"at least {GOAL:g}",
            held=ratio >= GOAL,
        )
