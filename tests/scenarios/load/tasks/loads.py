"""Loads as tests start them: the command, or Locust itself, each a process; gevent is never in the test's own."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
LIMIT_S = 100


class Process:
    """A process, its output as it comes."""

    def __init__(self, process):
        self.process = process
        self.lines = []

    async def until(self, text):
        """Read its errors until a line has the text."""
        async with asyncio.timeout(LIMIT_S):
            while line := (await self.process.stderr.readline()).decode():
                self.lines.append(line)
                if text in line:
                    return line
        raise AssertionError("".join(self.lines))

    async def end(self):
        """Wait for its end; answers exit code, output and errors."""
        async with asyncio.timeout(LIMIT_S):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), "".join(self.lines) + err.decode()

    def children(self):
        """Give its processes by what their command lines hold."""
        pid = self.process.pid
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = {int(each): Path(f"/proc/{each}/cmdline").read_bytes().decode() for each in pids}
        return {
            name: next(pid for pid, line in lines.items() if mark in line)
            for name, mark in {"stub": "stub_process", "locust": "locustfile_tasks"}.items()
            if any(mark in line for line in lines.values())
        }


@contextlib.asynccontextmanager
async def started(*command):
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=ENV
    )
    try:
        yield Process(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def load(*words):
    """Run `ota-sim load create-task` to its end."""
    async with started("-m", "scenarios.cli", "load", "create-task", *words) as process:
        return await process.end()
