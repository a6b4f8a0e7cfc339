"""The stories of a fleet over processes: kept in its shards, and fetched when somebody asks.

It is asked as a `Recorder` is. When the fleet leaves, what its shards have kept of stories and messages is taken over,
so it can be asked afterwards.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from device_sim.recorder import Entry, Way, Wire
from device_sim.shards.calls import Told
from device_sim.shards.messages import Recording

_NOTHING: Final = Told([], is_cut=False)


class Shards(Protocol):
    """The fleet, as far as it can be asked about stories."""

    def look(self, method: str, device_id: int) -> Any:
        """Ask the shard that has, or had, a device, about it; None: there was never such a device."""

    def ask_all(self, method: str, *args: Any) -> list[Any]:
        """Ask each shard."""

    def ask_each(self, method: str, device_ids: Iterable[int], *args: Any) -> list[Any]:
        """Ask each shard about those of the devices that it has or had; None in the place of a shard with none."""


class ShardedRecorder:
    """What is kept of the devices of one fleet. `began_ns`: entries count from that moment of CLOCK_MONOTONIC."""

    def __init__(self, *, wire: bool = False, began_ns: int) -> None:
        self.recording = Recording(wire=wire, began_ns=began_ns)
        self._shards: Shards | None = None
        self._marks: list[
            Sequence[int]
        ] = []  # of each mark, what the shards call it; empty: before there were any
        self._stories: dict[int, Told] = {}
        self._wires: dict[int, list[Wire]] = {}

    def begin(self, shards: Shards) -> None:
        """Take the fleet whose stories these are."""
        self._shards = shards

    def end(self, device_ids: Sequence[int]) -> None:
        """Take over what the shards have kept; they end."""
        if self._shards is None:
            return
        for device_id in device_ids:
            self._stories[device_id] = self._shards.look("stories", device_id)
            if self.recording.wire:
                self._wires[device_id] = self._shards.look("wires", device_id)
        self._shards = None

    def story(self, device_id: int) -> tuple[Entry, ...]:
        """Give what happened to a device, oldest first; nothing for one that was never there."""
        return tuple(self._told(device_id).entries)

    def is_cut(self, device_id: int) -> bool:
        """Whether older entries of a device's story were dropped."""
        return self._told(device_id).is_cut

    def wire(self, device_id: int) -> tuple[Wire, ...]:
        """Give the newest messages and calls of a device, oldest first."""
        if self._shards is None:
            return tuple(self._wires.get(device_id, ()))
        return tuple(self._shards.look("wires", device_id) or ())

    def mark(self) -> int:
        """Begin to count anew for whoever gives this to `counts` as `since`; older marks stay good."""
        self._marks.append(() if self._shards is None else self._shards.ask_all("mark"))
        return len(self._marks)

    def counts(
        self,
        device_ids: Iterable[int],
        *,
        way: Way,
        what: str | None,
        step: int | None = None,
        since: int = 0,
    ) -> dict[int, int]:
        """Count messages of each of these devices, as `Recorder.counts` does."""
        wanted = list(device_ids)
        counted = dict.fromkeys(wanted, 0)
        if self._shards is None:
            return counted
        marks = self._marks[since - 1] if since else ()
        for found in self._shards.ask_each("message_counts", wanted, way, what, step, _each(marks)):
            counted.update(found or {})
        return counted

    def _told(self, device_id: int) -> Told:
        if self._shards is None:
            return self._stories.get(device_id, _NOTHING)
        told: Told | None = self._shards.look("stories", device_id)
        return told or _NOTHING


def _each(values: Sequence[int]) -> Callable[[int], int]:
    """Give the shard's own value; 0 where there is none."""
    return lambda at: values[at] if at < len(values) else 0
