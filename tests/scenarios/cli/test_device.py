"""`ota-sim device` as its users run it: options, the environment, a kill and a restart, against a stub."""

import asyncio
import json
import os
import re
import signal

import msgspec
import pytest

from device_sim import FLOWS
from tests.device_sim.stub_world import open_world
from tests.scenarios.cli.test_fleet import COMMAND, run, spell

LINE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3}[+-]\d{2}:\d{2}  (\S+) *(.*)")


class Program:
    """A running device program, and the lines it has printed."""

    def __init__(self, process):
        self.process = process
        self.lines = []

    @classmethod
    async def start(cls, world, identity, *more, **environment):
        given = {
            "OTA_HTTP": spell(world.stub.http_address),
            "OTA_MQTT": spell(world.stub.mqtt_address),
            "OTA_PRODUCT_ID": identity.product_id,
            "OTA_DEVICE_NAME": identity.name,
            "OTA_DEVICE_ID": str(identity.device_id),
            "OTA_KEY": identity.key,
            "OTA_PRODUCT_KEY": "",
            "OTA_F_VERSION": "1.0",
            "OTA_S_VERSION": "",
            "OTA_ICCID": "8986",
            "OTA_IMSI": "460",
            "OTA_FLOW": identity.flow,
        } | environment
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "device",
            "--poll",
            "50ms",
            *map(str, more),
            env=os.environ | given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def until(self, *words):
        """Read on until a line has all these words."""
        async with asyncio.timeout(30):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line.rstrip("\n"))
                if all(word in line for word in words):
                    return line
        raise AssertionError((words, self.lines, await self.process.stderr.read()))

    async def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            out, err = await self.process.communicate()
        self.lines += out.decode().splitlines()
        return self.process.returncode, err.decode()


@pytest.fixture
async def world():
    async with open_world(4) as world:
        yield world


def of_flow(world, flow):
    return next(each for each in world.identities if each.flow == flow)


@pytest.mark.parametrize("flow", FLOWS)
async def test_one_device_out_of_the_environment(world, flow):
    device = await Program.start(world, of_flow(world, flow))
    await device.until("online", flow)
    task = await world.order([of_flow(world, flow).device_id])
    await device.until("ended", "step 201 succeeded")
    await world.until(task, success=1)
    code, err = await device.stop()
    assert (code, err.strip()) == (130, "")
    told = [LINE.fullmatch(line) for line in device.lines]
    assert all(told), device.lines
    words = [match[1] for match in told]
    assert (words[:2], words[-1]) == (["start", "start"], "stop")
    assert {"report", "answer", "online", "job", "stage", "ended", "offline"} <= set(words)
    assert "runs FOTA 2.0, SOTA nothing; jobs: 1 succeeded, 0 failed" in device.lines[-1]


@pytest.mark.parametrize("flow", ["mqtt", "south"])
async def test_a_device_that_is_killed_runs_what_it_ran(world, tmp_path, flow):
    identity, state = of_flow(world, flow), tmp_path / "device.json"
    device = await Program.start(world, identity, "--state", state)
    await device.until("online")
    task = await world.order([identity.device_id])
    await device.until("report", "step 201")  # what is told is in the file by then
    assert json.loads(state.read_text()) == {
        "format": 1,
        "product_id": identity.product_id,
        "name": identity.name,
        "f_version": "2.0",
        "s_version": None,
        "spare": "1.0",
    }
    assert (await device.stop(signal.SIGKILL))[0] == -signal.SIGKILL
    device = await Program.start(world, identity, "--state", state)
    await device.until("start", "runs FOTA 2.0, SOTA nothing")
    await device.until("report", "f_version 2.0")
    await world.until(task, success=1)
    await device.stop(signal.SIGINT)
    assert json.loads(state.read_text())["spare"] == "1.0"  # the other slot is still what it was
    other = msgspec.structs.replace(identity, name="other")
    device = await Program.start(world, other, "--state", state)
    _, err = await device.process.communicate()
    assert device.process.returncode == 2
    assert (
        f"{state}: this is the state of device {identity.product_id}/{identity.name}, not of" in err.decode()
    )


async def test_a_device_that_is_killed_in_its_download_begins_it_anew(world, tmp_path):
    identity, state = of_flow(world, "fuse"), tmp_path / "device.json"
    device = await Program.start(world, identity, "--state", state, "--fault", "hang,at=1000")
    await device.until("online")
    task = await world.order([identity.device_id])
    await device.until("struck", "hang")
    await device.stop(signal.SIGKILL)
    device = await Program.start(world, identity, "--state", state)
    await device.until("ended", "step 201 succeeded")
    await world.until(task, success=1)
    await device.stop()


async def test_it_waits_for_its_platform(world):
    """A platform that is not there is tried again and again; where it is, it goes on."""
    identity = of_flow(world, "mqtt")
    device = await Program.start(world, identity, OTA_MQTT="127.0.0.1:1")
    for _ in range(2):
        await device.until("note", "Connection refused")
    assert (await device.stop())[0] == 130


async def test_faults_hardware_and_the_wire(world):
    identity = of_flow(world, "fuse")
    device = await Program.start(world, identity, "--fault", "fails,step=205", "--wire", "--install", "10ms")
    await device.until("online")
    await world.order([identity.device_id])
    await device.until("struck", "fails: fails with 205")
    await device.until("->", "http POST", "/status", '{"step":205}')
    await device.until("<-", "http status 200")
    await device.until("ended", "step 205 failed: digest mismatch")
    await device.stop()


async def test_a_state_file_that_is_none(world, tmp_path):
    state = tmp_path / "device.json"
    for content, wrong in (
        (b"{", "this is not a device's state"),
        (b'{"format":2}', "this is not a device's state"),
    ):
        state.write_bytes(content)
        device = await Program.start(world, of_flow(world, "mqtt"), "--state", state)
        out, err = await device.process.communicate()
        assert (device.process.returncode, out) == (2, b"")
        assert wrong in err.decode()
    device = await Program.start(world, of_flow(world, "mqtt"), "--state", tmp_path / "none" / "x.json")
    _, err = await device.process.communicate()
    assert device.process.returncode == 3
    assert "x.json: the device's state can't be written: No such file or directory" in err.decode()
    assert "Traceback" not in err.decode()


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ((), "Missing option '--product-id' (env var: 'OTA_PRODUCT_ID')"),
        (("--product-id", "p1"), "Missing option '--device-name' (env var: 'OTA_DEVICE_NAME')"),
        (("--product-id", "p1", "--device-name", "d"), "Missing option '--key' (env var: 'OTA_KEY')"),
        (
            ("--product-id", "p1", "--device-name", "d", "--key", "AAAA", "--flow", "south"),
            "Missing option '--device-id' (env var: 'OTA_DEVICE_ID')",
        ),
        (("--product-id", "p/1", "--device-name", "d"), "'p/1' is not 1-32 letters and digits"),
        (("--product-id", "", "--device-name", "d"), "'' is not 1-32 letters and digits"),
        (("--product-id", "p1", "--device-name", "d", "--key", "?"), "the access key is not base64"),
        (("--http", "here"), "'here' is not HOST:PORT"),
        (("--f-version", "1 0"), "'1 0' is not 1-20 of"),
    ],
)
async def test_what_can_not_be_is_refused(options, wrong):
    code, out, err = await run("device", *options)
    assert (code, out) == (2, "")
    assert wrong in " ".join(err.split())
    assert "Traceback" not in err
