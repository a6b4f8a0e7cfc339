"""The embedded broker against mosquitto, aedes and amqtt as it is, each a process of its own under the same load.

What a job is and how it is counted is in `load`. Each round takes all sides, in another order each time, with new processes
and new connections; the first job of each connection is a warm-up. In the embedded broker the platform is what it always is,
code in the broker's process, and its work is in the figures; in the others it is one of their clients, and in amqtt's first
line a plugin.
"""

import asyncio
import functools
import importlib.util
import shutil
import subprocess
from importlib.metadata import version

from bench.apart import Unmeasured, apart
from bench.carrier import AEDES_VERSION, Aedes, Mosquitto, PythonCarrier, aedes_program
from bench.figures import Goal
from bench.load import Load
from bench.rounds import Side, paired
from platform_stub.server import raise_descriptor_limit

SIZES = (2_000, 10_000, 19_000)
AMQTT_GOAL = 30.0
LAP_LIMIT_S, SIDE_LIMIT_S = 60, 240
AMQTT_DEVICES_MAX = (
    2_000  # what it takes grows with the square of the devices: 10,000 take minutes to connect
)
AMQTT_LAPS = 2
DESCRIPTORS_SPARE = 100
CARRIERS = {
    "ours": lambda: PythonCarrier("embedded"),
    "mosquitto": Mosquitto,
    "aedes": Aedes,
    "amqtt": lambda: PythonCarrier("amqtt"),
    "amqtt-client": lambda: PythonCarrier("amqtt-alone"),
}


async def laps_of(carrier, count, wanted):
    """Connect all and let each do `wanted` jobs, one after the other; a lap that does not finish is the last."""
    laps = []
    with carrier:
        before = carrier.rss_bytes()
        async with Load(carrier, count) as load:
            grown = carrier.rss_bytes() - before
            while len(laps) < wanted and (not laps or laps[-1].finished):
                laps.append(await load.one_lap(LAP_LIMIT_S))
    return laps, grown


def measure(kind, count, wanted):
    """Load one broker, in this process; answers its figures. Ours may lose nothing."""
    raise_descriptor_limit()
    try:
        laps, grown = asyncio.run(laps_of(CARRIERS[kind](), count, wanted))
    except TimeoutError:
        raise Unmeasured(f"{count:,} devices are not connected within the limit") from None
    return figures(kind, count, laps, grown)


def figures(kind, count, laps, grown):
    """Put laps together; the first is a warm-up where there are more."""
    unfinished, faults = sum(not lap.finished for lap in laps), sum(lap.faults for lap in laps)
    if kind == "ours" and (unfinished or faults):
        raise Unmeasured(f"the embedded broker lost, damaged or repeated messages: {laps}")
    counted = laps[1:] or laps
    jobs, took_s = sum(lap.jobs for lap in counted), sum(lap.took_s for lap in counted)
    wrong = []
    if unfinished:
        wrong.append(f"not complete within {LAP_LIMIT_S} s, what arrived counts")
    if faults:
        wrong.append("messages damaged or repeated, or connections lost")
    return {
        "jobs_s": jobs / took_s,
        "cpu_us": sum(lap.cpu_s for lap in counted) / max(jobs, 1) * 1e6,
        "kb": grown / count / 1024,
        "note": ", ".join(wrong),
    }


@functools.cache
def aedes_missing():
    try:
        aedes_program()
    except Unmeasured as exc:
        return str(exc)
    return ""


@functools.cache
def mosquitto_version():
    about = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout
    return about.split()[2]


def mosquitto_missing():
    return "" if shutil.which("mosquitto") else "mosquitto is not installed"


def sides_for(count, laps, slow_rounds):
    """Name who is measured with so many devices, and why one is not."""
    few = raise_descriptor_limit()
    no_room = f"only {few:,} file descriptors here (ulimit -Hn)" if few < count + DESCRIPTORS_SPARE else ""
    has_amqtt = importlib.util.find_spec("amqtt") is not None
    no_amqtt = "" if has_amqtt else "amqtt is not installed (pip install 'ota-sim[amqtt]')"
    if count > AMQTT_DEVICES_MAX:
        no_amqtt = no_amqtt or "not tried: it takes minutes to connect so many"
    amqtt = f"amqtt {version('amqtt')}" if has_amqtt else "amqtt"
    no_mosquitto = mosquitto_missing()
    mosquitto = "mosquitto" if no_mosquitto else f"mosquitto {mosquitto_version()}"

    def side(kind, who, wanted, missing="", rounds_max=None):
        return Side(
            name=kind, who=who, missing=no_room or missing, rounds_max=rounds_max,
            measure=lambda: apart("bench.brokers:measure", kind, count, wanted, limit_s=SIDE_LIMIT_S),
        )  # fmt: skip

    yield side("ours", "ours, platform's side in it", laps)
    yield side("mosquitto", mosquitto, laps, no_mosquitto)
    yield side("aedes", f"aedes {AEDES_VERSION}", min(laps, 3), aedes_missing(), slow_rounds)
    yield side("amqtt", f"{amqtt}, platform a plugin in it", AMQTT_LAPS, no_amqtt, slow_rounds)
    if count <= AMQTT_DEVICES_MAX:
        yield side("amqtt-client", amqtt, AMQTT_LAPS, no_amqtt, slow_rounds)


def run(*, quick, scale=1.0):
    for size in SIZES:
        count = max(20, int(size * scale))
        name = f"{count:,} devices"
        laps = max(3, min(9, (18_000 if quick else 60_000) // size))
        rounds = paired(name, list(sides_for(count, laps, 1 if quick else None)), 2 if quick else 5, at=count)
        yield from rounds.lines("jobs_s", "cpu_us", "kb")
        for peer, metric, what, bound, more in (
            ("amqtt", "jobs_s", "jobs/s, ours / amqtt", AMQTT_GOAL, True),
            ("mosquitto", "jobs_s", "jobs/s, ours / mosquitto", 1.0, True),
            ("mosquitto", "cpu_us", "broker CPU a job, ours / mosquitto", 1.0, False),
            ("aedes", "cpu_us", "broker CPU a job, ours / aedes", None, False),
        ):
            seen = rounds.ratio(metric, "ours", peer) if peer in rounds.taken else None
            if seen is not None:
                yield Goal(what=f"{what}, {name}", seen=seen, bound=bound, more_is_better=more)
