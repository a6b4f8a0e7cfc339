"""Auto-add on paper: which devices policies must have taken in, and what became of those that they did (P15).

Which of several devices gets the last licence is the platform's to say; that none too many and none too few are taken
in is said here. `now_ms` is the account's clock.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from platform_stub.protocol.codes import UpdateKind
from scenarios.auditor.orders import Terms
from scenarios.auditor.predict import Book
from scenarios.runner.roster import Roster
from scenarios.runner.shelf import Package, Shelf, TakenIn

ACCOUNT: Final = "account"
_ENDS: Final = frozenset({"success", "failed", "cancelled"})


@dataclass(slots=True)
class _Joined:
    """A device that was taken in, and how its job stands."""

    device_id: int
    package: Package
    state: str = "pending"


@dataclass(slots=True)
class AutoAdds:
    """What the policies of one play came to. `asked` are devices over MQTT that have come back in this step.

    They ask but then; devices that speak HTTP ask all the time.
    """

    book: Book
    shelf: Shelf
    roster: Roster
    asked: set[int] = field(default_factory=set)
    _joined: dict[int, _Joined] = field(default_factory=dict)
    _refused: set[int] = field(default_factory=set)

    @property
    def is_used(self) -> bool:
        """Whether there is, or was, anything to tell."""
        return bool(self._joined) or any(True for _ in self.shelf.taking_in())

    def came_back(self, device_ids: Iterable[int]) -> None:
        """Note devices that report their versions now."""
        if any(True for _ in self.shelf.taking_in()):
            self.asked |= set(device_ids)

    def learn(self, seen: Mapping[int, TakenIn], now_ms: int) -> None:
        """Enter what the platform says it took in, by task, as far as the book lets it; and how jobs ended."""
        for task_id in sorted(seen):
            taken = seen[task_id]
            if task_id not in self._joined and task_id not in self._refused:
                package = self._wanting(
                    taken.device_id, None if taken.package is None else taken.package.kind
                )
                is_it = package is not None and package.facts == taken.package
                if not (is_it and package is not None and self._join(taken.device_id, package, now_ms)):
                    self._refused.add(task_id)
                    continue
                self._joined[task_id] = _Joined(taken.device_id, package)
            if task_id in self._joined:
                self._end(self._joined[task_id], taken.state, now_ms)

    def counts(self, seen: Mapping[int, TakenIn]) -> dict[str, int]:
        """Count the jobs that must be there: those that are and may be, and those that are wanting."""
        counts = Counter(seen[task_id].state for task_id in self._joined if task_id in seen)
        return dict(counts)

    def outstanding(self, now_ms: int) -> int:
        """Count the devices that must still be taken in."""
        waiting = [device_id for device_id, _ in self._candidates()]
        return self.book.room_for(ACCOUNT, waiting, now_ms)

    def plan(self, now_ms: int) -> Counter[str]:
        """Take in all devices that can be, in their order, and let their jobs end well; for a play on paper alone."""
        for device_id, package in list(self._candidates()):
            if self._join(device_id, package, now_ms):
                joined = self._joined[-len(self._joined) - 1] = _Joined(device_id, package)
                self._end(
                    joined, "success" if package.suits(self.roster.members[device_id]) else "failed", now_ms
                )
        self.asked.clear()
        return Counter(joined.state for joined in self._joined.values())

    def _candidates(self) -> Iterator[tuple[int, Package]]:
        """Give the devices that have asked, or ask all the time, and that a package wants."""
        for device_id in self.roster.on_air(self.roster.members):
            if self.roster.members[device_id].flow == "mqtt" and device_id not in self.asked:
                continue
            for kind in UpdateKind:
                package = self._wanting(device_id, kind.name)
                if package is not None and not self.book.has_open_job(device_id, kind):
                    yield device_id, package

    def _wanting(self, device_id: int, kind: str | None) -> Package | None:
        if kind is None:
            return None
        version = self.book.version(device_id, UpdateKind[kind])
        package = self.shelf.find(self.roster.members[device_id].product, kind, version)
        if package is None or self._had_job(device_id, package):
            return None
        return package

    def _had_job(self, device_id: int, package: Package) -> bool:
        """Whether a device has, or had, a job of a package: it is not taken in by it again."""
        return any(
            device_id in states and self.roster.packages.get(step_id) == package.facts
            for step_id, states in self.roster.states.items()
        ) or any(j.device_id == device_id and j.package is package for j in self._joined.values())

    def _join(self, device_id: int, package: Package, now_ms: int) -> bool:
        return self.book.create_task(
            ACCOUNT,
            [device_id],
            UpdateKind[package.facts.kind],
            now_ms,
            target=package.facts.target,
            terms=Terms(start_version=package.facts.start_version),
        ).accepted

    def _end(self, joined: _Joined, state: str, now_ms: int) -> None:
        kind = UpdateKind[joined.package.facts.kind]
        if joined.state not in _ENDS and self.book.has_open_job(joined.device_id, kind):
            if state == "success":
                self.book.job_succeeded(joined.device_id, kind, now_ms)
            elif state in _ENDS:
                self.book.job_failed(joined.device_id, kind)
        joined.state = state
