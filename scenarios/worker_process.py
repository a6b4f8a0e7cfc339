"""A worker process as its owner sees it: started, given plays, followed, stopped, and named when it dies."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scenarios.capabilities import with_target
from scenarios.frames import LENGTH_BYTES, Order, event_of, length_of, pack
from scenarios.heard import Heard
from scenarios.play import Play
from scenarios.results import PlayResult, PlayVerdict
from scenarios.runner.events import Event, PlayEnded
from scenarios.runner.options import RunOptions

STOP_S: Final = 10.0
LAST_S: Final = 1.0  # from its last word to its end
STDERR_KEPT: Final = 8_192
LOST: Final = "what its devices did is lost with it, and no audit was made"
_ROOT: Final = str(Path(__file__).resolve().parents[1])
_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from scenarios.worker import main; main()"


class WorkerProcess:
    """One process; it is started with the first play, and again after it died."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._errors: asyncio.Task[str] | None = None

    @property
    def pid(self) -> int | None:
        """The process's number, while it runs."""
        return None if self._process is None else self._process.pid

    async def play(self, play: Play, show: Callable[[Event], None]) -> PlayResult:
        """Have a play played. When the caller is cancelled the play is stopped, and its result returned."""
        process = await self._running()
        assert process.stdin is not None
        heard = Heard(play, self._options.broker, show)
        try:
            process.stdin.write(pack(Order(play=play, options=self._options)))
            result = await self._follow(process, heard)
        except asyncio.CancelledError:
            result = await self._stop(process, heard)
        if result is None:
            result = await self._died(play, heard)
            show(PlayEnded(result=result))
        return result

    async def close(self) -> None:
        """Let the process end; it has nothing to do any more."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._errors is not None:
            self._errors.cancel()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
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
            assert self._process.stderr is not None
            self._errors = asyncio.get_running_loop().create_task(
                _tail(self._process.stderr), name=f"stderr of worker {self._process.pid}"
            )
        return self._process

    async def _follow(
        self, process: asyncio.subprocess.Process, show: Callable[[Event], None]
    ) -> PlayResult | None:
        """Show what the worker tells until the play ends; None when the worker did."""
        assert process.stdout is not None
        try:
            while True:
                head = await process.stdout.readexactly(LENGTH_BYTES)
                event = event_of(await process.stdout.readexactly(length_of(head)))
                show(event)
                if isinstance(event, PlayEnded):
                    return event.result
        except asyncio.IncompleteReadError:
            return None

    async def _stop(
        self, process: asyncio.subprocess.Process, show: Callable[[Event], None]
    ) -> PlayResult | None:
        """Ask the worker to stop, and take what it had done."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                return await self._follow(process, show)
        except TimeoutError:
            return None

    async def _died(self, play: Play, heard: Heard) -> PlayResult:
        """Say that the worker died, and its last words; what it told before stays."""
        process, errors = self._process, self._errors
        assert process is not None
        assert errors is not None
        code = await _end_of(process)
        words = (await errors).strip().rpartition("\n")[2]
        self._process = self._errors = None
        how = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        reason = f"the worker process of {play.name} died ({how}){f': {words}' if words else ''}"
        return lost(heard, self._options, "broken", reason, exit_code=3)


def lost(
    heard: Heard, options: RunOptions, verdict: PlayVerdict, reason: str, *, exit_code: int
) -> PlayResult:
    """Make the result of a play that tells no more, of what it told, and keep what evidence there is of it."""
    result = with_target(heard.result(verdict, f"{reason}; {LOST}", exit_code), options.target)
    if options.evidence is None:
        return result
    from scenarios.report.evidence import keep_evidence  # noqa: PLC0415 - seldom needed, and workers need not wait for it

    return keep_evidence(Path(options.evidence), result)


async def _end_of(process: asyncio.subprocess.Process) -> int:
    """Wait for its end, and make one if it only fell silent.

    Not the other way round: a signal to a process that has just died takes its exit code from who waits for it.
    """
    try:
        async with asyncio.timeout(LAST_S):
            return await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


async def _tail(stream: asyncio.StreamReader) -> str:
    kept = b""
    while data := await stream.read(4_096):
        kept = (kept + data)[-STDERR_KEPT:]
    return kept.decode("utf-8", "replace")
