"""A fleet over several processes: to whoever has it a `Fleet`, in whose place it can stand.

    async with ShardedFleet(stub, identities, plan=plan(len(identities), read_limits())) as fleet:
        await fleet.ready(30)

What is read is asked of the shard that has the device, in a round trip that blocks (`process`); in one stretch without
an await each shard is asked at most a few times, and then for all its devices together. What waits is awaited in all
shards. A process that dies fails the fleet: whoever waits or asks then is told which, and how. The others leave.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from device_sim.core.faults import Fault
from device_sim.core.profile import Profile
from device_sim.errors import Behind, FleetError
from device_sim.fleet import NAMED_MAX
from device_sim.identity import Identity, check_identities
from device_sim.shards.calls import Standing
from device_sim.shards.merged import merge_behind, merge_snapshots, merge_traces
from device_sim.shards.messages import AccountClock, Ended, Event, Latencies, Snapshot, Start
from device_sim.shards.plan import Plan
from device_sim.shards.process import ShardProcess
from device_sim.shards.recorder import ShardedRecorder
from device_sim.snapshot import TRACE_ENTRIES_MAX, DeviceView, FleetSnapshot, TraceEntry, Traffic
from device_sim.target import Endpoint, Target, claim_descriptors
from platform_stub.protocol.errors import OtaSimError, UsageFault
from platform_stub.protocol.token import decode_key

START_S: Final = 60.0
SINGLES_MAX: Final = 4
"""So many devices are looked at one by one; then all of their shard are, in one answer."""
CLOCK_SLACK_MS: Final = 2
POOLED: Final = 128
"""Connections of a process's downloads and calls, at most."""
_NS_PER_MS: Final = 1_000_000


class ShardedFleet:
    """Devices that speak to one platform, spread over processes as `plan` says.

    The devices given here are taken in the plan's order; those that `add` brings go where there are fewest. `now_ms` is
    account time, as in `Fleet`; the shards are told of it at each order, and by `follow_clock`. `faults`, by device ID,
    befall those given here from the first moment on. Every `report_every_ms`, unless that is 0, each shard says how it
    stands, and `measured` is told of latencies. UsageFault: a device is there twice, or its key is no key.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        target: Target,
        identities: Iterable[Identity] = (),
        *,
        plan: Plan,
        seed: int = 0,
        profile: Profile | None = None,
        now_ms: Callable[[], int] | None = None,
        recorder: ShardedRecorder | None = None,
        faults: Mapping[int, Sequence[Fault]] = MappingProxyType({}),
        measured: Callable[[int, Latencies], None] | None = None,
        report_every_ms: int = 0,
    ) -> None:
        self.seed = seed
        self.profile = profile if profile is not None else Profile()
        self.plan = plan
        self._target = target
        self._identities = list(identities)
        check_identities(self._identities)
        self._now_ms = now_ms
        self._clock = AccountClock(at_ms=0, at_ns=0)
        self._recorder = recorder
        self._faults = faults
        self._measured = measured
        self._report_every_ms = report_every_ms
        self._shards: list[ShardProcess] = []
        self._home: dict[int, int] = {}  # which shard has a device
        self._left: dict[int, int] = {}  # and which had one that left
        self._known: dict[int, Identity] = {}
        self._sizes: Counter[int] = Counter()
        self._failure: OtaSimError | None = None
        self._has_failed = asyncio.Event()
        self._seen: dict[tuple[str, int], Any] = {}  # what was looked at in this stretch
        self._singles: Counter[tuple[str, int]] = Counter()
        self._latest: dict[int, FleetSnapshot] = {}
        self._last: FleetSnapshot | None = None
        self._last_trace: tuple[TraceEntry, ...] = ()

    async def __aenter__(self) -> Self:
        """Start the processes, and begin to connect. What one of them fails with is raised."""
        if self._now_ms is not None:
            self._clock = self._clock_now(self._now_ms)
        count = self.plan.processes
        if not isinstance(self._target, Endpoint):  # its other ends are in this process
            claim_descriptors(self.plan.devices, count * POOLED, shared=False)
        try:
            for at in range(count):
                name = f"fleet process {at + 1} of {count}"
                self._shards.append(ShardProcess(name, self._hear(at), self._fail))
                mine = self._identities[self.plan.shares[at].first : self.plan.shares[at].stop]
                self._settle(at, mine)
                self._shards[at].tell(self._start(at, mine))
            async with asyncio.timeout(START_S + len(self._identities) / 1_000):
                await _all(shard.ready() for shard in self._shards)
        except BaseException as exc:
            await self._end()
            if isinstance(exc, TimeoutError):
                raise FleetError("the fleet's processes did not start in time") from exc
            raise
        self._identities.clear()
        if self._recorder is not None:
            self._recorder.begin(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all devices leave, and the processes end; raises what the fleet failed with, as `Fleet` does."""
        try:
            if self._failure is None:
                self._last, self._last_trace = self.snapshot(), self.trace
                if self._recorder is not None:
                    self._recorder.end([*self._left, *self._home])
        finally:
            await self._end()
        if self._failure is not None and error is None:
            raise self._failure

    # what a test waits for

    async def ready(self, timeout_s: float) -> None:
        """Wait until every device is present. FleetError, as of a `Fleet`."""
        await self._wait_for("ready", timeout_s)

    async def idle(self, timeout_s: float) -> None:
        """Wait until no device of any shard has something under way; FleetError when it takes too long."""
        deadline = time.monotonic() + timeout_s
        while True:
            await self._wait_for("idle", max(deadline - time.monotonic(), 0))
            if not self.busy:
                return

    async def rest(self, timeout_s: float) -> bool:
        """Wait until no device does anything but wait for its running time; False: some do when time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self._standing()
            if all(each.busy <= each.resting for each in found):
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not all(await self._call_all("rest", left_s, limit_s=left_s)):
                return False

    async def failed(self) -> None:
        """Wait for nothing but the death of a process, or a mistake of this program; raises it."""
        await self._has_failed.wait()
        assert self._failure is not None
        raise self._failure

    # who is there

    def add(
        self,
        identities: Iterable[Identity],
        *,
        profile: Profile | None = None,
        faults: Mapping[int, Sequence[Fault]] = MappingProxyType({}),
    ) -> None:
        """Let more devices come, where there are fewest. UsageFault for one that is there already."""
        more = list(identities)
        check_identities([*(self._known[device_id] for device_id in self._home), *more])
        parts: dict[int, list[Identity]] = {}
        for identity in more:
            at = min(range(len(self._shards)), key=lambda each: self._sizes[each])
            self._settle(at, [identity])
            parts.setdefault(at, []).append(identity)
        self._tell_each(
            "add",
            {
                at: (
                    mine,
                    profile,
                    [(i.device_id, list(faults[i.device_id])) for i in mine if i.device_id in faults],
                )
                for at, mine in parts.items()
            },
        )

    async def remove(self, device_ids: Iterable[int]) -> None:
        """Let devices leave, and forget them. UsageFault for an unknown one."""
        parts = self._parts(device_ids)
        for at, leaving in parts.items():
            for device_id in leaving:
                self._left[device_id] = self._home.pop(device_id)
                del self._known[device_id]
                self._sizes[at] -= 1
        self._forget()
        await _all(self._shards[at].call("remove", leaving) for at, leaving in parts.items())

    def put_spare(self, device_id: int, version: str | None) -> None:
        """Have a version in the module's other slot."""
        self._forget()
        self._shards[self._at(device_id)].ask("put_spare", device_id, version)

    @property
    def device_ids(self) -> tuple[int, ...]:
        """All devices, in the order in which they came."""
        return tuple(self._home)

    # what is made to happen

    def set_faults(self, device_ids: Iterable[int], faults: Sequence[Fault]) -> None:
        """Let these faults, and no others, befall these devices from now on; () clears them."""
        self._order("set_faults", device_ids, list(faults))

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
        self._order("set_world", device_ids, battery, signal, storage_bytes, mcu_storage_bytes)

    def power_off(self, device_ids: Iterable[int], for_ms: int | None = None) -> None:
        """Cut their power, for so long or until `power_on`."""
        self._order("power_off", device_ids, for_ms)

    def power_on(self, device_ids: Iterable[int]) -> None:
        """Give them power again."""
        self._order("power_on", device_ids)

    def restart(self, device_ids: Iterable[int]) -> None:
        """Let them leave, cleanly, and come back."""
        self._order("restart", device_ids)

    def storm(self, device_ids: Iterable[int]) -> None:
        """Cut all their connections at one moment; they come back at once."""
        self._order("storm", device_ids)

    async def replace_cards(self, cards: Mapping[int, tuple[str, str]], timeout_s: float) -> None:
        """Put new cards in, and wait until they are posted; as `Fleet.replace_cards`."""
        parts = self._parts(cards)
        self._forget()
        late = await _all(
            self._shards[at].call("replace_cards", {d: cards[d] for d in mine}, timeout_s, limit_s=timeout_s)
            for at, mine in parts.items()
        )
        self._check(late)

    def renew_keys(self, keys: Mapping[int, str]) -> None:
        """Give them new keys by device ID. UsageFault: no key."""
        for device_id, key in keys.items():
            try:
                decode_key(key)
            except UsageFault as fault:
                raise UsageFault(f"device {device_id}: {fault}") from fault
        parts = self._parts(keys)
        self._tell_each("renew_keys", {at: ({d: keys[d] for d in mine},) for at, mine in parts.items()})

    def pass_time(self, by_ms: int) -> None:
        """Let the running time of all devices go on by so much at once."""
        self._forget()
        self._follow()
        self.ask_all("pass_time", by_ms)

    def follow_clock(self) -> None:
        """Tell the shards what account time is, if it has moved."""
        if self._failure is None and self._shards:
            self._follow()

    # what there is to see

    def snapshot(self) -> FleetSnapshot:
        """Count everything; once the fleet has left, as it was then."""
        if self._last is not None:
            return self._last
        return merge_snapshots(self.ask_all("snapshot"))

    @property
    def last_seen(self) -> FleetSnapshot:
        """How the shards stood when each said so last, also where one has died since; see `report_every_ms`."""
        return merge_snapshots(list(self._latest.values()))

    @property
    def trace(self) -> tuple[TraceEntry, ...]:
        """The first things that went wrong, oldest first."""
        if self._last is not None:
            return self._last_trace
        return merge_traces(self.ask_all("trace"), TRACE_ENTRIES_MAX)

    def device(self, device_id: int) -> DeviceView:
        """Show one device. UsageFault for an unknown one."""
        self._at(device_id)
        view: DeviceView = self.look("devices", device_id)
        return view

    def devices(self, device_ids: Iterable[int]) -> list[DeviceView]:
        """Show several devices."""
        wanted = list(device_ids)
        found: dict[int, DeviceView] = {}
        for views in self.ask_each("devices", wanted):
            found.update((view.device_id, view) for view in views or ())
        return [found[device_id] for device_id in wanted]

    def why(self, device_id: int) -> str:
        """Say in words why a device is where it is. UsageFault for an unknown one."""
        self._at(device_id)
        return str(self.look("whys", device_id))

    def traffic(self) -> list[Traffic]:
        """Count the messages of each device whose updates go over MQTT, as `Fleet.traffic` does."""
        return [each for found in self.ask_all("traffic") for each in found]

    def rests(self, device_id: int) -> bool:
        """Say whether a device waits for its running time to go on."""
        self._at(device_id)
        return bool(self.look("still", device_id).rests)

    def is_still(self, device_id: int) -> bool:
        """Say whether a device does nothing, or nothing until its running time goes on."""
        self._at(device_id)
        return bool(self.look("still", device_id).is_still)

    def is_up_to_date(self, device_id: int) -> bool:
        """Say whether nothing of a device is due by now, and it waits for no answer."""
        self._at(device_id)
        return bool(self.look("still", device_id).is_up_to_date)

    @property
    def busy(self) -> int:
        """How many devices have something to do, those that rest included."""
        return sum(each.busy for each in self._standing())

    @property
    def resting(self) -> int:
        """How many devices wait for their running time to go on, and for nothing else."""
        return sum(each.resting for each in self._standing())

    def rest_ms(self) -> int | None:
        """Say after how much running time the next of them goes on; None when nobody rests."""
        waits = [each.rest_ms for each in self._standing() if each.rest_ms is not None]
        return min(waits) if waits else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the processes."""
        return tuple(shard.pid for shard in self._shards)

    # asking shards (`recorder.Shards`)

    def look(self, method: str, device_id: int) -> Any:
        """Look at a device; what was looked at in this stretch is not asked for again. None: it was never there."""
        found = self._seen.get((method, device_id))
        if found is not None:
            return found
        at = self._home.get(device_id, self._left.get(device_id))
        if at is None:
            return None
        self._singles[method, at] += 1
        wanted = [device_id]
        if self._singles[method, at] > SINGLES_MAX:
            everyone = self._home if device_id in self._home else self._left
            wanted = [each for each, home in everyone.items() if home == at]
        if not self._seen:
            asyncio.get_running_loop().call_soon(self._forget)
        answers = self._shards[at].ask(method, wanted)
        self._seen.update(((method, each), answer) for each, answer in zip(wanted, answers, strict=True))
        return self._seen[method, device_id]

    def ask_all(self, method: str, *args: Any) -> list[Any]:
        """Ask each shard, all at once."""
        return self._ask(dict.fromkeys(range(len(self._shards)), args), method)

    def ask_each(self, method: str, device_ids: Iterable[int], *args: Any) -> list[Any]:
        """Ask each shard about its devices; an argument that can be called is given the shard's number."""
        parts = self._parts(device_ids, with_left=True)
        each = {
            at: (mine, *(arg(at) if callable(arg) else arg for arg in args)) for at, mine in parts.items()
        }
        return self._ask(each, method)

    def _ask(self, args: Mapping[int, tuple[Any, ...]], method: str) -> list[Any]:
        self._raise_failure()
        put = {at: self._shards[at].put(method, *each) for at, each in args.items()}
        return [self._shards[at].answer(method, found) for at, found in put.items()]

    def _order(self, method: str, device_ids: Iterable[int], *args: Any) -> None:
        self._tell_each(method, {at: (mine, *args) for at, mine in self._parts(device_ids).items()})

    def _tell_each(self, method: str, args: Mapping[int, tuple[Any, ...]]) -> None:
        """Have something done, and see that it could be."""
        self._forget()
        self._follow()
        self._ask(args, method)

    def _standing(self) -> list[Standing]:
        return self.ask_all("standing")

    async def _call_all(self, method: str, *args: Any, limit_s: float) -> list[Any]:
        self._raise_failure()
        self._follow()
        return await _all(shard.call(method, *args, limit_s=limit_s) for shard in self._shards)

    async def _wait_for(self, method: str, timeout_s: float) -> None:
        self._check(await self._call_all(method, timeout_s, limit_s=timeout_s))

    def _check(self, late: Iterable[Behind | None]) -> None:
        behind = merge_behind(late, len(self._home))
        if behind is not None:
            raise FleetError(behind)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # who is where

    def _at(self, device_id: int) -> int:
        (at,) = self._parts([device_id])
        return at

    def _parts(self, device_ids: Iterable[int], *, with_left: bool = False) -> dict[int, list[int]]:
        """Sort devices by their shards. UsageFault names those that are not there."""
        parts: dict[int, list[int]] = {}
        unknown: list[str] = []
        for device_id in device_ids:
            at = self._home.get(device_id)
            if at is None and with_left:
                at = self._left.get(device_id)
            if at is not None:
                parts.setdefault(at, []).append(device_id)
            elif not with_left:
                unknown.append(str(device_id))
        if unknown:
            shown = ", ".join(unknown[:NAMED_MAX]) + (" ..." if len(unknown) > NAMED_MAX else "")
            raise UsageFault(f"{len(unknown)} device IDs are not in this fleet: {shown}")
        return parts

    def _settle(self, at: int, identities: Iterable[Identity]) -> None:
        for identity in identities:
            self._home[identity.device_id] = at
            self._left.pop(identity.device_id, None)
            self._known[identity.device_id] = identity
            self._sizes[at] += 1

    def _forget(self) -> None:
        """What was looked at may be otherwise now."""
        self._seen.clear()
        self._singles.clear()

    # the processes

    def _start(self, at: int, identities: list[Identity]) -> Start:
        share = self.plan.shares[at]
        return Start(
            http=self._target.http_address,
            mqtt=self._target.mqtt_address,
            identities=identities,
            seed=self.seed,
            shard=at,
            of=self.plan.processes,
            profile=self.profile,
            sources=list(share.sources),
            connects_in_flight=share.in_flight.connects,
            downloads_in_flight=share.in_flight.downloads,
            calls_in_flight=share.in_flight.calls,
            report_every_ms=self._report_every_ms,
            measures=self._measured is not None,
            clock=None if self._now_ms is None else self._clock,
            recording=None if self._recorder is None else self._recorder.recording,
            faults=[
                (i.device_id, list(self._faults[i.device_id]))
                for i in identities
                if i.device_id in self._faults
            ],
        )

    def _hear(self, at: int) -> Callable[[Event], None]:
        def heard(event: Event) -> None:
            snapshot = event.snapshot if isinstance(event, Ended) else event
            if isinstance(snapshot, Snapshot):
                self._latest[at] = snapshot.counts
                if self._measured is not None:
                    self._measured(at, snapshot.latencies)

        return heard

    def _follow(self) -> None:
        if self._now_ms is None:
            return
        clock, told = self._clock_now(self._now_ms), self._clock
        told_ms = told.at_ms + (clock.at_ns - told.at_ns) // _NS_PER_MS
        if abs(clock.at_ms - told_ms) > CLOCK_SLACK_MS:
            self._clock = clock
            self.ask_all("set_clock", clock)

    @staticmethod
    def _clock_now(now_ms: Callable[[], int]) -> AccountClock:
        return AccountClock(at_ms=now_ms(), at_ns=time.monotonic_ns())

    def _fail(self, fault: OtaSimError) -> None:
        if self._failure is None:
            self._failure = fault
            self._has_failed.set()
            for shard in self._shards:  # who waits at another waits for nothing
                shard.give_up(fault)

    async def _end(self) -> None:
        for shard in self._shards:
            shard.stop()
        await asyncio.gather(*(shard.gone() for shard in self._shards))


async def _all(work: Iterable[Awaitable[Any]]) -> list[Any]:
    """Do all of it together; raises the first thing that any of it raises, once all is over."""
    found = await asyncio.gather(*work, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return found
