"""What the owner of a shard and the shard say to each other: one JSON object a line.

Orders come on the shard's standard input, events go out on its standard output; its standard error is for its last
words. The end of its input is an order too: leave, and end. So no shard outlives its owner, and any program can be one.

Times `at_ns` are CLOCK_MONOTONIC, which is one clock for all processes of a machine; latencies are whole microseconds
as `latencies.coarse` rounds them. Values are those of the fleet itself: `Identity`, `Profile`, `FleetSnapshot`.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from device_sim.core.faults import Fault
from device_sim.core.profile import Profile
from device_sim.identity import Identity
from device_sim.snapshot import FleetSnapshot, TraceEntry

REPORT_EVERY_MS: Final = 200
TRACE_MAX: Final = 20

Counts = dict[int, int]
"""How many times by how many microseconds."""


class AccountClock(Struct, frozen=True, kw_only=True):
    """Account time: `at_ms` was it at the moment `at_ns`, and it goes on with the real time."""

    at_ms: int
    at_ns: int


class Recording(Struct, frozen=True, kw_only=True):
    """What is kept of each device; entries count from the moment `began_ns`."""

    wire: bool = False
    began_ns: int


class DevicesCsv(Struct, frozen=True, kw_only=True):
    """Devices of a file: its rows from `first` on, before `stop`, counted from 0 below the header."""

    path: str
    first: int
    stop: int


class Start(Struct, frozen=True, kw_only=True, tag="start"):
    """Connect these devices; the first order, given once. Either `identities` or `devices_csv`, or none to begin with.

    `start_spread_ms` takes the place of the profile's `start_jitter_ms`. `connects_in_flight`, `downloads_in_flight`
    and `calls_in_flight` are this shard's part. `clock` None: account time is real time.
    `report_every_ms` 0: no `Snapshot` but the last. `measures`: latencies are taken.
    """

    http: tuple[str, int]
    mqtt: tuple[str, int]
    identities: list[Identity] = []
    devices_csv: DevicesCsv | None = None
    seed: int = 0
    shard: int = 0
    of: int = 1
    profile: Profile = Profile()
    sources: list[str] = []  # local addresses to connect from; none: the system's choice
    connects_in_flight: int = 80
    downloads_in_flight: int = 64
    calls_in_flight: int = 64
    start_spread_ms: int | None = None
    report_every_ms: int = REPORT_EVERY_MS
    measures: bool = True
    clock: AccountClock | None = None
    recording: Recording | None = None
    faults: list[tuple[int, list[Fault]]] = []  # by device ID, from the start on


class Mark(Struct, frozen=True, kw_only=True, tag="mark"):
    """From `at_ns` on, `told` is measured: until the first inform of each device; 0 is the moment it is read."""

    name: str
    at_ns: int = 0


class Storm(Struct, frozen=True, kw_only=True, tag="storm"):
    """Cut the connections of a share of the devices, drawn by the seed; they come back at once.

    `at_once`: all at one moment; else one after the other, over `over_ms`.
    """

    share: float = 1.0
    at_once: bool = True
    over_ms: int = 2_000


class Stop(Struct, frozen=True, kw_only=True, tag="stop"):
    """Let all devices leave, say `Ended`, and end. The end of the input does the same."""


class Call(Struct, frozen=True, kw_only=True, tag="call"):
    """Ask the fleet for something: a method of `calls.CALLS`, its arguments as an array. `Answer` has the same id."""

    id: int
    method: str
    args: Raw = Raw(b"[]")


Order = Start | Mark | Storm | Stop | Call


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """`Start` was taken: the devices connect. Whether they are in is in `Snapshot`.

    `memory_bytes` is what the process had before there was any device.
    """

    pid: int
    devices: int = 0
    memory_bytes: int = 0


class Latencies(Struct, frozen=True):
    """Latencies since the last `Snapshot`, in microseconds to three digits, and how often each came.

    `connect`: from a device's own dial to its version report answered. `told`: from the last `Mark` to the inform that
    came. `job`: from being told to its last report answered. `reconnect`: from its connection lost to the same again.
    Over HTTP a device is told when it finds a job, and `connect` begins with its first call.
    """

    connect: Counts = {}
    told: Counts = {}
    job: Counts = {}
    reconnect: Counts = {}


class Snapshot(Struct, frozen=True, kw_only=True, tag="snapshot"):
    """Where the shard stands. `at_ms` counts from its start, `cpu_ms` is what its process has used of a core."""

    at_ms: int
    counts: FleetSnapshot
    latencies: Latencies = Latencies()
    cpu_ms: int = 0
    memory_bytes: int = 0
    descriptors: int = 0


class Stormed(Struct, frozen=True, kw_only=True, tag="stormed"):
    """So many connections were cut."""

    count: int


class Answer(Struct, frozen=True, kw_only=True, tag="answer"):
    """The answer to a `Call`. `error` is empty, or what stood in the way; `kind` is then as in `Failed`."""

    id: int
    value: Raw = Raw(b"null")
    error: str = ""
    kind: str = ""


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """The shard as a whole has stopped, and ends. `kind`: usage, environment, fleet, or failed: a mistake of ours."""

    what: str
    kind: str


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """All devices have left; the counts are of the moment before. `trace`: what went wrong first."""

    snapshot: Snapshot
    trace: list[TraceEntry] = []


Event = Ready | Snapshot | Stormed | Answer | Failed | Ended

_encode: Final = msgspec.json.Encoder().encode
_orders: Final[msgspec.json.Decoder[Order]] = msgspec.json.Decoder(Order)
_events: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


def line_of(value: Order | Event) -> bytes:
    """Spell an order or an event as a line."""
    return _encode(value) + b"\n"


def order_of(line: bytes) -> Order:
    """Read an order; msgspec.DecodeError: it is none."""
    return _orders.decode(line)


def event_of(line: bytes) -> Event:
    """Read an event; msgspec.DecodeError: it is none."""
    return _events.decode(line)
