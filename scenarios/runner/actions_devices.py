"""What a step does to devices, carried out: more of them, faults, their world, power, connections, cards and keys.

What it came to is answered; whether that is right is judged elsewhere. Faults, power and the world are the devices' own
affair: the platform is not told of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from platform_stub.protocol.operator import RegisterDevice
from scenarios import play as p
from scenarios.cards import card_of
from scenarios.operator import Refusal
from scenarios.results import Seen
from scenarios.runner.events import Progress
from scenarios.runner.roster import CannotSelect
from scenarios.runner.stage import Stage
from scenarios.runner.standing import refused
from scenarios.runner.uploads import upload
from scenarios.runner.watch import watch

CARDS_S: Final = 60.0


async def upload_package(stage: Stage, _: p.PlayStep, action: p.Upload, __: Sequence[int]) -> Seen:
    """Upload a package, unless it is there."""
    answer = await upload(stage, stage.place(action.package, ()), skip=action.skip)
    return refused(answer) if isinstance(answer, Refusal) else Seen()


async def register(stage: Stage, step: p.PlayStep, action: p.Register, __: Sequence[int]) -> Seen:
    """Register more devices, and wait until those that connect are there."""
    made = await stage.register(action.fleet)
    if isinstance(made, Refusal):
        return refused(made)
    stage.say_who_is_absent(step, await stage.crew.add(made))
    return Seen(devices=action.fleet.count)


async def fail(stage: Stage, _: p.PlayStep, action: p.Fail, device_ids: Sequence[int]) -> Seen:
    """Let the next jobs of those that are there fail."""
    connected = stage.roster.in_fleet(device_ids)
    stage.crew.fail(connected, action.step, action.times)
    return Seen(devices=len(connected))


async def set_faults(stage: Stage, step: p.PlayStep, action: p.SetFaults, device_ids: Sequence[int]) -> Seen:
    """Arm a fault with those that are there."""
    connected = stage.roster.in_fleet(device_ids)
    stage.crew.set_fault(connected, step.id, action.fault)
    return Seen(devices=len(connected))


async def clear_faults(stage: Stage, _: p.PlayStep, action: p.ClearFaults, device_ids: Sequence[int]) -> Seen:
    """Take faults off: those of a step, or all."""
    chosen = stage.roster.in_fleet(device_ids) if action.devices else None
    return Seen(devices=stage.crew.clear_faults(action.by, chosen))


async def set_devices(stage: Stage, _: p.PlayStep, action: p.SetDevices, device_ids: Sequence[int]) -> Seen:
    """Change the world of those that are there."""
    connected = stage.roster.in_fleet(device_ids)
    stage.crew.set_world(
        connected,
        battery=action.battery,
        signal=action.signal,
        storage_bytes=action.storage_bytes,
        mcu_storage_bytes=action.mcu_storage_bytes,
    )
    stage.roster.set_world(connected, action)
    return Seen(devices=len(connected))


async def power_off(stage: Stage, _: p.PlayStep, action: p.PowerOff, device_ids: Sequence[int]) -> Seen:
    """Take the power from those that are there."""
    here = stage.roster.on_air(device_ids)
    stage.crew.power_off(here, action.for_ms)
    back_ms = None if action.for_ms is None else stage.now_ms() + action.for_ms
    stage.roster.switch_off(here, back_ms)
    return Seen(devices=len(here))


async def power_on(stage: Stage, step: p.PlayStep, _: p.PowerOn, device_ids: Sequence[int]) -> Seen:
    """Give those that have none their power back, and wait until they are there."""
    roster = stage.roster
    dark = roster.switch_on(roster.in_fleet(device_ids))
    stage.crew.power_on(dark)
    await stage.come_back(step, roster.on_air(dark))
    return Seen(devices=len(dark))


async def storm(stage: Stage, step: p.PlayStep, _: p.Storm, device_ids: Sequence[int]) -> Seen:
    """Cut the connections of those that are there, and wait until they are back."""
    here = stage.roster.on_air(device_ids)
    stage.crew.storm(here)
    await stage.come_back(step, here)
    return Seen(devices=len(here))


async def replace_cards(stage: Stage, step: p.PlayStep, _: p.ReplaceCards, device_ids: Sequence[int]) -> Seen:
    """Put new cards in (B9)."""
    return await _put_in(stage, step, {d: _next_card(stage, d) for d in dict.fromkeys(device_ids)})


async def swap_cards(stage: Stage, step: p.PlayStep, _: p.SwapCards, device_ids: Sequence[int]) -> Seen:
    """Let pairs of devices swap their cards (B9)."""
    chosen = list(dict.fromkeys(device_ids))
    if len(chosen) % 2:
        raise CannotSelect(
            f"{len(chosen):,} devices can't swap cards in pairs; choose an even number of them"
        )
    has = {**await _cards(stage), **stage.cards}
    swapped = {}
    for one, other in zip(chosen[::2], chosen[1::2], strict=True):
        swapped[one], swapped[other] = has[other], has[one]
    return await _put_in(stage, step, swapped)


async def renew_keys(stage: Stage, step: p.PlayStep, action: p.RenewKeys, device_ids: Sequence[int]) -> Seen:
    """Give devices new keys; those that are told sign with them from their next login, or call, on."""
    roster, wanted = stage.roster, list(dict.fromkeys(device_ids))
    for device_id in wanted:
        answer = await stage.operator.renew_key(device_id, None)
        if isinstance(answer, Refusal):
            return refused(answer)
        if action.told and roster.in_fleet([device_id]):
            stage.crew.renew_keys({device_id: answer.key})
    roster.lock(wanted, is_locked=not action.told)
    if action.told:
        await stage.come_back(step, roster.on_air(wanted))
    return Seen(devices=len(wanted))


def new_cards(stage: Stage, devices: Iterable[RegisterDevice]) -> list[RegisterDevice]:
    """Put cards in new devices."""
    return [stage.with_card(device, len(stage.roster.members) + at) for at, device in enumerate(devices)]


async def _put_in(stage: Stage, step: p.PlayStep, cards: Mapping[int, tuple[str, str]]) -> Seen:
    """Put these cards in. Devices over MQTT tell the platform, those without power once they have it.

    For the others, and those that are not there, it is entered, as there is no such call.
    """
    roster = stage.roster
    telling = [d for d in roster.in_fleet(cards) if roster.members[d].flow == "mqtt"]
    for device_id in cards.keys() - set(telling):
        answer = await stage.operator.replace_card(device_id, *cards[device_id])
        if isinstance(answer, Refusal):
            return refused(answer)
    stage.cards |= cards
    total = len(roster.on_air(telling))
    await watch(
        stage.crew.replace_cards({d: cards[d] for d in roster.in_fleet(cards)}, CARDS_S),
        lambda: stage.listener(Progress(doing="cards", step=step.id, done=0, total=total)),
    )
    known = await _cards(stage)
    matching = sum(known.get(device_id) == card for device_id, card in cards.items())
    return Seen(devices=len(cards), cards=matching)


async def _cards(stage: Stage) -> dict[int, tuple[str, str]]:
    return {d.device_id: (d.iccid, d.imsi) for d in await stage.operator.devices(stage.account_id)}


def _next_card(stage: Stage, device_id: int) -> tuple[str, str]:
    member = stage.roster.members[device_id]
    stage.roster.change(device_id, cards=member.cards + 1)
    return card_of(stage.play.seed, device_id, member.cards)
