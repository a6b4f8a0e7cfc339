"""A load of creators from the command's side: set up, let loose, followed, stopped, audited, summed up.

Locust runs in a process of its own and tells over a pipe what it counts. Whatever happens, a far end that dies, a
Locust that dies, Ctrl-C, the result holds what there was until then, and says what ended it.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from platform_stub.protocol.errors import OtaSimError
from scenarios.load import locust_process
from scenarios.load.audit import audit_elsewhere, audit_journals, audit_place, not_audited
from scenarios.load.child import Child, children_of
from scenarios.load.far_end import FarEnd
from scenarios.load.fleet.usage import End, Usage
from scenarios.load.report import table_lines
from scenarios.load.result import Audit, LoadResult
from scenarios.load.tasks.books import read_books
from scenarios.load.tasks.ground import Ground, prepare
from scenarios.load.tasks.setting_up import SettingUp
from scenarios.load.tasks.summary import Course, summed_up
from scenarios.load.tasks.wanted import TaskLoad
from scenarios.load.tasks.wire import CREATE, GROUND_FILE, Broken, Counted, Over, said_of
from scenarios.load.thresholds import show_us
from scenarios.operator import HttpOperator, OperatorFault

T = TypeVar("T")

LOCUSTFILE: Final = Path(__file__).resolve().parents[1] / "locustfile_tasks.py"
SPAWN_RATE_MAX: Final = 100
START_S: Final = 60.0
"""From Locust's start until its creators create."""
SILENT_S: Final = 10.0
"""So long nobody may answer before the load is given up."""
END_S: Final = 20.0
"""What is left for calls under way, beyond their own time limit, once nothing begins any more."""
EXIT_S: Final = 30.0
"""For Locust to write its own reports."""
LOOK_S: Final = 0.25
AUDIT_S: Final = 10.0
BOOKS_S: Final = 10.0
BOOKS_CUT_S: Final = 3.0
"""For the accounts to be read after the load; whoever takes longer has stopped answering."""


class Load:
    """One load on its way. `stop` is set by Ctrl-C."""

    def __init__(self, wanted: TaskLoad, far: FarEnd, stop: asyncio.Event) -> None:
        self._wanted, self._far, self._stop = wanted, far, stop
        self._course = Course(started_ms=time.time_ns() // 1_000_000)
        self._at_s: float | None = None
        self._creators = 0
        self._setting_up: SettingUp | None = None
        self._over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._is_ending = False
        self._child: Child | None = None
        self._answered_at = time.monotonic()
        self._far_usage, self._locust_usage = End(), End()

    async def play(self) -> LoadResult:
        """Do it all; answers what came of it, also when it was cut short."""
        course = self._course
        ground: Ground | None = None
        try:
            ground = course.ground = await self._watched(self._set_up())
            if ground is not None:
                course.before = await self._watched(read_books(self._far.http_url, ground))
            if ground is not None and course.before is not None:
                await self._let_loose(ground)
                await self._read_books_again(ground)
        except OtaSimError as exc:
            if ground is None:
                raise
            course.trouble.append(str(exc))
        course.audit = await self._audit(ground)
        course.usage = self._usage()
        return summed_up(self._wanted, self._far, course)

    def hurry(self) -> None:
        """End Locust at once; what it was doing is lost."""
        if self._child is not None:
            self._child.kill_group()

    async def _read_books_again(self, ground: Ground) -> None:
        """Read what the accounts hold now; a platform that does not say is not waited for."""
        if self._course.is_far_end_gone:
            return
        try:
            is_cut = self._course.interrupted or bool(self._course.trouble)
            work = read_books(self._far.http_url, ground, BOOKS_CUT_S if is_cut else BOOKS_S)
            self._course.after = await self._watched(work, heeds_stop=False)
        except OperatorFault as exc:
            self._course.trouble.append(f"the accounts can't be read any more: {exc}")
            if self._far.process is not None:
                self._far.process.kill_group()

    async def _set_up(self) -> Ground:
        now_ms = time.time_ns() // 1_000_000
        async with SettingUp(self._far.http_url) as self._setting_up:
            steps = prepare(self._wanted.plan, f"load-{now_ms}", now_ms, self._wanted.creators)
            return await self._setting_up.carry_out(steps)

    async def _let_loose(self, ground: Ground) -> None:
        with tempfile.TemporaryDirectory(prefix="ota-sim-load-") as folder:
            file = Path(folder) / "ground.json"
            file.write_bytes(msgspec.json.encode(ground))
            child = self._child = self._locust(file)
            await child.start()
            self._answered_at = time.monotonic()
            self._locust_usage.watch(child.pid)
            if self._far.pid is not None:
                self._far_usage.watch(self._far.pid)
            try:
                await self._follow(child)
            finally:
                self._is_ending = True
                await asyncio.shield(self._end(child))

    def _locust(self, ground: Path) -> Child:
        wanted = self._wanted
        shown = ["--headless"]
        if wanted.web is not None:
            shown = [
                "--autostart",
                "--autoquit",
                "0",
                "--web-port",
                str(wanted.web),
                "--web-host",
                "127.0.0.1",
            ]
        words = [
            "-H", self._far.http_url, "-u", str(wanted.creators), "-r", str(min(wanted.creators, SPAWN_RATE_MAX)),
            "--only-summary", *shown, *wanted.options, *wanted.words,
        ]  # fmt: skip
        return locust_process.locust(LOCUSTFILE, words, self._heard, environment={GROUND_FILE: str(ground)})

    def _heard(self, line: bytes) -> None:
        try:
            said = said_of(line)
        except msgspec.MsgspecError:
            self._course.trouble.append(f"the Locust process said what is no line of ours: {line[:80]!r}")
            self._stop_now()
            return
        match said:
            case Counted():
                self._count(said)
            case Over():
                self._course.seconds = said.seconds
                self._course.has_all = True
                if not self._over.done():
                    self._over.set_result(said)
            case Broken(why=why):
                self._course.trouble.append(why)
                self._stop_now()

    def _stop_now(self) -> None:
        if not self._over.done():
            self._over.set_result(Over(seconds=0.0))

    def _count(self, said: Counted) -> None:
        if self._at_s is None and said.at_s is not None:
            self._course.usage_at_start = self._usage()
        if said.totals.answered > self._course.totals.answered:
            self._answered_at = time.monotonic()
        self._at_s, self._creators, self._course.totals = said.at_s, said.creators, said.totals
        if said.at_s is not None and not self._course.has_all:  # Locust lives on for a while, as for its CSV
            self._course.seconds = max(self._course.seconds, said.at_s)
        for sample in said.samples:
            self._course.tally.take(sample.name, sample.counts, sample.second, sample.errors)

    async def _follow(self, child: Child) -> None:
        """Wait until it is over, or is given up."""
        ended = asyncio.ensure_future(child.ended())
        gone = asyncio.ensure_future(self._far.gone())
        stop = asyncio.ensure_future(self._stop.wait())
        waited: set[asyncio.Future[object]] = {ended, gone, stop, self._over}  # type: ignore[arg-type] # any will do
        try:
            began = time.monotonic()
            while True:
                done, _ = await asyncio.wait(waited, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                self._usage()
                if done or not self._may_go_on(began):
                    break
            await self._say_why(child, ended, gone)
        finally:
            for each in (ended, gone, stop):
                each.cancel()

    def _usage(self) -> tuple[Usage, Usage]:
        if self._child is not None:
            for pid in children_of(self._child.pid):
                self._locust_usage.watch(pid)
        return self._far_usage.look(), self._locust_usage.look()

    async def _say_why(self, child: Child, ended: "asyncio.Future[int]", gone: "asyncio.Future[str]") -> None:
        if self._stop.is_set():
            self._course.interrupted = True
        elif gone.done():
            self._course.trouble.append(gone.result())
            self._course.is_far_end_gone = True
        elif ended.done() and not self._over.done():
            self._course.trouble.append(child.epitaph(ended.result()))

    def _may_go_on(self, began: float) -> bool:
        """Give up where nobody answers any more, or creators never come."""
        now, plan = time.monotonic(), self._wanted.plan
        if self._at_s is None:
            if now - began > START_S + locust_process.CLOSE_S:
                self._course.trouble.append(f"no creator was ready {now - began:.0f} s after Locust's start")
                return False
            self._answered_at = now
            return True
        limit_s = SILENT_S + (plan.timeout_s if not self._course.totals.unreachable else 0.0)
        is_idle = self._course.totals.unsure == 0
        if not is_idle and now - self._answered_at > limit_s:
            self._course.trouble.append(
                f"nobody has answered at {self._far.http_url} for {now - self._answered_at:.0f} s"
            )
            return False
        return True

    async def _end(self, child: Child) -> None:
        """End Locust: in its own time when the load is over, soon when it was stopped."""
        is_regular = self._over.done() and not self._course.trouble
        if is_regular:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EXIT_S):
                    await child.ended()
                    return
        await locust_process.close(child)

    async def _watched(self, work: Awaitable[T], *, heeds_stop: bool = True) -> T | None:
        """Do what comes before and after the load; None: Ctrl-C, or the far end died meanwhile."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._far.gone())
        stop = asyncio.ensure_future(self._stop.wait() if heeds_stop else asyncio.Event().wait())
        waited: set[asyncio.Future[object]] = {task, gone, stop}  # type: ignore[arg-type] # any will do
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and not task.cancelled():
                return task.result()
            if gone.done():
                self._course.trouble.append(gone.result())
                self._course.is_far_end_gone = True
            if stop.done():
                self._course.interrupted = True
            return None
        finally:
            for each in (task, gone, stop):
                each.cancel()

    async def _audit(self, ground: Ground | None) -> Audit:
        if ground is None:
            return not_audited("there was no load")
        if self._far.database is not None and self._far.process is None:
            async with HttpOperator(self._far.http_url, AUDIT_S) as operator:
                ids = [each.account_id for each in ground.accounts]
                audit, wrong = await audit_elsewhere(self._far.database, operator, ids)
            self._course.trouble += [wrong] if wrong else []
            return audit
        if self._far.database is not None:
            is_running = not self._course.is_far_end_gone
            return await audit_place(self._far.database, is_running=is_running)
        if self._far.is_gateway:
            return not_audited(
                "the books are the platform's own; its answers were counted, and held against the rules"
            )
        try:
            async with HttpOperator(self._far.http_url) as operator:
                return await audit_journals(operator, [each.account_id for each in ground.accounts])
        except OperatorFault as exc:
            return not_audited(str(exc))

    # --- what is shown

    def lines(self) -> Sequence[str]:
        """Say where it stands: in a line, and below it more for a terminal."""
        if self._at_s is None:
            return [self._first_steps()]
        plan, at_s = self._wanted.plan, self._at_s
        if at_s < 0:
            return [f"warming up: {-at_s:.0f} s left; {self._course.totals.created:,} created"]
        track = self._course.tally.tracks.get(CREATE)
        last = None if track is None else track.last()
        until = f" of {plan.duration_s:g}" if plan.duration_s is not None else ""
        parts = [f"{at_s:.0f}{until} s", f"{self._course.tally.count(CREATE):,} created"]
        if last is not None:
            parts.append(f"{last.count:,}/s now")
        if track is not None and track.all.count:
            p50, p95, p99 = (track.all.percentile(share) or 0 for share in (50, 95, 99))
            parts.append(f"p50 {show_us(p50)}, p95 {show_us(p95)}, p99 {show_us(p99)}")
        parts.append(f"{sum(each.errors for each in self._course.tally.tracks.values()):,} failed")
        if behind := self._course.totals.due - self._course.totals.begun:
            parts.append(f"{behind:,} behind")
        if self._is_ending:
            parts.append("ending")
        measured = self._course.tally.measurements(max(at_s, 0.001))
        return ["; ".join(parts), *table_lines(measured)]

    def _first_steps(self) -> str:
        if self._setting_up is None:
            return "setting up"
        plan = self._wanted.plan
        wanted = (plan.own_each + plan.fresh_each(self._wanted.creators)) * self._wanted.creators
        if self._setting_up.registered < wanted:
            return f"setting up: {self._setting_up.registered:,} of {wanted:,} devices registered"
        return f"{wanted:,} devices are registered; starting Locust"


def locust_options(said: Mapping[str, str], *, keeps_open: bool) -> tuple[str, ...]:
    """Spell the plan's options as Locust's."""
    words = [word for name, text in said.items() if text for word in (f"--task-{name}", text)]
    return (*words, "--task-open") if keeps_open else tuple(words)
