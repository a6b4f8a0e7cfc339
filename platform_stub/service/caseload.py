"""The jobs and accounts that a batch of reports is about: read once, with a few statements, and moved in memory.

Nothing is decided or written here. Times are the accounts'. Source: P10 for the hold.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from platform_stub.protocol.codes import JobState
from platform_stub.rules.jobs import Hold, StepRefusal, hold_of, is_overdue, stopped
from platform_stub.rules.offers import Terms
from platform_stub.service.writer import Tx
from platform_stub.store import accounts
from platform_stub.store import jobs as job_rows

_STATES = {int(state): state for state in JobState}


@dataclass(slots=True)
class Job:
    """A job in the batch: the columns of `store.jobs.FACTS` in their order, state and step as they move."""

    tid: int
    task_id: int
    device_id: int
    kind: int
    state: JobState
    step: int | None
    held_ms: int | None
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
        """What its package is for."""
        return Terms(
            target=self.target,
            start_version=self.start_version,
            manufacturer=self.manufacturer,
            model=self.model,
        )


@dataclass(frozen=True, slots=True)
class AccountNow:
    """An account at the batch's moment."""

    row: accounts.AccountRow
    now_ms: int
    held_since_ms: int | None  # since when arrears hold what is pending (P10)


class Caseload:
    """What a batch knows."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._accounts: dict[int, AccountNow] = {}
        self.jobs: dict[int, Job] = {}
        self._open_of: dict[int, list[Job]] = {}

    def load(self, tids: Collection[int], device_ids: Collection[int]) -> None:
        """Read some jobs, and the open jobs of some devices."""
        self._keep(job_rows.load_by_tids(self._tx.conn, tids))
        self._keep(job_rows.load_open_of_devices(self._tx.conn, device_ids))
        self._open_of = {device_id: [] for device_id in device_ids}
        for job in self.jobs.values():
            if job.device_id in self._open_of:
                self._open_of[job.device_id].append(job)

    def _keep(self, rows: Iterable[Any]) -> None:
        for row in rows:
            job = Job(*row)
            if job.tid not in self.jobs:
                job.state = _STATES[job.state]
                self.jobs[job.tid] = job

    def find(self, tid: int, device_id: int) -> Job | None:
        """Find a device's job; another device's is none."""
        job = self.jobs.get(tid)
        return job if job is not None and job.device_id == device_id else None

    def of(self, device_id: int) -> Collection[Job]:
        """List the jobs of a device that were open when the batch began."""
        return self._open_of.get(device_id, ())

    def account(self, account_id: int) -> AccountNow:
        """Read an account, once."""
        account = self._accounts.get(account_id)
        if account is None:
            row = accounts.load(self._tx.conn, account_id)
            assert row is not None, "accounts are never removed"
            now_ms = self._tx.real_ms + row.clock_offset_ms
            account = self._accounts[account_id] = AccountNow(row, now_ms, row.hold_began(now_ms))
        return account

    def hold(self, job: Job) -> Hold:
        """Name what holds a job."""
        account = self.account(job.account_id)
        return hold_of(
            now_ms=account.now_ms,
            starts_ms=job.starts_ms,
            is_paused=job.paused_ms is not None,
            in_arrears=account.held_since_ms is not None,
        )

    def stop(self, job: Job) -> StepRefusal | None:
        """Say what keeps an open job from being offered, told or started."""
        return stopped(job.state, self.hold(job))

    def is_overdue(self, job: Job) -> bool:
        """Whether an open job is past its deadline."""
        account = self.account(job.account_id)
        return is_overdue(
            job.state,
            now_ms=account.now_ms,
            deadline_ms=job.expires_ms + (job.held_ms or 0),
            held_since_ms=account.held_since_ms,
        )
