"""One process of a fleet: `python -m device_sim.shards.shard`, driven by lines (`messages`).

It takes orders from its standard input, tells events on its standard output, and leaves when its input ends. What is
printed by mistake goes to standard error. Ctrl-C is its owner's affair; SIGTERM lets it leave.

Exit codes: 0 it left as it was told, 1 the fleet failed, 2 an order that can't be, 3 the machine stands in the way.
"""

import asyncio
import contextlib
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from device_sim.errors import FleetFailed
from device_sim.fleet import Fleet
from device_sim.identity import Identity, read_devices_csv
from device_sim.recorder import Recorder
from device_sim.shards import messages
from device_sim.shards.calls import CALLS, Asked, RunningClock
from device_sim.shards.lines import LineOut, listen
from device_sim.shards.messages import Call, Latencies, Mark, Order, Snapshot, Start, Stop, Storm
from device_sim.shards.process_use import process_use
from device_sim.target import Endpoint
from device_sim.timings import Timings
from platform_stub.protocol.errors import EnvironmentFault, OtaSimError, UsageFault

BACKLOG_MAX: Final = 1 << 20
"""Bytes that the owner has not read; no more snapshots are added to them."""
USE_EVERY_S: Final = 1.0
_NS_PER_MS: Final = 1_000_000
_SHOWN_MAX: Final = 200
_COLLECTS_AT: Final = (100_000, 20, 100)
_EXIT_CODES: Final = {"": 0, "usage": 2, "environment": 3}


class Shard:
    """A fleet, and the lines by which it is steered. It runs once."""

    def __init__(self, input_descriptor: int, output_descriptor: int) -> None:
        self._input = input_descriptor
        self._output = output_descriptor
        self._out: LineOut
        self._fleet: Fleet | None = None
        self._asked: Asked
        self._timings: Timings | None = None
        self._start: Start
        self._began_ns = time.monotonic_ns()
        self._looked_ns = 0
        self._use = process_use()
        self._is_over = asyncio.Event()
        self._failure: tuple[str, str] = ("", "")
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Take orders until the last; answers the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGTERM, self._is_over.set)
        self._out = LineOut(self._output, self._is_over.set)
        listen(self._input, self._heard, self._is_over.set)
        await self._is_over.wait()
        await self._leave()
        what, kind = self._failure
        if what:
            self._out.write(messages.line_of(messages.Failed(what=what, kind=kind)))
        self._out.flush()
        return _EXIT_CODES.get(kind, 1)

    # orders

    def _heard(self, line: bytes) -> None:
        if self._is_over.is_set():
            return
        try:
            order = messages.order_of(line)
        except msgspec.DecodeError as exc:
            shown = line[:_SHOWN_MAX].decode("utf-8", "replace")
            self._fail(f"an order that can't be read: {exc}: {shown}", "usage")
            return
        except OtaSimError as exc:  # a value's own check
            self._fail(f"an order that can't be: {exc}", "usage")
            return
        try:
            self._obey(order)
        except Exception as exc:  # noqa: BLE001 - it is said, and ends the shard
            self._fail_by(exc)

    def _obey(self, order: Order) -> None:
        if isinstance(order, Stop):
            self._is_over.set()
        elif isinstance(order, Start):
            self._begin(order)
        elif self._fleet is None:
            raise UsageFault("the first order must be `start`")
        elif isinstance(order, Mark):
            if self._timings is not None:
                self._timings.mark(order.at_ns)
        elif isinstance(order, Storm):
            self._spawn(self._storm(self._fleet, order), "storm")
        else:
            self._answer(order)

    def _begin(self, start: Start) -> None:
        if self._fleet is not None:
            raise UsageFault("a shard is started once")
        self._start = start
        clock = RunningClock(start.clock) if start.clock is not None else None
        recorder = None
        if start.recording is not None:
            began_ns = start.recording.began_ns
            recorder = Recorder(
                wire=start.recording.wire,
                now_ms=lambda: round((time.monotonic_ns() - began_ns) / _NS_PER_MS),
            )
        self._timings = Timings() if start.measures else None
        profile = start.profile
        if start.start_spread_ms is not None:
            profile = replace(profile, start_jitter_ms=start.start_spread_ms)
        self._fleet = Fleet(
            Endpoint(http_address=start.http, mqtt_address=start.mqtt),
            _devices_of(start),
            seed=start.seed,
            profile=profile,
            now_ms=None if clock is None else clock.now_ms,
            connects_in_flight=start.connects_in_flight,
            downloads_in_flight=start.downloads_in_flight,
            calls_in_flight=start.calls_in_flight,
            recorder=recorder,
            timings=self._timings,
            sources=start.sources,
        )
        self._asked = Asked(self._fleet, recorder, clock)
        self._spawn(self._enter(self._fleet), "enter")

    async def _enter(self, fleet: Fleet) -> None:
        await fleet.__aenter__()
        for device_id, faults in self._start.faults:
            fleet.set_faults([device_id], faults)
        empty_bytes = self._use.memory_bytes  # taken before the first order
        self._say(messages.Ready(pid=os.getpid(), devices=len(fleet.device_ids), memory_bytes=empty_bytes))
        if self._start.report_every_ms:
            self._spawn(self._report(fleet), "report")
        await fleet.failed()

    async def _report(self, fleet: Fleet) -> None:
        """Say where the fleet stands, again and again; not while the owner does not listen."""
        every_s = self._start.report_every_ms / 1_000
        while True:
            await asyncio.sleep(every_s)
            if self._out.backlog < BACKLOG_MAX:
                self._say(self._snapshot(fleet))

    async def _storm(self, fleet: Fleet, storm: Storm) -> None:
        ids = fleet.device_ids
        drawn = random.Random(f"{self._start.seed}/{self._start.shard}")
        hit = drawn.sample(ids, min(round(len(ids) * storm.share), len(ids)))
        if storm.at_once:
            fleet.storm(hit)
        else:
            gap_s = storm.over_ms / 1_000 / max(len(hit), 1)
            began = time.monotonic()
            for at, device_id in enumerate(hit):
                fleet.storm([device_id])
                await asyncio.sleep(max(began + gap_s * (at + 1) - time.monotonic(), 0))
        self._say(messages.Stormed(count=len(hit)))

    # calls

    def _answer(self, call: Call) -> None:
        method = CALLS.get(call.method)
        if method is None:
            self._say_error(call, UsageFault(f"{call.method!r} is no call; there are {', '.join(CALLS)}"))
            return
        try:
            args = msgspec.json.decode(call.args, type=method.args)
        except (msgspec.DecodeError, OtaSimError) as exc:
            self._say_error(call, UsageFault(f"{call.method}: {exc}"))
            return
        try:
            value = method.do(self._asked, *args)
        except OtaSimError as exc:
            self._say_error(call, exc)
        else:
            if isinstance(value, Coroutine):
                self._spawn(self._answer_later(call, value), call.method)
            else:
                self._say_value(call, value)

    async def _answer_later(self, call: Call, wait: Awaitable[object]) -> None:
        try:
            value = await wait
        except OtaSimError as exc:
            self._say_error(call, exc)
        else:
            self._say_value(call, value)

    def _say_value(self, call: Call, value: object) -> None:
        self._say(messages.Answer(id=call.id, value=msgspec.Raw(msgspec.json.encode(value))))

    def _say_error(self, call: Call, error: OtaSimError) -> None:
        self._say(messages.Answer(id=call.id, error=str(error), kind=kind_of(error)))

    # the end

    async def _leave(self) -> None:
        """Say how the fleet stood, and let all devices leave."""
        fleet = self._fleet
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if fleet is None or not fleet.is_open:
            return
        ended = messages.Ended(snapshot=self._snapshot(fleet), trace=list(fleet.trace[: messages.TRACE_MAX]))
        with contextlib.suppress(OtaSimError):  # it was told already
            await fleet.__aexit__(None, None, None)
        self._say(ended)

    def _fail(self, what: str, kind: str) -> None:
        if not self._failure[0]:
            self._failure = (what, kind)
        self._is_over.set()

    def _fail_by(self, error: BaseException) -> None:
        said = str(error) if isinstance(error, OtaSimError) else f"{type(error).__name__}: {error}"
        self._fail(said, kind_of(error))

    def _spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception as exc:  # noqa: BLE001 - it is said, and ends the shard
                self._fail_by(exc)

        task = asyncio.create_task(watched(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say(self, event: messages.Event) -> None:
        self._out.write(messages.line_of(event))

    def _snapshot(self, fleet: Fleet) -> Snapshot:
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns >= USE_EVERY_S * 1_000 * _NS_PER_MS or self._is_over.is_set():
            self._use, self._looked_ns = process_use(), now_ns
        return Snapshot(
            at_ms=(now_ns - self._began_ns) // _NS_PER_MS,
            counts=fleet.snapshot(),
            latencies=Latencies(*self._timings.take()) if self._timings is not None else Latencies(),
            cpu_ms=self._use.cpu_ms,
            memory_bytes=self._use.memory_bytes,
            descriptors=self._use.descriptors,
        )


def kind_of(error: BaseException) -> str:
    """Word by whose fault it is, as `messages.Failed` does."""
    match error:
        case UsageFault():
            return "usage"
        case EnvironmentFault():
            return "environment"
        case FleetFailed():
            return "failed"
        case OtaSimError():
            return "fleet"
        case _:
            return "failed"


def _devices_of(start: Start) -> list[Identity]:
    """Give the devices of a start. UsageFault: a file that can't be read, or has not so many rows."""
    rows = start.devices_csv
    if rows is None:
        return start.identities
    found = read_devices_csv(Path(rows.path))
    if rows.stop > len(found):
        raise UsageFault(f"{rows.path}: rows {rows.first} to {rows.stop} are wanted, and it has {len(found)}")
    return found[rows.first : rows.stop]


def main() -> None:
    """Run as a shard until the orders end."""
    output = os.dup(1)
    os.dup2(2, 1)
    gc.freeze()  # devices make few cycles, and nothing of what is imported goes
    gc.set_threshold(*_COLLECTS_AT)
    code = asyncio.run(_run(output))
    sys.stderr.flush()
    os._exit(code)  # the thread that reads orders may wait for ever


async def _run(output: int) -> int:
    return await Shard(0, output).run()


if __name__ == "__main__":
    main()
