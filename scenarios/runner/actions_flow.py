"""The operator's flow, carried out: tasks created, paused and resumed, auto-add policies, webhook, injected faults.

What it came to is answered; whether that is right is judged elsewhere.
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import structs

from device_sim import FleetError
from platform_stub.protocol import operator as api
from scenarios import play as p
from scenarios.operator import Refusal
from scenarios.results import Seen
from scenarios.runner.roster import CannotSelect
from scenarios.runner.stage import Ordered, Stage
from scenarios.runner.standing import created, jobs_of, refused
from scenarios.runner.uploads import upload
from scenarios.strikes import can_strike

IDLE_S: Final = 30.0
WHOLE: Final = 100_000
"""All, as a share."""


async def create_task(
    stage: Stage, step: p.PlayStep, action: p.CreateTask, device_ids: Sequence[int]
) -> Seen:
    """Create a task, and its package if it is not there yet."""
    facts = stage.place(action.package, device_ids)
    package = await upload(stage, facts, skip=action.verification == "skip")
    if isinstance(package, Refusal):
        return refused(package)
    order = _order(stage, step, action, package.package_id, device_ids)
    if action.key:
        order = _same_order(stage, action, order, device_ids)
        answer = await stage.operator.create_task(stage.account_id, order, action.key)
    else:
        answer = await stage.operator.create_task(stage.account_id, order)
    if isinstance(answer, api.Task):
        stage.task_packages[step.id] = facts
    return await keep_task(stage, step.id, answer, device_ids)


def _same_order(
    stage: Stage, action: p.CreateTask, order: api.CreateTask, device_ids: Sequence[int]
) -> api.CreateTask:
    """Ask for the very same as before when a step says the same under the same key (P13)."""
    ordered = stage.orders.get(action.key)
    if ordered is not None and (ordered.action, ordered.device_ids) == (action, tuple(device_ids)):
        return ordered.order
    stage.orders.setdefault(action.key, Ordered(action, tuple(device_ids), order))
    return order


def _order(
    stage: Stage, step: p.PlayStep, action: p.CreateTask, package_id: int, device_ids: Sequence[int]
) -> api.CreateTask:
    start_ms = action.start_at_ms
    if action.start_in_ms:
        start_ms = stage.now_ms() + action.start_in_ms
    versions = action.start_versions
    return api.CreateTask(
        package_id=package_id,
        device_ids=list(device_ids) if action.scope == "chosen" else None,
        scope=action.scope,
        start_versions=None if versions is None else list(versions),
        name=step.id,
        verification=action.verification == "first",
        start_at_ms=start_ms,
        expires_after_ms=action.expires_ms,
        retry=action.retry,
        signal=action.signal,
        battery=action.battery,
        notification=action.notification,
    )


async def keep_task(
    stage: Stage, step_id: str, answer: api.Task | Refusal, device_ids: Sequence[int]
) -> Seen:
    """Note a task that was created, and its jobs."""
    if isinstance(answer, Refusal):
        return refused(answer, len(set(device_ids)))
    first = next((s for s, task_id in stage.tasks.items() if task_id == answer.task_id), None)
    if first is not None:
        stage.roster.same[step_id] = first  # a repeated request got the task of the first one (P13)
        return created(answer)
    stage.tasks[step_id] = answer.task_id
    if answer.scope == "all":
        await stage.learn(step_id)
    else:
        stage.roster.states[step_id] = dict.fromkeys(device_ids, "pending")  # P6
    return created(answer)


async def pause_task(stage: Stage, _: p.PlayStep, action: p.PauseTask, __: Sequence[int]) -> Seen:
    """Pause a task, and let devices come to rest that let go of their job."""
    answer = await stage.operator.pause_task(stage.tasks[action.of])
    return await _after(stage, action.of, answer)


async def resume_task(stage: Stage, _: p.PlayStep, action: p.ResumeTask, __: Sequence[int]) -> Seen:
    """Resume a task."""
    answer = await stage.operator.resume_task(stage.tasks[action.of])
    await stage.learn(action.of)
    return refused(answer) if isinstance(answer, Refusal) else _shown(answer)


async def cancel_task(stage: Stage, _: p.PlayStep, action: p.CancelTask, __: Sequence[int]) -> Seen:
    """Cancel a task, and let devices come to rest."""
    answer = await stage.operator.cancel_task(stage.tasks[action.of])
    return await _after(stage, action.of, answer)


async def cancel_jobs(stage: Stage, _: p.PlayStep, action: p.CancelJobs, device_ids: Sequence[int]) -> Seen:
    """Cancel some devices' jobs, until one is refused."""
    tids = {job.device_id: job.tid for job in await stage.operator.jobs(stage.tasks[action.of])}
    for device_id in dict.fromkeys(device_ids):
        if device_id not in tids:
            name = stage.roster.members[device_id].name
            raise CannotSelect(f"{name} (device {device_id}) has no job of {action.of}")
    answer: api.Job | Refusal | None = None
    for device_id in dict.fromkeys(device_ids):
        answer = await stage.operator.cancel_job(tids[device_id])
        if isinstance(answer, Refusal):
            break
    if isinstance(answer, Refusal):
        await stage.learn(action.of)
        return refused(answer)
    return await _after(stage, action.of, await stage.task(action.of))


async def _after(stage: Stage, step_id: str, answer: api.Task | Refusal) -> Seen:
    await stage.learn(step_id)
    if isinstance(answer, Refusal):
        return refused(answer)
    with suppress(FleetError):  # what a device is still at, the next wait shows
        await stage.crew.rest(IDLE_S)
    await stage.crew.probe()
    return _shown(answer)


def _shown(task: api.Task) -> Seen:
    return Seen(jobs=jobs_of(task), task_state=task.state)


async def auto_add(stage: Stage, _: p.PlayStep, action: p.AutoAdd, __: Sequence[int]) -> Seen:
    """Set a package's auto-add policy, or take it off."""
    if action.package_of is not None:
        facts = stage.task_packages.get(action.package_of)
        if facts is None:
            raise CannotSelect(f"step {action.package_of} has created no task")
    else:
        assert action.package is not None
        facts = action.package
    package = await upload(stage, facts, skip=action.package_of is None)
    if isinstance(package, Refusal):
        return refused(package)
    versions = action.start_versions
    policy = None if action.off else api.AutoAdd(start_versions=None if versions is None else list(versions))
    answer = await stage.operator.set_auto_add(package.package_id, policy)
    return refused(answer) if isinstance(answer, Refusal) else Seen()


async def set_webhook(stage: Stage, _: p.PlayStep, action: p.SetWebhook, __: Sequence[int]) -> Seen:
    """Set the run's own webhook, or take it off."""
    if action.off:
        gone = await stage.operator.remove_webhook(stage.account_id)
        return Seen() if gone is None else refused(gone)
    receiver = await stage.listen(passes=action.passes, failing=action.failing)
    answer = await stage.operator.set_webhook(stage.account_id, receiver.url, receiver.token)
    return refused(answer) if isinstance(answer, Refusal) else Seen()


async def inject(stage: Stage, step: p.PlayStep, action: p.Inject, device_ids: Sequence[int]) -> Seen:
    """Inject a fault, towards a share of the devices when there is one."""
    chosen = list(dict.fromkeys(device_ids)) or None
    if action.share is not None:
        chosen = _drawn(stage, step.id, action, chosen)
    rule = structs.replace(action.rule, device_ids=chosen)
    answer = await stage.operator.inject(rule)
    if isinstance(answer, Refusal):
        return refused(answer)
    stage.faults[step.id] = answer.fault_id
    return Seen(devices=None if chosen is None else len(chosen))


def _drawn(stage: Stage, step_id: str, action: p.Inject, device_ids: list[int] | None) -> list[int]:
    """Draw exactly the share of those devices that can be struck, and one at least, by the scenario's seed."""
    members = stage.roster.members
    here = stage.roster.on_air(members if device_ids is None else device_ids)
    among = [device_id for device_id in here if can_strike(action.rule, members[device_id].flow)]
    if not among:
        raise CannotSelect("none of these devices is there to be struck")
    assert action.share is not None
    count = max(1, (len(among) * action.share * 2 + WHOLE) // (2 * WHOLE))
    return sorted(random.Random(f"{stage.play.seed} {step_id}").sample(among, count))


async def clear_injected(stage: Stage, _: p.PlayStep, action: p.ClearInjected, __: Sequence[int]) -> Seen:
    """Take injected faults off, after their last count."""
    if action.by is not None and action.by not in stage.faults:
        raise CannotSelect(f"step {action.by} has injected no fault")
    await stage.count_strikes()
    gone = await stage.operator.clear_injected(None if action.by is None else stage.faults[action.by])
    return Seen() if gone is None else refused(gone)


async def reconnect(stage: Stage, step: p.PlayStep, _: p.Reconnect, device_ids: Sequence[int]) -> Seen:
    """Let devices go off and come back as the devices that they are."""
    here = stage.roster.on_air(device_ids)
    stage.crew.restart(here)
    await stage.come_back(step, here)
    return Seen(devices=len(here))
