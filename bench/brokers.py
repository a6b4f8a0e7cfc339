"""The embedded broker against amqtt as it is and against mosquitto, each a process of its own under the same load.

What a job is and how it is counted is in `load`. Each round takes both sides, in turn first, with new processes and new
connections. In the embedded broker the platform is what it always is, code in the broker's process, and its work
is in the figures; mosquitto's is one of its clients, and so is amqtt's in one row.
"""

import asyncio
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version

from bench.carrier import Mosquitto, PythonCarrier
from bench.load import Load
from bench.table import Row, median
from platform_stub.server import raise_descriptor_limit

AMQTT_DEVICES, AMQTT_GOAL = 2_000, 30.0
MOSQUITTO_DEVICES, MOSQUITTO_GOAL = 9_000, 1.0
LAP_LIMIT_S = 60
AMQTT_LAPS, LAPS_BESIDE_AMQTT = 2, 9  # a lap takes amqtt seconds, and the embedded broker a fraction of one
MOSQUITTO_LAPS = 5
DESCRIPTORS_SPARE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Some laps of one broker: medians, and all that went wrong."""

    jobs_s: float
    cpu_us: float  # a job
    unfinished: int
    faults: int


def together(laps):
    return Measured(
        jobs_s=median([lap.jobs / lap.took_s for lap in laps]),
        cpu_us=median([lap.cpu_s / max(lap.jobs, 1) * 1e6 for lap in laps]),
        unfinished=sum(not lap.finished for lap in laps),
        faults=sum(lap.faults for lap in laps),
    )


async def laps_of(carrier, count, wanted):
    """Connect all and let each do `wanted` jobs, one after the other; a lap that does not finish is the last."""
    laps = []
    with carrier:
        async with Load(carrier, count) as load:
            while len(laps) < wanted and (not laps or laps[-1].finished):
                laps.append(await load.one_lap(LAP_LIMIT_S))
    return laps


def embedded(count, wanted):
    laps = asyncio.run(laps_of(PythonCarrier("embedded"), count, wanted))
    whole = together(laps)
    assert not whole.unfinished, f"the embedded broker lost messages: {laps}"
    assert not whole.faults, f"the embedded broker damaged or repeated messages: {laps}"
    return laps


def side_by_side(rounds, ours, theirs):
    """Measure both, each round the other one first; answers pairs of their laps."""
    pairs = []
    for at in range(rounds):
        if at % 2:
            peer = theirs()
            pairs.append((ours(), peer))
        else:
            pairs.append((ours(), theirs()))
    return pairs


def middle(pairs, side, what):
    return median([getattr(pair[side], what) for pair in pairs])


def spell(pairs, side, by):
    """Say a side's medians, and what it did wrong."""
    text = (
        f"{middle(pairs, side, 'jobs_s'):,.0f} jobs/s, {middle(pairs, side, 'cpu_us'):,.0f} µs CPU a job{by}"
    )
    unfinished = sum(pair[side].unfinished for pair in pairs)
    if unfinished:
        text += (
            f"; {unfinished} of {len(pairs)} rounds not complete within {LAP_LIMIT_S} s, what arrived counts"
        )
    faults = sum(pair[side].faults for pair in pairs)
    if faults:
        text += f"; {faults} messages damaged or repeated, or connections lost"
    return text


def faster(what, pairs, by, goal=None):
    """Compare jobs/s."""
    ratios = [ours.jobs_s / peer.jobs_s for ours, peer in pairs if peer.jobs_s]
    ratio = median(ratios) if ratios else None
    return Row(
        what=what,
        ours=spell(pairs, 0, ""),
        peer=spell(pairs, 1, by),
        ratio=ratio,
        goal="" if goal is None else f"at least {goal:g}",
        held=None if goal is None or ratio is None else ratio >= goal,
    )


def against_amqtt(rounds):
    count = AMQTT_DEVICES
    name = f"jobs/s, {count:,} devices"
    if importlib.util.find_spec("amqtt") is None:
        yield Row(what=name, ours="not measured: amqtt is not installed")
        return
    by = f" (amqtt {version('amqtt')}, platform a plugin in it)"
    inside = side_by_side(
        rounds,
        lambda: embedded(count, LAPS_BESIDE_AMQTT),
        lambda: asyncio.run(laps_of(PythonCarrier("amqtt"), count, AMQTT_LAPS)),
    )
    later = [[together(laps[1:] or laps) for laps in pair] for pair in inside]
    yield faster(f"{name}, job after job", later, by, AMQTT_GOAL)
    first = [[together(laps[:1]) for laps in pair] for pair in inside]
    yield faster(f"{name}, only the first job; amqtt does most of its work for that afterwards", first, by)
    outside = side_by_side(
        rounds,
        lambda: embedded(count, LAPS_BESIDE_AMQTT),
        lambda: asyncio.run(laps_of(PythonCarrier("amqtt-alone"), count, 1)),
    )
    yield faster(
        f"{name}, amqtt's platform a client",
        [[together(laps) for laps in pair] for pair in outside],
        f" (amqtt {version('amqtt')}, platform a client of it)",
    )


def against_mosquitto(rounds, descriptors):
    count = MOSQUITTO_DEVICES
    name = f"broker CPU a job, {count:,} devices"
    if shutil.which("mosquitto") is None:
        yield Row(what=name, ours="not measured: mosquitto is not installed")
        return
    if descriptors < count + DESCRIPTORS_SPARE:
        yield Row(what=name, ours=f"not measured: only {descriptors:,} file descriptors (ulimit -Hn)")
        return
    about = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout
    pairs = [
        [together(laps) for laps in pair]
        for pair in side_by_side(
            rounds,
            lambda: embedded(count, MOSQUITTO_LAPS),
            lambda: asyncio.run(laps_of(Mosquitto(), count, MOSQUITTO_LAPS)),
        )
    ]
    ratio = median([ours.cpu_us / peer.cpu_us for ours, peer in pairs])
    yield Row(
        what=name,
        ours=spell(pairs, 0, " (platform's side in it)"),
        peer=spell(pairs, 1, f" (mosquitto {about.split()[2]}, platform a client of it)"),
        ratio=ratio,
        goal=f"at most {MOSQUITTO_GOAL:g}",
        held=ratio <= MOSQUITTO_GOAL,
    )


def run(*, quick):
    descriptors = raise_descriptor_limit()
    rounds = 3 if quick else 7
    yield from against_amqtt(rounds)
    yield from against_mosquitto(rounds, descriptors)
