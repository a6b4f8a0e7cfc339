"""`locust -f` on the shipped locustfile alone: a user is a process of devices, and what they do is in the statistics."""

import asyncio
import re
import signal
import sys
from pathlib import Path

from platform_stub.server import Stub
from tests.scenarios.load.fleet.conftest import LIMIT_S, needs_locust

pytestmark = needs_locust
ROOT = Path(__file__).parents[4]


async def test_a_user_updates_its_devices_again_and_again():
    async with Stub() as stub:
        host, port = stub.mqtt_address
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "locust",
                "-f",
                ROOT / "scenarios/load/locustfile_fleet.py",
                "--headless",
            ),
            *(
                "-H",
                stub.http_url,
                "--fleet-mqtt",
                f"{host}:{port}",
                "--fleet-devices",
                "10",
                "-u",
                "2",
                "-r",
                "2",
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        async with asyncio.timeout(LIMIT_S):
            seen = ""
            while counted(seen, "job") < 40 and (line := await process.stdout.readline()):
                seen += line.decode()
            process.send_signal(signal.SIGTERM)
            seen += (await process.communicate())[0].decode()
    assert counted(seen, "connect") == 20, seen
    assert counted(seen, "told") >= counted(seen, "job") >= 40
    assert counted(seen, "create task") >= 4
    assert "0(0.00%)" in seen
    assert process.returncode == 0


def counted(text, name):
    """Give the last count of a name in Locust's table."""
    found = re.findall(rf"^\w+ +{name} +(\d+) +0\(0\.00%\)", text, re.MULTILINE)
    return int(found[-1]) if found else 0
