"""Thousands of devices in one event loop.

    async with Fleet(stub, identities, seed=7) as fleet:
        await fleet.ready(30)
        ...
        await fleet.idle(60)

What a peer or the network does wrong costs the device concerned a reconnect or a job, is counted, and is in the
trace. A mistake in this program stops the whole fleet, and every wait raises it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Final, Self

from device_sim.agent import Agent
from device_sim.census import REFUSALS_UNTIL_HOPELESS, Census
from device_sim.core.faults import Fault
from device_sim.core.profile import FLOWS, Flow, Profile
from device_sim.core.wheel import NEVER
from device_sim.errors import Behind, FleetError, FleetFailed
from device_sim.happenings import Happenings
from device_sim.http_agent import FuseAgent, SouthAgent, StudioAgent
from device_sim.identity import Identity, check_identities
from device_sim.mqtt_agent import MqttAgent
from device_sim.reasons import reason, short_reason
from device_sim.recorder import Record, Recorder
from device_sim.snapshot import (
    Counters,
    DeviceView,
    FleetSnapshot,
    Trace,
    TraceEntry,
    Traffic,
    add_up,
    show_flow,
)
from device_sim.target import Endpoint, Target, card_net, claim_descriptors, resolve, source_addresses
from device_sim.timed_agents import TIMED_AGENTS
from device_sim.timings import Timings
from device_sim.transport.alarm import Alarm
from device_sim.transport.dialler import Address, Dialler
from device_sim.transport.http import HttpPool
from platform_stub.protocol.errors import EnvironmentFault, UsageFault

CLOSE_S: Final = 5.0
_AGENTS: Final[Mapping[Flow, type[MqttAgent | FuseAgent | StudioAgent | SouthAgent]]] = MappingProxyType(
    {agent.flow: agent for agent in (MqttAgent, FuseAgent, StudioAgent, SouthAgent)}
)
NAMED_MAX: Final = 5


def _real_ms() -> int:
    return time.time_ns() // 1_000_000


class Fleet(Happenings):
    """Devices that speak to one platform, each over the flow of its identity, or else of the profile.

    What can be made to happen to them is in `Happenings`. With a `recorder`, their stories are kept in it.
    `now_ms` is account time, by which tokens are signed; left out, it is real time, and a device that is refused sets
    its clock by the `Date` of the answer. `connects_in_flight`, `downloads_in_flight` and `calls_in_flight` bound what
    the fleet asks of the platform at once. `timings` counts latencies; `sources` are the local addresses to connect
    from, instead of the fleet's choice. UsageFault: a device is there twice, or its key is no key.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        target: Target,
        identities: Iterable[Identity] = (),
        *,
        seed: int = 0,
        profile: Profile | None = None,
        now_ms: Callable[[], int] | None = None,
        connects_in_flight: int = 80,
        downloads_in_flight: int = 64,
        calls_in_flight: int = 64,
        recorder: Recorder | None = None,
        timings: Timings | None = None,
        sources: Sequence[str] = (),
    ) -> None:
        if min(connects_in_flight, downloads_in_flight, calls_in_flight) < 1:
            raise UsageFault(
                "connects_in_flight, downloads_in_flight and calls_in_flight: at least 1 is wanted"
            )
        self.seed = seed
        self.recorder = recorder
        self.timings = timings
        self.profile = profile if profile is not None else Profile()
        self.account_ms = _real_ms if now_ms is None else now_ms
        self.sets_clock = now_ms is None
        self.alarm: Alarm
        self.dialler: Dialler
        self.pool: HttpPool
        self.calls: HttpPool
        self._counters: dict[Flow, Counters] = {flow: Counters() for flow in FLOWS}
        self._target = target
        self._sources = tuple(sources)
        self._mqtt_host = ""
        self._card_net = ""
        self._connections = 0  # how many devices hold a connection over MQTT, or will
        self._connects_in_flight = connects_in_flight
        self._downloads_in_flight = downloads_in_flight
        self._calls_in_flight = calls_in_flight
        self._identities = list(identities)
        check_identities(self._identities)
        self._agents: dict[int, Agent] = {}
        self._left: set[int] = set()
        self._census = Census()
        self._trace = Trace()
        self._failure: FleetFailed | EnvironmentFault | None = None
        self._started_ms = 0
        self.is_open = False

    async def __aenter__(self) -> Self:
        """Begin to connect. EnvironmentFault: too few descriptors, or an address that does not resolve."""
        self._claim(self._identities, self.profile)
        mqtt, http = await resolve(self._target.mqtt_address), await resolve(self._target.http_address)
        self.alarm = Alarm(asyncio.get_running_loop())
        self._mqtt_host = mqtt[0]
        self._card_net = card_net(mqtt[0], http[0])
        self.dialler = Dialler(mqtt, self._connects_in_flight)
        self.pool = self._make_pool(http, self._downloads_in_flight)
        self.calls = self._make_pool(http, self._calls_in_flight)
        self._started_ms = self.alarm.now_ms()
        if self.recorder is not None:
            self.recorder.begin(self._age_ms)
        self.is_open = True
        self._enlist(self._identities, self.profile)
        self._identities.clear()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all devices leave, cleanly; raises what the fleet failed with, if nothing else is raised."""
        self.is_open = False
        self._switch_off(list(self._agents.values()))
        self._agents.clear()
        self.pool.stop()
        self.calls.stop()
        self.dialler.stop()
        self.alarm.stop()
        await self._census.settle(CLOSE_S)
        if self._failure is not None and error is None:
            raise self._failure

    # what a test waits for

    async def ready(self, timeout_s: float) -> None:
        """Wait until every device is present: its version report was answered.

        FleetError when they are not in time, or when all that are missing are refused again and again; it names how
        many, and why the first of them are not.
        """
        census = self._census
        for agent in self._agents.values():
            if agent.refusals:  # what was refused before may have been mended since
                agent.refusals = 0
                census.moved(agent)

        def settled() -> bool:
            return census.present + census.hopeless >= len(self._agents)

        await census.wait(settled, timeout_s)
        if census.present < len(self._agents):
            raise FleetError(self._behind("not ready", lambda agent: not agent.is_present))

    async def idle(self, timeout_s: float) -> None:
        """Wait until no device has a job under way and nothing is unanswered; FleetError when it takes too long."""
        if not await self._census.wait(lambda: not self._census.busy, timeout_s):
            raise FleetError(self._behind("still busy", lambda agent: agent.device.is_busy))

    async def failed(self) -> None:
        """Wait for nothing but a mistake of this program, or its end; raises what the fleet stopped with."""
        await self._census.wait(lambda: False, None)

    # who is there

    def put_spare(self, device_id: int, version: str | None) -> None:
        """Have a version in the module's other slot, as it was when the device was left."""
        (agent,) = self._find([device_id])
        agent.device.spare = version

    def add(
        self,
        identities: Iterable[Identity],
        *,
        profile: Profile | None = None,
        faults: Mapping[int, Sequence[Fault]] = MappingProxyType({}),
    ) -> None:
        """Let more devices come, with a profile of theirs or the fleet's. UsageFault for one that is there already.

        `faults`, by device ID, befall them from the first moment on. The limits of HTTP requests (`http_timeout_ms`)
        are the fleet's: its connections are shared.
        """
        more, habits = list(identities), profile if profile is not None else self.profile
        check_identities([agent.identity for agent in self._agents.values()] + more)
        self._claim(more, habits)
        self._enlist(more, habits)
        for device_id, those in faults.items():
            self.set_faults([device_id], those)

    async def remove(self, device_ids: Iterable[int]) -> None:
        """Let devices leave, and forget them. UsageFault for an unknown one."""
        leaving = self._find(device_ids)
        self._switch_off(leaving)
        for agent in leaving:
            if self._agents.pop(agent.identity.device_id, None) is not None:
                agent.counters.devices -= 1
                self._left.add(agent.identity.device_id)
                self._connections -= agent.holds_connection
            self._trace.forget(agent.identity.device_id)
        self._census.wake()
        await asyncio.sleep(0)  # the sockets close in the next turn

    # what there is to see

    def snapshot(self) -> FleetSnapshot:
        """Count everything."""
        census, counted = self._census, self._counters.values()
        return FleetSnapshot(
            devices=len(self._agents),
            connected=census.connected,
            present=census.present,
            busy=census.busy,
            informs=sum(each.informs for each in counted),
            jobs_started=sum(each.jobs_started for each in counted),
            jobs_succeeded=sum(each.jobs_succeeded for each in counted),
            jobs_failed=sum(each.jobs_failed for each in counted),
            jobs_ended=sum(each.jobs_ended for each in counted),
            failed_steps=add_up(each.failed_steps for each in counted),
            downloads=self.pool.answers if self._started_ms else 0,
            downloaded_bytes=self.pool.body_bytes if self._started_ms else 0,
            reconnects=sum(each.reconnects for each in counted),
            connect_failures=sum(each.connect_failures for each in counted),
            refused=add_up(each.refused for each in counted),
            messages_sent=sum(each.messages_sent for each in counted),
            messages_received=sum(each.messages_received for each in counted),
            repeats=sum(each.repeats for each in counted),
            notes=self._trace.count,
            struck=add_up(each.struck for each in counted),
            flows={
                flow: show_flow(each)
                for flow, each in self._counters.items()
                if each.devices or each.jobs_started or each.calls
            },
        )

    def device(self, device_id: int) -> DeviceView:
        """Show one device. UsageFault for an unknown one."""
        (agent,) = self._find([device_id])
        device, identity = agent.device, agent.identity
        return DeviceView(
            device_id=device_id,
            product_id=identity.product_id,
            name=identity.name,
            flow=agent.flow,
            link=device.link.name.lower(),
            stage=device.stage.name.lower(),
            f_version=device.f_version,
            s_version=device.s_version,
            spare=device.spare,
            iccid=device.iccid,
            imsi=device.imsi,
            tid=None if device.job is None else device.job.tid,
            last_job=device.last_job,
            last_error=self._trace.last_of(device_id),
            is_busy=device.is_busy,
            is_resting=device.rest_due_ms != NEVER,
            is_hopeless=agent.refusals >= REFUSALS_UNTIL_HOPELESS,
        )

    def devices(self, device_ids: Iterable[int]) -> list[DeviceView]:
        """Show several devices."""
        return [self.device(device_id) for device_id in device_ids]

    def why(self, device_id: int) -> str:
        """Say in words why a device is where it is. UsageFault for an unknown one."""
        (agent,) = self._find([device_id])
        is_hopeless = agent.refusals >= REFUSALS_UNTIL_HOPELESS
        return reason(agent, self._trace.last_of(device_id), self.alarm.now_ms(), is_hopeless=is_hopeless)

    def traffic(self) -> list[Traffic]:
        """Count the messages of each device whose updates go over MQTT, but for who left, back again or not."""
        return [
            agent.traffic
            for agent in self._agents.values()
            if isinstance(agent, MqttAgent) and agent.identity.device_id not in self._left
        ]

    @property
    def trace(self) -> tuple[TraceEntry, ...]:
        """The first things that went wrong, oldest first."""
        return tuple(self._trace.entries)

    @property
    def device_ids(self) -> tuple[int, ...]:
        """All devices, in the order in which they came."""
        return tuple(self._agents)

    # what the agents need (`agent.Crew`)

    def moved(self, agent: Agent) -> None:
        """Count an agent again."""
        self._census.moved(agent)

    def socket_opened(self) -> None:
        """Count it."""
        self._census.socket_opened()

    def socket_closed(self) -> None:
        """Count it."""
        self._census.socket_closed()

    def note(self, agent: Agent, what: str) -> None:
        """Keep what went wrong."""
        self._trace.add(self._age_ms(), agent.identity.device_id, what)

    def record_of(self, device_id: int) -> Record | None:
        """Give what is kept of a device; None where nothing is."""
        return self.recorder.record_of(device_id) if self.recorder is not None else None

    def crash(self, agent: Agent | None, error: BaseException) -> None:
        """Stop: a mistake of this program, or no descriptor left. Everyone who waits is told."""
        if self._failure is not None:
            return
        if isinstance(error, EnvironmentFault):
            self._failure = error
        else:
            where = f"at device {agent.identity.device_id}" if agent is not None else "in an HTTP answer"
            self._failure = FleetFailed(f"the fleet stopped {where}: {type(error).__name__}: {error}")
            self._failure.__cause__ = error
        self.alarm.stop()
        self.dialler.stop()
        self.pool.stop()
        self.calls.stop()
        for each in self._agents.values():
            each.abort()
        self._census.fail(self._failure)

    def _enlist(self, identities: list[Identity], profile: Profile) -> None:
        now_ms = self.alarm.now_ms()
        for identity in identities:
            flow = _flow_of(identity, profile)
            counters = self._counters[flow]
            counters.devices += 1
            kind = _AGENTS[flow] if self.timings is None else TIMED_AGENTS[flow]
            agent = kind(self, identity, counters, profile)
            self._agents[identity.device_id] = agent
            self._connections += agent.holds_connection
        self.dialler.sources = self._sources or source_addresses(self._mqtt_host, self._connections)
        for identity in identities:
            self._agents[identity.device_id].arrive(now_ms)

    def _age_ms(self) -> int:
        return self.alarm.now_ms() - self._started_ms

    def _make_pool(self, address: Address, size: int) -> HttpPool:
        return HttpPool(
            address,
            size,
            name=self._target.http_address[0],
            alarm=self.alarm,
            timeout_ms=self.profile.http_timeout_ms,
            crashed=lambda error: self.crash(None, error),
        )

    def _switch_off(self, agents: Iterable[Agent]) -> None:
        for agent in agents:
            try:
                agent.leave()
            except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
                self.crash(agent, exc)

    def _claim(self, more: Iterable[Identity], profile: Profile) -> None:
        """Make room for a connection each over MQTT, and for the pools."""
        shared = not isinstance(self._target, Endpoint)
        pooled = 0 if self.is_open else self._downloads_in_flight + self._calls_in_flight
        connecting = sum(1 for each in more if profile.inform or _flow_of(each, profile) == "mqtt")
        unconnected = self._connections - self._census.sockets
        claim_descriptors(connecting + max(unconnected, 0), pooled, shared=shared)

    def _find(self, device_ids: Iterable[int]) -> list[Agent]:
        wanted = list(device_ids)
        unknown = [str(device_id) for device_id in wanted if device_id not in self._agents]
        if unknown:
            shown = ", ".join(unknown[:NAMED_MAX]) + (" ..." if len(unknown) > NAMED_MAX else "")
            raise UsageFault(f"{len(unknown)} device IDs are not in this fleet: {shown}")
        return [self._agents[device_id] for device_id in wanted]

    def _behind(self, what: str, is_behind: Callable[[Agent], bool]) -> Behind:
        behind = [agent for agent in self._agents.values() if is_behind(agent)]
        first = tuple(self._short(agent) for agent in behind[:NAMED_MAX])
        return Behind(what, len(behind), len(self._agents), first)

    def _short(self, agent: Agent) -> str:
        return short_reason(agent, self._trace.last_of(agent.identity.device_id))


def _flow_of(identity: Identity, profile: Profile) -> Flow:
    return identity.flow if identity.flow is not None else profile.flow
