"""The devices of a play that are there: a fleet, whatever its devices speak, and how a run sees and steers it."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import structs

from device_sim import Fault, Fleet, FleetError, FleetFailed, FleetSnapshot, Identity, Profile, Target
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


class Coming(NamedTuple):
    """A device that comes: as the platform shows it, and as the play knows it."""

    device: Device
    member: Member


class Crew:
    """A fleet that need not have any device. `now_ms` is account time, `signing_key` a product's key for who has it."""

    def __init__(
        self, target: Target, seed: int, now_ms: Callable[[], int], signing_key: Callable[[Member], str]
    ) -> None:
        self._target = target
        self._seed = seed
        self._now_ms = now_ms
        self._signing_key = signing_key
        self._stack = contextlib.AsyncExitStack()
        self._fleet: Fleet | None = None
        self._last: FleetSnapshot | None = None

    async def __aenter__(self) -> Self:
        """Nothing connects before `start`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all devices leave."""
        if self._fleet is not None:
            self._last = self._fleet.snapshot()
            self._fleet = None
        await self._stack.aclose()

    async def start(self, devices: Iterable[Coming]) -> None:
        """Let the first devices connect; `ready` waits for them."""
        identities = [self._identity(coming) for coming in devices]
        if identities:
            profile = _profile(len(identities))
            fleet = Fleet(self._target, identities, seed=self._seed, profile=profile, now_ms=self._now_ms)
            self._fleet = await self._stack.enter_async_context(fleet)

    async def ready(self) -> None:
        """Wait until all are present; FleetError names who is not."""
        if self._fleet is not None:
            await self._fleet.ready(CONNECT_S + CONNECT_S_PER_DEVICE * self._fleet.snapshot().devices)

    async def idle(self, timeout_s: float) -> None:
        """Wait until no device does anything; FleetError names who still does."""
        if self._fleet is not None:
            await self._fleet.idle(timeout_s)

    async def probe(self) -> None:
        """Raise FleetFailed, or EnvironmentFault, when the fleet as a whole has stopped."""
        try:
            await self.idle(0)
        except FleetFailed:
            raise
        except FleetError:
            return  # busy, as it should be

    def fail(self, device_ids: Iterable[int], step: int, times: int) -> None:
        """Let their next jobs fail."""
        if self._fleet is not None and (wanted := list(device_ids)):
            self._fleet.set_fault(wanted, Fault(what="fails", step=step, attempts=times))

    async def replace_cards(self, cards: Mapping[int, tuple[str, str]], timeout_s: float) -> None:
        """Put new cards in; the devices tell the platform."""
        if self._fleet is not None and cards:
            await self._fleet.replace_cards(cards, timeout_s)

    async def add(self, devices: Iterable[Coming]) -> None:
        """Let more devices come, and wait until they are present."""
        devices = list(devices)
        if self._fleet is None:
            await self.start(devices)
        elif devices:
            self._fleet.add(self._identity(coming) for coming in devices)
        await self.ready()

    async def remove(self, device_ids: Iterable[int]) -> None:
        """Let devices go."""
        if self._fleet is not None and (leaving := list(device_ids)):
            await self._fleet.remove(leaving)

    def snapshot(self) -> FleetSnapshot | None:
        """Count; None without devices."""
        return self._fleet.snapshot() if self._fleet is not None else self._last

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
        """Say what a device is at, for who asks why it is stuck."""
        if self._fleet is None or device_id not in self._fleet.device_ids:
            return "not connected"
        view = self._fleet.device(device_id)
        trouble = f", {view.last_error}" if view.last_error else ""
        return f"{view.link}, {view.stage}{trouble}"

    def figures(self) -> FleetFigures | None:
        """Sum up what the devices did."""
        snapshot = self.snapshot()
        return None if snapshot is None else msgspec.convert(snapshot, FleetFigures, from_attributes=True)

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
        start_jitter_ms=min(START_JITTER_MAX_MS, count // DEVICES_PER_JITTER_MS),
        poll_ms=min(POLL_MAX_MS, max(POLL_MIN_MS, count)),
    )
