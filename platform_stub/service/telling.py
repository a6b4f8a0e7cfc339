"""Telling connected devices of jobs that wait for them, a page at a time, while other work goes on.

A task is told when it is new, when it starts, and when it goes on after a pause; an account's when arrears hold
nothing back any more (P10). A device that comes later is told when it subscribes or reports (`batch`): one that does
so while a telling goes on is not told of the same job twice. A task that is announced by webhook is not told here.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from platform_stub.protocol.codes import JobState
from platform_stub.rules.jobs import hold_of, stopped
from platform_stub.service.ground import Ground
from platform_stub.service.sessions import JobFacts, Sessions
from platform_stub.store import accounts, jobs, tasks
from platform_stub.store.schema import AnyRow

PAGE: Final = 500
DEVICES_PER_SESSION: Final = 4
"""With more devices a session than this, the sessions are gone through instead of the task's jobs."""
TOLD_STATES: Final = (JobState.DOWNLOADING, JobState.PENDING)
"""A download that a pause stopped is told again when the task goes on. They come first: who is told begins one."""


class Telling:
    """Tells of jobs on the devices' sessions."""

    def __init__(self, sessions: Sessions, ground: Ground) -> None:
        self._sessions = sessions
        self._ground = ground
        self._works: set[asyncio.Task[None]] = set()

    def tell_task(self, task_id: int) -> None:
        """Tell the connected devices of a task."""
        if len(self._sessions):
            self._spawn(self._tell_task(task_id, self._begin()), f"tell task {task_id}")

    def tell_account(self, account_id: int) -> None:
        """Tell an account's connected devices of their jobs."""
        if len(self._sessions):
            work = self._tell_sessions(lambda row: bool(row.account_id == account_id), self._begin())
            self._spawn(work, f"tell account {account_id}")

    async def finish(self) -> None:
        """Return when everything is told that was to be told by now."""
        if self._works:
            await asyncio.wait(list(self._works))

    async def close(self) -> None:
        """Stop telling."""
        for work in self._works:
            work.cancel()
        await self.finish()

    def _begin(self) -> int:
        """Number a telling: sessions whose version report comes from now on are told by that."""
        self._sessions.tellings += 1
        return self._sessions.tellings

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _tell_task(self, task_id: int, telling: int) -> None:
        task = self._ground.read(lambda conn: tasks.load(conn, task_id))
        assert task is not None
        if task.device_count > DEVICES_PER_SESSION * len(self._sessions):
            await self._tell_sessions(lambda row: bool(row.task_id == task_id), telling)
            return
        for state in TOLD_STATES:
            await self._tell_jobs(task_id, state, telling)

    async def _tell_jobs(self, task_id: int, state: JobState, telling: int) -> None:
        after = 0
        while page := self._ground.read(lambda conn: jobs.load_of_task(conn, task_id, state, after, PAGE)):  # noqa: B023 - read at once
            self._inform(page, telling)
            after = page[-1].tid
            await asyncio.sleep(0)

    async def _tell_sessions(self, wanted: Callable[[AnyRow], bool], telling: int) -> None:
        listening = [session.device_id for session in self._sessions.listening()]
        for at in range(0, len(listening), PAGE):
            ids = listening[at : at + PAGE]
            rows = self._ground.read(lambda conn: jobs.load_open_of_devices(conn, ids))  # noqa: B023 - read at once
            self._inform([row for row in rows if row.state in TOLD_STATES and wanted(row)], telling)
            await asyncio.sleep(0)

    def _inform(self, rows: Sequence[AnyRow], telling: int) -> None:
        held: dict[int, bool] = {}  # by account
        told: dict[tuple[int, int], bool] = {}  # by task and state: the same for all its jobs
        for row in rows:
            session = self._sessions.get(row.device_id)
            if session is None or row.notification == "webhook":
                continue
            if session.telling >= telling and row.state == JobState.PENDING:
                continue  # its version report had it told
            key = row.task_id, row.state
            is_told = told.get(key)
            if is_told is None:
                if row.account_id not in held:
                    held[row.account_id] = self._is_held(row.account_id)
                is_told = told[key] = self._may_go_on(row, in_arrears=held[row.account_id])
            if is_told:
                self._sessions.inform(
                    session, (JobFacts(row.tid, row.kind, row.target, row.size_bytes, row.md5),)
                )

    def _may_go_on(self, row: AnyRow, *, in_arrears: bool) -> bool:
        """Whether nothing holds a job back."""
        hold = hold_of(
            now_ms=self._ground.account_now(row.account_id),
            starts_ms=row.starts_ms,
            is_paused=row.paused_ms is not None,
            in_arrears=in_arrears,
        )
        return stopped(JobState(row.state), hold) is None

    def _is_held(self, account_id: int) -> bool:
        account = self._ground.read(lambda conn: accounts.load_known(conn, account_id))
        return account.ledger.holds_pending(self._ground.account_now(account_id))
