"""One load of creators inside one Locust process: who is ready, when it begins and ends, what is told on.

Runs under gevent alone; only the locustfile imports it. In a distributed run each worker has one, and the master one
that hands out the ground and gathers what the workers count. Times are seconds of `time.perf_counter`.
"""
# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations

import logging
import os
import signal
import time
from typing import Any, Final

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC
from msgspec import Struct

from platform_stub.protocol.errors import UsageFault
from scenarios.load.tally import Tally
from scenarios.load.tasks.ground import AccountGround, Ground, Slot, make_slot, prepare
from scenarios.load.tasks.inside.creator import Creator, FreshDevices, SetUp
from scenarios.load.tasks.plan import OPTIONS, TaskPlan, read_plan
from scenarios.load.tasks.recorder import Recorder
from scenarios.load.tasks.schedule import Schedule
from scenarios.load.tasks.wire import NAMES, Broken, Counted, Over, Said, Sample, Totals, line_of

TELL_S: Final = 0.2
READY_S: Final = 120.0
"""How long creators that must make their ground themselves have for it."""
SLOT_S: Final = 60.0
SLOT_WANTED: Final = "ota-sim slot wanted"
SLOT_GIVEN: Final = "ota-sim slot given"
DONE: Final = "ota-sim creators done"
CLOSE: Final = "ota-sim close"
REPORT: Final = "ota_sim"
"""The key of our counts in what a worker reports to its master."""
BROKEN: Final = 3
ALONE_S: Final = 3.0
"""For Locust to end by itself when nobody listens any more; a master that waits for workers never looks."""
CSV_MORE_S: Final = 0.2
_log: Final = logging.getLogger("ota-sim")


class SlotReply(Struct, kw_only=True):
    """What a creator gets from who hands out the ground; `slot` None: it makes its own."""

    index: int
    accounts: list[AccountGround]
    slot: Slot | None
    why: str = ""


class WorkerReport(Struct, kw_only=True):
    """What a worker has counted since it last told its master; totals are since the start."""

    samples: list[Sample]
    totals: Totals
    creators: int
    seconds: float = 0.0


class TaskRun:
    """A load; `pipe` is where the command listens, None without one."""

    def __init__(self, environment: Any, ground_file: str | None, pipe: int | None) -> None:
        self._environment, self._runner = environment, environment.runner
        self._ground_file, self._pipe = ground_file, pipe
        self.plan = TaskPlan()
        self.recorder = Recorder()
        self.tally = Tally()
        self._schedule: Schedule | None = None
        self._opened, self._closing = Event(), Event()
        self._ground: Ground | None = None
        self._handed_out = 0
        self._indices: list[int] = []
        self._left = 0
        self._fresh: dict[int, FreshDevices] = {}
        self._workers: dict[str, WorkerReport] = {}
        self._done: set[str] = set()
        self._replies: dict[int, AsyncResult] = {}
        self._is_over = False
        self.seconds = 0.0
        if self.is_master:
            self._runner.register_message(SLOT_WANTED, self._slot_wanted)
            self._runner.register_message(DONE, self._worker_done)
        elif self.is_worker:
            self._runner.register_message(SLOT_GIVEN, self._slot_given)
            self._runner.register_message(CLOSE, lambda **_: self.close())
        if not self.is_worker:
            gevent.spawn(self._keep_telling)
        if pipe is not None:
            gevent.signal_handler(signal.SIGUSR1, self.close)

    @property
    def is_master(self) -> bool:
        """Whether workers do the work."""
        return isinstance(self._runner, MasterRunner)

    @property
    def is_worker(self) -> bool:
        """Whether a master tells what to do."""
        return isinstance(self._runner, WorkerRunner)

    # --- beginning

    def begin(self) -> None:
        """Take the options as they stand, and make or read the ground; what goes wrong ends the test."""
        self._opened.clear()
        self._closing.clear()
        self._schedule, self._is_over, self._left, self._handed_out = None, False, 0, 0
        self._indices, self._fresh, self._done, self._workers = [], {}, set(), {}
        self.recorder, self.tally, self.seconds = Recorder(), Tally(), 0.0
        try:
            self.plan = plan_of(self._environment.parsed_options)
            if not self.is_worker:
                self._ground = self._ground_now()
        except (UsageFault, OSError, msgspec.MsgspecError) as exc:
            self.fail(str(exc))
        except Exception as exc:  # noqa: BLE001 - whatever the client raises: without ground there is no load
            self.fail(f"{self._environment.host}: {type(exc).__name__}: {exc}")

    def _ground_now(self) -> Ground:
        if self._ground_file is not None:
            with open(self._ground_file, "rb") as file:  # noqa: PTH123 - gevent's
                return msgspec.json.decode(file.read(), type=Ground)
        now_ms = time.time_ns() // 1_000_000
        return SetUp(self._environment.host).carry_out(prepare(self.plan, f"load-{now_ms}", now_ms, 0))

    def fail(self, why: str) -> None:
        """Say why there can be no load, and end."""
        _log.error("%s", why)
        self._tell(Broken(why=why))
        self._environment.process_exit_code = BROKEN
        self._is_over = True
        self._closing.set()
        self._opened.set()
        gevent.spawn(self._quit)

    # --- creators

    def new_creator(self, user: Any) -> Creator | None:
        """Give a user its account and devices, made now when the ground has none for it; None: there is no load."""
        reply = self._slot()
        if reply.why:
            if not self._is_over:
                self.fail(reply.why)
            return None
        slot = reply.slot
        if slot is None:
            name = f"load-{time.time_ns()}"
            fresh = self.plan.fresh_each(max(1, self._runner.target_user_count))
            slot = SetUp(user.host).carry_out(make_slot(self.plan, reply.accounts, reply.index, fresh, name))
        self._indices.append(reply.index)
        return Creator(user, self, reply.index, reply.accounts[slot.account], slot)

    def fresh_of(self, account: AccountGround) -> FreshDevices:
        """Give the account's devices that were never in a task."""
        return self._fresh.setdefault(account.account_id, FreshDevices())

    def _slot(self) -> SlotReply:
        if not self.is_worker:
            return self._next_slot()
        token = id(gevent.getcurrent())
        result = self._replies[token] = AsyncResult()
        self._runner.send_message(SLOT_WANTED, {"token": token})
        try:
            reply: SlotReply = result.get(timeout=SLOT_S)
        except gevent.Timeout:
            return SlotReply(index=0, accounts=[], slot=None, why="the master does not answer")
        finally:
            del self._replies[token]
        return reply

    def _next_slot(self) -> SlotReply:
        index, ground = self._handed_out, self._ground
        if ground is None:
            return SlotReply(index=0, accounts=[], slot=None, why="there is no ground")
        self._handed_out += 1
        slot = ground.slots[index] if index < len(ground.slots) else None
        return SlotReply(index=index, accounts=ground.accounts, slot=slot)

    def _slot_wanted(self, msg: Any, **_: Any) -> None:
        reply = msgspec.json.encode(self._next_slot())
        data = {"token": msg.data["token"], "reply": reply}
        self._runner.send_message(SLOT_GIVEN, data, client_id=msg.node_id)

    def _slot_given(self, msg: Any, **_: Any) -> None:
        waiting = self._replies.get(msg.data["token"])
        if waiting is not None:
            waiting.set(msgspec.json.decode(msg.data["reply"], type=SlotReply))

    def all_spawned(self, total: int) -> None:
        """Take note that all users are there, in all processes together `total`; it begins once they are ready."""
        if self._opened.is_set():
            return
        if self.is_master:
            self.recorder.start(time.perf_counter() + self.plan.warm_up_s)
            self._opened.set()
        else:
            gevent.spawn(self._open, total)

    def _open(self, total: int) -> None:
        until = time.perf_counter() + READY_S
        while len(self._indices) < self._runner.target_user_count and time.perf_counter() < until:
            if self._is_over:
                return
            gevent.sleep(0.01)
        now, plan = time.perf_counter(), self.plan
        share = len(self._indices) / max(1, total)
        count = None
        if plan.count is not None:
            count = sum(plan.count // total + (index < plan.count % total) for index in self._indices)
        self._schedule = Schedule(
            rate=None if plan.rate is None else plan.rate * share,
            duration_s=None if plan.duration_s is None else plan.duration_s + plan.warm_up_s,
            count=count,
            began_at=now,
        )
        self.recorder.start(now + plan.warm_up_s)
        self._opened.set()
        if plan.warm_up_s and not self.is_worker:
            gevent.spawn_later(plan.warm_up_s, self._runner.stats.reset_all)

    def turn(self) -> float | None:
        """Wait for a turn to create, and give its moment, or None for now; StopUser: there is none any more."""
        self._opened.wait()
        schedule = self._schedule
        turn = None if schedule is None else schedule.take(time.perf_counter())
        if schedule is None or turn is None:
            raise StopUser
        if turn.at is not None:
            left = turn.at - time.perf_counter()
            if left > 0:
                self._closing.wait(timeout=left)
        if not schedule.begin(time.perf_counter()):
            raise StopUser
        return turn.at

    def leave(self) -> None:
        """Take note that a creator has ended; with the last one the load is over."""
        self._left += 1
        if self._left >= len(self._indices) and self._opened.is_set() and not self._is_over:
            self._finish()

    # --- counting

    def heard(self, name: str, response_time: float, exception: Any, context: dict[str, Any]) -> None:
        """Count a call of Locust's statistics, in microseconds."""
        if name not in NAMES:
            return
        ended = time.perf_counter()
        began = ended - response_time / 1_000
        if exception is None:
            self.recorder.took(name, round(response_time * 1_000), began, ended)
        else:
            what = str(exception)
            self.recorder.failed(name, f"{name} {context.get('kind', what)}", what, began, ended)

    def report(self) -> bytes:
        """Give what is to be told to the master."""
        return msgspec.json.encode(self._worker_report())

    def _worker_report(self) -> WorkerReport:
        return WorkerReport(
            samples=self.recorder.drain(),
            totals=self._own_totals(),
            creators=self._present(),
            seconds=self.seconds_so_far(),
        )

    def absorb(self, worker: str, body: bytes) -> None:
        """Take what a worker has counted."""
        report = msgspec.json.decode(body, type=WorkerReport)
        self.recorder.absorb(report.samples)
        self._workers[worker] = report

    def _worker_done(self, msg: Any, **_: Any) -> None:
        self.absorb(msg.node_id, msg.data["report"])
        self._done.add(msg.node_id)
        if len(self._done) >= self._runner.worker_count and not self._is_over:
            self._finish()

    def _own_totals(self) -> Totals:
        totals, now = self.recorder.totals, time.perf_counter()
        if self._schedule is not None:
            totals.begun, totals.due = self._schedule.begun, self._schedule.due(now)
        return totals

    def totals(self) -> Totals:
        """Give the totals of all processes."""
        if not self.is_master:
            return self._own_totals()
        sums = Totals()
        for report in self._workers.values():
            sums.add(report.totals)
        return sums

    def _present(self) -> int:
        if self.is_master:
            return sum(report.creators for report in self._workers.values())
        return len(self._indices) - self._left

    def _counted(self) -> Counted:
        samples = self.recorder.drain()
        for sample in samples:
            self.tally.take(sample.name, sample.counts, sample.second, sample.errors)
        began = self.recorder.counts_from
        at_s = None if began is None else time.perf_counter() - began
        return Counted(at_s=at_s, creators=self._present(), totals=self.totals(), samples=samples)

    # --- telling

    def _keep_telling(self) -> None:
        while True:
            gevent.sleep(TELL_S)
            self._tell(self._counted())
            if self.is_master and self._runner.clients.missing and not self._is_over:
                self.fail("a Locust worker process is missing: it died, or does not answer any more")

    def _tell(self, said: Said) -> None:
        if self._pipe is None:
            return
        line = memoryview(line_of(said))
        try:
            while line:
                line = line[os.write(self._pipe, line) :]
        except OSError:  # nobody listens any more: what is done here is for nobody
            self._pipe = None
            gevent.spawn(self._quit)
            gevent.spawn_later(ALONE_S, os._exit, BROKEN)

    # --- ending

    def close(self) -> None:
        """Let nothing begin any more; what is under way ends."""
        if self.is_master:
            self._runner.send_message(CLOSE)
        if self._schedule is not None:
            self._schedule.close(time.perf_counter())
        self._closing.set()
        if not self._opened.is_set() and not self._is_over:
            self._finish()
            self._opened.set()

    def _finish(self) -> None:
        self._is_over = True
        if self.is_worker:
            self._runner.send_message(DONE, {"report": self.report()})
            return
        gevent.spawn(self._end)

    def _end(self) -> None:
        self.mark_end()
        self._tell(self._counted())
        self._tell(Over(seconds=self.seconds))
        options = self._environment.parsed_options
        if options.csv_prefix:
            gevent.sleep(CSV_STATS_INTERVAL_SEC + CSV_MORE_S)  # or the last second is in none of its files
        if options.headless or self._pipe is not None:
            self._quit()
        else:
            self._runner.stop()

    def mark_end(self) -> None:
        """Fix how long it was counted, once."""
        if not self.seconds and self.recorder.counts_from is not None:
            self.seconds = max(0.001, self._counted_for())

    def _counted_for(self) -> float:
        """Give how long it was counted: where workers do the work, by their clocks."""
        if self._done:
            return max(self._workers[worker].seconds for worker in self._done)
        assert self.recorder.counts_from is not None
        return time.perf_counter() - self.recorder.counts_from

    def seconds_so_far(self) -> float:
        """Give how long it has been counted."""
        if self.seconds or self.recorder.counts_from is None:
            return self.seconds
        return max(0.001, time.perf_counter() - self.recorder.counts_from)

    def stopped(self) -> None:
        """Take note that Locust has stopped the test, and count what is left."""
        if not self.is_worker:
            self.mark_end()
            self._tell(self._counted())

    def _quit(self) -> None:
        self._runner.quit()
        if self._environment.web_ui is not None:
            self._environment.web_ui.stop()


def plan_of(options: Any) -> TaskPlan:
    """Read the plan from Locust's options; UsageFault: it is none."""
    said = {name: str(getattr(options, option_name(name)) or "") for name in OPTIONS}
    keeps_open = getattr(options, option_name("open"))
    return read_plan(said, keeps_open=keeps_open is True or keeps_open == "true", prefix="--task-")


def option_name(name: str) -> str:
    """Give the name that an option has among Locust's."""
    return f"task_{name}".replace("-", "_")
