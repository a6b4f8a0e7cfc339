"""Tasks and devices on paper: what a task asks of its devices, and when its jobs run out of time.

Times are unix milliseconds of the account's clock. Source: charging rules P5, P7, P8, P10, P15; expiry and the
states of a task: onenet-protocol, sections 5 and 7. Deliberately ignorant of how the platform does any of it.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from platform_stub.protocol.codes import EntitlementSource, JobState, UpdateKind

EXPIRES_AFTER_MS: Final = 600_000
"""What a task's jobs have from its start on, unless it says otherwise."""

TaskState = Literal["not_started", "upgrading", "paused", "stopped", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a task says besides devices and target. In `start_versions` None is a device that has reported none."""

    starts_ms: int | None = None  # None: at once
    expires_after_ms: int = EXPIRES_AFTER_MS
    start_version: str | None = None  # of a differential package
    start_versions: tuple[str | None, ...] | None = None
    must_have_reported: bool = False  # the device of a verification
    of_all: bool = False  # scope all: of nobody is a conflict, not malformed
    lacks_webhook: bool = False  # to be pushed, and there is no webhook: a conflict, after all other reasons

    def admit(self, version: str | None) -> bool:
        """Whether a device that has this version may be in the task (P7)."""
        if self.start_version is not None and version != self.start_version:
            return False
        if self.must_have_reported and version is None:
            return False
        return self.start_versions is None or version in self.start_versions


@dataclass(frozen=True, slots=True)
class Right:
    """A device's entitlement: what gave it, and the account that paid (P12)."""

    source: EntitlementSource
    account: Hashable


@dataclass(slots=True, kw_only=True)
class Device:
    """A device on paper."""

    account: Hashable
    ordinal: int  # stands for the device ID
    versions: dict[UpdateKind, str | None]
    right: Right | None = None
    terminated: bool = False
    open_jobs: dict[UpdateKind, int] = field(default_factory=dict)  # kind -> task; one each (P8)


@dataclass(slots=True, kw_only=True)
class Task:
    """A task on paper; its open jobs are taken to be pending."""

    account: Hashable
    kind: UpdateKind
    target: str | None
    terms: Terms
    starts_ms: int
    created_free: bool  # before the charging date: what P5 keeps uncharged
    jobs: dict[Hashable, JobState]
    freed: int = 0  # devices that are free for life by it (B8, P3)
    held_ms: dict[Hashable, int] = field(default_factory=dict)  # by arrears, so far (P10)
    is_paused: bool = False
    is_cancelled: bool = False

    @property
    def expires_ms(self) -> int:
        """When jobs that were never held fail."""
        return self.starts_ms + self.terms.expires_after_ms

    def open_jobs(self) -> Iterator[Hashable]:
        """Give the devices whose job is open."""
        return (key for key, state in self.jobs.items() if state.is_open)

    def overdue(self, now_ms: int) -> list[Hashable]:
        """Give the devices whose job is past its deadline."""
        if now_ms < self.expires_ms:
            return []
        return [key for key in self.open_jobs() if now_ms >= self.expires_ms + self.held_ms.get(key, 0)]

    def hold(self, since_ms: int, now_ms: int) -> None:
        """Lengthen the deadlines of open jobs by a hold that ends; those due before it began keep theirs."""
        waited_ms = now_ms - max(since_ms, self.starts_ms)
        due = set(self.overdue(since_ms))
        for key in list(self.open_jobs()) if waited_ms > 0 else ():
            if key not in due:
                self.held_ms[key] = self.held_ms.get(key, 0) + waited_ms

    def state(self, now_ms: int) -> TaskState:
        """Say how the task stands."""
        if self.is_cancelled:
            return "stopped"
        if not any(True for _ in self.open_jobs()):
            return "finished"
        if self.is_paused:
            return "paused"
        return "not_started" if now_ms < self.starts_ms else "upgrading"
