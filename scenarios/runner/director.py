"""A play, step by step: what is done, what must come back, and what the book says must come back.

A failed expectation does not end it. Jobs that don't end do, and so does a platform that is not there.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from device_sim import FleetError, FleetFailed
from scenarios import play as p
from scenarios.results import Difference, Seen, StepResult, not_played
from scenarios.runner.actions import perform
from scenarios.runner.compare import compare, compare_prediction
from scenarios.runner.events import Listener, StepEnded
from scenarios.runner.look import look
from scenarios.runner.observe import POLL_S, observe
from scenarios.runner.paper import Paper
from scenarios.runner.roster import CannotSelect
from scenarios.runner.stage import Stage
from scenarios.runner.standing import Standing, complete, jobs_of
from scenarios.runner.waiting import settle

WAIT_ALL_MS = 60_000


@dataclass(slots=True)
class _Done:
    """What came of a step before it is judged."""

    seen: Seen
    predicted: Seen | None
    note: str = ""
    is_stuck: bool = False


class Director:
    """Plays the steps of one play. `only` names the one step that is checked, and the last one that is played."""

    def __init__(
        self, stage: Stage, paper: Paper, listener: Listener, *, only: str | None, fail_fast: bool
    ) -> None:
        self.results: list[StepResult] = []
        self.fee_fen = 0
        self._stage = stage
        self._paper = paper
        self._listener = listener
        self._only = only
        self._fail_fast = fail_fast
        self._before: Standing
        self._paper_before: Standing

    async def play(self) -> None:
        """Play all steps; `results` grows with each. FleetFailed when the fleet stopped: nothing comes after it."""
        self._before = await self._stage.standing()
        self._paper_before = self._paper.standing(self._before.now_ms)
        for step in self._stage.play.steps:
            await self._stage.crew.probe()
            began, at_ms = time.monotonic(), self._stage.now_ms()
            done = await self._do(step)
            result = await self._judge(step, done)
            result = structs.replace(result, at_ms=at_ms, seconds=time.monotonic() - began)
            self.results.append(result)
            self._listener(StepEnded(result=result))
            if done.is_stuck or step.id == self._only or (self._fail_fast and result.verdict == "failed"):
                return

    async def _do(self, step: p.PlayStep) -> _Done:
        stage, roster = self._stage, self._stage.roster
        try:
            device_ids = roster.select(getattr(step.action, "devices", ()))
            self._hold_task(step)
            listed_before = {name: len(ids) for name, ids in roster.listed.items()}
            ended = stage.crew.jobs_ended
            seen = await perform(stage, step, device_ids)
        except FleetFailed:
            raise
        except (CannotSelect, FleetError) as exc:
            return _Done(Seen(outcome="not done"), None, note=str(exc))
        after = await stage.standing()
        await self._learn(step)
        predicted = self._predict(step, device_ids, after.now_ms, listed_before)
        done = _Done(seen, predicted)
        waiting = self._to_wait_for(step, seen, after.now_ms)
        if waiting:
            limit_ms = step.wait_ms if step.wait_ms is not None else WAIT_ALL_MS
            done.note = await settle(stage, step, waiting, limit_ms, ended)
            done.is_stuck = bool(done.note)
            after = await stage.standing()
            self._paper.tasks.settle(waiting, after.now_ms, roster.states)
            if len(waiting) == 1 or step.id in waiting:
                await self._count_jobs(done, step.id if step.id in waiting else waiting[0], after.now_ms)
        if self._paper.auto_adds.is_used and predicted is not None and not done.is_stuck:
            await self._take_in(done, step)
            after = await stage.standing()
        self._complete(done, after)
        return done

    async def _learn(self, step: p.PlayStep) -> None:
        """Learn where open jobs stand after the clock has moved: some have run out of time."""
        if isinstance(step.action, p.Advance | p.AdvanceTo):
            for step_id in self._stage.roster.open_steps():
                await self._stage.learn(step_id)

    async def _take_in(self, done: _Done, step: p.PlayStep) -> None:
        """Follow what auto-add policies take in, until nobody is wanting and all jobs have ended."""
        stage, auto_adds = self._stage, self._paper.auto_adds
        deadline = time.monotonic() + (WAIT_ALL_MS if step.wait_ms is None else step.wait_ms) / 1_000
        while True:
            await stage.learn_auto_added()
            auto_adds.learn(stage.auto_added, stage.now_ms())
            still = auto_adds.outstanding(stage.now_ms())
            is_over = not still and all(taken.has_ended for taken in stage.auto_added.values())
            if is_over or time.monotonic() >= deadline:
                break
            await asyncio.sleep(POLL_S)
        auto_adds.asked.clear()
        predicted = auto_adds.counts(stage.auto_added)
        if still:
            predicted["success"] = predicted.get("success", 0) + still
        counts = Counter(taken.state for taken in stage.auto_added.values())
        done.seen = structs.replace(done.seen, auto_added=dict(counts))
        if done.predicted is not None:
            done.predicted = structs.replace(done.predicted, auto_added=predicted)

    def _hold_task(self, step: p.PlayStep) -> None:
        """Refuse a step about a task that was never created."""
        of = getattr(step.action, "of", None)
        if of is not None and of not in self._stage.tasks:
            raise CannotSelect(f"step {of} has created no task")

    def _predict(
        self, step: p.PlayStep, device_ids: Sequence[int], now_ms: int, listed_before: dict[str, int]
    ) -> Seen | None:
        roster = self._stage.roster
        made = None
        if isinstance(step.action, p.CreateAgain):
            new_ids = roster.listed.get(step.action.group, [])[listed_before.get(step.action.group, 0) :]
            made = [roster.members[device_id] for device_id in new_ids]
        of = getattr(step.action, "of", None)
        asked = [of] if of is not None else []
        really = {step_id: roster.states[step_id] for step_id in asked if step_id in roster.states}
        if isinstance(step.action, p.Advance | p.AdvanceTo):
            really = dict(roster.states)
        if isinstance(step.action, p.Advance | p.AdvanceTo):
            now_ms = self._before.now_ms
        return self._paper.perform(step, device_ids, now_ms, made=made, really=really)

    def _to_wait_for(self, step: p.PlayStep, seen: Seen, now_ms: int) -> list[str]:
        """Name the steps whose jobs must end before the next step."""
        stage, action = self._stage, step.action
        if isinstance(action, p.WaitJobs) and action.of is not None:
            return [action.of]
        if isinstance(action, p.WaitJobs):
            return [step_id for step_id in stage.tasks if self._paper.tasks.can_run(step_id, now_ms)]
        if seen.outcome == "refused" or step.wait_ms is None:
            return []
        match action:
            case p.CreateTask() | p.RetryTask():
                begun = [step.id]
            case p.ResumeTask(of=of):
                begun = [of]
            case p.Advance() | p.AdvanceTo():
                begun = [s for s, at_ms in stage.starts_ms.items() if self._before.now_ms < at_ms <= now_ms]
            case p.Reconnect():
                begun = stage.roster.open_steps()
            case _:
                begun = []
        return [step_id for step_id in begun if self._will_end(step_id, now_ms)]

    def _will_end(self, step_id: str, now_ms: int) -> bool:
        """Whether all devices of a task are there, and may begin with it now."""
        roster = self._stage.roster
        is_told = step_id not in self._stage.untold or not roster.over_mqtt(roster.states[step_id])
        return (
            is_told
            and roster.are_connected(roster.states[step_id])
            and self._paper.tasks.can_run(step_id, now_ms)
        )

    async def _count_jobs(self, done: _Done, step_id: str, now_ms: int) -> None:
        task = await self._stage.task(step_id)
        done.seen = structs.replace(done.seen, jobs=jobs_of(task), task_state=task.state)
        if done.predicted is not None:
            done.predicted = self._paper.tasks.with_jobs(done.predicted, step_id, now_ms)

    def _complete(self, done: _Done, after: Standing) -> None:
        paper_after = self._paper.standing(after.now_ms)
        done.seen = complete(done.seen, self._before, after)
        if done.predicted is not None:
            done.predicted = complete(done.predicted, self._paper_before, paper_after)
        self._before, self._paper_before, self.fee_fen = after, paper_after, after.fee_fen

    async def _judge(self, step: p.PlayStep, done: _Done) -> StepResult:
        result = structs.replace(not_played(step), verdict="passed", seen=done.seen, note=done.note)
        if self._only is not None and step.id != self._only and not done.is_stuck:
            return structs.replace(result, verdict="unchecked")
        if done.seen.outcome == "not done":
            return structs.replace(result, verdict="failed")
        result = structs.replace(result, seen=await observe(self._stage, step, done.seen))
        differences = [*compare(step.expected, result.seen), *await look(self._stage, step.expected)]
        differences += self._unexpected(differences, done)
        failed = bool(differences) or done.is_stuck
        return structs.replace(
            result, verdict="failed" if failed else "passed", differences=tuple(differences)
        )

    def _unexpected(self, known: list[Difference], done: _Done) -> Iterator[Difference]:
        """Give what the book says otherwise, unless an expectation has said it already."""
        if done.predicted is None:
            return
        said = {(difference.what, difference.seen) for difference in known}
        for difference in compare_prediction(done.predicted, done.seen):
            if (difference.what, difference.seen) not in said:
                yield difference
