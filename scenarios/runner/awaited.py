"""Whose jobs a step waits for: those of devices that are there and may begin with them by this step.

The same for a run and for a play on paper. Devices that are not there (`connect: false`) are nobody's to wait for.
`now_ms` is the account's clock.
"""

from collections.abc import Mapping, Sequence

from scenarios import play as p
from scenarios.runner.paper_tasks import PaperTasks

Awaited = Mapping[str, Sequence[int]]
"""Devices by the step whose task they have an open job of."""


def awaited_by(
    tasks: PaperTasks, step: p.PlayStep, before: Awaited, now_ms: int, devices: Sequence[int] = ()
) -> Awaited:
    """Give whom a step waits for once it is done; `before` is who could run before it, `devices` the step's own."""
    action = step.action
    if isinstance(action, p.WaitJobs):
        found = tasks.all_running(now_ms) if action.of is None else {action.of: tasks.there(action.of)}
        wanted = set(devices)
        return {s: [d for d in ids if not action.devices or d in wanted] for s, ids in found.items()}
    if isinstance(action, p.WaitUntil | p.Parallel):
        return {}  # they have waited
    running = {} if step.wait_ms is None else tasks.all_running(now_ms)
    if isinstance(action, p.Advance | p.AdvanceTo | p.Reconnect | p.PowerOn | p.Storm):
        return running  # whoever is under way: time must not run out on them, and who comes back begins again
    begun = {s: set(ids) - set(before.get(s, ())) for s, ids in running.items()}
    return {s: [d for d in running[s] if d in new] for s, new in begun.items() if new}


def shown_of(awaited: Awaited, own: str | None) -> str | None:
    """Name the step whose jobs are shown: the step's own task, or the only one that was waited for."""
    if own in awaited:
        return own
    return next(iter(awaited)) if len(awaited) == 1 else None
