"""A play on paper alone: what each step must come to, without a platform and without devices."""

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from scenarios import play as p
from scenarios.results import Difference, Seen
from scenarios.runner.awaited import awaited_by, shown_of
from scenarios.runner.compare import compare
from scenarios.runner.paper import Paper
from scenarios.runner.paper_tasks import PaperTasks
from scenarios.runner.roster import CannotSelect
from scenarios.runner.standing import complete

LOST: Final = "not predicted: it follows from how devices fared under an injected fault"
UNTOLD: Final = "not predicted: the jobs"
_OF_A_RETRY: Final = frozenset({"outcome", "needed", "available"})
_UNKNOWN: Final = frozenset({"notices", "deliveries", "pushes", "struck"})


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
    tasks, before = paper.tasks, paper.standing(paper.now_ms())
    running = tasks.all_running(paper.now_ms())
    own: str | None = getattr(step.action, "of", None)
    if any(
        each.outcome is not None and each.base in tasks.doubts for each in getattr(step.action, "devices", ())
    ):
        tasks.is_lost = True
    if own in tasks.doubts - tasks.created.keys():
        return Planned(step, Seen(), (), remark=LOST if tasks.is_lost else f"{UNTOLD} of {own}")
    try:
        device_ids = paper.roster.select(getattr(step.action, "devices", ()))
        if step.wait_ms is not None and isinstance(step.action, p.Advance | p.AdvanceTo):
            _stop_at_starts(paper, step.action)
        predicted = paper.perform(step, device_ids, paper.now_ms())
    except CannotSelect as exc:
        return Planned(step, Seen(outcome="not done"), (), note="" if tasks.is_lost else str(exc))
    if predicted is None:
        note = "" if tasks.is_lost else "the task that it is about is not created"
        return Planned(step, Seen(outcome="not done"), (), note=note)
    awaited = awaited_by(tasks, step, running, paper.now_ms(), device_ids)
    tasks.settle(awaited, paper.now_ms())
    own = step.id if step.id in {*tasks.created, *tasks.doubts} else own
    shown = shown_of(awaited, own) or (step.id if own == step.id else None)
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
    differences = tuple(
        d
        for d in compare(step.expected, seen)
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
