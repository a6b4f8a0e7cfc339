"""Waiting until jobs of tasks have ended, or saying which have not and why."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final

from device_sim import FleetError, FleetFailed
from platform_stub.protocol import operator as api
from scenarios import play as p
from scenarios.runner.actions_flow import IDLE_S
from scenarios.runner.awaited import Awaited
from scenarios.runner.events import Progress
from scenarios.runner.stage import Stage
from scenarios.runner.standing import jobs_of
from scenarios.runner.watch import watch

NAMED_MAX: Final = 5
POLL_MS: Final = 2_000
"""How long one poll waits; between two it is seen whether the fleet still runs at all."""
LOOK_S: Final = 0.05
"""How long between two looks at a task that has other open jobs too."""
_OPEN: Final = frozenset({"pending", "downloading", "upgrading"})
_IDLE: Final[Mapping[str, str]] = {"paused": "it is paused", "not_started": "it has not started"}


async def settle(stage: Stage, step: p.PlayStep, awaited: Awaited, wait_ms: int, ended: int) -> str:
    """Wait until these devices' jobs of these steps' tasks have ended; answers what is missing when time is over.

    `ended` is how many jobs the devices had done before the step.
    """
    deadline = time.monotonic() + wait_ms / 1_000
    for step_id, device_ids in awaited.items():
        wanted = set(device_ids)
        task = await _wait_for_task(stage, step, step_id, wanted, deadline, ended)
        if still := _open(stage, step_id) & wanted:
            return _stuck(stage, step_id, task, still, wait_ms)
    try:
        await stage.crew.idle(IDLE_S)
    except FleetFailed:
        raise
    except FleetError as exc:
        return str(exc)
    return ""


async def _wait_for_task(
    stage: Stage, step: p.PlayStep, step_id: str, wanted: set[int], deadline: float, ended: int
) -> api.Task:
    """Follow a task until these devices' jobs have ended, and show how far they are.

    By long polls when nobody else's job is open, by looking often otherwise.
    """
    task_id, total = stage.tasks[step_id], len(wanted)

    def tell() -> None:
        done = min(total, stage.crew.jobs_ended - ended)
        stage.listener(Progress(doing="jobs", step=step.id, done=done, total=total))

    while True:
        others = len(_open(stage, step_id) - wanted)
        left_ms = 0 if others else max(0, int((deadline - time.monotonic()) * 1_000))
        task = await watch(stage.operator.task(task_id, min(left_ms, POLL_MS)), tell)
        is_over = (
            task.state != "upgrading" or time.monotonic() >= deadline
        )  # one that can't run is not waited for
        if is_over or sum(count for name, count in jobs_of(task).items() if name in _OPEN) <= others:
            await stage.learn(step_id)
            if is_over or not _open(stage, step_id) & wanted:
                return task
        await stage.crew.probe()
        if others:
            await asyncio.sleep(LOOK_S)


def _open(stage: Stage, step_id: str) -> set[int]:
    """Give the devices whose job is open, as far as it is known here."""
    return {device_id for device_id, state in stage.roster.states[step_id].items() if state in _OPEN}


def _stuck(stage: Stage, step_id: str, task: api.Task, open_ids: Collection[int], wait_ms: int) -> str:
    """Say which jobs did not end, and what the first of their devices are at."""
    still = [device_id for device_id in stage.roster.states[step_id] if device_id in open_ids]
    counts = ", ".join(f"{count:,} {state}" for state, count in jobs_of(task).items())
    named = "; ".join(
        f"{stage.roster.members[device_id].name} (device {device_id}): {stage.crew.describe(device_id)}"
        for device_id in still[:NAMED_MAX]
    )
    more = f"; and {len(still) - NAMED_MAX:,} more" if len(still) > NAMED_MAX else ""
    if task.state in _IDLE:
        return f"the jobs of {step_id} can't end: {_IDLE[task.state]} ({counts})"
    return (
        f"after {wait_ms / 1_000:g} s {len(still):,} of {task.device_count:,} jobs of {step_id} have not ended "
        f"({counts}): {named}{more}"
    )
