"""All plays of a run: one after the other in this process, or several at once in worker processes.

Ctrl-C and SIGTERM stop all of them, once however often they come; what was done by then is in the result.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal, Protocol

from scenarios.heard import Heard
from scenarios.play import Play
from scenarios.results import Holding, PlayResult, RunResult
from scenarios.runner.events import Event, PlayEnded
from scenarios.runner.options import RunOptions
from scenarios.versions import tool_version
from scenarios.worker_process import STOP_S, WorkerProcess, lost

Stopper = Literal["Ctrl-C", "SIGTERM"]
_STOPPERS: Final[dict[signal.Signals, Stopper]] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Show(Protocol):
    """Who is told what happens, play by play."""

    def event(self, at: int, event: Event) -> None:
        """Something happened in play number `at`."""


OnHeld = Callable[[RunResult, Holding], None]
"""Told that a run holds at the step it was to hold at; the result is that of the whole run."""


def run_all(
    plays: Sequence[Play], options: RunOptions, jobs: int, show: Show, on_held: OnHeld | None = None
) -> RunResult:
    """Run plays, `jobs` at once, and answer when all have ended. 1 runs them in this process.

    A signal that stopped them leaves its handler: pressed again, it must not cost the reports. With `options.until`
    there is one play, in this process; once it holds, `on_held` is told, and a signal ends it with its verdict.
    """
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _STOPPERS}
    run = _Run(plays, options, show, on_held)
    try:
        return asyncio.run(run.go(1 if options.until is not None else min(jobs, len(plays))))
    finally:
        if not run.stopped_by or run.is_held:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Run:
    def __init__(
        self, plays: Sequence[Play], options: RunOptions, show: Show, on_held: OnHeld | None
    ) -> None:
        self._on_held = on_held
        self.is_held = False
        self._began = time.monotonic()
        self._plays = plays
        self._options = options
        self._show = show
        self._results: dict[int, PlayResult] = {}
        self._is_over = False
        self.stopped_by: Stopper | Literal[""] = ""

    async def go(self, jobs: int) -> RunResult:
        """Run them all."""
        main = asyncio.current_task()
        assert main is not None
        loop = asyncio.get_running_loop()

        def heard(number: int, _: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._stop, main, _STOPPERS[signal.Signals(number)])

        # not through the loop: while it closes its handlers are gone, and a signal would end the process
        for number in _STOPPERS:
            signal.signal(number, heard)
        try:
            await (self._one_by_one() if jobs <= 1 else self._several(jobs))
            interrupted = bool(self.stopped_by)
        except asyncio.CancelledError:
            interrupted = True
        results = [self._results[at] for at in sorted(self._results)]
        if self.is_held:
            return self._result(results, was_held=True)
        interrupted = interrupted or any(result.verdict == "stopped" for result in results)
        return self._result(results, interrupted=interrupted, stopped_by=self.stopped_by)

    def _result(
        self,
        results: Sequence[PlayResult],
        *,
        interrupted: bool = False,
        stopped_by: Stopper | Literal[""] = "",
        was_held: bool = False,
    ) -> RunResult:
        return RunResult(
            version=tool_version(),
            plays=tuple(results),
            seconds=time.monotonic() - self._began,
            interrupted=interrupted,
            stopped_by=stopped_by,
            was_held=was_held,
        )

    def _hold(self, holding: Holding) -> None:
        """Take it that a play holds: from now on a signal ends it, and stops nothing."""
        self.is_held = True
        if self._on_held is not None:
            self._on_held(self._result([holding.result], was_held=True), holding)

    def _stop(self, main: "asyncio.Task[RunResult]", stopper: Stopper) -> None:
        """Stop all; pressed again while that is under way, nothing more happens."""
        if not self.stopped_by:
            self.stopped_by = stopper
            self._is_over = True
            main.cancel()

    async def _one_by_one(self) -> None:
        from platform_stub.server import relax_collector  # noqa: PLC0415 - heavy, and workers need not wait for it

        relax_collector()
        for at, play in enumerate(self._plays):
            if self._is_over:
                return
            self._keep(at, await self._here(at, play))

    async def _here(self, at: int, play: Play) -> PlayResult:
        """Play in this process. When the caller is cancelled the play is stopped, and given up after STOP_S."""
        from scenarios.runner.run import run_play  # noqa: PLC0415 - heavy too

        heard = Heard(play, self._options.broker, partial(self._show.event, at))
        playing = asyncio.create_task(
            run_play(play, self._options, heard, self._hold), name=f"play {play.name}"
        )
        try:
            return await asyncio.shield(playing)
        except asyncio.CancelledError:
            playing.cancel()
            if (await asyncio.wait({playing}, timeout=STOP_S))[0]:
                return playing.result()
        result = lost(heard, self._options, "stopped", f"it did not stop in {STOP_S:g} s", exit_code=130)
        heard(PlayEnded(result=result))
        return result

    async def _several(self, jobs: int) -> None:
        waiting = iter(enumerate(self._plays))

        async def work() -> None:
            worker = WorkerProcess(self._options)
            try:
                for at, play in waiting:
                    result = await worker.play(play, partial(self._show.event, at))
                    self._keep(at, result)
                    if self._is_over:
                        return
            finally:
                await worker.close()

        async with asyncio.TaskGroup() as group:
            for number in range(jobs):
                group.create_task(work(), name=f"worker {number + 1}")

    def _keep(self, at: int, result: PlayResult) -> None:
        self._results[at] = result
        if result.verdict == "stopped" or (self._options.fail_fast and result.exit_code):
            self._is_over = True
