"""What can be made to happen to a fleet's devices while it runs: faults, levels, power, cards, keys, storms, time.

A device is named by its device ID, and one that is not there is a UsageFault. What then comes of it is decided in
`core`; here it is passed on. Spans are milliseconds of the devices' running time, which goes on by the clock, and by
`pass_time` besides.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from device_sim.agent import Agent
from device_sim.census import Census
from device_sim.core.events import WorldSet
from device_sim.core.faults import Fault
from device_sim.core.wheel import NEVER
from device_sim.errors import Behind, FleetError
from device_sim.target import card_address
from device_sim.transport.alarm import Alarm
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import decode_key


class Happenings(ABC):
    """A fleet, as far as things happen to its devices."""

    alarm: Alarm
    _census: Census
    _agents: dict[int, Agent]
    _card_net: str

    @abstractmethod
    def _find(self, device_ids: Iterable[int]) -> list[Agent]:
        """Give the agents of these devices; UsageFault names those that are not there."""

    @abstractmethod
    def _behind(self, what: str, is_behind: Callable[[Agent], bool]) -> Behind:
        """Say how many devices are behind, and why the first of them."""

    # faults and hardware

    def set_faults(self, device_ids: Iterable[int], faults: Sequence[Fault]) -> None:
        """Let these faults, and no others, befall these devices from now on; () clears them."""
        wanted = tuple(faults)
        for agent in self._find(device_ids):
            agent.set_faults(wanted)

    def set_fault(self, device_ids: Iterable[int], fault: Fault | None) -> None:
        """Do the same with one fault; None clears them."""
        self.set_faults(device_ids, () if fault is None else (fault,))

    def set_world(
        self,
        device_ids: Iterable[int],
        *,
        battery: float | None = None,
        signal: float | None = None,
        storage_bytes: int | None = None,
        mcu_storage_bytes: int | None = None,
    ) -> None:
        """Set levels, in per cent, and free space; None leaves one as it is."""
        for name, level in (("battery", battery), ("signal", signal)):
            if level is not None and not 0 <= level <= 100:  # noqa: PLR2004 - per cent
                raise UsageFault(f"{name} = {level}: per cent are wanted, 0 to 100")
        for name, size in (("storage_bytes", storage_bytes), ("mcu_storage_bytes", mcu_storage_bytes)):
            if size is not None and size < 0:
                raise UsageFault(f"{name} = {size}: at least 0 is wanted")
        event = WorldSet(battery, signal, storage_bytes, mcu_storage_bytes)
        for agent in self._find(device_ids):
            agent.handle(event, self.alarm.now_ms())

    # power, and the network

    def power_off(self, device_ids: Iterable[int], for_ms: int | None = None) -> None:
        """Cut their power, for so long or until `power_on`: what is not in their flash is lost."""
        if for_ms is not None and for_ms < 1:
            raise UsageFault(f"for_ms = {for_ms}: at least 1 is wanted; leave it out to keep them off")
        for agent in self._find(device_ids):
            agent.cut_power(for_ms)

    def power_on(self, device_ids: Iterable[int]) -> None:
        """Give them power again; one that has it just goes on."""
        for agent in self._find(device_ids):
            agent.restore_power()

    def restart(self, device_ids: Iterable[int]) -> None:
        """Let them leave, cleanly, and come back as the devices that they are; what job they were at is lost."""
        for agent in self._find(device_ids):
            agent.leave()
            agent.arrive(self.alarm.now_ms())

    def storm(self, device_ids: Iterable[int]) -> None:
        """Cut all their connections at one moment; they come back at once."""
        for agent in self._find(device_ids):
            agent.drop()

    # cards and keys

    async def replace_cards(self, cards: Mapping[int, tuple[str, str]], timeout_s: float) -> None:
        """Put new cards in, (ICCID, IMSI) by device ID: the devices go offline, come back, and post them (B9).

        Returns when the last post was answered; FleetError when that takes too long. A device that is off has the card
        when it is switched on, and is not waited for. There is no such post over HTTP: those devices have the card and
        go on, and the platform does not learn of it. Where the platform is on a loopback address, a card has an address
        of its own there, from which the device connects from then on.
        """
        for agent in self._find(cards):
            iccid, imsi = cards[agent.identity.device_id]
            agent.replace_card(iccid, imsi, card_address(self._card_net, iccid, imsi))
        if not await self._census.wait(lambda: not self._census.cards_unposted, timeout_s):
            raise FleetError(
                self._behind("without an answer to their card", lambda a: a.device.card_unposted)
            )

    def renew_keys(self, keys: Mapping[int, str]) -> None:
        """Give them new keys by device ID, to sign with from their next login or call on. UsageFault: no key."""
        for device_id, key in keys.items():
            try:
                decode_key(key)
            except UsageFault as fault:
                raise UsageFault(f"device {device_id}: {fault}") from fault
        for agent in self._find(keys):
            agent.renew_key(keys[agent.identity.device_id])

    # their running time

    def pass_time(self, by_ms: int) -> None:
        """Let their running time go on by so much at once: installs end, power comes back, levels change."""
        if by_ms < 0:
            raise UsageFault(f"by_ms = {by_ms}: time goes forward")
        for agent in list(self._agents.values()):
            agent.pass_time(by_ms)

    @property
    def busy(self) -> int:
        """How many devices have something to do, those that rest included."""
        return self._census.busy

    @property
    def resting(self) -> int:
        """How many devices wait for their running time to go on, and for nothing else."""
        return self._census.resting

    async def rest(self, timeout_s: float) -> bool:
        """Wait until no device does anything but wait for its running time; False: some do when time is over.

        Raises what the fleet stopped with.
        """
        census = self._census
        return await census.wait(lambda: census.busy <= census.resting, timeout_s)

    def rests(self, device_id: int) -> bool:
        """Say whether a device waits for its running time to go on. UsageFault for an unknown one."""
        (agent,) = self._find([device_id])
        return agent.device.rest_due_ms != NEVER

    def is_still(self, device_id: int) -> bool:
        """Say whether a device does nothing, or nothing until its running time goes on. UsageFault: an unknown one."""
        (agent,) = self._find([device_id])
        return agent.device.rest_due_ms != NEVER or not agent.device.is_busy

    def is_up_to_date(self, device_id: int) -> bool:
        """Say whether nothing of a device is due by now, and it waits for no answer. UsageFault: an unknown one."""
        (agent,) = self._find([device_id])
        device = agent.device
        return device.due_ms > self.alarm.now_ms() and not device.is_unanswered

    def rest_ms(self) -> int | None:
        """Say after how much running time the next of them goes on; None when nobody rests."""
        if not self._census.resting:
            return None
        due_ms = min(agent.device.rest_due_ms for agent in self._agents.values())
        return max(due_ms - self.alarm.now_ms(), 0) if due_ms != NEVER else None
