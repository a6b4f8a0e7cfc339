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
from scenarios.runner.awaited import Awaited, awaited_by, shown_of
from scenarios.runner.compare import compare, compare_prediction, compare_task
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
    differences: Sequence[Difference] = ()  # of other steps' tasks


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
        stage, roster, tasks = self._stage, self._stage.roster, self._paper.tasks
        before, opened = tasks.all_running(stage.now_ms()), tasks.open_steps()
        try:
            device_ids = roster.select(getattr(step.action, "devices", ()))
            self._hold_task(step)
            listed_before = {name: len(ids) for name, ids in roster.listed.items()}
            ended = stage.crew.jobs_ended
            seen, note = await self._perform(step, device_ids, ended)
        except FleetFailed:
            raise
        except (CannotSelect, FleetError) as exc:
            return _Done(Seen(outcome="not done"), None, note=str(exc))
        if note:
            return _Done(seen, None, note=note, is_stuck=True)
        after = await stage.standing()
        await self._learn(step)
        done = _Done(seen, self._predict(step, device_ids, after.now_ms, listed_before))
        awaited = self._awaited(step, before, after.now_ms, device_ids)
        done.note = await self._settle(step, awaited, ended)
        done.is_stuck = bool(done.note)
        own = step.id if step.id in stage.tasks else getattr(step.action, "of", None)
        if (shown := shown_of(awaited, own)) is not None:
            await self._count_jobs(done, shown)
        if done.predicted is not None and not done.is_stuck:
            if self._paper.auto_adds.is_used:
                await self._take_in(done, step)
            done.differences = await self._compare_tasks(done, {*opened, *tasks.open_steps()}, own)
        self._complete(done, await stage.standing())
        return done

    async def _perform(self, step: p.PlayStep, device_ids: Sequence[int], ended: int) -> tuple[Seen, str]:
        """Do a step; the text says why it could not be done to its end."""
        if step.wait_ms is None or not isinstance(step.action, p.Advance | p.AdvanceTo):
            return await perform(self._stage, step, device_ids), ""
        return await self._move_clock(step, step.action, ended)

    async def _move_clock(
        self, step: p.PlayStep, action: p.Advance | p.AdvanceTo, ended: int
    ) -> tuple[Seen, str]:
        """Move the clock once devices have done what they may, with a stop at each start on the way."""
        stage, tasks = self._stage, self._paper.tasks
        note = await self._settle(step, tasks.all_running(stage.now_ms()), ended)
        now_ms = stage.now_ms()
        to_ms = action.at_ms if isinstance(action, p.AdvanceTo) else now_ms + action.span_ms
        stops = tasks.starts(self._before.now_ms, to_ms)
        for at_ms in stops:
            if note:
                break
            if at_ms > stage.now_ms():
                await perform(stage, structs.replace(step, action=p.AdvanceTo(at_ms=at_ms)), ())
            tasks.pass_time(stage.now_ms())
            note = await self._settle(step, tasks.all_running(stage.now_ms()), ended)
            if self._paper.auto_adds.is_used:
                await self._follow_auto_adds(step)
        if note:
            return Seen(outcome="not done"), note
        if not stops:
            return await perform(stage, step, ()), ""
        if to_ms <= stage.now_ms():
            return Seen(), ""
        return await perform(stage, structs.replace(step, action=p.AdvanceTo(at_ms=to_ms)), ()), ""

    async def _settle(self, step: p.PlayStep, awaited: Awaited, ended: int) -> str:
        """Wait for devices, and enter in the book how their jobs ended; answers what is missing."""
        if not awaited:
            return ""
        stage = self._stage
        limit_ms = step.wait_ms if step.wait_ms is not None else WAIT_ALL_MS
        note = await settle(stage, step, awaited, limit_ms, ended)
        self._paper.tasks.settle(awaited, stage.now_ms(), stage.roster.states)
        return note

    def _awaited(self, step: p.PlayStep, before: Awaited, now_ms: int, device_ids: Sequence[int]) -> Awaited:
        """Give whose jobs must end before the next step."""
        stage, tasks = self._stage, self._paper.tasks
        awaited = awaited_by(tasks, step, before, now_ms, device_ids)
        of = getattr(step.action, "of", None)
        is_missing = step.id in stage.tasks and step.id not in tasks.created  # the book refuses it
        if is_missing and step.wait_ms is not None:
            return {**awaited, step.id: stage.roster.on_air(stage.roster.states[step.id])}
        if isinstance(step.action, p.WaitJobs) and of is not None and of not in tasks.created:
            return {of: stage.roster.on_air(stage.roster.states[of])}
        return awaited

    async def _compare_tasks(self, done: _Done, step_ids: set[str], own: str | None) -> list[Difference]:
        """Hold how tasks stand against the book, except those that devices run while nobody waits."""
        stage, tasks = self._stage, self._paper.tasks
        now_ms = stage.now_ms()
        tasks.pass_time(now_ms)
        told = own if done.predicted is not None and done.predicted.jobs is not None else None
        differences: list[Difference] = []
        for step_id in sorted((step_ids - {told}) & stage.tasks.keys()):
            if tasks.is_known(step_id, now_ms):
                task = await stage.task(step_id)
                seen = Seen(jobs=jobs_of(task), task_state=task.state)
                differences += compare_task(step_id, tasks.with_jobs(Seen(), step_id, now_ms), seen)
        return differences

    async def _learn(self, step: p.PlayStep) -> None:
        """Learn where open jobs stand that nobody waits for, and all after the clock has moved."""
        stage, tasks = self._stage, self._paper.tasks
        moves = isinstance(step.action, p.Advance | p.AdvanceTo)
        step_ids = stage.roster.open_steps() if moves else tasks.unattended(stage.now_ms())
        for step_id in step_ids:
            if step_id in stage.tasks:
                await stage.learn(step_id)

    async def _take_in(self, done: _Done, step: p.PlayStep) -> None:
        """Follow what auto-add policies take in, and count it."""
        stage, auto_adds = self._stage, self._paper.auto_adds
        still = await self._follow_auto_adds(step)
        auto_adds.asked.clear()
        predicted = auto_adds.counts(stage.auto_added)
        if still:
            predicted["success"] = predicted.get("success", 0) + still
        counts = Counter(taken.state for taken in stage.auto_added.values())
        done.seen = structs.replace(done.seen, auto_added=dict(counts))
        if done.predicted is not None:
            done.predicted = structs.replace(done.predicted, auto_added=predicted)

    async def _follow_auto_adds(self, step: p.PlayStep) -> int:
        """Wait until all are taken in that must be and their jobs have ended; answers how many are wanting."""
        stage, auto_adds = self._stage, self._paper.auto_adds
        deadline = time.monotonic() + (WAIT_ALL_MS if step.wait_ms is None else step.wait_ms) / 1_000
        while True:
            await stage.learn_auto_added()
            auto_adds.learn(stage.auto_added, stage.now_ms())
            still = auto_adds.outstanding(stage.now_ms())
            is_over = not still and all(taken.has_ended for taken in stage.auto_added.values())
            if is_over or time.monotonic() >= deadline:
                return still
            await asyncio.sleep(POLL_S)

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
        moves = isinstance(step.action, p.Advance | p.AdvanceTo)
        asked = {*self._paper.tasks.unattended(now_ms), *([of] if of is not None else [])}
        really = {s: states for s, states in roster.states.items() if moves or s in asked}
        if moves:
            now_ms = self._before.now_ms
        return self._paper.perform(step, device_ids, now_ms, made=made, really=really)

    async def _count_jobs(self, done: _Done, step_id: str) -> None:
        task, now_ms = await self._stage.task(step_id), self._stage.now_ms()
        done.seen = structs.replace(done.seen, jobs=jobs_of(task), task_state=task.state)
        if done.predicted is not None and (done.is_stuck or self._paper.tasks.is_known(step_id, now_ms)):
            done.predicted = self._paper.tasks.with_jobs(done.predicted, step_id, now_ms)

    def _complete(self, done: _Done, after: Standing) -> None:
        paper_after = self._paper.standing(after.now_ms)
        done.seen = complete(done.seen, self._before, after)
        if done.predicted is not None:
            done.predicted = complete(done.predicted, self._paper_before, paper_after)
        self._before, self._paper_before, self.fee_fen = after, paper_after, after.fee_fen

    async def _judge(self, step: p.PlayStep, done: _Done) -> StepResult:
        result = structs.replace(
            not_played(step),
            verdict="passed",
            seen=done.seen,
            note=done.note,
            remark=self._remark(step, done),
        )
        if self._only is not None and step.id != self._only and not done.is_stuck:
            return structs.replace(result, verdict="unchecked")
        if done.seen.outcome == "not done":
            return structs.replace(result, verdict="failed")
        result = structs.replace(result, seen=await observe(self._stage, step, done.seen))
        differences = [*compare(step.expected, result.seen), *await look(self._stage, step.expected)]
        differences += self._unexpected(differences, done)
        differences += done.differences
        failed = bool(differences) or done.is_stuck
        return structs.replace(
            result, verdict="failed" if failed else "passed", differences=tuple(differences)
        )

    def _remark(self, step: p.PlayStep, done: _Done) -> str:
        """Say whose jobs the book does not know of: devices do them while nobody waits."""
        own = step.id if step.id in self._stage.tasks else getattr(step.action, "of", None)
        if own is None or done.predicted is None or done.seen.jobs is None or done.predicted.jobs is not None:
            return ""
        now_ms = self._stage.now_ms()
        return "" if self._paper.tasks.is_known(own, now_ms) else f"not predicted: the jobs of {own}"

    def _unexpected(self, known: list[Difference], done: _Done) -> Iterator[Difference]:
        """Give what the book says otherwise, unless an expectation has said it already."""
        if done.predicted is None:
            return
        said = {(difference.what, difference.seen) for difference in known}
        for difference in compare_prediction(done.predicted, done.seen):
            if (difference.what, difference.seen) not in said:
                yield difference
