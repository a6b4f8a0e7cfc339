"""The agents of a fleet that measures: the same devices, and each moment that counts is told to its `Timings`.

They are classes of their own, so that a fleet that does not measure has not even the question whether it does.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from device_sim.agent import Agent
from device_sim.core import effects
from device_sim.core.profile import Flow
from device_sim.http_agent import FuseAgent, HttpAgent, SouthAgent, StudioAgent
from device_sim.mqtt_agent import MqttAgent
from device_sim.timings import Timings
from device_sim.transport.stream import Stream
from platform_stub.protocol import topics


class _Timed(Agent):
    """An agent whose comings, jobs and losses are timed."""

    __slots__ = ()

    @property
    def timings(self) -> Timings:
        """Where it is counted."""
        assert self.crew.timings is not None, "the fleet measures, or else it has other agents"
        return self.crew.timings

    def moved(self) -> None:
        """See what became of it."""
        was_present, was_busy, *_ = self.counted
        super().moved()
        is_present, is_busy, *_ = self.counted
        if is_present and not was_present:
            self.timings.came(self.identity.device_id)
        if was_busy and not is_busy:
            self.timings.settled(self.identity.device_id)

    def drop(self) -> None:
        """Its connection is cut, if it has one."""
        was_present = self.counted[0]
        super().drop()
        if was_present and not self.counted[0]:
            self.timings.lost(self.identity.device_id)

    def leave(self) -> None:
        """It is measured no more."""
        super().leave()
        self.timings.forget(self.identity.device_id)

    def _timed_end(self, effect: effects.JobEnded) -> None:
        self.timings.job_ended(self.identity.device_id)
        Agent.carry_out[effects.JobEnded](self, effect)


class TimedMqttAgent(_Timed, MqttAgent):
    """A device that speaks MQTT."""

    __slots__ = ()

    def make_stream(self) -> Stream:
        """Its own dial begins: its turn has come."""
        self.timings.dialled(self.identity.device_id)
        return super().make_stream()

    def link_down(self, reason: str, refused: int) -> None:
        """Its connection ended, or did not come about."""
        if self.counted[0]:
            self.timings.lost(self.identity.device_id)
        super().link_down(reason, refused)

    def received(self, suffix: str, payload: bytes, now_ms: int) -> None:
        """A message came; one that leads to nothing was not about a job."""
        if suffix != topics.INFORM:
            super().received(suffix, payload, now_ms)
            return
        device_id = self.identity.device_id
        self.timings.told(device_id)
        super().received(suffix, payload, now_ms)
        if not self.device.is_busy:
            self.timings.settled(device_id)

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {**MqttAgent.carry_out, effects.JobEnded: _Timed._timed_end}  # noqa: SLF001 - of this module
    )


class _TimedHttpAgent(_Timed, HttpAgent):
    """A device that speaks HTTP: what it finds is what it is told."""

    __slots__ = ()

    def _timed_call(self, effect: effects.Call) -> None:
        if not self.counted[0]:
            self.timings.called(self.identity.device_id)
        HttpAgent.carry_out[effects.Call](self, effect)

    def _timed_start(self, effect: effects.JobStarted) -> None:
        if not self.timings.is_told(self.identity.device_id):
            self.timings.told(self.identity.device_id)
        Agent.carry_out[effects.JobStarted](self, effect)

    def _call_failed(self, reason: str) -> None:
        if self.counted[0]:
            self.timings.lost(self.identity.device_id)
        super()._call_failed(reason)

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {
            **HttpAgent.carry_out,
            effects.Call: _timed_call,
            effects.JobStarted: _timed_start,
            effects.JobEnded: _Timed._timed_end,  # noqa: SLF001 - of this module
        }
    )


class _TimedFuseAgent(_TimedHttpAgent, FuseAgent):
    __slots__ = ()


class _TimedStudioAgent(_TimedHttpAgent, StudioAgent):
    __slots__ = ()


class _TimedSouthAgent(_TimedHttpAgent, SouthAgent):
    __slots__ = ()


TimedAgent = TimedMqttAgent | _TimedFuseAgent | _TimedStudioAgent | _TimedSouthAgent

TIMED_AGENTS: Final[Mapping[Flow, type[TimedAgent]]] = MappingProxyType(
    {agent.flow: agent for agent in (TimedMqttAgent, _TimedFuseAgent, _TimedStudioAgent, _TimedSouthAgent)}
)
