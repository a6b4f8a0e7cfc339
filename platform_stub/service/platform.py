"""The platform put together: store, writer, sessions, uplink, downloads, and who waits for what.

It decides nothing itself. All methods are called in the event loop's thread.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from platform_stub.protocol.codes import OPEN_STATES, UpdateKind
from platform_stub.service.auto_add import AutoAdds
from platform_stub.service.batch import Batch
from platform_stub.service.casebook import Casebook
from platform_stub.service.credentials import Credentials
from platform_stub.service.device_calls import DeviceCalls
from platform_stub.service.injection import Injection
from platform_stub.service.ports import AccessLog, Downlink, Session
from platform_stub.service.reports import Report
from platform_stub.service.rest import Rest, Traffic
from platform_stub.service.sessions import Sessions
from platform_stub.service.telling import Telling
from platform_stub.service.timers import Timers
from platform_stub.service.uplink import PlatformUplink
from platform_stub.service.webhook import Webhooks
from platform_stub.service.writer import Tx, Writer
from platform_stub.store import accounts, tasks
from platform_stub.store.engine import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a platform counted since its start; `connected` is how many devices are there now."""

    connected: int
    informs_sent: int
    informs_delivered: int
    commits: int
    failed_commits: int
    expired: int  # jobs
    auto_added: int  # devices that a package's policy took in
    due_later: int  # starts and expiries that are waited for
    package_bytes_held: int  # contents in memory, for downloads
    package_bytes_max: int  # their bound
    faults_struck: int  # injected ones, those that are out of force included


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

    def __init__(
        self,
        store: Store,
        real_ms: Callable[[], int],
        *,
        strict: bool = False,
        log: AccessLog | None = None,
    ) -> None:
        self.store = store
        self.log = log
        self.strict = strict
        self.real_ms = real_ms
        self.injection = Injection()
        self.sessions = Sessions(self.injection, log=log)
        self._casebook = Casebook(store)
        self.writer: Writer[Report] = Writer(store, self._apply, real_ms, self)
        credentials = self._credentials = Credentials(
            store, real_ms, strict=strict, epoch=lambda: self.writer.works_done
        )
        self.uplink = PlatformUplink(store, self.sessions, self.writer, credentials, log)
        self.auto_adds = AutoAdds(self)
        self.device_calls = DeviceCalls(
            store, self.writer, credentials, self.auto_adds, self._casebook, real_ms, strict=strict
        )
        self.webhooks = Webhooks(store, self.writer, real_ms, self.account_now)
        self._waiters: dict[int, list[_Waiter]] = {}
        self._offsets: dict[int, int] = {}
        self._reports_of: Counter[int] = Counter()
        self.telling = Telling(self.sessions, self)
        self._rest = Rest(
            told=self.telling.finish,
            is_connected=self.sessions.is_any_of,
            traffic=self._traffic,
            is_open=self._is_open,
            clock_s=asyncio.get_running_loop().time,
        )
        self.timers = Timers(self)
        self.timers.start()

    def counts(self) -> Counts:
        """Count what is and what was."""
        return Counts(
            connected=len(self.sessions),
            informs_sent=self.sessions.informs_sent,
            informs_delivered=self.sessions.informs_delivered,
            commits=self.writer.commits,
            failed_commits=self.writer.failed_commits,
            expired=self.timers.expired,
            auto_added=self.auto_adds.joined,
            due_later=len(self.timers),
            package_bytes_held=self.device_calls.contents.held_bytes,
            package_bytes_max=self.device_calls.contents.max_bytes,
            faults_struck=self.injection.struck,
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
        await self.timers.close()
        await self.telling.close()
        await self.auto_adds.close()
        await self.webhooks.close()
        await self.writer.close()
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.done.cancel()

    def account_now(self, account_id: int) -> int:
        """Read an account's clock."""
        offset = self._offsets.get(account_id)
        if offset is None:
            row = self.read(lambda conn: accounts.load_known(conn, account_id))
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

    def deliveries_due(self) -> None:
        """Let the webhooks' worker look at what is due."""
        self.webhooks.kick()

    def tell_task(self, task_id: int) -> None:
        """Tell connected devices of a task, while other work goes on."""
        self.telling.tell_task(task_id)

    def tell_account(self, account_id: int) -> None:
        """Tell an account's connected devices of their jobs."""
        self.telling.tell_account(account_id)

    def task_created(self, account_id: int, task_id: int, starts_ms: int, expires_ms: int) -> None:
        """Wait for a new task's start and expiry; tell of it if it has started."""
        self.timers.add_task(account_id, task_id, starts_ms, expires_ms)
        self.telling.tell_task(task_id)

    def replan(self, account_id: int) -> None:
        """Look again at an account's deadlines."""
        self.timers.replan(account_id)

    def auto_add_changed(self) -> None:
        """Look again at which packages take in later devices."""
        self.auto_adds.forget()

    def _version_idle(self, session: Session, kind: UpdateKind, version: str) -> None:
        self.auto_adds.consider(session.device_id, kind, version)

    async def rest(self, account_id: int, task_ids: Sequence[int]) -> None:
        """Return when what was just told of an account's tasks has come to rest."""
        await self._rest.of(account_id, task_ids)

    def _traffic(self, account_id: int) -> Traffic:
        return Traffic(self._reports_of[account_id], self._credentials.admitted[account_id])

    def _is_open(self, task_ids: Sequence[int]) -> bool:
        return self.read(lambda conn: any(tasks.is_open_task(conn, task_id) for task_id in task_ids))

    def _apply(self, tx: Tx, reports: Sequence[Report]) -> None:
        for report in reports:
            self._reports_of[report.origin.account_id] += 1
        batch = Batch(tx, self.sessions, self._casebook, strict=self.strict, idle=self._version_idle)
        batch.apply(reports)


def _count_open(conn: Connection, task_id: int) -> int:
    counts = tasks.job_counts(conn, task_id)
    return sum(counts.get(state, 0) for state in OPEN_STATES)
