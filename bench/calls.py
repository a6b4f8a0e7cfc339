"""The stub's HTTP against bare aiohttp handlers that do nothing, under the same load.

Calls of generation C on 64 and on 512 kept connections, each of a device of its own: a check (the job is looked up), a
progress step (committed before it is answered), and a range of 256 KiB. Each connection waits for its answer before it
asks again, so that at most as many steps as there are connections share a commit: what the disk takes for that commit
is waited for by all of them. So the steps are measured with the database in memory as well, and the disk by itself. Two
processes: the server, and the load on plain sockets.
"""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

import msgspec

from bench.apart import apart
from bench.figures import Goal, Line, Spread
from bench.http_load import drive
from bench.stub import Peer
from device_sim import Identity
from platform_stub.protocol.token import device_resource, make_token

GOAL = 0.6
CONNECTIONS = (64, 512)
PACKAGE_BYTES = 2**20
LIMIT_S = 300
RANGE_BYTES = 256 * 1024
KINDS = CHECKS, STEPS, RANGES = "checks", "progress steps", "ranges of 256 KiB"
IN_MEMORY = Path("/dev/shm")


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
        CHECKS: [[check(device)] * rounds for device, _ in pairs],
        STEPS: [[step(device, tid, at % 99 + 1) for at in range(rounds)] for device, tid in pairs],
        RANGES: [
            [part(device, tid, starts[at % len(starts)]) for at in range(max(1, rounds // 4))]
            for device, tid in pairs
        ],
    }


class Side:
    """A server under load, and what each kind of call sends it."""

    def __init__(self, kind, connections, requests, folder=None):
        self.peer = Peer(kind, connections, PACKAGE_BYTES, folder=folder)
        self.address = self.peer.endpoint.http_address
        identities, tids = self.peer.identities, range(1, connections + 1)
        if kind == "stub":
            asyncio.run(self.peer.ask("go"))
            tids = tids_of(self.address, identities)
        else:
            key = "c2VjcmV0"
            identities = [Identity(device_id=at, product_id="bench", name=f"d{at}", key=key) for at in tids]
        self.streams = streams(identities, tids, requests // connections)

    def measure(self, what):
        """Answer requests a second, and the server's CPU in µs a request."""
        before = asyncio.run(self.peer.ask("figures"))
        callers, took_s = drive(self.address, self.streams[what])
        after = asyncio.run(self.peer.ask("figures"))
        count = sum(caller.answers for caller in callers)
        assert count == sum(map(len, self.streams[what]))
        return count / took_s, (after["cpu_s"] - before["cpu_s"]) / count * 1e6


def run(*, quick, scale=1.0):
    requests, rounds = (12_800, 5) if quick else (51_200, 9)
    requests = max(CONNECTIONS[-1] * 4, int(requests * scale))
    for connections in CONNECTIONS:
        for kinds, folder in ((KINDS, None), ((STEPS,), str(IN_MEMORY))):
            if folder is None or IN_MEMORY.is_dir():
                limits = [connections, requests, rounds, kinds, folder]
                taken = apart("bench.calls:compare", *limits, limit_s=LIMIT_S)
                for what, pairs in taken.items():
                    where = f", database in {folder}" if folder else ""
                    yield from shown(f"{what}, {connections} connections{where}", pairs)
    took_ms = Spread(tuple(took_s * 1000 for took_s in commits(1_000)))
    tenth = sorted(took_ms.values)[-len(took_ms.values) // 10]
    for what, value in (("median", took_ms.median), ("a tenth takes longer than", tenth)):
        yield Line(
            what=f"a commit of 64 rows by sqlite3 alone, as durable as the stub's, {what}",
            side="disk",
            who="sqlite3",
            figures={"ms": Spread((value,))},
        )


def compare(connections, requests, rounds, kinds, folder=None):
    """Let both servers answer, each round the other one first; answers pairs of (calls/s, CPU in µs) by kind of call."""
    stub = Side("stub", connections, requests, folder)
    bare = Side("bare", connections, requests)
    taken = {}
    try:
        for what in kinds:
            taken[what] = []
            for nth in range(rounds):
                found = {side: side.measure(what) for side in ((stub, bare) if nth % 2 else (bare, stub))}
                taken[what].append((found[stub], found[bare]))
    finally:
        stub.peer.close()
        bare.peer.close()
    return taken


def commits(count):
    """Measure commits of 64 changed rows each, in s: write-ahead log, synchronous FULL."""
    with tempfile.TemporaryDirectory() as folder:
        conn = sqlite3.connect(Path(folder) / "commits.db", isolation_level=None)
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, step INTEGER)")
        conn.executemany("INSERT INTO rows VALUES (?, 0)", [(at,) for at in range(64)])
        for step in range(count):
            conn.execute("BEGIN IMMEDIATE")
            conn.execute("UPDATE rows SET step = ?", (step,))
            started = time.perf_counter()
            conn.execute("COMMIT")
            yield time.perf_counter() - started
        conn.close()


def shown(what, pairs):
    """Give both sides' lines, and the goal."""
    for at, side, who in ((0, "ours", "ours"), (1, "bare", "bare aiohttp handlers")):
        rates, costs = (Spread(tuple(pair[at][which] for pair in pairs)) for which in (0, 1))
        print(f"  {what}: {who}: {rates.median:,.0f} calls/s, {costs.median:,.0f} µs each", flush=True)
        yield Line(what=what, side=side, who=who, figures={"calls_s": rates, "call_us": costs})
    seen = Spread(tuple(stub[0] / bare[0] for stub, bare in pairs))
    yield Goal(what=f"{what}, ours / bare", seen=seen, bound=GOAL, more_is_better=True)
