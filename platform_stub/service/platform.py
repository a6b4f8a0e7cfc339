"""The platform put together: store, writer, sessions, uplink, downloads, and who waits for what.

It decides nothing itself. All methods are called in the event loop's thread.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection

from platform_stub.protocol.codes import OPEN_STATES, JobState
from platform_stub.service.downloads import Downloads
from platform_stub.service.ports import Downlink
from platform_stub.service.reports import Batch, Report, Started
from platform_stub.service.sessions import JobFacts, Sessions
from platform_stub.service.uplink import PlatformUplink
from platform_stub.service.writer import Tx, Writer
from platform_stub.store import accounts, jobs, tasks
from platform_stub.store.engine import Store
from platform_stub.store.schema import AnyRow

T = TypeVar("T")

PAGE: Final = 500
DEVICES_PER_SESSION: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a platform counted since its start; `connected` is how many devices are there now."""

    connected: int
    informs_sent: int
    informs_delivered: int
    commits: int
    failed_commits: int


class _Waiter:
    """Someone who waits for a task's jobs to end."""

    __slots__ = ("done", "left")

    def __init__(self, left: int, done: asyncio.Future[None]) -> None:
        self.left = left
        self.done = done


class Platform:
    """The platform behind its ports. `real_ms` is the wall clock: account time is real time plus an offset.

    `strict` takes the documentation's narrower reading where it contradicts itself or what devices do.
    """

    def __init__(self, store: Store, real_ms: Callable[[], int], *, strict: bool = False) -> None:
        self.store = store
        self.strict = strict
        self.real_ms = real_ms
        self.sessions = Sessions()
        self.writer: Writer[Report] = Writer(store, self._apply, real_ms, self)
        self.uplink = PlatformUplink(store, self.sessions, self.writer, real_ms)
        self.downloads = Downloads(store, self._start, self.account_now)
        self._waiters: dict[int, list[_Waiter]] = {}
        self._offsets: dict[int, int] = {}
        self._tellers: set[asyncio.Task[None]] = set()

    def counts(self) -> Counts:
        """Count what is and what was."""
        return Counts(
            connected=len(self.sessions),
            informs_sent=self.sessions.informs_sent,
            informs_delivered=self.sessions.informs_delivered,
            commits=self.writer.commits,
            failed_commits=self.writer.failed_commits,
        )

    def attach(self, downlink: Downlink) -> None:
        """Name the broker that carries messages to devices."""
        self.sessions.attach(downlink)

    async def write(self, use_case: Callable[[Tx], T], *, large: bool = False) -> T:
        """Do a use case in a transaction and return its answer after the commit."""
        return await self.writer.run(use_case, large=large)

    def read(self, query: Callable[[Connection], T]) -> T:
        """Look at what is committed."""
        with self.store.read() as conn:
            return query(conn)

    async def read_aside(self, query: Callable[[Connection], T]) -> T:
        """Take a long look at what is committed, in a thread and on a connection of its own."""

        def look() -> T:
            with self.store.read_aside() as conn:
                return query(conn)

        return await asyncio.to_thread(look)

    async def close(self) -> None:
        """Commit what is queued and let who waits go."""
        for teller in self._tellers:
            teller.cancel()
        await self.writer.close()
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.done.cancel()

    def account_now(self, account_id: int) -> int:
        """Read an account's clock."""
        offset = self._offsets.get(account_id)
        if offset is None:
            row = self.read(lambda conn: accounts.load(conn, account_id))
            assert row is not None, "accounts are never removed"
            offset = self._offsets[account_id] = row.clock_offset_ms
        return self.real_ms() + offset

    def clock_moved(self, account_id: int) -> None:
        """Forget what was remembered of an account's clock."""
        self._offsets.pop(account_id, None)

    async def wait_for_task(self, task_id: int, timeout_s: float) -> None:
        """Return when no job of the task is open, or when the time is over."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (left := self.read(lambda conn: _count_open(conn, task_id))) > 0:
            remaining_s = deadline - asyncio.get_running_loop().time()
            if remaining_s <= 0 or not await self._wait(task_id, left, remaining_s):
                return

    async def _wait(self, task_id: int, left: int, timeout_s: float) -> bool:
        waiter = _Waiter(left, asyncio.get_running_loop().create_future())
        waiters = self._waiters.setdefault(task_id, [])
        waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.done
        except TimeoutError:
            return False
        else:
            return True
        finally:
            waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(task_id, None)

    def jobs_ended(self, task_id: int, count: int) -> None:
        """Count down for those who wait."""
        for waiter in self._waiters.get(task_id, ()):
            waiter.left -= count
            if waiter.left <= 0 and not waiter.done.done():
                waiter.done.set_result(None)

    def close_session(self, device_id: int) -> None:
        """End a device's connection."""
        self.sessions.close(device_id)

    def tell_task(self, task_id: int) -> None:
        """Tell connected devices of a task, a page at a time, while other work goes on."""
        if len(self.sessions):
            self._spawn(self._tell_task(task_id), f"tell task {task_id}")

    def tell_account(self, account_id: int) -> None:
        """Tell an account's connected devices of their pending jobs."""
        if len(self.sessions):
            self._spawn(self._tell_account(account_id), f"tell account {account_id}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        teller = asyncio.get_running_loop().create_task(work, name=name)
        self._tellers.add(teller)
        teller.add_done_callback(self._tellers.discard)

    async def _tell_task(self, task_id: int) -> None:
        task = self.read(lambda conn: tasks.load(conn, task_id))
        assert task is not None
        if self._is_held(task.account_id):
            return
        if task.device_count > DEVICES_PER_SESSION * len(self.sessions):
            await self._tell_sessions(lambda row: bool(row.task_id == task_id))
            return
        after = 0
        while page := self.read(lambda conn, a=after: jobs.load_pending_of_task(conn, task_id, a, PAGE)):  # type: ignore[misc]
            self._inform(page)
            after = page[-1].tid
            await asyncio.sleep(0)

    async def _tell_account(self, account_id: int) -> None:
        if not self._is_held(account_id):
            await self._tell_sessions(lambda row: bool(row.account_id == account_id))

    async def _tell_sessions(self, wanted: Callable[[AnyRow], bool]) -> None:
        listening = [session.device_id for session in self.sessions.listening()]
        for at in range(0, len(listening), PAGE):
            ids = listening[at : at + PAGE]
            rows = self.read(lambda conn, ids=ids: jobs.load_open_of_devices(conn, ids))  # type: ignore[misc]
            self._inform([row for row in rows if row.state == JobState.PENDING and wanted(row)])
            await asyncio.sleep(0)

    def _inform(self, rows: Sequence[AnyRow]) -> None:
        for row in rows:
            session = self.sessions.get(row.device_id)
            if session is not None:
                facts = JobFacts(row.tid, row.kind, row.target, row.size_bytes, row.md5)
                self.sessions.inform(session, [facts])

    def _is_held(self, account_id: int) -> bool:
        row = self.read(lambda conn: accounts.load(conn, account_id))
        return row is not None and row.ledger.holds_pending(self.account_now(account_id))

    def _apply(self, tx: Tx, reports: Sequence[Report]) -> None:
        Batch(tx, self.sessions).apply(reports)

    async def _start(self, started: Started) -> bool:
        committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settle(done: bool) -> None:  # noqa: FBT001 - the port's shape
            if not committed.done():
                committed.set_result(done)

        self.writer.report(started, settle)
        return await committed


def _count_open(conn: Connection, task_id: int) -> int:
    counts = tasks.job_counts(conn, task_id)
    return sum(counts.get(state, 0) for state in OPEN_STATES)
