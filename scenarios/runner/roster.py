"""Who is who: the devices of fleets and groups, who is licensed, and what became of each step's task.

It answers selections. It learns from whoever carries a play out: the real platform, or the one on paper.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from platform_stub.protocol.errors import OtaSimError
from platform_stub.protocol.operator import Device, RegisterDevice
from scenarios.play import Devices, FleetStart, Flow, PackageFacts
from scenarios.selection import Outcome, Selection

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
        )

    def again(self, device_id: int) -> Self:
        """Make the device that is created again under this one's name (P12): it is the same thing, and a new device."""
        return replace(self, device_id=device_id, cards=1, terminated=False)


@dataclass(slots=True)
class Roster:
    """All devices of a play. By step, `states` has the state of each device's job, `packages` its task's package."""

    groups: Mapping[str, Devices]
    members: dict[int, Member] = field(default_factory=dict)
    listed: dict[str, list[int]] = field(default_factory=dict)
    licensed: dict[int, str] = field(default_factory=dict)
    states: dict[str, dict[int, str]] = field(default_factory=dict)
    packages: dict[str, PackageFacts] = field(default_factory=dict)

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
        """Give those of them that live and are there, each once."""
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
        return chosen

    def _base(self, selection: Selection) -> list[int]:
        if selection.outcome is not None:
            states = self.states.get(selection.base)
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
