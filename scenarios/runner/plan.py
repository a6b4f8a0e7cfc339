"""A play on paper alone: what each step must come to, without a platform and without devices."""

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from scenarios import play as p
from scenarios.results import Difference, Seen
from scenarios.runner.compare import compare
from scenarios.runner.paper import Paper
from scenarios.runner.roster import CannotSelect
from scenarios.runner.standing import complete

_UNKNOWN: Final = frozenset({"notices", "deliveries", "pushes", "struck"})


@dataclass(frozen=True, slots=True)
class Planned:
    """A step as predicted; `differences` are the expectations that the prediction contradicts."""

    step: p.PlayStep
    seen: Seen
    differences: tuple[Difference, ...]
    note: str = ""


def plan(play: p.Play) -> list[Planned]:
    """Predict every step of a play. Jobs of connected devices end as planned, before the next step."""
    paper = Paper(play)
    paper.set_up()
    return [_plan_step(paper, step) for step in play.steps]


def _plan_step(paper: Paper, step: p.PlayStep) -> Planned:
    before = paper.standing(paper.now_ms())
    try:
        device_ids = paper.roster.select(getattr(step.action, "devices", ()))
        predicted = paper.perform(step, device_ids, paper.now_ms())
    except CannotSelect as exc:
        return Planned(step, Seen(outcome="not done"), (), note=str(exc))
    if predicted is None:
        return Planned(step, Seen(outcome="not done"), (), note="the task that it is about is not created")
    settled = _to_settle(paper, step, predicted)
    paper.tasks.settle(settled, paper.now_ms())
    if len(settled) == 1 and not paper.tasks.is_troubled:
        predicted = paper.tasks.with_jobs(predicted, settled[0], paper.now_ms())
    if paper.auto_adds.is_used:
        predicted = structs.replace(predicted, auto_added=dict(paper.auto_adds.plan(paper.now_ms())))
    paper.learn_licences()
    seen = complete(predicted, before, paper.standing(paper.now_ms()))
    if paper.tasks.was_troubled:  # how jobs ended since then, and all that follows from it, is not on paper
        return Planned(step, seen, ())
    return Planned(
        step, seen, tuple(d for d in compare(step.expected, seen) if not _is_unknown(d, step, seen))
    )


def _to_settle(paper: Paper, step: p.PlayStep, predicted: Seen) -> list[str]:
    """Name the steps whose jobs end here."""
    if isinstance(step.action, p.WaitJobs):
        return [step.action.of] if step.action.of is not None else paper.tasks.task_steps()
    if predicted.outcome == "refused" or step.wait_ms is None:
        return []
    match step.action:
        case p.CreateTask() | p.RetryTask():
            return [step.id]
        case p.ResumeTask(of=of):
            return [of]
        case p.Advance() | p.AdvanceTo() | p.Reconnect():
            return [
                step_id
                for step_id in paper.roster.open_steps()
                if paper.tasks.can_run(step_id, paper.now_ms())
            ]
        case _:
            return []


def _is_unknown(difference: Difference, step: p.PlayStep, seen: Seen) -> bool:
    """Whether the paper can't know: what is no rule's, and jobs that run while nobody waits for them."""
    group = difference.what.partition(".")[0]
    if group == "task_state":
        return seen.task_state is None or step.wait_ms is None
    return group in _UNKNOWN or (group == "jobs" and (seen.jobs is None or step.wait_ms is None))
