"""The one writer: a queue of use cases and of device reports, committed in order.

A use case has a transaction of its own. Reports are committed in groups: a group is full when it has half as many as
the last one had and the loop's next turns bring it nobody more (one turn, and in a crowd a few), or when its time is
up. So a lone report does not wait for anyone, and a crowd, which comes again with its next reports, shares commits.
No one is answered before the commit that holds its effect (decision 3). Small transactions run in the loop, large
ones in a thread while the queue waits.
A commit that fails changes nothing and is told to each who waits.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from platform_stub.store.engine import Store
from platform_stub.store.errors import StoreUnavailable

T = TypeVar("T")
R = TypeVar("R")

GROUP_S: Final = 0.008
"""How long the first of a group waits at most for others: only where the loop's turns bring more of them."""
GROUP_MAX: Final = 1_000
CROWD: Final = 8
"""From so many reports in the last group on, a turn without any does not fill the next: a crowd also acknowledges
and downloads, and a turn may bring nothing but that."""
QUIET_TURNS: Final = 3
"""How many turns without a report, one after the other, fill a crowd's group."""

_log = logging.getLogger(__name__)


class Effects(Protocol):
    """What a use case may ask for once its transaction is committed."""

    def jobs_ended(self, task_id: int, count: int) -> None:
        """Some jobs of a task ended: who waits for it looks again."""

    def tell_task(self, task_id: int) -> None:
        """Tell the connected devices of a task: it is new, has just started, or goes on after a pause."""

    def task_created(self, account_id: int, task_id: int, starts_ms: int, expires_ms: int) -> None:
        """Take in when a new task starts and expires; one that has started is told at once."""

    def clock_moved(self, account_id: int) -> None:
        """Forget what was remembered of an account's clock."""

    def replan(self, account_id: int) -> None:
        """Look again at an account's deadlines: a hold has moved them (P10)."""

    def auto_add_changed(self) -> None:
        """Look again at which packages take in later devices (P15)."""

    def tell_account(self, account_id: int) -> None:
        """Tell an account's connected devices of what was held back (P10)."""

    def close_session(self, device_id: int) -> None:
        """End a device's connection."""

    def deliveries_due(self) -> None:
        """Push to webhooks what has fallen due."""


@dataclass(slots=True)
class Tx:
    """A transaction: its connection, the real time it began at, and what is done once it is committed."""

    conn: Connection
    real_ms: int
    effects: Effects
    after: list[Callable[[], object]] = field(default_factory=list)

    def then(self, act: Callable[..., object], *args: object) -> None:
        """Do something after the commit, in the loop's thread, in this order."""
        self.after.append(partial(act, *args))


@dataclass(slots=True)
class _Work:
    run: Callable[[Tx], Any]
    large: bool
    done: asyncio.Future[Any]


@dataclass(slots=True)
class _Waiting(Generic[R]):
    report: R
    settle: Callable[[bool], None]


class Writer(Generic[R]):
    """Takes transactions and reports; `apply` writes a batch of reports and says what to do after the commit."""

    def __init__(
        self,
        store: Store,
        apply: Callable[[Tx, Sequence[R]], None],
        real_ms: Callable[[], int],
        effects: Effects,
    ) -> None:
        self._store = store
        self._apply = apply
        self._real_ms = real_ms
        self._effects = effects
        self._loop = asyncio.get_running_loop()
        self._works: list[_Work] = []
        self._reports: list[_Waiting[R]] = []
        self._next: asyncio.Handle | None = None
        self._limit: asyncio.TimerHandle | None = None  # of the group's waiting
        self._wanted = 0  # reports of a group before turns without more of them fill it
        self._quiet_wanted = 1  # how many such turns
        self._joined = 0  # reports of the group at the last look
        self._quiet = 0  # turns since it last grew
        self._in_thread: asyncio.Task[None] | None = None
        self.works_done = 0  # use cases that were committed
        self.commits = 0
        self.failed_commits = 0

    async def run(self, use_case: Callable[[Tx], T], *, large: bool = False) -> T:
        """Do a use case in a transaction of its own and return its answer after the commit.

        StoreUnavailable: nothing has changed. What the use case raises comes back as it is, rolled back.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._works.append(_Work(use_case, large, done))
        self._go_on()
        return await done

    def report(self, report: R, settle: Callable[[bool], None]) -> None:
        """Queue a device's report; `settle` hears whether its batch was committed."""
        self._reports.append(_Waiting(report, settle))
        if self._in_thread is not None:
            return
        if self._limit is None:
            self._limit = self._loop.call_later(GROUP_S, self._drain)
        if self._next is None and len(self._reports) >= self._wanted:
            self._joined = self._quiet = 0
            self._next = self._loop.call_soon(self._look)

    async def close(self) -> None:
        """Commit what is queued, then stop."""
        while self._works or self._reports or self._in_thread is not None:
            if self._in_thread is not None:
                await asyncio.wait([self._in_thread])
            else:
                self._drain()
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        for handle in (self._next, self._limit):
            if handle is not None:
                handle.cancel()
        self._next = self._limit = None

    def _go_on(self) -> None:
        """Take what is queued in the loop's next turn, a group of reports as it is by then."""
        if self._in_thread is None:
            self._stop_waiting()
            self._next = self._loop.call_soon(self._drain)

    def _look(self) -> None:
        """Commit the group, unless others have joined it in the loop's last turns: more may be on their way."""
        joined = len(self._reports)
        if joined > self._joined:
            self._joined, self._quiet = joined, 0
        else:
            self._quiet += 1
        if joined < GROUP_MAX and self._quiet < self._quiet_wanted:
            self._next = self._loop.call_soon(self._look)
        else:
            self._drain()

    def _drain(self) -> None:
        self._stop_waiting()
        if self._in_thread is not None:
            return
        if self._works:
            work = self._works.pop(0)
            if work.large:
                self._in_thread = self._loop.create_task(self._run_in_thread(work), name="large transaction")
                return
            self._finish(work, self._transact(work.run))
        if self._reports:
            self._write_reports()
        if self._works or self._reports:
            self._go_on()

    async def _run_in_thread(self, work: _Work) -> None:
        outcome = await asyncio.to_thread(self._transact, work.run)
        self._in_thread = None
        self._finish(work, outcome)
        if self._works or self._reports:
            self._go_on()

    def _transact(self, run: Callable[[Tx], Any]) -> "tuple[Any, Tx] | BaseException":
        def work(conn: Connection) -> tuple[Any, Tx]:
            tx = Tx(conn, self._real_ms(), self._effects)
            return run(tx), tx

        try:
            return self._store.transact(work)
        except Exception as exc:  # noqa: BLE001 - handed to the one who waits, who raises it
            return exc

    def _finish(self, work: _Work, outcome: "tuple[Any, Tx] | BaseException") -> None:
        if isinstance(outcome, BaseException):
            self._count_failure(outcome)
            if not work.done.cancelled():
                work.done.set_exception(outcome)
            return
        answer, tx = outcome
        self.commits += 1
        self.works_done += 1
        if not work.done.cancelled():
            work.done.set_result(answer)
        self._act(tx)

    def _write_reports(self) -> None:
        batch, self._reports = self._reports[:GROUP_MAX], self._reports[GROUP_MAX:]
        self._wanted = len(batch) // 2
        self._quiet_wanted = QUIET_TURNS if len(batch) >= CROWD else 1
        outcome = self._commit(batch)
        if isinstance(outcome, Tx | StoreUnavailable) or len(batch) == 1:
            self._settle(batch, outcome)
            return
        for waiting in batch:  # one of them can't be written: the others must not pay for it
            self._settle([waiting], self._commit([waiting]))

    def _commit(self, batch: Sequence[_Waiting[R]]) -> Tx | BaseException:
        outcome = self._transact(lambda tx: self._apply(tx, [waiting.report for waiting in batch]))
        return outcome if isinstance(outcome, BaseException) else outcome[1]

    def _settle(self, batch: Sequence[_Waiting[R]], outcome: Tx | BaseException) -> None:
        if isinstance(outcome, Tx):
            self.commits += 1
            self._act(outcome)
        else:
            self._count_failure(outcome)
            _log.error("%d reports were not committed: %s", len(batch), outcome)
            if not isinstance(outcome, StoreUnavailable):
                self._loop.call_exception_handler({"message": "a report failed", "exception": outcome})
        for waiting in batch:
            waiting.settle(isinstance(outcome, Tx))

    def _act(self, tx: Tx) -> None:
        """Do what follows a commit; what fails there is told, and stops nothing else: the commit stands."""
        for act in tx.after:
            try:
                act()
            except Exception as exc:  # noqa: BLE001 - handed to the loop, which reports it
                self._loop.call_exception_handler({"message": "after a commit", "exception": exc})

    def _count_failure(self, outcome: BaseException) -> None:
        if isinstance(outcome, StoreUnavailable):
            self.failed_commits += 1
