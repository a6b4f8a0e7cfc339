"""The run: devices connect, one task for all of them, updated once, perhaps a storm; nothing is waited for forever.

What happened is kept in a `Course`, so that a run that is stopped, or breaks, has its summary too.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from device_sim.shards.messages import Call, Mark
from device_sim.shards.plan import Plan
from scenarios.load.fleet.course import Course
from scenarios.load.fleet.far_platform import Platform
from scenarios.load.fleet.ground import order_update, prepare_ground, see_aftermath
from scenarios.load.fleet.link import LocustLink
from scenarios.load.fleet.missing import judge_aftermath, who_is_busy, who_is_out
from scenarios.load.fleet.options import FleetOptions
from scenarios.load.fleet.starts import starts_of
from scenarios.load.fleet.storms import let_storm
from scenarios.load.fleet.wire import FleetOrder, ShardBegan, Up
from scenarios.operator import Operator, OperatorFault
from scenarios.units import show_span

T = TypeVar("T")

LOOK_S: Final = 0.5
MARK_LEAD_S: Final = 0.2
"""How long before the request of the task the shards are told its moment."""
AFTERMATH_S: Final = 120.0
SILENT_S: Final = 10.0
"""How long it has at least, where nothing has moved already."""
START_S: Final = 60.0
"""How long the fleet's processes have to start, whatever else may not take long."""


class RunBrokenError(Exception):
    """Something that the run stands on has died; the course's `trouble` says what."""


class FleetRun:
    """One run against one platform, in a folder for what its processes are handed."""

    def __init__(
        self,
        options: FleetOptions,
        plan: Plan,
        platform: Platform,
        operator: Operator,
        course: Course,
        folder: Path,
    ) -> None:
        self.options, self.plan, self.platform, self.operator = options, plan, platform, operator
        self.course = course
        self._folder = folder
        self._moved = asyncio.Event()
        self._is_leaving = False
        self._calls = 0
        self._locust_died = ""
        self._end_s = course.began + options.limit_s
        self.link: LocustLink

    async def play(self) -> None:
        """Do it all; what goes wrong is in the course. OperatorFault, EnvironmentFault: the platform takes no part."""
        course, options, far = self.course, self.options, self.platform.far
        ground = course.ground = await self._alive(
            prepare_ground(self.operator, options.devices, options.kind, options.size_bytes, self.say)
        )
        order = self._folder / "fleet.json"
        starts = starts_of(self.plan, far.http, self.platform.mqtt, ground.identities, options)
        order.write_bytes(msgspec.json.encode(FleetOrder(starts=starts)))
        self.link = LocustLink(order, len(starts), far.http_url, options, self._hear)
        async with self.link:
            watch = asyncio.create_task(self._watch_locust(), name="fleet: Locust's end")
            try:
                if await self._connect():
                    await self._update()
            finally:
                self._is_leaving = True
                watch.cancel()
                self.say("the devices leave")

    async def _connect(self) -> bool:
        """Let all devices in; False when some stay out."""
        course = self.course
        self.say("starting the fleet's processes")
        course.locust.watch(self.link.pid)
        shards = course.seen.shards
        wait_s = max(self.options.stall_s, START_S)
        if why := await self.until(
            lambda: all(shard.is_ready for shard in shards), "the fleet's processes to start", wait_s
        ):
            course.trouble.append(why)
            return False
        course.keep("ready")
        self.say("connecting")
        why = await self.until(lambda: course.seen.counts.present >= course.devices, "all devices to be in")
        course.keep("connected")
        if not why:
            return True
        course.missing.append(why)
        await who_is_out(self)
        if not course.seen.latencies.count("connect"):
            host, port = self.platform.mqtt
            course.trouble.append(f"MQTT {host}:{port} has let no device in")
            return False
        out = course.devices - course.seen.counts.present
        return self.options.missing.judge(out, course.devices).held

    async def _update(self) -> None:
        """Create the task, let the storm come, wait for each device; then see what the platform says."""
        course = self.course
        assert course.ground is not None
        self.say("creating the task")
        at_ns = await self._mark()
        course.keep("created")
        course.task = await self._alive(order_update(self.operator, course.ground))
        course.created_s = (time.monotonic_ns() - at_ns) / 1e9
        is_back = await let_storm(self)
        self.say("updating")
        why = await self.until(lambda: self._are_done() and is_back(), "all devices to be updated")
        course.keep("updated")
        if why:
            course.missing.append(why)
            await who_is_busy(self)
        self.say("asking the platform what came of it")
        await self._see_aftermath()

    def _are_done(self) -> bool:
        now = self.course.seen.counts
        return now.jobs_succeeded + now.jobs_failed + now.jobs_ended >= self.course.devices

    async def _mark(self) -> int:
        """Tell the shards the moment of the request, and wait for it; answers it.

        They must know before the first device is told, so each has answered once when the request goes.
        """
        lead_s = MARK_LEAD_S
        while True:
            at_ns = time.monotonic_ns() + int(lead_s * 1e9)
            self.link.tell(Mark(name="told", at_ns=at_ns))
            answered = await self.ask("standing", b"[]")
            left_s = (at_ns - time.monotonic_ns()) / 1e9
            if left_s > 0 or len(answered) < self.plan.processes:
                await asyncio.sleep(max(left_s, 0.0))
                return at_ns
            lead_s *= 2

    async def _see_aftermath(self) -> None:
        course = self.course
        assert course.ground is not None
        assert course.task is not None
        limit_s = max(self.options.stall_s, SILENT_S) if course.missing else AFTERMATH_S
        try:
            async with asyncio.timeout(limit_s):
                course.aftermath = await self._alive(see_aftermath(self.operator, course.ground, course.task))
        except TimeoutError:
            course.trouble.append(f"the platform did not say in {limit_s:g} s what came of the task")
            return
        judge_aftermath(course)

    # what the steps of a run use

    def say(self, what: str) -> None:
        """Show what is done now."""
        self.course.doing = what

    async def ask(self, method: str, args: bytes, limit_s: float = 10.0) -> list[Raw]:
        """Put a call to each shard; gives the answers that came in time, without those of shards that refused."""
        answers = self.course.seen.answers
        asked = []
        for shard in self.course.seen.shards:
            self._calls += 1
            asked.append(self._calls)
            self.link.tell(Call(id=self._calls, method=method, args=Raw(args)), shard.number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not all(each in answers for each in asked):
                    await self._next_move()
        return [answers[each].value for each in asked if each in answers and not answers[each].error]

    async def until(self, done: Callable[[], bool], what: str, stall_s: float | None = None) -> str:
        """Wait until it is done; says why not when nothing moves any more, or the time is over."""
        stall_s = self.options.stall_s if stall_s is None else stall_s
        progress, moved_s = self._progress(), time.monotonic()
        while not done():
            now_s = time.monotonic()
            if (now := self._progress()) != progress:
                progress, moved_s = now, now_s
            if now_s - moved_s > stall_s:
                return f"nothing moved any more for {_spell(stall_s)}, waiting for {what}"
            if now_s > self._end_s:
                return f"the time of {_spell(self.options.limit_s)} is over, waiting for {what}"
            await self._next_move()
        self._check_alive()
        return ""

    async def _next_move(self) -> None:
        """Wait until a shard says something, or for a moment; RunBrokenError when something has died."""
        self._check_alive()
        self._moved.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._moved.wait()
        self._check_alive()

    async def _alive(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something with the platform; RunBrokenError when it dies under it, instead of what its calls say then."""
        try:
            return await work
        except OperatorFault:
            await self.platform.ended(LOOK_S)
            self._check_alive()
            raise

    def _progress(self) -> tuple[int, ...]:
        now = self.course.seen.counts
        ready = sum(shard.is_ready for shard in self.course.seen.shards)
        return (
            *(
                ready,
                now.present,
                now.connected,
                now.informs,
                now.jobs_started,
                now.downloads,
                now.reconnects,
            ),
            *(now.jobs_succeeded, now.jobs_failed, now.jobs_ended, self.course.seen.stormed),
        )

    def _hear(self, said: Up) -> None:
        course = self.course
        course.seen.take(said, course.age_s)
        if isinstance(said, ShardBegan):
            course.fleet.watch(said.pid)
        self._moved.set()

    async def _watch_locust(self) -> None:
        self._locust_died = await self.link.gone()
        self._moved.set()

    def _check_alive(self) -> None:
        """Raise when a process has died; the course says which."""
        if self._is_leaving:
            return
        course = self.course
        found = [
            self.platform.died,
            *(shard.epitaph(len(course.seen.shards)) for shard in course.seen.shards),
        ]
        found = [text for text in found if text] or [text for text in [self._locust_died] if text]
        if found:
            course.trouble += found
            raise RunBrokenError


def _spell(seconds: float) -> str:
    return show_span(int(seconds * 1_000))
