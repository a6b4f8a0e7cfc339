"""The steps that cases are made of: what is done, and what is wanted on the wire and at the platform.

Each function makes a step, or a few. Sizes are bytes, times seconds.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import STEP_DOWNLOAD_FAILED
from scenarios.conform.asked import Asked
from scenarios.conform.bench import F_VERSION, S_VERSION, Bench, sure
from scenarios.conform.case import LIMIT_S, QUIET_S, Do, Never, Step, Want
from scenarios.conform.http_relay import Rule, Spoil
from scenarios.conform.judging import false_claim, is_failure, order_fault
from scenarios.conform.record import UPDATED

SIZE_BYTES: Final = 20_000
FIRST: Final = "2.0"
"""Where the first update of a case leads."""
AFTERWARDS: Final = "7.7"
"""Where the update leads that shows a device to be well."""
SETTLE_S: Final = 6.0
WELL_S: Final = 25.0
_OPEN: Final = frozenset({"pending", "downloading", "upgrading"})


# what is done


def start() -> Do:
    """Start the program."""

    async def act(bench: Bench) -> None:
        await bench.program.start()

    return Do("the program is started", act)


def get_in() -> tuple[Step, ...]:
    """Start the program and wait until it has said what it runs."""
    return (start(), Want("it reports its versions", no_version))


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


# what is wanted


def wanted(text: str, lacks: Callable[[Bench], str], limit_s: float = LIMIT_S) -> Want:
    """Want something."""
    return Want(text, lacks, limit_s)


def no_version(bench: Bench) -> str:
    """Say that no version was reported, if so."""
    return "" if bench.record.up("version") else bench.sum_up()


def updated(kind: api.Kind = "FOTA", target: str = FIRST, limit_s: float = LIMIT_S) -> Want:
    """Want the job to be a success, and the platform to know the version."""

    def lacks(bench: Bench) -> str:
        job = bench.jobs.get(target)
        if job is None or job.state != "success":
            return bench.sum_up()
        runs = bench.device.f_version if kind == "FOTA" else bench.device.s_version
        return "" if runs == target else f"the platform knows version {runs}"

    return Want(f"the job to {target} is a success, and the platform knows the version", lacks, limit_s)


def ended(state: str, step: int | None = None, target: str = FIRST, limit_s: float = LIMIT_S) -> Want:
    """Want the job to end so."""

    def lacks(bench: Bench) -> str:
        job = bench.jobs.get(target)
        if job is not None and job.state == state and step in {None, job.step}:
            return ""
        return bench.sum_up()

    at = "" if step is None else f" with step {step}"
    return Want(f"the job ends as {state}{at}", lacks, limit_s)


def asked_for(call: str, what: str, since: str = "", count: int = 1, limit_s: float = LIMIT_S) -> Want:
    """Want a call, or several, after a mark."""

    def lacks(bench: Bench) -> str:
        there = len(bench.record.up(*call.split(), since=bench.since(since)))
        return "" if there >= count else f"{there} came; {bench.sum_up()}"

    return Want(what, lacks, limit_s)


def struck(count: int = 1, limit_s: float = LIMIT_S) -> Want:
    """Want what is spoilt to have gone out."""

    def lacks(bench: Bench) -> str:
        there = sum(rule.struck for rule in bench.http.rules) + sum(rule.struck for rule in bench.mqtt.rules)
        return "" if there >= count else f"it asked for none of it; {bench.sum_up()}"

    return Want("the device asks for what is spoilt", lacks, limit_s)


def keeps_versions() -> Never:
    """Want the device to run what it ran."""

    def found(bench: Bench) -> str:
        for heard in bench.record.up("version"):
            if heard.f_version not in {None, F_VERSION} or heard.s_version not in {None, S_VERSION}:
                return f"it reports {heard.f_version} and {heard.s_version}"
        return ""

    return Never("the device still reports the versions that it had", found)


def no_false_claim(
    kind: api.Kind = "FOTA", target: str = FIRST, size_bytes: int = SIZE_BYTES, for_s: float = QUIET_S
) -> Never:
    """Want no success without the package."""

    def found(bench: Bench) -> str:
        return false_claim(bench.record, target, kind, size_bytes)

    return Never("it claims no package that it was not given", found, for_s)


def in_order(target: str = FIRST) -> Never:
    """Want the steps in a legal order."""

    def found(bench: Bench) -> str:
        steps = [heard.step for heard in bench.record.steps(target) if heard.step is not None]
        return order_fault(steps)

    return Never("the steps come in a legal order", found)


def no_failure(target: str = FIRST, since: str = "cancel", for_s: float = QUIET_S) -> Never:
    """Want no failure reported of a job that has ended at the platform.

    Generation A says `1` for what has ended as for what is not there, and 107 is the answer to that (R-13).
    """

    def found(bench: Bench) -> str:
        steps = bench.record.steps(target, since=bench.since(since))
        can_say_107 = bench.flow == "south"
        failures = [
            heard
            for heard in steps
            if is_failure(heard.step) and not (can_say_107 and heard.step == STEP_DOWNLOAD_FAILED)
        ]
        return f"it reports {failures[0].text}" if failures else ""

    return Never("the device lets go of the job without reporting a failure", found, for_s)


def not_updated(target: str = FIRST, since: str = "cancel", for_s: float = 0.0) -> Never:
    """Want no update reported of a job that has ended at the platform."""

    def found(bench: Bench) -> str:
        steps = bench.record.steps(target, since=bench.since(since))
        there = [heard for heard in steps if heard.step == UPDATED]
        return f"it reports {there[0].text}" if there else ""

    return Never("the device does not install it", found, for_s)


def still_well(kind: api.Kind = "FOTA", target: str = AFTERWARDS) -> tuple[Step, ...]:
    """Want the device to do another update."""
    return (clear(), settle(), offer(kind, target), updated(kind, target, WELL_S))
