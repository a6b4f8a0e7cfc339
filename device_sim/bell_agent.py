"""The MQTT connection of a device that speaks HTTP and wants to be told (`Profile.inform`).

It is no device of its own: the fleet does not count it, and what it is told it passes on.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from device_sim.agent import Crew
from device_sim.core import effects
from device_sim.core.bell import SUBSCRIPTIONS, Bell
from device_sim.core.profile import Profile
from device_sim.core.talker import Actor
from device_sim.identity import Identity
from device_sim.mqtt_agent import MqttAgent
from device_sim.snapshot import Counters


class Told(Protocol):
    """Whose bell it is."""

    def informed(self) -> None:
        """The platform has something for the device."""

    def moved(self) -> None:
        """The bell's connection came or went."""


class BellAgent(MqttAgent):
    """A device's bell on its socket."""

    __slots__ = ("_owner",)

    subscriptions: ClassVar[tuple[str, ...]] = SUBSCRIPTIONS

    def __init__(
        self, owner: Told, crew: Crew, identity: Identity, counters: Counters, profile: Profile
    ) -> None:
        super().__init__(crew, identity, counters, profile)
        self._owner = owner

    @staticmethod
    def _make_device(crew: Crew, identity: Identity, profile: Profile) -> Actor:
        return Bell(
            device_id=identity.device_id,
            seed=crew.seed,
            profile=profile,
            f_version=None,
            s_version=None,
            iccid="",
            imsi="",
        )

    def moved(self) -> None:
        """Have the device counted: it is in while its bell is."""
        self._owner.moved()

    def _ring(self, _: effects.Ring) -> None:
        self._owner.informed()

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {**MqttAgent.carry_out, effects.Ring: _ring}
    )
