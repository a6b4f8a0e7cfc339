"""The jobs and accounts that a batch of reports is about: copies of its own, which it moves in memory.

They come from the casebook, and what has become of them goes back there after the commit. Nothing is decided or
written here. Times are the accounts'. Source: P10 for the hold.
"""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass

from platform_stub.rules.jobs import Hold, StepRefusal, hold_of, is_overdue, stopped
from platform_stub.service.casebook import Casebook, Device, Job
from platform_stub.service.writer import Tx
from platform_stub.store import accounts

__all__ = ["AccountNow", "Caseload", "Job"]


@dataclass(frozen=True, slots=True)
class AccountNow:
    """An account at the batch's moment."""

    row: accounts.AccountRow
    now_ms: int
    held_since_ms: int | None  # since when arrears hold what is pending (P10)


class Caseload:
    """What a batch knows."""

    def __init__(self, tx: Tx, book: Casebook) -> None:
        self._tx = tx
        self._book = book
        self._accounts: dict[int, AccountNow] = {}
        self._devices: dict[int, Device] = {}
        self.jobs: dict[int, Job] = {}
        self._open_of: dict[int, list[Job]] = {}
        book.begin()

    def load(self, tids: Collection[int], device_ids: Collection[int]) -> None:
        """Take in some devices with their open jobs, and some jobs, which may have ended or be of other devices."""
        conn = self._tx.conn
        known = self._book.devices(conn, device_ids)
        for device_id in device_ids:
            device = known.get(device_id)
            if device is None:
                continue
            self._devices[device_id] = device
            self._open_of[device_id] = own = [copy(job) for job in device.jobs]
            for job in own:
                self.jobs[job.tid] = job
        missing = [tid for tid in tids if tid not in self.jobs]
        if missing:
            for job in self._book.jobs(conn, missing):
                self.jobs[job.tid] = job

    def find(self, tid: int, device_id: int) -> Job | None:
        """Find a device's job; another device's is none."""
        job = self.jobs.get(tid)
        return job if job is not None and job.device_id == device_id else None

    def of(self, device_id: int) -> Collection[Job]:
        """List the jobs of a device that were open when the batch began."""
        return self._open_of.get(device_id, ())

    def versions(self, device_id: int) -> tuple[str | None, str | None]:
        """Give the (firmware, software) versions of a device when the batch began."""
        device = self._devices.get(device_id)
        return (None, None) if device is None else (device.f_version, device.s_version)

    def close(self, moved: Collection[int], firmware: Mapping[int, str], software: Mapping[int, str]) -> None:
        """Put down, after the commit, which jobs moved (tids), and new versions by device ID."""
        changed = {self.jobs[tid].device_id for tid in moved} | firmware.keys() | software.keys()
        self._book.end(
            Device(
                device_id,
                firmware.get(device_id, device.f_version),
                software.get(device_id, device.s_version),
                tuple(job for job in self._open_of[device_id] if job.state.is_open),
            )
            for device_id in changed
            if (device := self._devices.get(device_id)) is not None
        )

    def account(self, account_id: int) -> AccountNow:
        """Give an account, once a batch."""
        account = self._accounts.get(account_id)
        if account is None:
            row = self._book.account(self._tx.conn, account_id)
            now_ms = self._tx.real_ms + row.clock_offset_ms
            account = self._accounts[account_id] = AccountNow(row, now_ms, row.hold_began(now_ms))
        return account

    def hold(self, job: Job) -> Hold:
        """Name what holds a job."""
        task = job.task
        account = self.account(task.account_id)
        return hold_of(
            now_ms=account.now_ms,
            starts_ms=task.starts_ms,
            is_paused=task.paused_ms is not None,
            in_arrears=account.held_since_ms is not None,
        )

    def stop(self, job: Job) -> StepRefusal | None:
        """Say what keeps an open job from being offered, told or started."""
        return stopped(job.state, self.hold(job))

    def is_overdue(self, job: Job) -> bool:
        """Whether an open job is past its deadline."""
        task = job.task
        account = self.account(task.account_id)
        return is_overdue(
            job.state,
            now_ms=account.now_ms,
            deadline_ms=task.expires_ms + (job.held_ms or 0),
            held_since_ms=account.held_since_ms,
        )
