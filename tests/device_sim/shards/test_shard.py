"""A shard driven by hand: lines in, lines out, and its end by every way there is."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device_sim import write_devices_csv
from device_sim.shards import messages
from device_sim.shards.messages import (
    Answer,
    Call,
    DevicesCsv,
    Ended,
    Failed,
    Mark,
    Ready,
    Snapshot,
    Start,
    Stormed,
)
from tests.device_sim.stub_world import QUICK, open_world

ROOT = Path(__file__).parents[3]
LIMIT = 1 << 24


class Driven:
    def __init__(self, process):
        self.process = process

    def tell(self, order):
        self.process.stdin.write(messages.line_of(order))

    async def until(self, is_it):
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                event = messages.event_of(line)
                if is_it(event):
                    return event
        raise AssertionError("it ended before that")

    async def ends(self):
        async with asyncio.timeout(60):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def shard():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "device_sim.shards.shard",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=LIMIT, cwd=ROOT,
    )  # fmt: skip
    try:
        yield Driven(process)
    finally:
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        await process.communicate()


def start(world, **more):
    given = {"identities": world.identities} | more
    return Start(http=world.stub.http_address, mqtt=world.stub.mqtt_address, profile=QUICK, **given)


async def test_a_course_from_start_to_the_end_of_the_orders():
    async with open_world(8) as world, shard() as driven:
        driven.tell(start(world, report_every_ms=20))
        ready = await driven.until(lambda event: isinstance(event, Ready))
        assert (ready.pid, ready.devices) == (driven.process.pid, 8)
        await driven.until(lambda event: isinstance(event, Snapshot) and event.counts.present == 8)
        driven.tell(Mark(name="update"))
        task = await world.order()
        told = 0

        def is_done(event):
            nonlocal told
            if isinstance(event, Snapshot):
                told += sum(event.latencies.told.values())
            return isinstance(event, Snapshot) and event.counts.jobs_succeeded == 8

        await driven.until(is_done)
        assert told == 8
        await world.until(task, success=8)
        driven.tell(messages.Storm(share=0.5))
        assert (await driven.until(lambda event: isinstance(event, Stormed))).count == 4
        driven.process.stdin.close()
        ended = await driven.until(lambda event: isinstance(event, Ended))
        assert ended.snapshot.counts.jobs_succeeded == 8
        assert ended.snapshot.memory_bytes > 0
        assert await driven.ends() == 0


async def test_devices_of_a_file(tmp_path):
    async with open_world(6) as world, shard() as driven:
        path = tmp_path / "devices.csv"
        write_devices_csv(path, world.identities)
        rows = DevicesCsv(path=str(path), first=2, stop=5)
        driven.tell(start(world, identities=[], devices_csv=rows))
        assert (await driven.until(lambda event: isinstance(event, Ready))).devices == 3
        driven.tell(messages.Stop())
        assert (await driven.until(lambda event: isinstance(event, Ended))).snapshot.counts.devices == 3
        assert await driven.ends() == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"nonsense\n", "an order that can't be read"),
        (b'{"type":"dance"}\n', "an order that can't be read"),
        (b'{"type":"mark","name":"x"}\n', "the first order must be `start`"),
    ],
)
async def test_an_order_that_cannot_be(line, said):
    async with shard() as driven:
        driven.process.stdin.write(line)
        failed = await driven.until(lambda event: isinstance(event, Failed))
        assert said in failed.what
        assert failed.kind == "usage"
        assert await driven.ends() == 2


async def test_calls_that_cannot_be_are_answered():
    async with open_world(1) as world, shard() as driven:
        driven.tell(start(world))
        for number, (method, args) in enumerate(
            [("dance", b"[]"), ("devices", b"[7]"), ("devices", b"[[999]]")]
        ):
            driven.tell(Call(id=number, method=method, args=messages.Raw(args)))
        said = [await driven.until(lambda event: isinstance(event, Answer)) for _ in range(3)]
        assert [each.kind for each in said] == ["usage"] * 3
        assert "'dance' is no call" in said[0].error
        assert "999" in said[2].error


async def test_ctrl_c_is_its_owners_affair_and_sigterm_lets_it_leave():
    async with open_world(1) as world, shard() as driven:
        driven.tell(start(world))
        await driven.until(lambda event: isinstance(event, Ready))
        os.kill(driven.process.pid, signal.SIGINT)
        await driven.until(lambda event: isinstance(event, Snapshot) and event.counts.present == 1)
        os.kill(driven.process.pid, signal.SIGTERM)
        await driven.until(lambda event: isinstance(event, Ended))
        assert await driven.ends() == 0
