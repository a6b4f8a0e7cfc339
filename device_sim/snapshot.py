"""What a fleet shows of itself: counts, a view of one device, and the first things that went wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from device_sim.core.effects import JobEnded

K = TypeVar("K", int, str)

TRACE_ENTRIES_MAX: Final = 200


@dataclass(slots=True)
class Counters:
    """What has happened so far to the devices of one flow. Written by the fleet's own modules only."""

    devices: int = 0
    present: int = 0  # now
    busy: int = 0  # now
    informs: int = 0
    jobs_started: int = 0
    jobs_succeeded: int = 0
    jobs_failed: int = 0
    jobs_ended: int = 0
    failed_steps: dict[int, int] = field(default_factory=dict)
    reconnects: int = 0
    connect_failures: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    messages_sent: int = 0
    messages_received: int = 0
    repeats: int = 0
    calls: int = 0
    calls_answered: int = 0
    calls_refused: dict[int, int] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSnapshot:
    """The devices of one flow at one moment. `calls_refused` counts by the code of that generation."""

    devices: int
    present: int
    busy: int
    jobs_started: int
    jobs_succeeded: int
    jobs_failed: int
    jobs_ended: int
    calls: int  # HTTP requests but for downloads, repeated ones included; 0 over MQTT
    calls_answered: int
    calls_refused: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSnapshot:
    """A fleet at one moment. `refused` counts CONNACKs by code, `failed_steps` failed jobs by their last step."""

    devices: int
    connected: int
    present: int  # their version report was answered, and the platform has not been lost since
    busy: int  # with a job under way, or something unanswered
    informs: int  # over MQTT; a device that speaks HTTP asks
    jobs_started: int
    jobs_succeeded: int
    jobs_failed: int
    jobs_ended: int  # by the platform: cancelled, expired, held
    failed_steps: Mapping[int, int]
    downloads: int  # ranges answered
    downloaded_bytes: int
    reconnects: int  # over HTTP: calls in vain of a device that was in
    connect_failures: int
    refused: Mapping[int, int]
    messages_sent: int
    messages_received: int
    repeats: int  # sent or called again for want of a reply
    notes: int  # how much went wrong in all; `Fleet.trace` has the first of it
    flows: Mapping[str, FlowSnapshot]  # that have had a device: in the order mqtt, fuse, studio, south
    struck: Mapping[str, int] = field(default_factory=dict)  # faults and limits that struck, by their names

    @property
    def calls_refused(self) -> int:
        """How many HTTP calls were refused for the device's token, or for the device itself."""
        return sum(sum(flow.calls_refused.values()) for flow in self.flows.values())


def show_flow(counters: Counters) -> FlowSnapshot:
    """Take the counts of one flow as they are now."""
    return FlowSnapshot(
        devices=counters.devices,
        present=counters.present,
        busy=counters.busy,
        jobs_started=counters.jobs_started,
        jobs_succeeded=counters.jobs_succeeded,
        jobs_failed=counters.jobs_failed,
        jobs_ended=counters.jobs_ended,
        calls=counters.calls,
        calls_answered=counters.calls_answered,
        calls_refused=dict(counters.calls_refused),
    )


def add_up(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    """Add what several flows have counted, key by key."""
    total: Counter[K] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One device at one moment. `link` and `stage` are the names of the core's states."""

    device_id: int
    product_id: str
    name: str
    flow: str
    link: str
    stage: str
    f_version: str | None
    s_version: str | None
    spare: str | None  # in the module's other slot
    iccid: str
    imsi: str
    tid: int | None  # of the job under way; 0 in generation A
    last_job: JobEnded | None
    last_error: str
    is_busy: bool
    is_resting: bool  # busy, and waits for its running time to go on, for nothing else
    is_hopeless: bool  # refused again and again


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a device sent and got over MQTT, on all its connections.

    Of what it `sent`, the server has acknowledged all but those `in_doubt`: they may have arrived, or not.
    """

    device_id: int
    product_id: str
    name: str
    sent: int
    in_doubt: int
    came: int
    links: int  # connections on which it was subscribed
    is_on: bool  # on the last of them still


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEntry:
    """Something that went wrong. `at_ms` counts from the fleet's start."""

    at_ms: int
    device_id: int
    what: str


class Trace:
    """The first things that went wrong, and of each device the last."""

    def __init__(self) -> None:
        self.entries: list[TraceEntry] = []
        self.count = 0
        self._last: dict[int, str] = {}

    def add(self, at_ms: int, device_id: int, what: str) -> None:
        """Note it; beyond the first entries only the device's last is kept."""
        self.count += 1
        if len(self.entries) < TRACE_ENTRIES_MAX:
            self.entries.append(TraceEntry(at_ms=at_ms, device_id=device_id, what=what))
        self._last[device_id] = what

    def last_of(self, device_id: int) -> str:
        """Give the device's last error, or an empty text."""
        return self._last.get(device_id, "")

    def forget(self, device_id: int) -> None:
        """Drop what is kept for a device that left."""
        self._last.pop(device_id, None)
