"""All plays of a run: one after the other in this process, or several at once in processes of their own.

The order of what is shown is the order of the plays either way. Ctrl-C stops all of them, and what they had done is in
the result.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Protocol

from scenarios.frames import LENGTH_BYTES, Order, event_of, length_of, pack
from scenarios.play import Play
from scenarios.results import PlayResult, RunResult, result_of
from scenarios.runner.events import Event, PlayEnded
from scenarios.runner.options import RunOptions

STOP_S: Final = 10.0
STDERR_KEPT: Final = 8_192
_ROOT: Final = str(Path(__file__).resolve().parents[1])
_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from scenarios.worker import main; main()"


class Show(Protocol):
    """Who is told what happens, play by play."""

    def event(self, at: int, event: Event) -> None:
        """Something happened in play number `at`."""


def tool_version() -> str:
    """Give this program's version."""
    try:
        return version("ota-sim")
    except PackageNotFoundError:
        return "unknown"


def run_all(plays: Sequence[Play], options: RunOptions, jobs: int, show: Show) -> RunResult:
    """Run plays, `jobs` at once, and answer when all have ended."""
    return asyncio.run(_Run(plays, options, show).go(min(jobs, len(plays))))


class _Run:
    def __init__(self, plays: Sequence[Play], options: RunOptions, show: Show) -> None:
        self._plays = plays
        self._options = options
        self._show = show
        self._results: dict[int, PlayResult] = {}
        self._is_over = False

    async def go(self, jobs: int) -> RunResult:
        began = time.monotonic()
        main = asyncio.current_task()
        assert main is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
        interrupted = False
        try:
            await (self._one_by_one() if jobs <= 1 else self._several(jobs))
        except asyncio.CancelledError:
            interrupted = True
        results = [self._results[at] for at in sorted(self._results)]
        return RunResult(
            version=tool_version(),
            plays=tuple(results),
            seconds=time.monotonic() - began,
            interrupted=interrupted or any(result.verdict == "stopped" for result in results),
        )

    async def _one_by_one(self) -> None:
        from scenarios.runner.run import run_play  # noqa: PLC0415 - the stub and the fleet are heavy to import

        for at, play in enumerate(self._plays):
            result = await run_play(play, self._options, lambda event, at=at: self._show.event(at, event))  # type: ignore[misc]
            self._keep(at, result)
            if self._is_over:
                return

    async def _several(self, jobs: int) -> None:
        waiting = iter(enumerate(self._plays))

        async def work() -> None:
            for at, play in waiting:
                self._keep(at, await self._in_worker(at, play))
                if self._is_over:
                    return

        async with asyncio.TaskGroup() as group:
            for number in range(jobs):
                group.create_task(work(), name=f"worker {number + 1}")

    def _keep(self, at: int, result: PlayResult) -> None:
        self._results[at] = result
        stopped = result.verdict == "stopped"
        if stopped or (self._options.fail_fast and result.exit_code):
            self._is_over = True

    async def _in_worker(self, at: int, play: Play) -> PlayResult:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-c",
            _START,
            _ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to us alone, and we stop the workers
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdin is not None
        assert process.stderr is not None
        errors = asyncio.ensure_future(_tail(process.stderr))
        try:
            process.stdin.write(pack(Order(play=play, options=self._options)))
            result = await self._follow(at, process)
        except asyncio.CancelledError:
            result = await self._stop(at, process)
        finally:
            process.stdin.close()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if result is None:
            result = self._died(at, play, process.returncode, await errors)
        else:
            errors.cancel()
        return result

    async def _follow(self, at: int, process: asyncio.subprocess.Process) -> PlayResult | None:
        """Show what a worker tells until it ends; None when it ended without a result."""
        assert process.stdout is not None
        try:
            while True:
                head = await process.stdout.readexactly(LENGTH_BYTES)
                event = event_of(await process.stdout.readexactly(length_of(head)))
                self._show.event(at, event)
                if isinstance(event, PlayEnded):
                    return event.result
        except asyncio.IncompleteReadError:
            await process.wait()
            return None

    async def _stop(self, at: int, process: asyncio.subprocess.Process) -> PlayResult | None:
        """Ask a worker to stop, and take what it had done."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                return await self._follow(at, process)
        except TimeoutError:
            return None

    def _died(self, at: int, play: Play, code: int | None, errors: str) -> PlayResult:
        """Say that a worker died, and its last words."""
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = (
                f"signal {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"signal {-code}"
            )
        words = errors.strip().rpartition("\n")[2]
        reason = f"the worker process of {play.name} died ({how})" + (f": {words}" if words else "")
        result = result_of(play, self._options.broker, "broken", reason=reason, exit_code=3)
        self._show.event(at, PlayEnded(result=result))
        return result


async def _tail(stream: asyncio.StreamReader) -> str:
    kept = b""
    while data := await stream.read(4_096):
        kept = (kept + data)[-STDERR_KEPT:]
    return kept.decode("utf-8", "replace")
