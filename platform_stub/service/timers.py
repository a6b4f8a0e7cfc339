"""The clock's part of the platform: tasks start and jobs expire when their account's clock says so.

One timer of the loop serves all accounts; what is due when stands in an `Agenda`, loaded from the store at the
start. An advance of an account's clock goes in steps to each thing that is due, and waits in between until what
it set off has come to rest (decision 6). What happens at an expiry is `expiry`'s concern.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from platform_stub.protocol import operator as api
from platform_stub.service import accounts, expiry
from platform_stub.service.agenda import Agenda, Entry, What
from platform_stub.service.answers import Rejection
from platform_stub.service.ground import Ground
from platform_stub.service.tasks import LARGE_DEVICES
from platform_stub.store import deadlines, tasks
from platform_stub.store.errors import StoreUnavailable

TASKS_AT_ONCE: Final = 200
LOOK_S: Final = 60.0
"""The longest sleep: a wall clock that was set is noticed after it."""
AGAIN_S: Final = 1.0
"""After a failed commit."""


class TimedGround(Ground, Protocol):
    """The same, and what follows when a task starts."""

    def tell_task(self, task_id: int) -> None:
        """Tell the connected devices of a task."""

    async def rest(self, account_id: int, task_ids: Sequence[int]) -> None:
        """Return when what was just told of an account's tasks has come to rest."""


class Timers:
    """Wakes when something is due. All methods are called in the loop's thread."""

    def __init__(self, ground: TimedGround) -> None:
        self._ground = ground
        self._agenda = Agenda()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_s = float("inf")
        self._works: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._clocks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # who moves which clock
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self.expired = 0

    def start(self) -> None:
        """Take in every task that has an open job, and do at once what fell due while the stub was down."""
        for task in self._ground.read(deadlines.load_live):
            self._agenda.add(task.account_id, [Entry(task.expires_ms, What.EXPIRY, task.task_id)])
            if task.starts_ms > self._ground.account_now(task.account_id):
                self._agenda.add(task.account_id, [Entry(task.starts_ms, What.START, task.task_id)])
        self._arm()

    async def close(self) -> None:
        """Stop; what is under way is cancelled."""
        self._is_closed = True
        if self._handle is not None:
            self._handle.cancel()
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._agenda)

    def add_task(self, account_id: int, task_id: int, starts_ms: int, expires_ms: int) -> None:
        """Take in a new task; one that has started already is due at its expiry only."""
        entries = [Entry(expires_ms, What.EXPIRY, task_id)]
        now_ms = self._ground.account_now(account_id)
        if starts_ms > now_ms:
            entries.append(Entry(starts_ms, What.START, task_id))
        self._agenda.add(account_id, entries)
        self._arm_for(min(entries).due_ms - now_ms)

    def replan(self, account_id: int) -> None:
        """Look again at all deadlines of an account: they have moved."""
        live = self._ground.read(lambda conn: deadlines.load_live(conn, account_id))
        self._agenda.add(account_id, [Entry(t.expires_ms, What.EXPIRY, t.task_id) for t in live])
        self._arm()

    async def advance(self, account_id: int, request: api.SetClock) -> api.Clock | Rejection:
        """Move an account's clock forward, stopping at each thing that is due on the way."""
        async with self._clocks.setdefault(account_id, asyncio.Lock()):
            to_ms = await self._ground.write(
                lambda tx: accounts.aim_clock(tx.conn, account_id, request, tx.real_ms)
            )
            if isinstance(to_ms, Rejection):
                return to_ms
            await self._run_due(account_id)
            self._forget_ended(account_id, to_ms)
            while (due_ms := self._agenda.next_due(account_id)) is not None and due_ms <= to_ms:
                await self._move(account_id, due_ms)
                if started := await self._run_due(account_id):
                    await self._ground.rest(account_id, started)
            clock = await self._move(account_id, to_ms)
            await self._run_due(account_id)
            self._arm()
            return clock

    def _forget_ended(self, account_id: int, to_ms: int) -> None:
        """Take out what an advance need not stop at: tasks that have no open job any more."""
        due = self._agenda.take(account_id, to_ms)
        live = {
            task.task_id for task in self._ground.read(lambda conn: deadlines.load_live(conn, account_id))
        }
        self._agenda.add(account_id, [entry for entry in due if entry.task_id in live])

    async def _move(self, account_id: int, to_ms: int) -> api.Clock:
        return await self._ground.write(lambda tx: accounts.move_clock(tx, account_id, to_ms))

    def _arm(self) -> None:
        """Set the loop's timer to what is due first."""
        waits = [
            due_ms - self._ground.account_now(account_id)
            for account_id in self._agenda.accounts()
            if (due_ms := self._agenda.next_due(account_id)) is not None
        ]
        self._disarm()
        if waits:
            self._arm_for(min(waits))

    def _arm_for(self, wait_ms: int) -> None:
        if self._is_closed:
            return
        wait_s = min(max(wait_ms, 0) / 1e3, LOOK_S)
        at_s = self._loop.time() + wait_s
        if at_s < self._armed_s:
            self._disarm()
            self._armed_s = at_s
            self._handle = self._loop.call_at(at_s, self._wake)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self._armed_s = None, float("inf")

    def _wake(self) -> None:
        self._handle, self._armed_s = None, float("inf")
        self._spawn(self._run_all())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work, name="timers")
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _run_all(self) -> None:
        try:
            for account_id in self._agenda.accounts():
                await self._run_due(account_id)
            self._arm()
        except StoreUnavailable:  # it can't even be read: look again soon
            self._arm_for(int(AGAIN_S * 1e3))

    async def _run_due(self, account_id: int) -> list[int]:
        """Do what is due: tell of what starts, fail what expires. Answers the tasks that started."""
        async with self._turn:
            now_ms = self._ground.account_now(account_id)
            due = self._agenda.take(account_id, now_ms)
            starting = [entry.task_id for entry in due if entry.what is What.START]
            expiring = [entry.task_id for entry in due if entry.what is What.EXPIRY]
            for task_id in starting:
                self._ground.tell_task(task_id)
            try:
                await self._expire(account_id, expiring)
            except StoreUnavailable:  # nothing has changed: look again soon
                again_ms = now_ms + int(AGAIN_S * 1e3)
                self._agenda.add(account_id, [Entry(again_ms, What.EXPIRY, task_id) for task_id in expiring])
            return starting

    async def _expire(self, account_id: int, task_ids: Sequence[int]) -> None:
        for at in range(0, len(task_ids), TASKS_AT_ONCE):
            some = task_ids[at : at + TASKS_AT_ONCE]
            sizes = self._ground.read(lambda conn: tasks.device_counts(conn, some))  # noqa: B023 - read at once
            small = [task_id for task_id in some if sizes[task_id] < LARGE_DEVICES]
            if small:
                await self._expire_together(account_id, small, large=False)
            for task_id in some:
                if sizes[task_id] >= LARGE_DEVICES:
                    await self._expire_together(account_id, [task_id], large=True)

    async def _expire_together(self, account_id: int, task_ids: Sequence[int], *, large: bool) -> None:
        outcomes = await self._ground.write(lambda tx: expiry.expire(tx, task_ids), large=large)
        self.expired += sum(outcome.count for outcome in outcomes)
        again = [Entry(o.next_ms, What.EXPIRY, o.task_id) for o in outcomes if o.next_ms is not None]
        self._agenda.add(account_id, again)
