"""A device carries nothing of the platform."""

import subprocess
import sys


def test_importing_the_device_loads_neither_the_store_nor_a_server():
    script = "import device_sim, sys; print([name for name in sys.modules if name.split('.')[0] in {'sqlalchemy', 'aiohttp', 'amqtt'}])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
