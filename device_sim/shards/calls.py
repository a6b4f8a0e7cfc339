"""What the owner of a shard can ask its fleet: each function of `CALLS` is a call, by its name.

Their annotations are the wire's: the shard reads the arguments by them, and the owner the answers.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_type_hints

from msgspec import Struct

from device_sim.core.faults import Fault
from device_sim.core.profile import Profile
from device_sim.errors import Behind, FleetError
from device_sim.fleet import Fleet
from device_sim.identity import Identity
from device_sim.recorder import Entry, Recorder, Way, Wire
from device_sim.shards.messages import AccountClock
from device_sim.snapshot import DeviceView, FleetSnapshot, TraceEntry, Traffic
from platform_stub.protocol.errors import UsageFault

_NS_PER_MS: Final = 1_000_000


class Standing(Struct, frozen=True):
    """How many devices are busy, and how many of them rest; when the next of those goes on, None where none rests."""

    busy: int
    resting: int
    rest_ms: int | None


class Still(Struct, frozen=True):
    """Whether a device waits for its running time alone, does nothing else, or has nothing due or unanswered."""

    rests: bool
    is_still: bool
    is_up_to_date: bool


class Told(Struct, frozen=True):
    """What happened to a device, and whether older entries were dropped."""

    entries: list[Entry]
    is_cut: bool


class RunningClock:
    """Account time in a shard: set by its owner, and gone on by the machine's clock."""

    def __init__(self, clock: AccountClock) -> None:
        self.clock = clock

    def now_ms(self) -> int:
        """Read it."""
        return self.clock.at_ms + (time.monotonic_ns() - self.clock.at_ns) // _NS_PER_MS


class Asked(NamedTuple):
    """Whom a call is put to: the fleet, what it records, and its account time; None where it has none."""

    fleet: Fleet
    recorder: Recorder | None
    clock: RunningClock | None

    @property
    def records(self) -> Recorder:
        """What is kept. UsageFault: nothing is."""
        if self.recorder is None:
            raise UsageFault("this shard keeps no stories: its start has no `recording`")
        return self.recorder


def add(
    asked: Asked, identities: list[Identity], profile: Profile | None, faults: list[tuple[int, list[Fault]]]
) -> None:
    """Let more devices come, with their faults."""
    asked.fleet.add(identities, profile=profile, faults=dict(faults))


async def remove(asked: Asked, device_ids: list[int]) -> None:
    """Let devices leave for good."""
    await asked.fleet.remove(device_ids)


def put_spare(asked: Asked, device_id: int, version: str | None) -> None:
    """Have a version in the other slot."""
    asked.fleet.put_spare(device_id, version)


def set_faults(asked: Asked, device_ids: list[int], faults: list[Fault]) -> None:
    """Let these faults, and no others, befall devices."""
    asked.fleet.set_faults(device_ids, faults)


def set_world(
    asked: Asked,
    device_ids: list[int],
    battery: float | None,
    signal: float | None,
    storage_bytes: int | None,
    mcu_storage_bytes: int | None,
) -> None:
    """Set levels and free space."""
    asked.fleet.set_world(
        device_ids,
        battery=battery,
        signal=signal,
        storage_bytes=storage_bytes,
        mcu_storage_bytes=mcu_storage_bytes,
    )


def power_off(asked: Asked, device_ids: list[int], for_ms: int | None) -> None:
    """Cut their power."""
    asked.fleet.power_off(device_ids, for_ms)


def power_on(asked: Asked, device_ids: list[int]) -> None:
    """Give it back."""
    asked.fleet.power_on(device_ids)


def restart(asked: Asked, device_ids: list[int]) -> None:
    """Let them leave and come back."""
    asked.fleet.restart(device_ids)


def storm(asked: Asked, device_ids: list[int]) -> None:
    """Cut their connections."""
    asked.fleet.storm(device_ids)


def renew_keys(asked: Asked, keys: dict[int, str]) -> None:
    """Give them new keys."""
    asked.fleet.renew_keys(keys)


def pass_time(asked: Asked, by_ms: int) -> None:
    """Let their running time go on."""
    asked.fleet.pass_time(by_ms)


def set_clock(asked: Asked, clock: AccountClock) -> None:
    """Set account time."""
    if asked.clock is None:
        raise UsageFault("this shard's account time is real time: its start has no `clock`")
    asked.clock.clock = clock


async def replace_cards(asked: Asked, cards: dict[int, tuple[str, str]], timeout_s: float) -> Behind | None:
    """Put new cards in; answers who had no answer to it in time."""
    try:
        await asked.fleet.replace_cards(cards, timeout_s)
    except FleetError as exc:
        return _behind(exc)
    return None


async def ready(asked: Asked, timeout_s: float) -> Behind | None:
    """Wait until all are in; answers who is not."""
    try:
        await asked.fleet.ready(timeout_s)
    except FleetError as exc:
        return _behind(exc)
    return None


async def idle(asked: Asked, timeout_s: float) -> Behind | None:
    """Wait until none is busy; answers who is."""
    try:
        await asked.fleet.idle(timeout_s)
    except FleetError as exc:
        return _behind(exc)
    return None


async def rest(asked: Asked, timeout_s: float) -> bool:
    """Wait until none does anything but rest."""
    return await asked.fleet.rest(timeout_s)


def snapshot(asked: Asked) -> FleetSnapshot:
    """Count everything."""
    return asked.fleet.snapshot()


def trace(asked: Asked) -> list[TraceEntry]:
    """Tell what went wrong first."""
    return list(asked.fleet.trace)


def standing(asked: Asked) -> Standing:
    """Say who is busy."""
    return Standing(asked.fleet.busy, asked.fleet.resting, asked.fleet.rest_ms())


def devices(asked: Asked, device_ids: list[int]) -> list[DeviceView]:
    """Show devices."""
    return asked.fleet.devices(device_ids)


def whys(asked: Asked, device_ids: list[int]) -> list[str]:
    """Say of each why it is where it is."""
    return [asked.fleet.why(each) for each in device_ids]


def traffic(asked: Asked) -> list[Traffic]:
    """Count the messages of each device that speaks MQTT."""
    return asked.fleet.traffic()


def still(asked: Asked, device_ids: list[int]) -> list[Still]:
    """Say of each whether it rests, and whether it is still."""
    fleet = asked.fleet
    return [Still(fleet.rests(each), fleet.is_still(each), fleet.is_up_to_date(each)) for each in device_ids]


def stories(asked: Asked, device_ids: list[int]) -> list[Told]:
    """Tell what happened to devices."""
    recorder = asked.records
    return [Told(list(recorder.story(each)), recorder.is_cut(each)) for each in device_ids]


def wires(asked: Asked, device_ids: list[int]) -> list[list[Wire]]:
    """Give the newest messages and calls of devices."""
    return [list(asked.records.wire(each)) for each in device_ids]


def mark(asked: Asked) -> int:
    """Begin to count messages anew."""
    return asked.records.mark()


def message_counts(
    asked: Asked, device_ids: list[int] | None, way: Way, what: str | None, step: int | None, since: int
) -> dict[int, int]:
    """Count messages of each device."""
    return asked.records.counts(device_ids, way=way, what=what, step=step, since=since)


class Method(NamedTuple):
    """A call: the types of its arguments, that of its answer, and what is done for it."""

    args: Any
    answer: Any
    do: Callable[..., Any]


def _method(do: Callable[..., Any]) -> Method:
    hints = get_type_hints(do)
    answer = hints.pop("return")
    del hints["asked"]
    return Method(tuple[tuple(hints.values())] if hints else tuple[()], answer, do)  # type: ignore[misc]  # made of hints


def _behind(error: FleetError) -> Behind:
    """Take who is behind as a value, so that the owner can add shards up; raises what is no such thing."""
    if error.behind is None:
        raise error
    return error.behind


CALLS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        do.__name__: _method(do)
        for do in (
            add, remove, put_spare, set_faults, set_world, power_off, power_on, restart, storm, renew_keys,
            pass_time, set_clock, replace_cards, ready, idle, rest, snapshot, trace, standing, devices, whys, traffic,
            still, stories, wires, mark, message_counts,
        )
    }
)  # fmt: skip
