"""Moving the account's clock and the devices' own time together, with stops on the way.

A stop is where devices begin with a task, and where one that rests goes on (its install is over, its power is back).
What they then do takes real time, and is waited for. Rests that end at nearly the same time share a stop, as seen from
where the first of them began: so many devices make some dozens of stops, and no job runs out of time for it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import structs

from scenarios import play as p
from scenarios.results import Seen
from scenarios.runner.actions import perform
from scenarios.runner.paper import Paper
from scenarios.runner.stage import Stage
from scenarios.runner.waiting import OPEN_STATES, Look, Rests

STOPS: Final = 50
"""How many stops a step makes, more or less."""
NEVER_MS: Final = 2**53
_SHARED_PART: Final = ((STOPS, 10), (2 * STOPS, 4))
"""Up to so many stops, rests share one that are apart by such a part of the time since the first; then the whole."""


class Clock:
    """The account's clock and the devices' time, moved for one step at a time.

    `follow` waits for what auto-add policies take in.
    """

    def __init__(
        self, stage: Stage, paper: Paper, rests: Rests, follow: Callable[[int], Awaitable[object]]
    ) -> None:
        self._stage = stage
        self._paper = paper
        self._rests = rests
        self._follow = follow
        self._began_ms = 0
        self._least_ms = NEVER_MS
        self._stops = 0

    def begin(self) -> None:
        """Begin with a step."""
        self._began_ms = self._stage.now_ms()
        self._least_ms = NEVER_MS
        self._stops = 0

    async def rest(self, step: p.PlayStep, limit_ms: int, ended: int, look: Look | None) -> str:
        """Let devices do what they do without time, and enter in the book how their jobs ended."""
        stage, tasks = self._stage, self._paper.tasks
        running = stage.made(tasks.all_running(stage.now_ms()))
        note = await self._rests.come_to_rest(step, running, limit_ms, ended, look)
        over = {step_id: self._over(step_id, ids) for step_id, ids in running.items()}
        tasks.settle({s: ids for s, ids in over.items() if ids}, stage.now_ms(), stage.roster.states)
        return note

    def _over(self, step_id: str, device_ids: Sequence[int]) -> list[int]:
        states = self._stage.roster.states[step_id]
        return [d for d in device_ids if states.get(d) not in OPEN_STATES]

    def next_stop(self, until_ms: int) -> int | None:
        """Say where to stop next; None: nothing happens before `until_ms`."""
        now_ms, tasks = self._stage.now_ms(), self._paper.tasks
        stops = tasks.starts(now_ms, until_ms)[:1]
        rest_ms = self._stage.crew.rest_ms()
        if rest_ms is not None and now_ms + rest_ms < until_ms:
            wake_ms = now_ms + max(rest_ms, 1)
            stop_ms = self._shared(now_ms, wake_ms)
            for end_ms in tasks.ends(wake_ms, min(stop_ms, until_ms)):
                stop_ms = max(wake_ms, end_ms - 1)
                break
            stops.append(stop_ms)
        return min(stops) if stops and min(stops) < until_ms else None

    def _shared(self, now_ms: int, wake_ms: int) -> int:
        """Put off a stop so that others share it."""
        passed_ms = now_ms - self._began_ms
        if wake_ms - now_ms > passed_ms:  # nothing was near: it begins anew, at the least scale so far
            self._least_ms = min(self._least_ms, wake_ms - now_ms)
            self._began_ms = wake_ms - self._least_ms
            return wake_ms
        part = next((part for stops, part in _SHARED_PART if self._stops < stops), 1)
        return max(wake_ms, now_ms + passed_ms // part)

    async def move_to(self, step: p.PlayStep, to_ms: int) -> Seen:
        """Move the clock, and the devices' time with it; a moment that is past is no mistake."""
        stage = self._stage
        was_ms = stage.now_ms()
        if to_ms <= was_ms:
            return Seen()
        is_start = bool(self._paper.tasks.starts(was_ms, to_ms))
        seen = await perform(stage, structs.replace(step, action=p.AdvanceTo(at_ms=to_ms)), ())
        if seen.outcome == "refused":
            return seen
        self._stops += 1
        if is_start:
            self._began_ms = to_ms
        self.wake()
        return seen

    def wake(self) -> None:
        """Note what time alone has changed: devices have their power back, jobs have run out of time."""
        stage, now_ms = self._stage, self._stage.now_ms()
        stage.roster.wake(now_ms)
        self._paper.wake(now_ms)

    async def advance(
        self, step: p.PlayStep, action: p.Advance | p.AdvanceTo, limit_ms: int, ended: int, look: Look | None
    ) -> tuple[Seen, str]:
        """Move the clock once devices have done what they may, with stops; the text says why it came to no end."""
        stage, tasks = self._stage, self._paper.tasks
        self.begin()
        if note := await self.rest(step, limit_ms, ended, look):
            return Seen(outcome="not done"), note
        to_ms = action.at_ms if isinstance(action, p.AdvanceTo) else stage.now_ms() + action.span_ms
        while (stop_ms := self.next_stop(to_ms)) is not None:
            await self.move_to(step, stop_ms)
            tasks.pass_time(stage.now_ms())
            if note := await self.rest(step, limit_ms, ended, look):
                return Seen(outcome="not done"), note
            if self._paper.auto_adds.is_used:
                await self._follow(limit_ms)
        if not self._stops:
            return await perform(stage, step, ()), ""
        if to_ms <= stage.now_ms():
            return Seen(), ""
        return await perform(stage, structs.replace(step, action=p.AdvanceTo(at_ms=to_ms)), ()), ""


def is_move(step: p.PlayStep) -> bool:
    """Whether a step moves the clock."""
    return isinstance(step.action, p.Advance | p.AdvanceTo) or (
        isinstance(step.action, p.WaitUntil) and step.action.advance_ms > 0
    )
