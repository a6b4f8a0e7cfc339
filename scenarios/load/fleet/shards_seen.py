"""What all shards of a fleet have said so far, added up: counts as of now, latencies since the start. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from device_sim.shards.messages import Answer, Ended, Event, Failed, Ready, Snapshot, Stormed
from device_sim.snapshot import FleetSnapshot, TraceEntry, add_up
from scenarios.load.child import signal_name
from scenarios.load.fleet.wire import ShardBegan, ShardGone, ShardSaid, ShardUnborn, Up
from scenarios.load.tally import Tally

ABOUTS: Final[Mapping[str, str]] = {
    "connect": "from a device's dial to the answer to its version report, each time it came in",
    "told": "from the request of the task to the inform's arrival",
    "job": "from the inform's arrival to the answer to the last report",
    "reconnect": "from a lost connection to the answer to the next version report",
}
"""What is measured of devices, in the order in which it happens to them."""


@dataclass(slots=True)
class Shard:
    """One process of devices, as far as is known. `failure` is what it stopped with, in words."""

    number: int
    pid: int | None = None
    is_ready: bool = False
    counts: FleetSnapshot | None = None
    ended: Ended | None = None
    gone: ShardGone | None = None
    failure: str = ""
    failure_kind: str = ""
    empty_bytes: int = 0
    memory_bytes: int = 0
    descriptors: int = 0

    def epitaph(self, shards: int) -> str:
        """Say that it died or failed, and how; an empty text while it lives."""
        name = f"fleet process {self.number + 1} of {shards}" + (
            "" if self.pid is None else f" (pid {self.pid})"
        )
        if self.failure:
            return f"{name} failed: {self.failure}"
        if self.gone is None:
            return ""
        code = self.gone.exit_code
        how = f"signal {signal_name(-code)}" if code < 0 else f"exit code {code}"
        return f"{name} died ({how}){f': {self.gone.words}' if self.gone.words else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """All shards' counts at one moment."""

    devices: int = 0
    connected: int = 0
    present: int = 0
    busy: int = 0
    informs: int = 0
    jobs_started: int = 0
    jobs_succeeded: int = 0
    jobs_failed: int = 0
    jobs_ended: int = 0
    downloads: int = 0
    downloaded_bytes: int = 0
    reconnects: int = 0
    connect_failures: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    repeats: int = 0
    notes: int = 0


class ShardsSeen:
    """The shards of one run. Times are seconds from the run's start."""

    def __init__(self, shards: int) -> None:
        self.shards = [Shard(number) for number in range(shards)]
        self.latencies = Tally()
        self.stormed = 0
        self.answers: dict[int, Answer] = {}

    def take(self, said: Up, at_s: float) -> None:
        """Count what the Locust process passed on."""
        shard = self.shards[said.shard]
        match said:
            case ShardBegan():
                shard.pid = said.pid
            case ShardSaid():
                self._hear(shard, said.event, at_s)
            case ShardGone():
                shard.gone = said
            case ShardUnborn():
                shard.failure = f"it could not be started: {said.why}"
            case _:
                assert_never(said)

    def _hear(self, shard: Shard, event: Event, at_s: float) -> None:
        match event:
            case Ready():
                shard.is_ready, shard.empty_bytes = True, event.memory_bytes
            case Snapshot():
                self._count(shard, event, at_s)
            case Stormed():
                self.stormed += event.count
            case Answer():
                self.answers[event.id] = event
            case Failed():
                shard.failure, shard.failure_kind = event.what, event.kind
            case Ended():
                shard.ended = event
            case _:
                assert_never(event)

    def _count(self, shard: Shard, snapshot: Snapshot, at_s: float) -> None:
        before, now = shard.counts, snapshot.counts
        shard.counts = now
        shard.memory_bytes, shard.descriptors = snapshot.memory_bytes, snapshot.descriptors
        errors: dict[str, dict[str, int]] = {"connect": {}, "job": {}}
        for code, count in now.refused.items():
            errors["connect"][f"CONNACK {code}"] = count - (before.refused.get(code, 0) if before else 0)
        vain = now.connect_failures - sum(now.refused.values())
        vain_before = before.connect_failures - sum(before.refused.values()) if before else 0
        errors["connect"]["an attempt in vain"] = vain - vain_before
        for step, count in now.failed_steps.items():
            errors["job"][f"failed at step {step}"] = count - (
                before.failed_steps.get(step, 0) if before else 0
            )
        for name in ABOUTS:
            new = {what: count for what, count in errors.get(name, {}).items() if count > 0}
            counts: Mapping[int, int] = getattr(snapshot.latencies, name)
            if new or counts:
                self.latencies.take(name, counts, at_s, new)

    @property
    def counts(self) -> Counts:
        """Add up what each shard said last."""
        said = [shard.counts for shard in self.shards if shard.counts is not None]
        return Counts(**{name: sum(getattr(each, name) for each in said) for name in Counts.__slots__})

    @property
    def refused(self) -> Mapping[int, int]:
        """Give the CONNACKs that refused, by code."""
        return add_up(shard.counts.refused for shard in self.shards if shard.counts is not None)

    @property
    def failed_steps(self) -> Mapping[int, int]:
        """Give the failed jobs, by their last step."""
        return add_up(shard.counts.failed_steps for shard in self.shards if shard.counts is not None)

    @property
    def trace(self) -> Sequence[TraceEntry]:
        """Give the first that went wrong in any shard, oldest first."""
        entries = [entry for shard in self.shards if shard.ended is not None for entry in shard.ended.trace]
        return sorted(entries, key=lambda entry: entry.at_ms)
