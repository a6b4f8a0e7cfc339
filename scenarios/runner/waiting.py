"""Waiting until jobs of tasks have ended, or their devices have come to rest; or saying which have not and why."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
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
LOOK_MS: Final = 250
"""The same when something must not be so meanwhile."""
LOOK_S: Final = 0.05
"""How long between two looks at a task that has other open jobs too."""
GRACE_S: Final = 0.2
"""So long a device may do nothing before it is taken that it won't, where nothing says that it will."""
OPEN_STATES: Final = frozenset({"pending", "downloading", "upgrading"})
_IDLE: Final[Mapping[str, str]] = {"paused": "it is paused", "not_started": "it has not started"}

Look = Callable[[], Awaitable[None]]


async def settle(
    stage: Stage, step: p.PlayStep, awaited: Awaited, wait_ms: int, ended: int, look: Look | None = None
) -> str:
    """Wait until these devices' jobs of these steps' tasks have ended; answers what is missing when time is over.

    `ended` is how many jobs the devices had done before the step; `look` is done now and then.
    """
    deadline = time.monotonic() + wait_ms / 1_000
    for step_id, device_ids in awaited.items():
        wanted = set(device_ids)
        tell = _teller(stage, step, len(wanted), ended)
        task = await _wait_for_task(stage, step_id, wanted, deadline, tell, look)
        if still := open_jobs(stage, step_id) & wanted:
            return _stuck(stage, step_id, task, still, wait_ms)
    try:
        await stage.crew.rest(IDLE_S)
    except FleetFailed:
        raise
    except FleetError as exc:
        return str(exc)
    return ""


async def _wait_for_task(
    stage: Stage, step_id: str, wanted: set[int], deadline: float, tell: Callable[[], None], look: Look | None
) -> api.Task:
    """Follow a task until these devices' jobs have ended, and show how far they are.

    By long polls when nobody else's job is open, by looking often otherwise.
    """
    task_id, poll_ms = stage.tasks[step_id], POLL_MS if look is None else LOOK_MS
    while True:
        others = len(open_jobs(stage, step_id) - wanted)
        left_ms = 0 if others else max(0, int((deadline - time.monotonic()) * 1_000))
        task = await watch(stage.operator.task(task_id, min(left_ms, poll_ms)), tell)
        if look is not None:
            await look()
        is_over = (
            task.state != "upgrading" or time.monotonic() >= deadline
        )  # one that can't run is not waited for
        if is_over or sum(count for name, count in jobs_of(task).items() if name in OPEN_STATES) <= others:
            await stage.learn(step_id)
            if is_over or not open_jobs(stage, step_id) & wanted:
                return task
        await stage.crew.probe()
        if others:
            await asyncio.sleep(LOOK_S)


def _teller(stage: Stage, step: p.PlayStep, total: int, ended: int) -> Callable[[], None]:
    def tell() -> None:
        done = min(total, stage.crew.jobs_ended - ended)
        stage.listener(Progress(doing="jobs", step=step.id, done=done, total=total))

    return tell


class Rests:
    """Waits until devices have done what they do without their own time going on.

    `is_certain` says whether a device's job of a step's task ends by itself. One that does not, for all that is known,
    is not waited for once its device does nothing.
    """

    def __init__(self, stage: Stage, is_certain: Callable[[str, int], bool]) -> None:
        self._stage = stage
        self._is_certain = is_certain
        self._given_up: set[tuple[str, int]] = set()

    async def come_to_rest(
        self, step: p.PlayStep, awaited: Awaited, wait_ms: int, ended: int, look: Look | None = None
    ) -> str:
        """Wait until each of these jobs has ended or its device rests; answers what is missing when time is over."""
        stage, began = self._stage, time.monotonic()
        tell = _teller(stage, step, sum(map(len, awaited.values())), ended)
        rest_began: float | None = None
        while True:
            if look is not None:
                await look()
            tell()
            if not await stage.crew.comes_to_rest(LOOK_S):
                rest_began = None
            else:
                rest_began = time.monotonic() if rest_began is None else rest_began
                if not await self._still(awaited, time.monotonic() - rest_began):
                    return ""
                await asyncio.sleep(LOOK_S / 2)
            if time.monotonic() - began >= wait_ms / 1_000:
                return await self._missing(awaited, wait_ms)

    async def _still(self, awaited: Awaited, rested_s: float) -> bool:
        """Whether any of these jobs is waited for still."""
        stage, crew = self._stage, self._stage.crew
        for step_id, device_ids in awaited.items():
            await stage.learn(step_id)
            still = [d for d in open_jobs(stage, step_id) & set(device_ids) if not crew.is_resting(d)]
            for device_id in still:
                if self._is_certain(step_id, device_id) or not crew.is_still(device_id):
                    return True
                if (step_id, device_id) in self._given_up:
                    continue
                if rested_s < self._grace_s(device_id):
                    return True
            self._given_up |= {(step_id, device_id) for device_id in still}
        return False

    def _grace_s(self, device_id: int) -> float:
        """How long a device may do nothing and yet begin: one that asks does so at its pace."""
        if self._stage.roster.members[device_id].flow == "mqtt":
            return GRACE_S
        return GRACE_S + 1.5 * self._stage.crew.poll_ms / 1_000

    async def _missing(self, awaited: Awaited, wait_ms: int) -> str:
        """Say whose jobs have not come to rest."""
        stage = self._stage
        for step_id, device_ids in awaited.items():
            await stage.learn(step_id)
            open_ids = open_jobs(stage, step_id) & set(device_ids)
            if still := {d for d in open_ids if not stage.crew.is_still(d) or self._is_certain(step_id, d)}:
                return _stuck(stage, step_id, await stage.task(step_id), still, wait_ms)
        return f"after {wait_ms / 1_000:g} s devices are still busy with what is no job of this scenario"


def open_jobs(stage: Stage, step_id: str) -> set[int]:
    """Give the devices whose job is open, as far as it is known here."""
    return {d for d, state in stage.roster.states[step_id].items() if state in OPEN_STATES}


def _stuck(stage: Stage, step_id: str, task: api.Task, open_ids: Collection[int], wait_ms: int) -> str:
    """Say which jobs did not end, what the first of their devices are at, and what would help."""
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
        f"({counts}): {named}{more}{_advice(stage, still)}"
    )


def _advice(stage: Stage, still: Collection[int]) -> str:
    """Say what lets devices go on that wait for their own time to pass."""
    resting, rest_ms = sum(map(stage.crew.is_resting, still)), stage.crew.rest_ms()
    if not resting or rest_ms is None:
        return ""
    who = "it waits" if resting == 1 else f"{resting:,} of them wait"
    return (
        f"; {who} for time to pass, the next {rest_ms / 1_000:,.0f} s: take the step's wait away (wait: none) and "
        f"let a step advance the clock after it, or wait longer"
    )
