"""`ota-sim serve` at a mosquitto: what it says, and that devices outlive the stub and the broker."""

import asyncio
import subprocess
import sys

import pytest

from device_sim import Endpoint, Fleet
from tests.end_to_end.conftest import Operator, identities, in_thread
from tests.mosquitto import mosquitto, needs_mosquitto

pytestmark = needs_mosquitto
READY_S = 60


async def done(fleet, count):
    async with asyncio.timeout(READY_S):
        while fleet.snapshot().jobs_succeeded < count:
            await asyncio.sleep(0.02)
    await fleet.idle(READY_S)


async def test_devices_stay_connected_while_the_stub_is_away_and_are_told_when_it_is_back(serve, tmp_path):
    with mosquitto(tmp_path) as far:
        options = ("--http", "127.0.0.1:0", "--broker", far.url, "--data", tmp_path / "data")
        first = await in_thread(serve, *options)
        operator = Operator(first.http_address)
        base, product, devices, package = await in_thread(operator.shop, 5, grant=5)
        assert first.mqtt_address == far.address
        target = Endpoint(http_address=first.http_address, mqtt_address=far.address)
        async with Fleet(target, identities(devices)) as fleet:
            await fleet.ready(READY_S)
            await in_thread(first.kill)
            options = (*options[:1], f"127.0.0.1:{first.http_address[1]}", *options[2:])
            second = await in_thread(serve, *options)
            await in_thread(operator.task, base, package, devices)
            await done(fleet, 5)
            assert fleet.snapshot().reconnects == 0
        code, rest = await in_thread(second.stop)
    assert code == 130
    assert "through the broker:" in rest


async def test_it_says_what_is_not_checked_and_never_the_password(serve, tmp_path):
    with mosquitto(tmp_path) as far:
        url = far.url.replace("mqtt://", "mqtt://me:secret@")
        stub = await in_thread(serve, "--http", "127.0.0.1:0", "--broker", url)
        text = "\n".join(stub.lines)
        assert f"(broker mqtt://me:***@127.0.0.1:{far.port})" in text
        assert "tokens are not checked by the platform" in text
        await in_thread(far.kill)
        line = await in_thread(stub.popen.stdout.readline)
        assert line.startswith(f"the broker at mqtt://me:***@127.0.0.1:{far.port} is gone")
        await in_thread(far.start)
        assert "is there again" in await in_thread(stub.popen.stdout.readline)
        code, rest = await in_thread(stub.stop)
    assert code == 130
    assert "1 times its connection was lost" in rest
    assert "secret" not in text + line + rest


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--broker", "mqtt://u:secret@127.0.0.1:1"), 3, "no broker at mqtt://u:***@127.0.0.1:1"),
        (("--broker", "mqtts://u:secret@h"), 2, "without TLS"),
        (("--broker", "hive"), 2, "no broker is named 'hive'"),
        (("--broker", "mqtt://h", "--mqtt", "127.0.0.1:0"), 2, "devices log in at that broker"),
    ],
)
def test_what_can_t_be_is_said_in_a_line(options, code, words):
    command = [sys.executable, "-m", "scenarios.cli", "serve", "--http", "127.0.0.1:0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code
    assert words in " ".join(ended.stderr.split())
    assert "secret" not in ended.stderr
    assert "Traceback" not in ended.stderr
