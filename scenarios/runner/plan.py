"""A play on paper alone: what each step must come to, without a platform and without devices."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from scenarios import play as p
from scenarios.results import Difference, Seen
from scenarios.runner.awaited import Awaited, awaited_by, shown_of
from scenarios.runner.compare import compare
from scenarios.runner.paper import Paper
from scenarios.runner.paper_tasks import PaperTasks
from scenarios.runner.roster import CannotSelect
from scenarios.runner.standing import Standing, complete

LOST: Final = "not predicted: it follows from how devices fared under a fault"
UNTOLD: Final = "not predicted: the jobs"
_OF_A_RETRY: Final = frozenset({"outcome", "needed", "available"})
_UNKNOWN: Final = frozenset({"notices", "deliveries", "pushes", "struck", "journal"})


@dataclass(frozen=True, slots=True)
class Planned:
    """A step as predicted; `differences` are the expectations that the prediction contradicts."""

    step: p.PlayStep
    seen: Seen
    differences: tuple[Difference, ...]
    note: str = ""
    remark: str = ""  # what is not predicted


def plan(play: p.Play) -> list[Planned]:
    """Predict every step of a play. Jobs of connected devices end as planned, before the next step."""
    paper = Paper(play)
    paper.set_up()
    return [_plan_step(paper, step) for step in play.steps]


def _plan_step(paper: Paper, step: p.PlayStep) -> Planned:
    before = paper.standing(paper.now_ms())
    if isinstance(step.action, p.Parallel):
        return _plan_block(paper, step, step.action, before)
    begun = _begin(paper, step)
    if begun.planned is not None:
        return begun.planned
    return _sum_up(paper, begun, before)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A step as far as it is done; `planned` where that is already all."""

    step: p.PlayStep
    seen: Seen = field(default_factory=Seen)
    device_ids: Sequence[int] = ()
    running: Awaited = field(default_factory=dict)
    planned: Planned | None = None


def _begin(paper: Paper, step: p.PlayStep) -> _Begun:
    tasks, roster = paper.tasks, paper.roster
    own: str | None = getattr(step.action, "of", None)
    if own in roster.same:
        own = roster.task_of(own)
        step = structs.replace(step, action=structs.replace(step.action, of=own))
    running = tasks.all_running(paper.now_ms())
    if any(
        each.outcome is not None and roster.task_of(each.base) in tasks.doubts
        for each in getattr(step.action, "devices", ())
    ):
        tasks.is_lost = True
    if own in tasks.doubts - tasks.created.keys():
        remark = LOST if tasks.is_lost else f"{UNTOLD} of {own}"
        return _Begun(step, planned=Planned(step, Seen(), (), remark=remark))
    try:
        device_ids = roster.select(getattr(step.action, "devices", ()))
        if step.wait_ms is not None and isinstance(step.action, p.Advance | p.AdvanceTo):
            _stop_at_starts(paper, step.action)
        seen = paper.perform(step, device_ids, paper.now_ms())
    except CannotSelect as exc:
        return _not_done(tasks, step, str(exc))
    if seen is None:
        return _not_done(tasks, step, "the task that it is about is not created")
    if isinstance(step.action, p.WaitUntil):
        _wait_until(paper, step.action)
    return _Begun(step, seen, device_ids, running)


def _not_done(tasks: PaperTasks, step: p.PlayStep, note: str) -> _Begun:
    planned = Planned(step, Seen(outcome="not done"), (), note="" if tasks.is_lost else note)
    return _Begun(step, planned=planned)


_UNDER_WAY: Final = frozenset({"jobs.downloading", "jobs.upgrading"})


def _wait_until(paper: Paper, action: p.WaitUntil) -> None:
    """Let all jobs that can run do so; how far the clock is moved for it, and what is under way, is not on paper."""
    tasks, until = paper.tasks, action.until
    tasks.settle(tasks.all_running(paper.now_ms()), paper.now_ms())
    if action.advance_ms or not _UNDER_WAY.isdisjoint(until.counts) or until.running:
        tasks.is_lost = True


def _plan_block(paper: Paper, step: p.PlayStep, action: p.Parallel, before: Standing) -> Planned:
    """Plan steps that are done at once, one after the other; what depends on the order, a run may find otherwise."""
    begun = [_begin(paper, each) for each in action.steps]
    inner = [each.planned or _sum_up(paper, each, before) for each in begun]
    seen = complete(Seen(), before, paper.standing(paper.now_ms()))
    outer = _judge(paper.tasks, step, seen, None)
    notes = [f"{each.step.id}: {each.note}" for each in inner if each.note]
    differences = [
        structs.replace(difference, what=f"{each.step.id}: {difference.what}")
        for each in inner
        for difference in each.differences
    ]
    return Planned(step, seen, (*differences, *outer.differences), "; ".join(notes), outer.remark)


def _sum_up(paper: Paper, begun: _Begun, before: Standing) -> Planned:
    """Let jobs end that the step waits for, and judge it."""
    step, tasks, predicted = begun.step, paper.tasks, begun.seen
    awaited = awaited_by(tasks, step, begun.running, paper.now_ms(), begun.device_ids)
    tasks.settle(awaited, paper.now_ms())
    step_id = paper.roster.task_of(step.id)
    own: str | None = getattr(step.action, "of", None)
    own = step_id if step_id in {*tasks.created, *tasks.doubts} else own
    shown = shown_of(awaited, own) or (step.id if own == step.id else None)
    if isinstance(step.action, p.WaitUntil):
        shown = own
    if shown is not None and tasks.is_known(shown, paper.now_ms()):
        predicted = tasks.with_jobs(predicted, shown, paper.now_ms())
    if paper.auto_adds.is_used:
        tasks.is_lost = tasks.is_lost or bool(tasks.doubts)
        predicted = structs.replace(predicted, auto_added=dict(paper.auto_adds.plan(paper.now_ms())))
    paper.learn_licences()
    seen = complete(predicted, before, paper.standing(paper.now_ms()))
    return _judge(tasks, step, seen, own)


def _judge(tasks: PaperTasks, step: p.PlayStep, seen: Seen, own: str | None) -> Planned:
    """Hold a step's expectations against the prediction, as far as there is one."""
    if tasks.is_lost:
        return Planned(step, seen, (), remark=LOST)
    is_retry = step.id in tasks.doubts - tasks.created.keys()
    wanted = [step.action.until, step.expected] if isinstance(step.action, p.WaitUntil) else [step.expected]
    differences = tuple(
        d
        for d in itertools.chain.from_iterable(compare(each, seen) for each in wanted)
        if not _is_unknown(d, step, seen) and not (is_retry and d.what in _OF_A_RETRY)
    )
    is_untold = seen.jobs is None and own is not None and seen.outcome != "refused"
    return Planned(step, seen, differences, remark=f"{UNTOLD} of {own}" if is_untold else "")


def _stop_at_starts(paper: Paper, action: p.Advance | p.AdvanceTo) -> None:
    """Let devices do what they may before the clock moves, and at each start on the way."""
    tasks, now_ms = paper.tasks, paper.now_ms()
    to_ms = action.at_ms if isinstance(action, p.AdvanceTo) else now_ms + action.span_ms
    for at_ms in (now_ms, *tasks.starts(now_ms, to_ms)):
        tasks.pass_time(at_ms)
        tasks.settle(tasks.all_running(at_ms), at_ms)
        if paper.auto_adds.is_used:
            paper.auto_adds.plan(at_ms)


def _is_unknown(difference: Difference, step: p.PlayStep, seen: Seen) -> bool:
    """Whether the paper can't know: what is no rule's, and jobs that run while nobody waits for them."""
    group = difference.what.partition(".")[0]
    if group == "task_state":
        return seen.task_state is None or step.wait_ms is None
    return group in _UNKNOWN or (group == "jobs" and (seen.jobs is None or step.wait_ms is None))
