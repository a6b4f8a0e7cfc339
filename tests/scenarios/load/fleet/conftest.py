"""What tests of a fleet's load share: the command in a process of its own, for gevent must not come into this one."""

import asyncio
import contextlib
import importlib.util
import sys
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "scenarios.cli", "load", "fleet"]
LIMIT_S = 180

needs_locust = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None, reason="Locust is not installed"
)


class Command:
    """`ota-sim load fleet` while it runs."""

    def __init__(self, process):
        self.process = process

    async def done(self):
        """Wait for its end; answers exit code, standard output and standard error."""
        async with asyncio.timeout(LIMIT_S):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()

    def child(self, name):
        """Find a process below it by what its command line says; None: it is not there."""
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(name in word for word in each.cmdline()):
                    return each
        return None


@pytest.fixture
async def run():
    """Start the command; what still runs afterwards is killed."""
    started = []

    async def start(*words, environment=None):
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *map(str, words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[4],
        )
        started.append(process)
        return Command(process)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


class Silent:
    """A broker that takes connections, and never says a word."""

    def __init__(self):
        self.came = asyncio.Event()
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _take(self, reader, writer):
        self._writers.append(writer)
        if await reader.read(1):  # a CONNECT, and no mere trial of the port
            self.came.set()


@pytest.fixture
async def silent():
    async with Silent() as broker:
        yield broker
