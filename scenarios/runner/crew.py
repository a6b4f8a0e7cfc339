"""The devices of a play that are there: a fleet, whatever its devices speak, and how a run sees and steers it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import structs

from device_sim import (
    DeviceView,
    Fault,
    Fleet,
    FleetError,
    FleetSnapshot,
    Identity,
    Profile,
    Target,
)
from device_sim.core.world import World
from device_sim.errors import ShardDied
from device_sim.recorder import Recorder
from device_sim.shards.limits import read_limits
from device_sim.shards.plan import plan
from device_sim.shards.recorder import ShardedRecorder
from device_sim.shards.sharded import ShardedFleet
from device_sim.snapshot import Traffic
from platform_stub.protocol.operator import Device
from scenarios.results import FleetFigures
from scenarios.runner.roster import Member

CONNECT_S: Final = 120.0
CONNECT_S_PER_DEVICE: Final = 0.02
START_JITTER_MAX_MS: Final = 250
DEVICES_PER_JITTER_MS: Final = 8
POLL_MIN_MS: Final = 100
POLL_MAX_MS: Final = 2_000
"""How often devices that speak HTTP ask: a play does not wait long for a few, and is not flooded by many."""
REPLY_MS: Final = 1_000
REPLY_MAX_MS: Final = 8_000
RETRY_MS: Final = 50
RETRY_MAX_MS: Final = 400
REFUSED_MS: Final = 250
BACKOFF_MAX_MS: Final = 4_000
"""How soon devices try again what went wrong, in real time: a play waits less for it than the field does."""

PRESENT: Final = "present"
LOOK_S: Final = 0.02
SETTLE_S: Final = 2.0
"""How long a device is waited for, at most, that is never without something due or unanswered."""
NAMED_MAX: Final = 5
_KEEP_OUT: Final = frozenset({"clock_skew", "expired_token", "silent"})
"""Faults that may keep a device from coming in at all."""
FAIL: Final = ""
"""Stands for the step in what `fail` arms: it replaces what an earlier one has armed."""
FLEET: Final = "fleet "
"""Stands for the step in what a fleet's devices come with; a step's id has no space."""


class Coming(NamedTuple):
    """A device that comes: as the platform shows it, and as the play knows it."""

    device: Device
    member: Member


class Crew:
    """A fleet that need not have any device. `now_ms` is account time, `signing_key` a product's key for who has it.

    `recorder` keeps what happens to each device, and, with `wire`, what it sends and gets; it may be put another in its
    place before `start`. Over several `processes` that must be a `ShardedRecorder`.
    """

    def __init__(
        self,
        target: Target,
        seed: int,
        now_ms: Callable[[], int],
        signing_key: Callable[[Member], str],
        *,
        wire: bool = False,
        processes: int = 1,
    ) -> None:
        self.recorder: Recorder | ShardedRecorder = Recorder(wire=wire)
        self._target = target
        self._seed = seed
        self._now_ms = now_ms
        self._signing_key = signing_key
        self._faults: dict[int, dict[str, Fault]] = {}
        self._known: set[int] = set()
        self._stack = contextlib.AsyncExitStack()
        self._processes = processes
        self._fleet: Fleet | ShardedFleet | None = None
        self._last: FleetSnapshot | None = None

    async def __aenter__(self) -> Self:
        """Nothing connects before `start`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all devices leave."""
        if self._fleet is not None:
            with contextlib.suppress(ShardDied):  # whoever waited was told
                self._last = self._fleet.snapshot()
            self._fleet = None
        await self._stack.aclose()

    async def start(self, devices: Iterable[Coming]) -> None:
        """Let the first devices connect; `ready` waits for them."""
        coming = list(devices)
        if not coming:
            return
        profile = _profile(len(coming))
        recorder = self.recorder
        fleet: Fleet | ShardedFleet
        if isinstance(recorder, ShardedRecorder):
            fleet = ShardedFleet(
                self._target,
                plan=plan(len(coming), read_limits(), processes=self._processes, is_loopback=self._is_local),
                seed=self._seed,
                profile=profile,
                now_ms=self._now_ms,
                recorder=recorder,
            )
        else:
            fleet = Fleet(
                self._target, seed=self._seed, profile=profile, now_ms=self._now_ms, recorder=recorder
            )
        self._fleet = await self._stack.enter_async_context(fleet)
        self._enlist(fleet, coming)

    @property
    def _is_local(self) -> bool:
        """Whether the platform is on a loopback address, so that devices may come from several."""
        return self._target.mqtt_address[0].startswith("127.")

    def follow_clock(self) -> None:
        """Let devices in other processes know what account time is."""
        if isinstance(self._fleet, ShardedFleet):
            self._fleet.follow_clock()

    async def ready(self) -> None:
        """Wait until all are present whom nothing keeps out that was made to; FleetError names who is not."""
        if self._fleet is None:
            return
        if any(map(self._is_kept_out, self._known)):
            await self.back(self._known)
        else:
            await self._fleet.ready(CONNECT_S + CONNECT_S_PER_DEVICE * self._fleet.snapshot().devices)

    async def back(self, device_ids: Iterable[int], limit_s: float = CONNECT_S) -> list[int]:
        """Wait until these are present, whatever becomes of others; answers whom a fault of theirs keeps out.

        Nobody waits for who is refused again and again. FleetError names who is not there without such a fault.
        """
        wanted = list(device_ids)
        missing = wanted
        deadline = time.monotonic() + limit_s + CONNECT_S_PER_DEVICE * len(missing)
        while self._fleet is not None:
            missing = [view.device_id for view in self._fleet.devices(missing) if view.link != PRESENT]
            is_over = time.monotonic() >= deadline
            if is_over or all(map(self.is_barred, missing)):
                if all(map(self._is_kept_out, missing)):
                    await self._settle(set(wanted).difference(missing))
                    return missing
                raise FleetError(self.absence(missing))
            await self.probe()
            await asyncio.sleep(LOOK_S)
        return []

    async def _settle(self, device_ids: Iterable[int]) -> None:
        """Wait until devices of other processes have done what they do at once in ours: gone on where they were.

        Each says so once: that nothing is due, and nothing unanswered. Whom nobody answers is not waited for long, nor
        is it waited for what comes after: that is their own affair.
        """
        fleet = self._fleet
        if not isinstance(fleet, ShardedFleet):
            return
        deadline, behind = time.monotonic() + SETTLE_S, list(device_ids)
        while time.monotonic() < deadline:
            behind = [each for each in behind if not fleet.is_up_to_date(each)]
            if not behind:
                return
            await asyncio.sleep(LOOK_S)

    def absence(self, device_ids: Sequence[int]) -> str:
        """Say of devices that they are not there, and why the first of them are not."""
        named = "; ".join(f"device {d} {self.describe(d)}" for d in device_ids[:NAMED_MAX])
        more = f"; and {len(device_ids) - NAMED_MAX:,} more" if len(device_ids) > NAMED_MAX else ""
        count = "1 device is" if len(device_ids) == 1 else f"{len(device_ids):,} devices are"
        return f"{count} not there: {named}{more}"

    def is_barred(self, device_id: int) -> bool:
        """Whether nobody need wait for a device to come in: it was refused again and again, or does not ask."""
        view = self.view(device_id)
        if view is None or view.link == PRESENT:
            return False
        return view.is_hopeless or (view.flow != "mqtt" and "silent" in self._armed(device_id))

    def _is_kept_out(self, device_id: int) -> bool:
        """Whether a fault of a device is one that may keep it out."""
        return not _KEEP_OUT.isdisjoint(self._armed(device_id))

    def _armed(self, device_id: int) -> set[str]:
        """Name the kinds of a device's faults."""
        return {fault.what for fault in self._faults.get(device_id, {}).values()}

    async def idle(self, timeout_s: float) -> None:
        """Wait until no device does anything; FleetError names who still does."""
        if self._fleet is not None:
            await self._fleet.idle(timeout_s)

    async def rest(self, timeout_s: float) -> None:
        """Wait until no device does anything but wait for its own time to pass; FleetError names who still does."""
        if not await self.comes_to_rest(timeout_s):
            await self.idle(0)

    async def comes_to_rest(self, timeout_s: float) -> bool:
        """Wait for the same; False: some device still does something. Raises what the fleet as a whole stopped with."""
        return self._fleet is None or await self._fleet.rest(timeout_s)

    async def probe(self) -> None:
        """Raise FleetFailed, or EnvironmentFault, when the fleet as a whole has stopped."""
        await self.comes_to_rest(0)

    def fail(self, device_ids: Iterable[int], step: int, times: int) -> None:
        """Let their next jobs fail."""
        self.set_fault(device_ids, FAIL, Fault(what="fails", step=step, attempts=times))

    def set_fault(self, device_ids: Iterable[int], step_id: str, fault: Fault) -> None:
        """Arm a fault of a step, beside those that are armed already."""
        for device_id in device_ids:
            self._faults[device_id] = {**self._faults.get(device_id, {}), step_id: fault}
            self._arm(device_id)

    def clear_faults(self, step_id: str | None, device_ids: Iterable[int] | None) -> int:
        """Take off the faults of a step, or all, from these devices, or from all; answers how many devices had any."""
        wanted = list(self._faults) if device_ids is None else list(dict.fromkeys(device_ids))
        freed = 0
        for device_id in wanted:
            armed = self._faults.get(device_id, {})
            left = {} if step_id is None else {s: each for s, each in armed.items() if s != step_id}
            if len(left) < len(armed):
                self._faults[device_id] = left
                self._arm(device_id)
                freed += 1
        return freed

    def _arm(self, device_id: int) -> None:
        if self._fleet is not None and device_id in self._known:
            self._fleet.set_faults([device_id], tuple(self._faults[device_id].values()))

    def set_world(
        self,
        device_ids: Iterable[int],
        *,
        battery: float | None = None,
        signal: float | None = None,
        storage_bytes: int | None = None,
        mcu_storage_bytes: int | None = None,
    ) -> None:
        """Change the world of devices; None is left as it is."""
        if self._fleet is not None and (wanted := list(device_ids)):
            self._fleet.set_world(
                wanted,
                battery=battery,
                signal=signal,
                storage_bytes=storage_bytes,
                mcu_storage_bytes=mcu_storage_bytes,
            )

    def power_off(self, device_ids: Iterable[int], for_ms: int | None) -> None:
        """Take the power from devices."""
        if self._fleet is not None and (wanted := list(device_ids)):
            self._fleet.power_off(wanted, for_ms)

    def power_on(self, device_ids: Iterable[int]) -> None:
        """Give devices their power back."""
        if self._fleet is not None and (wanted := list(device_ids)):
            self._fleet.power_on(wanted)

    def storm(self, device_ids: Iterable[int]) -> None:
        """Cut the connections of devices; they come back at once."""
        if self._fleet is not None and (wanted := list(device_ids)):
            self._fleet.storm(wanted)

    def restart(self, device_ids: Iterable[int]) -> None:
        """Let devices leave and come back as they are, without the job they were at; `back` waits for them."""
        if self._fleet is not None and (wanted := list(device_ids)):
            self._fleet.restart(wanted)

    def renew_keys(self, keys: Mapping[int, str]) -> None:
        """Let devices sign with other keys from their next login, or call, on."""
        if self._fleet is not None and keys:
            self._fleet.renew_keys(keys)

    def pass_time(self, by_ms: int) -> None:
        """Let the devices' own time go on."""
        if self._fleet is not None and by_ms > 0:
            self._fleet.pass_time(by_ms)

    def rest_ms(self) -> int | None:
        """Give how long it is until the next device that rests goes on; None: none rests."""
        return None if self._fleet is None else self._fleet.rest_ms()

    @property
    def is_at_rest(self) -> bool:
        """Whether no device does anything but wait for its own time to pass."""
        return self._fleet is None or self._fleet.busy <= self._fleet.resting

    @property
    def poll_ms(self) -> int:
        """How often a device that speaks HTTP asks."""
        return POLL_MIN_MS if self._fleet is None else self._fleet.profile.poll_ms

    def view(self, device_id: int) -> DeviceView | None:
        """Show a device as it knows itself; None: it is not there."""
        if self._fleet is None or device_id not in self._known:
            return None
        return self._fleet.device(device_id)

    async def replace_cards(self, cards: Mapping[int, tuple[str, str]], timeout_s: float) -> None:
        """Put new cards in; the devices tell the platform."""
        if self._fleet is not None and cards:
            await self._fleet.replace_cards(cards, timeout_s)

    async def add(self, devices: Iterable[Coming]) -> list[int]:
        """Let more devices come, and wait until they are present; answers whom a fault of theirs keeps out."""
        devices = list(devices)
        if self._fleet is None:
            await self.start(devices)
        elif devices:
            self._enlist(self._fleet, devices)
        return await self.back(coming.device.device_id for coming in devices)

    async def remove(self, device_ids: Iterable[int]) -> None:
        """Let devices go. One that comes back under the same ID brings its faults along."""
        if self._fleet is not None and (leaving := list(device_ids)):
            self._known -= set(leaving)
            await self._fleet.remove(leaving)

    def snapshot(self) -> FleetSnapshot | None:
        """Count; None without devices."""
        return self._fleet.snapshot() if self._fleet is not None else self._last

    def traffic(self) -> list[Traffic]:
        """Count the messages of devices that speak MQTT, each."""
        return [] if self._fleet is None else self._fleet.traffic()

    @property
    def present(self) -> int:
        """Devices that are there."""
        snapshot = self.snapshot()
        return 0 if snapshot is None else snapshot.present

    @property
    def jobs_ended(self) -> int:
        """Jobs that devices have done so far, well or badly."""
        snapshot = self.snapshot()
        return 0 if snapshot is None else snapshot.jobs_succeeded + snapshot.jobs_failed + snapshot.jobs_ended

    def describe(self, device_id: int) -> str:
        """Say what a device is at and why, for who asks why it is stuck."""
        if self._fleet is None or device_id not in self._known:
            return "not connected"
        return self._fleet.why(device_id)

    def is_still(self, device_id: int) -> bool:
        """Whether a device does nothing that ends without its own time going on: it rests, or is not busy at all."""
        return self._fleet is None or device_id not in self._known or self._fleet.is_still(device_id)

    def is_resting(self, device_id: int) -> bool:
        """Whether a device waits for its own time to go on."""
        return self._fleet is not None and device_id in self._known and self._fleet.rests(device_id)

    @property
    def fleet(self) -> Fleet | ShardedFleet | None:
        """The fleet itself, for who wants more of it; None without devices."""
        return self._fleet

    def figures(self) -> FleetFigures | None:
        """Sum up what the devices did."""
        snapshot = self.snapshot()
        return None if snapshot is None else msgspec.convert(snapshot, FleetFigures, from_attributes=True)

    def _enlist(self, fleet: Fleet | ShardedFleet, devices: Sequence[Coming]) -> None:
        """Let devices come, those of one world together; their faults are armed before anything reaches them."""
        by_world: dict[World, list[Coming]] = {}
        for coming in devices:
            by_world.setdefault(coming.member.world, []).append(coming)
            device_id, faults = coming.device.device_id, coming.member.faults
            if faults and device_id not in self._faults:
                self._faults[device_id] = {f"{FLEET}{at}": fault for at, fault in enumerate(faults)}
        for world, group in by_world.items():
            profile = None if world == fleet.profile.world else replace(fleet.profile, world=world)
            ids = [coming.device.device_id for coming in group]
            armed = {d: tuple(self._faults[d].values()) for d in ids if self._faults.get(d)}
            fleet.add(map(self._identity, group), profile=profile, faults=armed)
        self._known |= {coming.device.device_id for coming in devices}

    def _identity(self, coming: Coming) -> Identity:
        """Make a device of what the platform knows of it, and of what it does not."""
        member = coming.member
        return structs.replace(
            Identity.of(coming.device),
            flow=member.flow,
            product_key=self._signing_key(member),
            manufacturer=member.manufacturer,
            model=member.model,
        )


def _profile(count: int) -> Profile:
    """Choose the habits of so many devices."""
    return Profile(
        reply_interval_ms=REPLY_MS,
        reply_interval_max_ms=REPLY_MAX_MS,
        download_retry_ms=RETRY_MS,
        download_retry_max_ms=RETRY_MAX_MS,
        backoff_max_ms=BACKOFF_MAX_MS,
        refused_base_ms=REFUSED_MS,
        start_jitter_ms=min(START_JITTER_MAX_MS, count // DEVICES_PER_JITTER_MS),
        poll_ms=min(POLL_MAX_MS, max(POLL_MIN_MS, count)),
    )
