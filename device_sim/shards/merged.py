"""Making one of what several shards say: counts, who is behind, what went wrong. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from device_sim.core.profile import FLOWS
from device_sim.errors import Behind
from device_sim.fleet import NAMED_MAX
from device_sim.snapshot import FleetSnapshot, FlowSnapshot, TraceEntry, add_up

K = TypeVar("K", int, str)
_NO_FLEET: Final = FleetSnapshot(
    devices=0, connected=0, present=0, busy=0, informs=0, jobs_started=0, jobs_succeeded=0, jobs_failed=0,
    jobs_ended=0, failed_steps={}, downloads=0, downloaded_bytes=0, reconnects=0, connect_failures=0, refused={},
    messages_sent=0, messages_received=0, repeats=0, notes=0, flows={},
)  # fmt: skip


def merge_snapshots(snapshots: Sequence[FleetSnapshot]) -> FleetSnapshot:
    """Add up what several fleets count."""
    if len(snapshots) == 1:
        return snapshots[0]
    total = {name: _sum(name, snapshots, getattr(_NO_FLEET, name)) for name in _NO_FLEET.__slots__}
    return FleetSnapshot(**{**total, "flows": _merge_flows([each.flows for each in snapshots])})


def merge_behind(late: Iterable[Behind | None], devices: int) -> Behind | None:
    """Say who is behind of all devices; None: nobody is."""
    found = [each for each in late if each is not None]
    if not found:
        return None
    first = tuple(each for one in found for each in one.first)[:NAMED_MAX]
    return Behind(found[0].what, sum(one.count for one in found), devices, first)


def merge_traces(traces: Iterable[Iterable[TraceEntry]], most: int) -> tuple[TraceEntry, ...]:
    """Tell what went wrong first, oldest first."""
    return tuple(sorted((entry for one in traces for entry in one), key=lambda entry: entry.at_ms)[:most])


def _sum(name: str, snapshots: Iterable[object], empty: object) -> Any:
    """Add up one field of each: a number, or numbers by their keys."""
    values = [getattr(each, name) for each in snapshots]
    if isinstance(empty, int):
        return sum(values)
    return add_up(values) if name != "flows" else {}


def _merge_flows(several: Sequence[Mapping[str, FlowSnapshot]]) -> dict[str, FlowSnapshot]:
    merged: dict[str, FlowSnapshot] = {}
    for flow in FLOWS:
        found = [flows[flow] for flows in several if flow in flows]
        if found:
            values = {name: _sum(name, found, getattr(found[0], name)) for name in FlowSnapshot.__slots__}
            merged[flow] = FlowSnapshot(**values)
    return merged
