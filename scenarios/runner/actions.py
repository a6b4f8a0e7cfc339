"""Each action, carried out at the platform and on its devices, and what was answered.

Whether that is right is judged elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from platform_stub.protocol import operator as api
from platform_stub.protocol.operator import RegisterDevice
from scenarios import play as p
from scenarios.cards import card_of
from scenarios.operator import Operator, Refusal
from scenarios.results import Seen
from scenarios.runner import actions_flow as flow
from scenarios.runner.crew import Coming
from scenarios.runner.events import Progress
from scenarios.runner.stage import Stage
from scenarios.runner.standing import looked_at, refused
from scenarios.runner.watch import watch

CARDS_S: Final = 60.0


async def perform(stage: Stage, step: p.PlayStep, device_ids: Sequence[int]) -> Seen:
    """Do what a step says, to these devices."""
    return await _PERFORMERS[type(step.action)](stage, step, step.action, device_ids)


async def _retry_task(stage: Stage, step: p.PlayStep, action: p.RetryTask, _: Sequence[int]) -> Seen:
    states = stage.roster.states[action.of]
    failed = [device_id for device_id, state in states.items() if state == "failed"]
    answer = await stage.operator.retry_task(stage.tasks[action.of])
    stage.task_packages[step.id] = stage.task_packages[action.of]
    return await flow.keep_task(stage, step.id, answer, failed)


async def _fail(stage: Stage, _: p.PlayStep, action: p.Fail, device_ids: Sequence[int]) -> Seen:
    connected = stage.roster.on_air(device_ids)
    stage.crew.fail(connected, action.step, action.times)
    return Seen(devices=len(connected))


async def _nothing(_: Stage, __: p.PlayStep, ___: object, ____: Sequence[int]) -> Seen:
    return Seen()


async def _replace_cards(
    stage: Stage, step: p.PlayStep, _: p.ReplaceCards, device_ids: Sequence[int]
) -> Seen:
    cards = {d: _next_card(stage, d) for d in dict.fromkeys(device_ids)}
    here = {device_id: cards[device_id] for device_id in stage.roster.over_mqtt(device_ids)}
    for device_id in cards.keys() - here.keys():  # there is no call that tells the platform: it is entered
        answer = await stage.operator.replace_card(device_id, *cards[device_id])
        if isinstance(answer, Refusal):
            return refused(answer)
    await watch(
        stage.crew.replace_cards(here, CARDS_S),
        lambda: stage.listener(Progress(doing="cards", step=step.id, done=0, total=len(here))),
    )
    known = {d.device_id: (d.iccid, d.imsi) for d in await stage.operator.devices(stage.account_id)}
    return Seen(
        devices=len(cards), cards=sum(known.get(device_id) == card for device_id, card in cards.items())
    )


def _next_card(stage: Stage, device_id: int) -> tuple[str, str]:
    member = stage.roster.members[device_id]
    stage.roster.change(device_id, cards=member.cards + 1)
    return card_of(stage.play.seed, device_id, member.cards)


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
    stage: Stage, _: p.PlayStep, action: p.CreateAgain, device_ids: Sequence[int]
) -> Seen:
    made: list[Coming] = []
    for product in {stage.roster.members[device_id].product: None for device_id in device_ids}:
        old = [m for d in device_ids if (m := stage.roster.members[d]).product == product]
        again = [
            stage.with_card(
                RegisterDevice(name=member.name, f_version=member.f_version, s_version=member.s_version),
                len(stage.roster.members) + at,
            )
            for at, member in enumerate(old)
        ]
        answer = await stage.operator.register(stage.products[product], again)
        if isinstance(answer, Refusal):
            return refused(answer)
        members = [m.again(device.device_id) for m, device in zip(old, answer, strict=True)]
        stage.roster.enlist(action.group, members)
        made += [Coming(device, m) for device, m in zip(answer, members, strict=True) if m.connect]
    await stage.crew.add(made)
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
    if isinstance(action, p.Advance):
        answer = await stage.operator.set_clock(stage.account_id, advance_ms=action.span_ms)
    else:
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
    p.Fail: _fail,
    p.WaitJobs: _nothing,
    p.ReplaceCards: _replace_cards,
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
