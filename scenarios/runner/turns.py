"""A step while it is on: begun, done, predicted, waited for, and summed up. Whether it is right is judged elsewhere.

One step goes through these moves by itself; those of a `parallel` block go through them together.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from msgspec import structs

from device_sim import FleetError, FleetFailed
from scenarios import play as p
from scenarios.results import Difference, Seen
from scenarios.runner.abreast import explain
from scenarios.runner.actions import perform
from scenarios.runner.awaited import Awaited, awaited_by, shown_of
from scenarios.runner.clock import Clock, is_move
from scenarios.runner.compare import compare_task
from scenarios.runner.nevers import Nevers
from scenarios.runner.observe import POLL_S
from scenarios.runner.paper import Paper
from scenarios.runner.roster import CannotSelect, Member
from scenarios.runner.stage import Stage
from scenarios.runner.standing import Standing, complete, jobs_of
from scenarios.runner.turn import Turn
from scenarios.runner.until import Until
from scenarios.runner.waiting import Look, Rests, settle


class Turns:
    """The moves of steps. `before` is how the account stood when the present step began."""

    def __init__(self, stage: Stage, paper: Paper, nevers: Nevers) -> None:
        self.stage = stage
        self.paper = paper
        self.nevers = nevers
        self.before: Standing
        self._paper_before: Standing
        rests = Rests(stage, self._is_certain)
        self._clock = Clock(stage, paper, rests, self._follow_auto_adds)
        self._until = Until(stage, paper, self._clock)

    async def open(self) -> None:
        """See how the account stands before the first step."""
        self.before = await self.stage.standing()
        self._paper_before = self.paper.standing(self.before.now_ms)

    @property
    def _look(self) -> Look | None:
        return self.nevers.look if self.nevers.are_there else None

    def _is_certain(self, step_id: str, device_id: int) -> bool:
        tasks = self.paper.tasks
        return step_id not in tasks.created or tasks.is_certain(step_id, device_id)

    def begin(self, step: p.PlayStep) -> Turn:
        """See what a step is about; what can't be is in its note."""
        stage, tasks, roster = self.stage, self.paper.tasks, self.stage.roster
        self._clock.wake()
        of: str | None = getattr(step.action, "of", None)
        if of is not None and of in roster.same:
            step = structs.replace(step, action=structs.replace(step.action, of=roster.task_of(of)))
        turn = Turn(step=step, running=tasks.all_running(stage.now_ms()), opened=tasks.open_steps())
        turn.ended = stage.crew.jobs_ended
        turn.listed = {name: len(ids) for name, ids in roster.listed.items()}
        try:
            turn.device_ids = roster.select(getattr(step.action, "devices", ()))
        except CannotSelect as exc:
            turn.note = str(exc)
        if turn.of is not None and turn.of not in stage.tasks:
            turn.note = turn.note or f"step {turn.of} has created no task"
        return turn

    async def perform(self, turn: Turn) -> None:
        """Do it; `note` says why it could not be done, or not to its end."""
        if turn.note:
            return
        step, action = turn.step, turn.step.action
        try:
            if isinstance(action, p.WaitUntil):
                turn.seen, turn.differences = await self._until.wait(
                    step, action, turn.limit_ms, turn.ended, self.before, self._look
                )
            elif isinstance(action, p.Advance | p.AdvanceTo) and step.wait_ms is not None:
                turn.seen, turn.note = await self._clock.advance(
                    step, action, turn.limit_ms, turn.ended, self._look
                )
                turn.is_stuck = bool(turn.note)
            else:
                turn.seen = await perform(self.stage, step, turn.device_ids)
        except FleetFailed:
            raise
        except (CannotSelect, FleetError) as exc:
            turn.seen, turn.note = Seen(outcome="not done"), str(exc)

    async def learn(self, turn: Turn) -> None:
        """Learn where open jobs stand that nobody waits for, and all after the clock has moved."""
        stage, tasks = self.stage, self.paper.tasks
        moves = is_move(turn.step)
        step_ids = stage.roster.open_steps() if moves else tasks.unattended(stage.now_ms())
        for step_id in step_ids:
            if step_id in stage.tasks:
                await stage.learn(step_id)

    async def learn_versions(self, turns: Sequence[Turn]) -> None:
        """Learn what devices run that may have been updated although their job has not ended well.

        One that was told too late that its job is over reports the target all the same, and can't be in a task to it
        any more (P7). The book can't know that.
        """
        if not any(isinstance(turn.step.action, p.CreateTask | p.RetryTask) for turn in turns):
            return
        if astray := self.paper.tasks.astray():
            devices = await self.stage.operator.devices(self.stage.account_id)
            known = {each.device_id: (each.f_version, each.s_version) for each in devices}
            self.paper.tasks.learn_versions({d: known[d] for d in astray if d in known}, self.stage.now_ms())

    def predict(self, turn: Turn, now_ms: int) -> None:
        """Ask the book what the step must have come to."""
        of, moves, states = turn.of, is_move(turn.step), self.stage.roster.states
        asked = {*self.paper.tasks.unattended(now_ms), *([of] if of is not None else [])}
        really = {step_id: known for step_id, known in states.items() if moves or step_id in asked}
        self._ask(turn, self.paper, now_ms, really)

    def predict_together(self, turns: Sequence[Turn], now_ms: int) -> None:
        """Ask the book the same of steps that were done at once."""
        states = dict(self.stage.roster.states)
        before = {step_id: known for step_id, known in states.items() if step_id in self.paper.tasks.created}

        def ask(turn: Turn, paper: Paper, has_ended: bool) -> None:  # noqa: FBT001 - as it is called
            self._ask(turn, paper, now_ms, states if has_ended else before)

        explain(turns, self.paper, self._ranks(turns), ask)

    def _ranks(self, turns: Sequence[Turn]) -> dict[str, int]:
        """Number creations by their tasks; one that got another step's task comes after that (P13)."""
        tasks, same = self.stage.tasks, self.stage.roster.same
        return {
            turn.step.id: 2 * tasks.get(same.get(turn.step.id, turn.step.id), 0) + (turn.step.id in same)
            for turn in turns
        }

    def _ask(self, turn: Turn, paper: Paper, now_ms: int, really: Mapping[str, Mapping[int, str]]) -> None:
        at_ms = self.before.now_ms if isinstance(turn.step.action, p.Advance | p.AdvanceTo) else now_ms
        turn.predicted = paper.perform(
            turn.step, turn.device_ids, at_ms, made=self._made(turn), really=really
        )

    def _made(self, turn: Turn) -> list[Member] | None:
        """Give the devices that the platform made in this step."""
        action, roster = turn.step.action, self.stage.roster
        if not isinstance(action, p.CreateAgain | p.Register):
            return None
        group = action.group if isinstance(action, p.CreateAgain) else action.fleet.name
        return [roster.members[d] for d in roster.listed.get(group, [])[turn.listed.get(group, 0) :]]

    async def wait(self, turn: Turn, now_ms: int) -> None:
        """Wait for the devices that the step waits for, and enter in the book how their jobs ended."""
        stage, tasks, step = self.stage, self.paper.tasks, turn.step
        turn.awaited = stage.made(self._awaited(turn, now_ms))
        if not turn.awaited:
            return
        if is_move(step):
            turn.note = await self._clock.rest(step, turn.limit_ms, turn.ended, self._look)
        else:
            turn.note = await settle(stage, step, turn.awaited, turn.limit_ms, turn.ended, self._look)
            tasks.settle(turn.awaited, stage.now_ms(), stage.roster.states)
        turn.is_stuck = bool(turn.note)

    def _awaited(self, turn: Turn, now_ms: int) -> Awaited:
        """Give whose jobs must end before the next step."""
        stage, tasks, step, of = self.stage, self.paper.tasks, turn.step, turn.of
        awaited = awaited_by(tasks, step, turn.running, now_ms, turn.device_ids)
        if isinstance(step.action, p.Reconnect | p.PowerOn | p.Storm):  # who can't come in is not waited for
            awaited = {s: [d for d in ids if not stage.crew.is_barred(d)] for s, ids in awaited.items()}
        is_missing = step.id in stage.tasks and step.id not in tasks.created  # the book refuses it
        if is_missing and step.wait_ms is not None:
            return {**awaited, step.id: stage.roster.on_air(stage.roster.states[step.id])}
        if isinstance(step.action, p.WaitJobs) and of is not None and of not in tasks.created:
            return {of: stage.roster.on_air(stage.roster.states[of])}
        return awaited

    async def count(self, turn: Turn) -> None:
        """Count the jobs that are shown."""
        if (shown := shown_of(turn.awaited, self.own(turn))) is not None:
            await self._show(turn, shown)

    async def count_own(self, turn: Turn) -> None:
        """Count the jobs of a step's own task anew: another step that was done at once has waited for them."""
        own = self.own(turn)
        if turn.is_done and turn.seen.jobs is not None and own is not None:
            await self._show(turn, own)

    async def _show(self, turn: Turn, shown: str) -> None:
        stage, tasks = self.stage, self.paper.tasks
        task, now_ms = await stage.task(shown), stage.now_ms()
        turn.seen = structs.replace(turn.seen, jobs=jobs_of(task), task_state=task.state)
        if turn.predicted is not None and (turn.is_stuck or tasks.is_known(shown, now_ms)):
            turn.predicted = tasks.with_jobs(turn.predicted, shown, now_ms)

    def own(self, turn: Turn) -> str | None:
        """Name the step whose task this one is about: its own, or another's."""
        step_id = self.stage.roster.task_of(turn.step.id)
        return step_id if step_id in self.stage.tasks else turn.of

    async def compare_tasks(self, step_ids: Collection[str]) -> list[Difference]:
        """Hold how tasks stand against the book, except those that devices run while nobody waits."""
        stage, tasks = self.stage, self.paper.tasks
        now_ms = stage.now_ms()
        tasks.pass_time(now_ms)
        differences: list[Difference] = []
        for step_id in sorted(set(step_ids) & stage.tasks.keys()):
            if tasks.is_known(step_id, now_ms):
                task = await stage.task(step_id)
                seen = Seen(jobs=jobs_of(task), task_state=task.state)
                differences += compare_task(step_id, tasks.with_jobs(Seen(), step_id, now_ms), seen)
        return differences

    async def take_in(self, turn: Turn) -> None:
        """Follow what auto-add policies take in, and count it."""
        stage, auto_adds = self.stage, self.paper.auto_adds
        still = await self._follow_auto_adds(turn.limit_ms)
        auto_adds.asked.clear()
        predicted = auto_adds.counts(stage.auto_added)
        if still:
            predicted["success"] = predicted.get("success", 0) + still
        counts = Counter(taken.state for taken in stage.auto_added.values())
        turn.seen = structs.replace(turn.seen, auto_added=dict(counts))
        if turn.predicted is not None:
            turn.predicted = structs.replace(turn.predicted, auto_added=predicted)

    async def _follow_auto_adds(self, limit_ms: int) -> int:
        """Wait until all are taken in that must be and their jobs have ended; answers how many are wanting."""
        stage, auto_adds = self.stage, self.paper.auto_adds
        deadline = time.monotonic() + limit_ms / 1_000
        while True:
            await stage.learn_auto_added()
            auto_adds.learn(stage.auto_added, stage.now_ms())
            still = auto_adds.outstanding(stage.now_ms())
            has_come_to_rest = all(
                taken.has_ended or stage.crew.is_resting(taken.device_id)
                for taken in stage.auto_added.values()
            )
            if (not still and has_come_to_rest) or time.monotonic() >= deadline:
                return still
            await asyncio.sleep(POLL_S)

    def complete(self, turns: Sequence[Turn], after: Standing) -> None:
        """Fill in what steps did to the account; the next one begins where they leave it."""
        paper_after = self.paper.standing(after.now_ms)
        for turn in turns:
            turn.seen = complete(turn.seen, self.before, after)
            if turn.predicted is not None:
                if isinstance(turn.step.action, p.Check) and turn.predicted.grandfathered is None:
                    turn.predicted = structs.replace(turn.predicted, grandfathered=turn.seen.grandfathered)
                turn.predicted = complete(turn.predicted, self._paper_before, paper_after)
        self.before, self._paper_before = after, paper_after

    def take_back(self, turn: Turn) -> None:
        """Go on after jobs that did not end, as it was said that they would not."""
        for step_id in turn.awaited:
            self.paper.tasks.reopen(step_id, self.stage.roster.states[step_id])
