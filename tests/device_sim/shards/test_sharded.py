"""A fleet over two processes in the place of one: the same answers, and what becomes of it when one dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_sim import Fault, Fleet
from device_sim.errors import ShardDied
from device_sim.recorder import Recorder
from device_sim.shards.limits import read_limits
from device_sim.shards.plan import plan
from device_sim.shards.recorder import ShardedRecorder
from device_sim.shards.sharded import ShardedFleet
from platform_stub.protocol.errors import UsageFault
from tests.device_sim.stub_world import QUICK, open_world

ROOT = Path(__file__).parents[3]


def over_two(world, **more):
    spread = plan(len(world.identities), read_limits(), processes=2)
    return ShardedFleet(world.stub, world.identities, plan=spread, profile=QUICK, **more)


async def test_it_does_what_one_process_does():
    seen = []
    for sharded in (False, True):
        async with open_world(40) as world:
            if sharded:
                recorder = ShardedRecorder(began_ns=time.monotonic_ns(), wire=True)
                fleet = over_two(world, recorder=recorder)
            else:
                recorder = Recorder(wire=True)
                fleet = Fleet(world.stub, world.identities, profile=QUICK, recorder=recorder)
            async with fleet:
                first, *_, last = fleet.device_ids
                await fleet.ready(60)
                since = recorder.mark()
                fleet.set_fault([first, last], Fault(what="fails", step=103))
                task = await world.order()
                await world.until(task, success=38, failed=2)
                await fleet.idle(60)
                counted = recorder.counts(fleet.device_ids, way="sent", what=None, step=101, since=since)
                count = fleet.snapshot()
                seen.append(
                    (
                        (
                            count.present,
                            count.jobs_succeeded,
                            count.jobs_failed,
                            count.failed_steps,
                            count.struck,
                        ),
                        {flow: each.jobs_started for flow, each in count.flows.items()},
                        [fleet.device(each).f_version for each in fleet.device_ids],
                        [(fleet.is_still(each), fleet.rests(each)) for each in fleet.device_ids],
                        [
                            [entry.what for entry in recorder.story(each) if entry.what != "note"]
                            for each in (first, last)
                        ],
                        counted,
                        fleet.why(first),
                        (fleet.busy, fleet.resting, fleet.rest_ms()),
                        len(fleet.traffic()),
                    )
                )
                await fleet.remove([first])
                with pytest.raises(UsageFault, match="not in this fleet"):
                    fleet.device(first)
                assert fleet.snapshot().devices == 39
            assert recorder.story(last)
            assert recorder.wire(last)
    assert seen[0] == seen[1]


async def test_devices_that_come_later_go_where_there_are_fewest():
    async with open_world(9) as world:
        spread = plan(9, read_limits(), processes=2)
        async with ShardedFleet(world.stub, plan=spread, profile=QUICK) as fleet:
            fleet.add(
                world.identities[:5], faults={world.identities[0].device_id: [Fault(what="fails", step=205)]}
            )
            fleet.add(world.identities[5:])
            await fleet.ready(60)
            assert sorted(fleet._sizes.values()) == [4, 5]
            with pytest.raises(UsageFault, match="there already"):
                fleet.add(world.identities[:1])
            task = await world.order()
            await world.until(task, success=8, failed=1)


async def test_account_time_goes_along():
    at_ms = 1_600_000_000_000
    async with open_world(2) as world, over_two(world, now_ms=lambda: at_ms) as fleet:
        told = fleet._clock.at_ms
        at_ms += 86_400_000
        fleet.follow_clock()
        assert fleet._clock.at_ms == told + 86_400_000


async def test_a_process_that_dies_is_named_and_the_others_leave():
    async with open_world(40) as world:
        with pytest.raises(ShardDied, match=r"fleet process 2 of 2 \(process \d+\) died: signal SIGKILL"):  # noqa: PT012 - the fleet is left by it
            async with over_two(world) as fleet:
                await fleet.ready(60)
                pids = fleet.pids
                os.kill(pids[1], signal.SIGKILL)
                async with asyncio.timeout(60):
                    await fleet.idle(60)
                    await fleet.failed()
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


OWNER = """
import asyncio, sys
from device_sim import Endpoint
from device_sim.shards.limits import read_limits
from device_sim.shards.plan import plan
from device_sim.shards.sharded import ShardedFleet

async def main():
    at = ("127.0.0.1", 9)
    fleet = ShardedFleet(Endpoint(http_address=at, mqtt_address=at), plan=plan(2, read_limits(), processes=2))
    async with fleet:
        print(*fleet.pids, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_no_process_outlives_an_owner_that_is_killed():
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWNER,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    pids = [int(word) for word in (await owner.stdout.readline()).split()]
    assert len(pids) == 2
    watched = [os.pidfd_open(pid) for pid in pids]
    owner.kill()
    await owner.wait()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        for descriptor in watched:
            gone = asyncio.Event()
            loop.add_reader(descriptor, gone.set)
            await gone.wait()
            loop.remove_reader(descriptor)
            os.close(descriptor)
