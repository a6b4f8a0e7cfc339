"""MQTT clients in Python, as many devices in one process, against one mosquitto: this project's, and what others use.

Each side is a program of `bench.devices` in a process of its own, which gives every device one job after the other; what a
job is says `load`. The platform is here, a client of mosquitto, and counts what arrived by comparing payloads. A device counts
when all its reports of a job are here, whatever its client believes.
"""

import asyncio
import importlib.util
import json
import os
import select
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from bench.apart import Unmeasured, apart
from bench.brokers import mosquitto_missing, mosquitto_version
from bench.carrier import Mosquitto, cpu_s_of
from bench.figures import Goal
from bench.load import STEPS, Platform
from bench.memory import rss_bytes
from bench.rounds import Side, paired
from platform_stub.protocol import topics
from platform_stub.server import raise_descriptor_limit

COUNT = 2_000
LAPS, LAP_LIMIT_S, SILENCE_S = 4, 30, 3
SETUP_LIMIT_S, SIDE_LIMIT_S = 60, 180
LOCUSTFILE = Path(__file__).parent / "devices" / "locustfile.py"
SLOW = {"paho-threads", "locust", "locust-selectors"}  # they wait in vain for devices that never come
PROGRAMS = {
    "ours": ("device_sim", "ours", ""),
    "gmqtt": ("gmqtt", "ota-sim[bench]", "with_gmqtt"),
    "paho-selector": ("paho", "ota-sim[external]", "paho_selector"),
    "paho-threads": ("paho", "ota-sim[external]", "paho_threads"),
    "aiomqtt": ("aiomqtt", "ota-sim[external]", "with_aiomqtt"),
    "locust": ("locust", "ota-sim[load]", "locustfile"),
    "locust-selectors": ("locust", "ota-sim[load]", "locustfile"),
}


def command(kind, address, count):
    """Give the words that start a program, and what its environment has more."""
    module = PROGRAMS[kind][2] or "ours"
    if module == "locustfile":
        words = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(LOCUSTFILE),
        ]
        words += [
            "--headless",
            "--users",
            str(count),
            "--spawn-rate",
            "500",
            "--only-summary",
            "--loglevel",
            "CRITICAL",
        ]
        more = {
            "OTA_BENCH_FAR_END": f"{address[0]} {address[1]} {count}",
            "PYTHONPATH": str(LOCUSTFILE.parents[2]),
        }
        return words, more | ({"OTA_BENCH_SELECTORS": "1"} if kind == "locust-selectors" else {})
    return [sys.executable, "-m", f"bench.devices.{module}", address[0], str(address[1]), str(count)], {}


class Program:
    """A process of devices."""

    def __init__(self, kind, address, count):
        words, more = command(kind, address, count)
        self.process = subprocess.Popen(
            words,
            env=os.environ | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self.process.pid

    def hear(self, key, limit_s):
        """Wait for a line of JSON with this key; whatever else is printed is passed over."""
        end_s = time.monotonic() + limit_s
        buffer = b""
        while True:
            line, _, rest = buffer.partition(b"\n")
            if _:
                buffer = rest
                if line.startswith(b"{") and key in (said := json.loads(line)):
                    return said
                continue
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end_s - time.monotonic()))
            if not ready:
                raise Unmeasured(f"not connected within {limit_s} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Unmeasured(f"its program ended with {self.process.wait()}")
            buffer += data

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


async def _platform(address):
    """Connect the platform."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    _, platform = await loop.create_connection(
        lambda: Platform(topics.ROOT, ready=ready, gone=lambda: None), *address
    )
    await ready
    return platform


async def one_lap(platform, count, lap):
    """Give each device a job, and wait for what arrives; answers devices that are done, reports, seconds."""
    await platform.expect(count, lap)
    started = time.monotonic()
    await platform.go(count, lap)
    ledger = platform.ledger
    while ledger.arrived < count * len(STEPS):
        await asyncio.sleep(0.01)
        now_s = time.monotonic()
        if now_s > started + LAP_LIMIT_S or now_s > max(started, ledger.last_s) + SILENCE_S:
            break
    behind = len(set(ledger.due.values()))
    return count - behind, ledger.arrived, max(ledger.last_s - started, 1e-6), ledger.odd


async def _laps(kind, broker, count):
    platform = await _platform(broker.address)
    program = Program(kind, broker.address, count)
    try:
        await asyncio.to_thread(program.hear, "imported", SETUP_LIMIT_S)
        before = rss_bytes(program.pid)
        began = time.monotonic()
        program.go()
        connected = await asyncio.to_thread(program.hear, "connected", SETUP_LIMIT_S)
        connect_s, grown = time.monotonic() - began, rss_bytes(program.pid) - before
        await one_lap(platform, count, 0)
        cpu_s, laps = cpu_s_of(program.pid), []
        for lap in range(1, LAPS + 1):
            laps.append(await one_lap(platform, count, lap))
        cpu_s = cpu_s_of(program.pid) - cpu_s
    finally:
        program.close()
        platform.transport.abort()
        await asyncio.sleep(0)
    return connected, connect_s, grown, laps, cpu_s


def measure(kind, count):
    """Load one client, in this process; answers its figures."""
    raise_descriptor_limit()
    with Mosquitto() as broker:
        connected, connect_s, grown, laps, cpu_s = asyncio.run(_laps(kind, broker, count))
    return figures(count, connected, connect_s, grown, laps, cpu_s)


def figures(count, connected, connect_s, grown, laps, cpu_s):
    """Put laps together; what did not arrive is said."""
    done, reports = [lap[0] for lap in laps], sum(lap[1] for lap in laps)
    odd, jobs = sum(lap[3] for lap in laps), reports / len(STEPS)
    if not jobs:
        raise Unmeasured(
            f"{connected['connected']:,} of {count:,} devices connected, and no report of them arrived"
        )
    notes = []
    if min(done) < count:
        notes.append(f"{min(done):,} of {count:,} devices did their jobs")
    if connected["why"]:
        notes.append(connected["why"])
    if odd:
        notes.append("messages damaged or repeated")
    return {
        "devices": min(done),
        "jobs_s": jobs / sum(lap[2] for lap in laps),
        "cpu_us": cpu_s / jobs * 1e6,
        "kb": grown / max(connected.get("made", connected["connected"]), 1) / 1024,
        "connect_s": connect_s if min(done) == count else None,
        "note": ": ".join(notes),
    }


def sides_for(count, slow_rounds):
    """Name the clients, and why one is not measured."""

    def installed(module, package):
        return f"{package} {version(package)}" if importlib.util.find_spec(module) else package

    names = {
        "ours": "ours",
        "gmqtt": installed("gmqtt", "gmqtt"),
        "paho-selector": installed("paho", "paho-mqtt") + ", one shared selector",
        "paho-threads": installed("paho", "paho-mqtt") + ", a thread each",
        "aiomqtt": installed("aiomqtt", "aiomqtt"),
        "locust": installed("locust", "locust") + ", its MQTT user",
        "locust-selectors": installed("locust", "locust") + ", its MQTT user with use_loop_selectors",
    }
    for kind, (module, package, _) in PROGRAMS.items():
        missing = mosquitto_missing()
        if importlib.util.find_spec(module) is None:
            missing = f"not installed (pip install '{package}')"
        yield Side(
            name=kind, who=names[kind], missing=missing, rounds_max=slow_rounds if kind in SLOW else None,
            measure=lambda kind=kind: apart("bench.clients:measure", kind, count, limit_s=SIDE_LIMIT_S),
        )  # fmt: skip


def run(*, quick, scale=1.0):
    count = max(20, int(COUNT * scale))
    peer = "" if mosquitto_missing() else f" against mosquitto {mosquitto_version()}"
    rounds = paired(
        f"{count:,} devices{peer}", list(sides_for(count, 1 if quick else None)), 2 if quick else 5, at=count
    )
    yield from rounds.lines("devices", "jobs_s", "cpu_us", "kb")
    for kind in PROGRAMS:
        seen = rounds.ratio("cpu_us", "ours", kind) if kind != "ours" else None
        if seen is not None:
            yield Goal(what=f"client CPU a job, ours / {kind}", seen=seen)
