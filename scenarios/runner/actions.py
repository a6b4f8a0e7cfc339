"""Each action, carried out at the platform and on its devices, and what was answered.

What takes several actions, or looks at the platform in between, is no single one: `wait_until` and `parallel` are the
director's. Whether what came of it is right is judged elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from platform_stub.protocol import operator as api
from platform_stub.protocol.operator import RegisterDevice
from scenarios import play as p
from scenarios.operator import Operator, Refusal
from scenarios.results import Seen
from scenarios.runner import actions_devices as devices
from scenarios.runner import actions_flow as flow
from scenarios.runner.crew import Coming
from scenarios.runner.stage import Stage
from scenarios.runner.standing import looked_at, refused


async def perform(stage: Stage, step: p.PlayStep, device_ids: Sequence[int]) -> Seen:
    """Do what a step says, to these devices."""
    return await _PERFORMERS[type(step.action)](stage, step, step.action, device_ids)


async def _retry_task(stage: Stage, step: p.PlayStep, action: p.RetryTask, _: Sequence[int]) -> Seen:
    states = stage.roster.states[action.of]
    failed = [device_id for device_id, state in states.items() if state == "failed"]
    answer = await stage.operator.retry_task(stage.tasks[action.of])
    stage.task_packages[step.id] = stage.task_packages[action.of]
    return await flow.keep_task(stage, step.id, answer, failed)


async def _nothing(_: Stage, __: p.PlayStep, ___: object, ____: Sequence[int]) -> Seen:
    return Seen()


async def _terminate(stage: Stage, _: p.PlayStep, __: p.Terminate, device_ids: Sequence[int]) -> Seen:
    for device_id in dict.fromkeys(device_ids):
        answer = await stage.operator.terminate(device_id)
        if isinstance(answer, Refusal):
            return refused(answer)
        if stage.roster.members[device_id].connect:
            await stage.crew.remove([device_id])
        stage.roster.change(device_id, terminated=True)
    return Seen(devices=len(device_ids))


async def _create_again(
    stage: Stage, step: p.PlayStep, action: p.CreateAgain, device_ids: Sequence[int]
) -> Seen:
    made: list[Coming] = []
    for product in {stage.roster.members[device_id].product: None for device_id in device_ids}:
        old = [m for d in device_ids if (m := stage.roster.members[d]).product == product]
        again = [RegisterDevice(name=m.name, f_version=m.f_version, s_version=m.s_version) for m in old]
        answer = await stage.operator.register(stage.products[product], devices.new_cards(stage, again))
        if isinstance(answer, Refusal):
            return refused(answer)
        members = [m.again(device.device_id) for m, device in zip(old, answer, strict=True)]
        stage.roster.enlist(action.group, members)
        made += [Coming(device, m) for device, m in zip(answer, members, strict=True) if m.connect]
    stage.say_who_is_absent(step, await stage.crew.add(made))
    return Seen(devices=len(device_ids))


async def _move(stage: Stage, _: p.PlayStep, action: p.Move, device_ids: Sequence[int]) -> Seen:
    for device_id in dict.fromkeys(device_ids):
        answer = await stage.operator.move(device_id, stage.products[action.to])
        if isinstance(answer, Refusal):
            return refused(answer)
        stage.roster.change(device_id, product=action.to)
        if stage.roster.members[device_id].connect:
            await stage.crew.remove([device_id])
            await stage.crew.add([Coming(answer, stage.roster.members[device_id])])
    return Seen(devices=len(device_ids))


async def _set_charging_date(
    stage: Stage, _: p.PlayStep, action: p.SetChargingDate, __: Sequence[int]
) -> Seen:
    return _told(await stage.operator.set_charging_date(stage.account_id, action.at_ms))


async def _set_clock(stage: Stage, _: p.PlayStep, action: p.Advance | p.AdvanceTo, __: Sequence[int]) -> Seen:
    """Move the devices' own time, then the clock: what the new time tells devices, they begin with after it."""
    if isinstance(action, p.Advance):
        stage.crew.pass_time(action.span_ms)
        answer = await stage.operator.set_clock(stage.account_id, advance_ms=action.span_ms)
    else:
        stage.crew.pass_time(action.at_ms - stage.now_ms())
        answer = await stage.operator.set_clock(stage.account_id, to_ms=action.at_ms)
    if isinstance(answer, api.Clock):
        stage.follow_clock(answer.now_ms)
    return _told(answer)


async def _check(stage: Stage, _: p.PlayStep, action: p.Check, __: Sequence[int]) -> Seen:
    if action.of is None:
        return Seen()
    await stage.learn(action.of)
    return looked_at(await stage.task(action.of))


def _told(answer: object) -> Seen:
    return refused(answer) if isinstance(answer, Refusal) else Seen()


Performer = Callable[[Stage, p.PlayStep, Any, Sequence[int]], Awaitable[Seen]]


def _account_act(call: Callable[[Operator, int, Any], Awaitable[api.Account | Refusal]]) -> Performer:
    async def perform(stage: Stage, _: p.PlayStep, action: Any, __: Sequence[int]) -> Seen:
        return _told(await call(stage.operator, stage.account_id, action))

    return perform


_PERFORMERS: Final[Mapping[type[Any], Performer]] = {
    p.CreateTask: flow.create_task,
    p.RetryTask: _retry_task,
    p.CancelTask: flow.cancel_task,
    p.PauseTask: flow.pause_task,
    p.ResumeTask: flow.resume_task,
    p.CancelJobs: flow.cancel_jobs,
    p.AutoAdd: flow.auto_add,
    p.SetWebhook: flow.set_webhook,
    p.Inject: flow.inject,
    p.ClearInjected: flow.clear_injected,
    p.Reconnect: flow.reconnect,
    p.Upload: devices.upload_package,
    p.Register: devices.register,
    p.Fail: devices.fail,
    p.SetFaults: devices.set_faults,
    p.ClearFaults: devices.clear_faults,
    p.SetDevices: devices.set_devices,
    p.PowerOff: devices.power_off,
    p.PowerOn: devices.power_on,
    p.Storm: devices.storm,
    p.WaitJobs: _nothing,
    p.ReplaceCards: devices.replace_cards,
    p.SwapCards: devices.swap_cards,
    p.RenewKeys: devices.renew_keys,
    p.Terminate: _terminate,
    p.CreateAgain: _create_again,
    p.Move: _move,
    p.Buy: _account_act(lambda operator, account, action: operator.buy(account, action.count)),
    p.Grant: _account_act(
        lambda operator, account, action: operator.grant(account, action.count, action.contract)
    ),
    p.CancelLicences: _account_act(
        lambda operator, account, action: operator.cancel_licences(account, action.count)
    ),
    p.TopUp: _account_act(lambda operator, account, action: operator.top_up(account, action.amount_fen)),
    p.Posting: _account_act(
        lambda operator, account, action: operator.post(account, action.amount_fen, action.reason)
    ),
    p.Subscribe: _account_act(lambda operator, account, _: operator.subscribe(account)),
    p.SetChargingDate: _set_charging_date,
    p.Advance: _set_clock,
    p.AdvanceTo: _set_clock,
    p.Check: _check,
}
