"""docs/brokers.md: mosquitto takes its configurations as they stand there, and they do what the page says."""

import asyncio
import re
import subprocess
from pathlib import Path

import aiomqtt
import pytest

from platform_stub.server import Stub
from tests.mosquitto import OPEN, Mosquitto, free_port, needs_mosquitto

pytestmark = needs_mosquitto
PAGE = Path(__file__).parents[2] / "docs" / "brokers.md"


def files():
    return dict(re.findall(r"<!-- file: (\S+) -->\n```\n(.*?)```", PAGE.read_text(), re.DOTALL))


def test_the_open_one_is_the_one_of_the_tests():
    listener, rest = files()["mosquitto.conf"].split("\n", 1)
    assert listener == "listener 1883 127.0.0.1"
    assert rest == OPEN


@pytest.fixture
async def guarded(tmp_path):
    """The guarded one on free ports, its files in the test's folder; answers the ports of devices and platform."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    passwords = tmp_path / "passwords"
    await asyncio.to_thread(
        subprocess.run, ["mosquitto_passwd", "-b", "-c", str(passwords), "ota-sim", "right"], check=True
    )
    passwords.chmod(0o644)
    text = files()["guarded.conf"].replace("/etc/mosquitto", str(tmp_path))
    platform = free_port()
    head, devices = text.replace("1884", str(platform)).split("listener 1883 0.0.0.0\n")
    far = Mosquitto(tmp_path, devices, head=head)
    far.start()
    yield far.port, platform
    far.kill()


async def test_the_guarded_one_lets_devices_to_their_own_topics_alone(guarded):
    devices, platform = guarded
    async with Stub(broker=f"mqtt://ota-sim:right@127.0.0.1:{platform}") as stub:
        assert stub.delivery is not None
        for name in ("mallory", "dev1"):
            async with aiomqtt.Client("127.0.0.1", devices, identifier=name, username="p") as client:
                await client.publish("$sys/p/dev1/ota/status", name, 1)
        async with asyncio.timeout(30):
            while not stub.delivery.foreign:
                await asyncio.sleep(0.01)
        assert stub.delivery.foreign == 1
