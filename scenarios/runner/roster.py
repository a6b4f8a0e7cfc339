"""Who is who: the devices of fleets and groups, who is licensed, and what became of each step's task.

It answers selections. It learns from whoever carries a play out: the real platform, or the one on paper.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from device_sim.core.faults import Fault
from device_sim.core.world import STURDY, Level, World
from platform_stub.protocol.errors import OtaSimError
from platform_stub.protocol.operator import Device, RegisterDevice
from scenarios.play import Devices, FleetStart, Flow, PackageFacts, SetDevices
from scenarios.selection import Outcome, Selection, SelectionFault, draw_key, drawn

_STATES: Mapping[Outcome, frozenset[str]] = {
    "failed": frozenset({"failed"}),
    "succeeded": frozenset({"success"}),
    "cancelled": frozenset({"cancelled"}),
    "open": frozenset({"pending", "downloading", "upgrading"}),
}


class CannotSelect(OtaSimError):
    """A selection asks for more devices than there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A device: its address at the platform, versions at its start, whether it is there, what it speaks, cards so far.

    Manufacturer and model are what it says of itself in flow south; there it may sign with its product's key too.
    """

    device_id: int
    product: str
    name: str
    connect: bool
    f_version: str | None
    s_version: str | None
    flow: Flow = "mqtt"
    manufacturer: str = ""
    model: str = ""
    has_product_key: bool = False
    cards: int = 1
    terminated: bool = False
    world: World = STURDY
    faults: tuple[Fault, ...] = ()  # that it came with

    @classmethod
    def of_fleet(cls, fleet: FleetStart, device_id: int, device: Device | RegisterDevice) -> Self:
        """Make a fleet's device."""
        habits = fleet.habits_of(device.name)
        return cls(
            device_id=device_id,
            product=fleet.product,
            name=device.name,
            connect=fleet.connect,
            f_version=device.f_version,
            s_version=device.s_version,
            flow=habits.flow,
            manufacturer=habits.manufacturer,
            model=habits.model,
            has_product_key=habits.has_product_key,
            world=fleet.world,
            faults=fleet.faults,
        )

    def again(self, device_id: int) -> Self:
        """Make the device that is created again under this one's name (P12): it is the same thing, and a new device."""
        return replace(self, device_id=device_id, cards=1, terminated=False)


@dataclass(slots=True)
class Roster:
    """All devices of a play. By step, `states` has the state of each device's job, `packages` its task's package.

    `off` are devices without power, and when they have it again; `locked` are those that don't know their new key;
    `same` leads from steps that got another step's task. `seed` is what devices are drawn by.
    """

    groups: Mapping[str, Devices]
    members: dict[int, Member] = field(default_factory=dict)
    listed: dict[str, list[int]] = field(default_factory=dict)
    licensed: dict[int, str] = field(default_factory=dict)
    states: dict[str, dict[int, str]] = field(default_factory=dict)
    packages: dict[str, PackageFacts] = field(default_factory=dict)
    off: dict[int, int | None] = field(default_factory=dict)
    locked: set[int] = field(default_factory=set)
    same: dict[str, str] = field(default_factory=dict)
    seed: int = 0

    def set_world(self, device_ids: Iterable[int], action: SetDevices) -> None:
        """Note what has become of the world of devices; what is not said stays as it is."""
        changes: dict[str, Any] = {}
        for name in ("storage_bytes", "mcu_storage_bytes"):
            if (size := getattr(action, name)) is not None:
                changes[name] = size
        for name in ("battery", "signal"):
            if (level := getattr(action, name)) is not None:
                changes[name] = Level(start=level)
        for device_id in device_ids:
            self.change(device_id, world=replace(self.members[device_id].world, **changes))

    def task_of(self, step_id: str) -> str:
        """Name the step that made the task that a step got: another one when its request was a repeated one (P13)."""
        return self.same.get(step_id, step_id)

    def switch_off(self, device_ids: Iterable[int], back_ms: int | None) -> None:
        """Note devices without power; at `back_ms` of the account's clock they have it again."""
        self.off |= dict.fromkeys(device_ids, back_ms)

    def switch_on(self, device_ids: Iterable[int]) -> list[int]:
        """Note devices that have power; answers those that had none."""
        return [device_id for device_id in device_ids if self.off.pop(device_id, -1) != -1]

    def lock(self, device_ids: Iterable[int], *, is_locked: bool) -> None:
        """Note devices that can't come in any more, or can again. Who signs with its product's key always can."""
        own = {d for d in device_ids if not self.members[d].has_product_key}
        self.locked = self.locked | own if is_locked else self.locked - own

    def wake(self, now_ms: int) -> list[int]:
        """Note devices that have their power back by now, and give them."""
        back = [d for d, back_ms in self.off.items() if back_ms is not None and back_ms <= now_ms]
        return self.switch_on(back)

    def enlist(self, group: str, members: Iterable[Member]) -> None:
        """Add devices, in their order, as a fleet or a group."""
        listed = self.listed.setdefault(group, [])
        for member in members:
            self.members[member.device_id] = member
            listed.append(member.device_id)

    def change(self, device_id: int, **changes: object) -> None:
        """Note what changed on a device."""
        self.members[device_id] = replace(self.members[device_id], **changes)  # type: ignore[arg-type]

    def on_air(self, device_ids: Iterable[int]) -> list[int]:
        """Give those of them that live, are there, have power and are let in, each once."""
        return [d for d in self.in_fleet(device_ids) if d not in self.off and d not in self.locked]

    def in_fleet(self, device_ids: Iterable[int]) -> list[int]:
        """Give those of them that live and are there, with or without power, each once."""
        members = self.members
        return [d for d in dict.fromkeys(device_ids) if members[d].connect and not members[d].terminated]

    def over_mqtt(self, device_ids: Iterable[int]) -> list[int]:
        """Give those of them that live and are there over MQTT, each once."""
        return [d for d in self.on_air(device_ids) if self.members[d].flow == "mqtt"]

    def open_steps(self) -> list[str]:
        """Name the steps whose task has an open job, as far as it is known here."""
        wanted = _STATES["open"]
        return [step_id for step_id, states in self.states.items() if not wanted.isdisjoint(states.values())]

    def select(self, devices: Devices) -> list[int]:
        """Give the devices of selections, in order; one that is named twice is there twice."""
        return [device_id for selection in devices for device_id in self._select(selection)]

    def _select(self, selection: Selection) -> list[int]:
        chosen = self._base(selection)
        if selection.ranges:
            highest = max(high for _, high in selection.ranges)
            if highest > len(chosen):
                raise CannotSelect(
                    f"{selection.text!r}: there are {len(chosen):,} devices, no number {highest:,}"
                )
            chosen = [chosen[at - 1] for low, high in selection.ranges for at in range(low, high + 1)]
        for narrowing in reversed(selection.filters):
            match narrowing.kind:
                case "licensed":
                    chosen = [d for d in chosen if d in self.licensed and not self.members[d].terminated]
                case "unlicensed":
                    chosen = [d for d in chosen if d not in self.licensed and not self.members[d].terminated]
                case "first" | "last":
                    if narrowing.count > len(chosen):
                        raise CannotSelect(
                            f"{selection.text!r}: there are only {len(chosen):,} to choose from"
                        )
                    chosen = (
                        chosen[: narrowing.count] if narrowing.kind == "first" else chosen[-narrowing.count :]
                    )
                case "some" | "share":
                    try:
                        chosen = drawn(chosen, narrowing, draw_key(self.seed, selection))
                    except SelectionFault as exc:
                        raise CannotSelect(f"{selection.text!r}: {exc}") from exc
        out = set(self.select(selection.but)) if selection.but else ()
        return [d for d in chosen if d not in out] if out else chosen

    def _base(self, selection: Selection) -> list[int]:
        if selection.outcome is not None:
            states = self.states.get(self.task_of(selection.base))
            if states is None:
                raise CannotSelect(f"{selection.text!r}: step {selection.base} has created no task")
            if selection.outcome == "devices":
                return list(states)
            wanted = _STATES[selection.outcome]
            return [device_id for device_id, state in states.items() if state in wanted]
        if selection.base in self.listed:
            return self.listed[selection.base]
        if selection.base in self.groups:
            return self.select(self.groups[selection.base])
        raise CannotSelect(f"{selection.text!r}: group {selection.base} is not there yet")
