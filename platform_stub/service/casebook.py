"""What reports ask for again and again, as the last commit left it: devices, their open jobs, tasks, accounts.

A batch reads what is not in the book and, after its commit, puts down what has become of it. The book holds as long as
no other transaction was written, or even begun: the store counts both, so that nothing in it is older than what a
statement would read, and the first batch after a use case begins with an empty book. A batch works on copies; what is
in the book is never changed, only replaced. Nothing is decided here. Times are the accounts'.
"""

from collections.abc import Collection, Iterable, Mapping
from sys import intern
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from platform_stub.protocol.codes import JobState
from platform_stub.rules.offers import Terms
from platform_stub.store import accounts, jobs
from platform_stub.store.engine import Store
from platform_stub.store.schema import AnyRow

DEVICES_MAX: Final = 50_000
"""How many devices are remembered; with one more the book is begun anew. A device and its job are some 400 bytes."""

_STATES: Final = {int(state): state for state in JobState}


class TaskFacts(Struct, frozen=True, gc=False):
    """What a task and its package say of each of its jobs: the columns of `store.jobs.TASK_FACTS` in their order."""

    task_id: int
    account_id: int
    package_id: int
    target: str
    verification: bool
    starts_ms: int
    expires_ms: int
    paused_ms: int | None
    start_version: str | None
    notification: str
    size_bytes: int
    md5: str
    manufacturer: str
    model: str

    @property
    def terms(self) -> Terms:
        """What the package is for."""
        return Terms(
            target=self.target,
            start_version=self.start_version,
            manufacturer=self.manufacturer,
            model=self.model,
        )


class Job(Struct, eq=False, gc=False):
    """A job; a batch moves state and step of its own copy."""

    tid: int
    device_id: int
    kind: int
    state: JobState
    step: int | None
    held_ms: int | None
    task: TaskFacts


class Device(Struct, frozen=True, gc=False):
    """A device: the versions it last reported, and its open jobs, oldest first."""

    device_id: int
    f_version: str | None
    s_version: str | None
    jobs: tuple[Job, ...]


class Casebook:
    """What is remembered from batch to batch."""

    def __init__(self, store: Store, devices_max: int = DEVICES_MAX) -> None:
        self._store = store
        self._devices_max = devices_max
        self._writes: int | None = None  # the store's count for which the book holds; None: for none
        self._ends_at: int | None = None  # the store's count at the end of the batch's transaction
        self._devices: dict[int, Device] = {}
        self._tasks: dict[int, TaskFacts] = {}
        self._accounts: dict[int, accounts.AccountRow] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def begin(self) -> None:
        """Begin a batch, inside its transaction: forget what may be old. Until its `end` nothing is found here."""
        now = self._store.writes
        if now is None or now - 1 != self._writes or len(self._devices) > self._devices_max:
            for facts in (self._devices, self._tasks, self._accounts):
                facts.clear()
        self._writes = None
        self._ends_at = None if now is None else now + 1

    def end(self, changed: Iterable[Device]) -> None:
        """Put down what a batch has left, right after its commit. What it had read is there already."""
        if self._ends_at is None or self._store.writes != self._ends_at:
            return
        for device in changed:
            self._devices[device.device_id] = device
        self._writes = self._ends_at

    def devices(self, conn: Connection, device_ids: Iterable[int]) -> Mapping[int, Device]:
        """Give some devices, those that are not remembered read with one statement; unknown ones are left out."""
        known = self._devices
        missing = [device_id for device_id in device_ids if device_id not in known]
        if missing:
            rows = jobs.load_devices(conn, missing)
            self._read_tasks(conn, {row.task_id for row in rows if row.tid is not None})
            for device in self._assemble(rows):
                known[device.device_id] = device
        return known

    def _assemble(self, rows: Iterable[AnyRow]) -> Iterable[Device]:
        found: dict[int, Device] = {}
        for row in rows:
            device_id, f_version, s_version, tid, task_id, kind, state, step, held_ms = row
            held: tuple[Job, ...] = ()
            if tid is not None:
                held = (Job(tid, device_id, kind, _STATES[state], step, held_ms, self._tasks[task_id]),)
            former = found.get(device_id)
            if former is not None:
                held = tuple(sorted(former.jobs + held, key=lambda job: job.tid))
            found[device_id] = Device(device_id, _shared(f_version), _shared(s_version), held)
        return found.values()

    def jobs(self, conn: Connection, tids: Collection[int]) -> list[Job]:
        """Read some jobs that no device of the batch has open: ended ones, or another device's. They are not kept."""
        rows = jobs.load_by_tids(conn, tids)
        self._read_tasks(conn, {row.task_id for row in rows})
        return [
            Job(row.tid, row.device_id, row.kind, _STATES[row.state], row.step, row.held_ms, self._tasks[row.task_id])
            for row in rows
        ]  # fmt: skip

    def _read_tasks(self, conn: Connection, task_ids: Iterable[int]) -> None:
        missing = [task_id for task_id in task_ids if task_id not in self._tasks]
        for row in jobs.load_task_facts(conn, missing):
            self._tasks[row.task_id] = TaskFacts(*row)

    def account(self, conn: Connection, account_id: int) -> accounts.AccountRow:
        """Give an account."""
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = accounts.load_known(conn, account_id)
        return account

    def find(self, tid: int, device_id: int) -> tuple[Job, accounts.AccountRow] | None:
        """Find a device's open job and its account between two batches; None: it is not known here."""
        if self._writes is None or self._writes != self._store.writes:
            return None
        device = self._devices.get(device_id)
        if device is None:
            return None
        for job in device.jobs:
            if job.tid == tid:
                account = self._accounts.get(job.task.account_id)
                return None if account is None else (job, account)
        return None


def _shared(version: str | None) -> str | None:
    """Give the one value that all devices of a version share."""
    return None if version is None else intern(version)
