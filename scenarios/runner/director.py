"""A play, step by step: what is done, what must come back, and what the book says must come back.

A failed expectation does not end it. Jobs that don't end do, and so does a platform that is not there. What is done
at the end is done whatever ended it.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from msgspec import structs

from platform_stub.protocol.errors import OtaSimError
from scenarios import play as p
from scenarios.operator import OperatorFault
from scenarios.results import Seen, StepResult
from scenarios.runner.events import Listener, StepEnded
from scenarios.runner.judge import Judge, failed
from scenarios.runner.nevers import Nevers
from scenarios.runner.paper import Paper
from scenarios.runner.stage import Stage
from scenarios.runner.turn import Turn
from scenarios.runner.turns import Turns

BY_OTHER_RULES: Final = "not predicted: the target does not say that our rules are its own"
TEARDOWN_S: Final = 30.0
"""How long the steps at the end may take when the play was stopped."""


class Director:
    """Plays the steps of one play. `only` names the one step that is checked, and the last one that is played.

    `results` grows with each step, `teardown` with each of those at the end. `is_stuck`: devices did not do what the
    last step waited for, so nothing that comes after it can be judged.
    """

    def __init__(
        self,
        stage: Stage,
        paper: Paper,
        listener: Listener,
        *,
        only: str | None,
        fail_fast: bool,
        predicts: bool = True,
    ) -> None:
        self.results: list[StepResult] = []
        self.teardown: list[StepResult] = []
        self.is_stuck = False
        self.began = time.monotonic()  # what a step's `began` counts from; whoever began earlier sets it back
        self._stage = stage
        self._listener = listener
        self._only = only
        self._fail_fast = fail_fast
        self._nevers = Nevers(stage, stage.play.never)
        self._turns = Turns(stage, paper, self._nevers)
        self._judge = Judge(self._turns, only=only, unpredicted="" if predicts else BY_OTHER_RULES)
        self._has_begun = False

    @property
    def fee_fen(self) -> int:
        """What online licences have cost so far (B2)."""
        return self._turns.before.fee_fen if self._has_begun else 0

    async def play(self) -> None:
        """Play all steps, then those at the end. FleetFailed when the fleet stopped: nothing comes after it.

        OperatorFault when the platform's side failed in a step and the scenario says that this is its end.
        """
        try:
            await self._play_steps()
        except BaseException:
            await self._tear_down(TEARDOWN_S)
            raise
        await self._tear_down(None)

    async def _play_steps(self) -> None:
        for step in self._stage.play.steps:
            result = await self.do(step)
            is_last = step.id == self._only or (self._fail_fast and result.verdict == "failed")
            if self.is_stuck or is_last:
                return

    async def do(self, step: p.PlayStep) -> StepResult:
        """Do one step, and judge it; the next one begins where it leaves the account and the devices."""
        await self._open()
        return await self._record(step, self.results, is_teardown=False)

    async def _tear_down(self, limit_s: float | None) -> None:
        """Do the steps at the end, each whatever became of the others, as far as there is time."""
        steps = self._stage.play.teardown
        try:
            async with asyncio.timeout(limit_s):
                for step in steps:
                    try:
                        await self._open()
                        await self._record(step, self.teardown, is_teardown=True)
                    except OtaSimError as exc:
                        if len(self.teardown) < 1 or self.teardown[-1].id != step.id:
                            self._keep(failed(step, str(exc)), self.teardown, is_teardown=True)
        except TimeoutError:
            for step in steps[len(self.teardown) :]:
                note = f"the time for what is done at the end was over ({limit_s:g} s)"
                self._keep(failed(step, note), self.teardown, is_teardown=True)

    async def _open(self) -> None:
        if not self._has_begun:
            await self._turns.open()
            self._has_begun = True

    async def _record(self, step: p.PlayStep, results: list[StepResult], *, is_teardown: bool) -> StepResult:
        """Do a step, and keep what it came to. Raises what ends the play, after it was kept."""
        await self._stage.crew.probe()
        began, at_ms = time.monotonic(), self._stage.now_ms()
        fault: OperatorFault | None = None
        self.is_stuck = False
        try:
            result = await self._do(step)
        except OperatorFault as exc:
            result = self._failed(step, exc)
            fault = exc if self._stage.play.on_error == "stop" else None
        seconds = time.monotonic() - began
        result = structs.replace(result, at_ms=at_ms, began=began - self.began, seconds=seconds)
        self._keep(result, results, is_teardown=is_teardown)
        if fault is not None:
            raise fault
        return result

    def _keep(self, result: StepResult, results: list[StepResult], *, is_teardown: bool) -> None:
        results.append(result)
        self._listener(StepEnded(result=result, is_teardown=is_teardown))

    def _failed(self, step: p.PlayStep, fault: OperatorFault) -> StepResult:
        """End a step that the platform's side failed in. What it did there nobody knows, so no more is predicted."""
        self._judge.unpredicted = (
            self._judge.unpredicted or f"not predicted: the platform's side failed in step {step.id}"
        )
        return failed(step, str(fault))

    async def _do(self, step: p.PlayStep) -> StepResult:
        self._stage.mark_step()
        self._nevers.begin(step.expected.never, self._turns.before)
        if isinstance(step.action, p.Parallel):
            return await self._do_together(step, step.action)
        turn = self._turns.begin(step)
        await self._turns.learn_versions([turn])
        await self._turns.perform(turn)
        if turn.is_done:
            after = await self._turns.stage.standing()
            await self._turns.learn(turn)
            self._turns.predict(turn, after.now_ms)
            await self._turns.wait(turn, after.now_ms)
            await self._turns.count(turn)
            await self._sum_up([turn], {*turn.opened, *self._turns.paper.tasks.open_steps()})
        return await self._judged(turn)

    async def _do_together(self, step: p.PlayStep, action: p.Parallel) -> StepResult:
        """Do steps at once. The book takes them in an order that explains what came back (P14)."""
        turns = self._turns
        outer = turns.begin(step)
        inner = [turns.begin(each) for each in action.steps]
        await turns.learn_versions(inner)
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for turn in inner:
                    group.create_task(turns.perform(turn), name=f"step {turn.step.id}")
        except BaseExceptionGroup as exc:
            raise _first(exc) from exc
        after = await turns.stage.standing()
        await turns.learn(outer)
        turns.predict_together(inner, after.now_ms)
        for turn in inner:
            if turn.is_done:
                await turns.wait(turn, after.now_ms)
                await turns.count(turn)
        for turn in inner:
            await turns.count_own(turn)
        seconds = time.monotonic() - began
        outer.seen = outer.predicted = Seen()
        await self._sum_up([outer, *inner], {*outer.opened, *turns.paper.tasks.open_steps()})
        results = [await self._judge.judge(turn) for turn in inner]
        self._take_back(inner, results)
        outer.is_stuck = self.is_stuck
        at_ms, began = self._stage.now_ms(), began - self.began
        parts = tuple(structs.replace(each, at_ms=at_ms, began=began, seconds=seconds) for each in results)
        return await self._judged(outer, parts)

    async def _sum_up(self, turns: list[Turn], opened: set[str]) -> None:
        """Compare what goes beyond a step's own answer, and see how the account stands after it."""
        first, is_stuck = turns[0], any(turn.is_stuck for turn in turns)
        told = {own for turn in turns if (own := _told(self._turns, turn)) is not None}
        if first.predicted is not None and not is_stuck:
            if self._turns.paper.auto_adds.is_used:
                await self._turns.take_in(first)
            first.differences = [*first.differences, *await self._turns.compare_tasks(opened - told)]
        self._turns.complete(turns, await self._turns.stage.standing())

    async def _judged(self, turn: Turn, parts: tuple[StepResult, ...] = ()) -> StepResult:
        if self._nevers.are_there:
            await self._nevers.look()
        result = await self._judge.judge(turn, parts, self._nevers.violations)
        if not parts:
            self._take_back([turn], [result])
        return result

    def _take_back(self, turns: list[Turn], results: list[StepResult]) -> None:
        """Go on after a step that got stuck as it was said that it would; after any other nothing follows."""
        for turn, result in zip(turns, results, strict=True):
            if turn.is_stuck and result.verdict == "xfailed":
                self._turns.take_back(turn)
            self.is_stuck = self.is_stuck or (turn.is_stuck and result.verdict != "xfailed")


def _told(turns: Turns, turn: Turn) -> str | None:
    """Name the step whose jobs a step's own prediction tells."""
    return turns.own(turn) if turn.predicted is not None and turn.predicted.jobs is not None else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the first of errors that happened at once."""
    return next(_all(group))


def _all(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _all(exc)
        else:
            yield exc
