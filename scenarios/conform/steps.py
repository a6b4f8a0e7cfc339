"""The steps of cases that do something: at the stub, on the wire, to the program. What is wanted is in `wants`.

Each function makes a step, or a few. Sizes are bytes, times seconds.
"""

import asyncio
import time
from typing import Final

from platform_stub.protocol import operator as api
from scenarios.conform.asked import Asked
from scenarios.conform.bench import Bench, sure
from scenarios.conform.case import Do
from scenarios.conform.http_relay import Rule, Spoil

SIZE_BYTES: Final = 20_000
FIRST: Final = "2.0"
"""Where the first update of a case leads."""
AFTERWARDS: Final = "7.7"
"""Where the update leads that shows a device to be well."""
SETTLE_S: Final = 6.0
WELL_S: Final = 25.0
_OPEN: Final = frozenset({"pending", "downloading", "upgrading"})


def start() -> Do:
    """Start the program."""

    async def act(bench: Bench) -> None:
        await bench.program.start()

    return Do("the program is started", act)


def offer(kind: api.Kind = "FOTA", target: str = FIRST, size_bytes: int = SIZE_BYTES) -> Do:
    """Order an update."""

    async def act(bench: Bench) -> None:
        await bench.offer(kind, target, size_bytes)

    return Do(f"a {kind} task to {target} is created, {size_bytes:,} bytes", act)


def pause(target: str = FIRST) -> Do:
    """Pause a task."""

    async def act(bench: Bench) -> None:
        sure(await bench.operator.pause_task(bench.tasks[target]))

    return Do("the operator pauses the task", act)


def resume(target: str = FIRST) -> Do:
    """Resume a task."""

    async def act(bench: Bench) -> None:
        sure(await bench.operator.resume_task(bench.tasks[target]))

    return Do("the operator resumes the task", act)


def cancel(target: str = FIRST) -> Do:
    """Cancel a task."""

    async def act(bench: Bench) -> None:
        bench.mark("cancel")
        sure(await bench.operator.cancel_task(bench.tasks[target]))

    return Do("the operator cancels the task", act)


def let_time_pass(by_ms: int, what: str) -> Do:
    """Move the account's clock forward."""

    async def act(bench: Bench) -> None:
        bench.mark("cancel")
        await bench.advance(by_ms)

    return Do(f"the platform's clock goes {what} forward", act)


def inject(call: str, what: str, **effects: int | bool) -> Do:
    """Let the stub go wrong towards the device, as `ota-sim serve --inject` does; downloads over MQTT are fuse's."""

    async def act(bench: Bench) -> None:
        generation = "fuse" if bench.flow == "mqtt" and call == "download" else bench.flow
        fault = {"call": call, "generation": generation, **effects}
        sure(await bench.operator.inject(api.InjectFault(**fault)))  # type: ignore[arg-type]  # words of the API

    return Do(what, act)


def clear() -> Do:
    """Let everything go right again."""

    async def act(bench: Bench) -> None:
        bench.http.rules.clear()
        bench.mqtt.rules.clear()
        bench.mqtt.drips = False
        bench.http.held.set()
        bench.http.let_in()
        bench.mqtt.let_in()
        await bench.operator.clear_injected(None)

    return Do("all goes right again", act)


def spoil(calls: str, spoil: Spoil, what: str, times: int | None = None, after: int = 0) -> Do:
    """Let the relay answer calls wrongly; `calls` are words, `after` so many that go right first."""
    named = frozenset(calls.split())
    passed = after

    async def act(bench: Bench) -> None:
        left = passed

        def when(asked: Asked) -> bool:
            nonlocal left
            if asked.call not in named:
                return False
            left -= 1
            return left < 0

        bench.http.rules.append(Rule(when=when, spoil=spoil, left=times))

    return Do(what, act)


def shut() -> Do:
    """Let nobody in."""

    async def act(bench: Bench) -> None:
        bench.http.shut()
        bench.mqtt.shut()
        bench.mark("shut")

    return Do("the platform can't be reached: connections are closed at once", act)


def let_in() -> Do:
    """Let the device in again."""

    async def act(bench: Bench) -> None:
        bench.http.let_in()
        bench.mqtt.let_in()

    return Do("the platform can be reached again", act)


def end_connections() -> Do:
    """End all connections, once."""

    async def act(bench: Bench) -> None:
        bench.mark("ended")
        bench.http.end_all()
        bench.mqtt.end_all()

    return Do("the platform ends the connections", act)


def let_go() -> Do:
    """Let what is held go on."""

    async def act(bench: Bench) -> None:
        bench.http.held.set()

    return Do("what was held goes on", act)


def kill() -> Do:
    """Kill the program, as a loss of power does."""

    async def act(bench: Bench) -> None:
        bench.mark("killed")
        await bench.program.kill()
        bench.http.end_all()
        bench.mqtt.end_all()

    return Do("the program is killed, as by a loss of power", act)


def mark(name: str = "") -> Do:
    """Remember where the record is."""

    async def act(bench: Bench) -> None:
        bench.mark(name)

    return Do("", act)


def settle(target: str = FIRST) -> Do:
    """Give a job some time to end, and cancel it if it does not."""

    async def act(bench: Bench) -> None:
        until_s = time.monotonic() + SETTLE_S
        await bench.look()
        while bench.jobs[target].state in _OPEN and time.monotonic() < until_s:
            await asyncio.sleep(0.1)
            await bench.look()
        if bench.jobs[target].state in _OPEN:
            await bench.operator.cancel_job(bench.jobs[target].tid)

    return Do("the job may end, or else is cancelled", act)
