"""Looking again and again until something is so; the clock is moved on to what devices wait for, if wanted."""

import asyncio
import time
from typing import Final

from scenarios import play as p
from scenarios.results import Difference, Seen
from scenarios.runner.clock import Clock
from scenarios.runner.compare import compare
from scenarios.runner.events import Progress
from scenarios.runner.look import look
from scenarios.runner.observe import observed_now
from scenarios.runner.paper import Paper
from scenarios.runner.stage import Stage
from scenarios.runner.standing import Standing
from scenarios.runner.waiting import Look

PAUSE_S: Final = 0.02
PAUSE_MAX_S: Final = 0.5
COST_MAX: Final = 0.25
"""Which part of the time looking may take."""


class Until:
    """Waits that end when something is so."""

    def __init__(self, stage: Stage, paper: Paper, clock: Clock) -> None:
        self._stage = stage
        self._paper = paper
        self._clock = clock

    async def wait(
        self,
        step: p.PlayStep,
        action: p.WaitUntil,
        limit_ms: int,
        ended: int,
        before: Standing,
        look_for: Look | None,
    ) -> tuple[Seen, list[Difference]]:
        """Wait until all of it is so; what is not when time is over is in the differences."""
        stage = self._stage
        self._clock.begin()
        began, last_ms = time.monotonic(), stage.now_ms() + action.advance_ms
        while True:
            looked = time.monotonic()
            await stage.crew.probe()
            if look_for is not None:
                await look_for()
            has_come_to_rest = bool(action.advance_ms) and not await self._clock.rest(
                step, limit_ms, ended, look_for
            )
            seen, differences = await self._look(action, before)
            is_over = time.monotonic() - began >= limit_ms / 1_000
            if not differences or is_over:
                return seen, differences
            stage.listener(Progress(doing="waiting", step=step.id, done=0, total=0))
            if not (has_come_to_rest and await self._go_on(step, last_ms)):
                cost_s = time.monotonic() - looked
                await asyncio.sleep(min(max(PAUSE_S, cost_s / COST_MAX), PAUSE_MAX_S))

    async def _look(self, action: p.WaitUntil, before: Standing) -> tuple[Seen, list[Difference]]:
        stage = self._stage
        seen = await observed_now(stage, action.until, action.of, before)
        return seen, [*compare(action.until, seen), *await look(stage, action.until)]

    async def _go_on(self, step: p.PlayStep, last_ms: int) -> bool:
        """Move the clock to what devices wait for; False: there is nothing, or no time left to move."""
        stage, tasks = self._stage, self._paper.tasks
        now_ms = stage.now_ms()
        stops = [stop for stop in (self._clock.next_stop(last_ms),) if stop is not None]
        stops += tasks.ends(now_ms, last_ms)[:1]
        if not stops:
            return False
        await self._clock.move_to(step, min(stops))
        tasks.pass_time(stage.now_ms())
        return True
